-- Binds a customer's connection to its account and reads the account, in one round trip. It runs with the
-- rights of whoever calls it: the policies decide what is there to read.
create function bound_account(own bigint) returns setof account language plpgsql as $$
begin
    perform set_config('usage_feed.account', own::text, false);
    return query select * from account where id = own;
end $$;
