-- Whatever the writer looks up, it looks up by a key. A plan that was made while a table had a few rows may join by
-- reading all of it, and is kept until statistics are gathered: thousands of lines later every batch read them all.

alter function book(intent[]) set enable_hashjoin = off;
alter function book(intent[]) set enable_mergejoin = off;
alter function entry_follows_from_its_predecessor() set enable_hashjoin = off;
alter function entry_follows_from_its_predecessor() set enable_mergejoin = off;
