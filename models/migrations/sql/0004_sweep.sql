-- A role of its own for the sweep: it ends jobs whose deadline has passed and books their refunds, and can do
-- nothing else. No credential of anybody's reaches it.

do $$
begin
    if not exists (select from pg_roles where rolname = 'usage_feed_sweep') then
        begin
            create role usage_feed_sweep nologin;
        exception
            when duplicate_object or unique_violation then null;  -- another database's migration was faster
            when insufficient_privilege then
                raise exception 'the role usage_feed_sweep is missing and % may not create it', current_user
                    using hint = format('As an administrator: create role usage_feed_sweep nologin; '
                                        'grant usage_feed_sweep to %I;', current_user);
        end;
    end if;
    if not pg_has_role(current_user, 'usage_feed_sweep', 'member') then
        execute format('grant usage_feed_sweep to %I', current_user);
    end if;
end $$;

grant usage on schema public to usage_feed_sweep;
grant select on reason, account, entry, job to usage_feed_sweep;
grant insert on entry to usage_feed_sweep;
-- What the line that is inserted moves, and what the end of a job writes.
grant update (balance, last_seq, granted, charged, refunded, adjusted, recorded_at, live) on account to usage_feed_sweep;
grant update (status, finished_at, reason_code, done, total, decision_code, decision_detail, decision_refunded,
              decision_rule) on job to usage_feed_sweep;

create policy sweep on account to usage_feed_sweep using (true);
create policy sweep_reads on entry for select to usage_feed_sweep using (true);
create policy sweep_refunds on entry for insert to usage_feed_sweep
    with check (kind = 'REFUND' and rule is not null and job_seq is not null);
create policy sweep_reads on job for select to usage_feed_sweep using (true);
create policy sweep_ends_what_is_due on job for update to usage_feed_sweep
    using (status = 'RUNNING' and due_at <= clock_timestamp()) with check (status = 'EXPIRED');
