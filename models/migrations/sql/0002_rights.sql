-- Who may do what in the database itself: a fence beneath the one in the resolvers.
--
-- usage_feed_server runs the API: it reads, and writes what `book` writes, but owns nothing, so that no
-- statement of the server's can put a trigger or a constraint aside.
-- usage_feed_customer reads the lines of one account: the one that `usage_feed.account` names on its
-- connection. Everything else is not there for it.

do $$
declare
    role text;
begin
    foreach role in array array['usage_feed_server', 'usage_feed_customer'] loop
        if not exists (select from pg_roles where rolname = role) then
            begin
                execute format('create role %I nologin', role);
            exception
                when duplicate_object or unique_violation then null;  -- another database's migration was faster
                when insufficient_privilege then
                    raise exception 'the role % is missing and % may not create it', role, current_user
                        using hint = format('As an administrator: create role %I nologin; grant %I to %I;',
                                            role, role, current_user);
            end;
        end if;
        if not pg_has_role(current_user, role, 'member') then
            execute format('grant %I to %I', role, current_user);
        end if;
    end loop;
end $$;

grant usage on schema public to usage_feed_server, usage_feed_customer;
grant select on reason, service_key, account, entry, job, idempotency_key to usage_feed_server;
grant insert on entry, idempotency_key to usage_feed_server;
grant insert, update on account, job to usage_feed_server;
grant usage on sequence account_id_seq to usage_feed_server;

grant select on reason, account, entry, job to usage_feed_customer;
-- A lock in share mode, which a statement takes to read behind a write in flight, needs the right to update a
-- column; the policy below lets no update through.
grant update (opened_at) on account to usage_feed_customer;

create function own_account() returns bigint language sql stable parallel safe
as $$ select nullif(current_setting('usage_feed.account', true), '')::bigint $$;

alter table account enable row level security;
alter table entry enable row level security;
alter table job enable row level security;
alter table idempotency_key enable row level security;

create policy server on account to usage_feed_server using (true);
create policy server on entry to usage_feed_server using (true);
create policy server on job to usage_feed_server using (true);
create policy server on idempotency_key to usage_feed_server using (true);

create policy own on account for select to usage_feed_customer using (id = own_account());
create policy own_is_locked_only on account for update to usage_feed_customer
    using (id = own_account()) with check (false);
create policy own on entry for select to usage_feed_customer using (account_id = own_account());
create policy own on job for select to usage_feed_customer using (account_id = own_account());
