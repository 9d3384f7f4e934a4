-- What no path, script or migration gets past: lines are append-only, follow from the line before, and are the
-- only thing that moves a balance.

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% on "%" is refused: what is booked never changes', tg_op, tg_table_name
        using errcode = 'restrict_violation',
              hint = 'A mistake is mended by a new line: a refund or an adjustment.';
end $$;

create trigger entry_is_append_only before update or delete or truncate on entry
    for each statement execute function refuse_change();
create trigger idempotency_key_is_append_only before update or delete or truncate on idempotency_key
    for each statement execute function refuse_change();
create trigger job_is_never_removed before delete or truncate on job
    for each statement execute function refuse_change();
create trigger account_is_never_removed before delete or truncate on account
    for each statement execute function refuse_change();

create function job_ends_once() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.status <> 'RUNNING' then
            raise exception 'a job starts RUNNING' using errcode = 'restrict_violation';
        end if;
    elsif old.status <> 'RUNNING' or new.status = 'RUNNING'
       or (new.account_id, new.charge_seq, new.key, new.operation, new.started_at, new.deadline_at, new.due_at)
          is distinct from
          (old.account_id, old.charge_seq, old.key, old.operation, old.started_at, old.deadline_at, old.due_at)
       or new.campaign is distinct from old.campaign
    then
        raise exception 'job % of account % ends once, and only its end may be written', old.charge_seq, old.account_id
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger job_ends_once before insert or update on job for each row execute function job_ends_once();

create function balance_moves_by_lines_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if (new.last_seq, new.balance, new.granted, new.charged, new.refunded, new.adjusted) <> (0, 0, 0, 0, 0, 0)
           or new.recorded_at is not null or new.live
        then
            raise exception 'an account opens empty' using errcode = 'restrict_violation';
        end if;
    elsif (new.id, new.key, new.unit, new.scale, new.input_hash)
          is distinct from (old.id, old.key, old.unit, old.scale, old.input_hash)
    then
        raise exception 'the identity of account % never changes', old.id using errcode = 'restrict_violation';
    elsif new.overdraft_limit < old.overdraft_limit then
        raise exception 'the overdraft limit of account % is never lowered: charges rest on it', old.id
            using errcode = 'restrict_violation';
    elsif pg_trigger_depth() < 2
          and (new.last_seq, new.balance, new.granted, new.charged, new.refunded, new.adjusted, new.recorded_at, new.live)
              is distinct from
              (old.last_seq, old.balance, old.granted, old.charged, old.refunded, old.adjusted, old.recorded_at, old.live)
    then
        raise exception 'the balance of account % moves by lines only', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger balance_moves_by_lines_only before insert or update on account
    for each row execute function balance_moves_by_lines_only();

-- Runs once for the statement that inserts lines: holds each against the one before it, then moves the balances.
create function entry_follows_from_its_predecessor() returns trigger language plpgsql
    set enable_seqscan = off
as $$
declare
    broken record;
begin
    select l.account_id, l.seq into broken
    from (
        select n.*, a.live as account_live, a.overdraft_limit,
               lag(n.seq, 1, a.last_seq) over line as seq_before,
               lag(n.balance_after, 1, a.balance) over line as balance_before,
               lag(n.granted_after, 1, a.granted) over line as granted_before,
               lag(n.charged_after, 1, a.charged) over line as charged_before,
               lag(n.refunded_after, 1, a.refunded) over line as refunded_before,
               lag(n.adjusted_after, 1, a.adjusted) over line as adjusted_before,
               lag(n.recorded_at, 1, a.recorded_at) over line as recorded_before,
               bool_or(not n.imported) over (line rows between unbounded preceding and 1 preceding) as live_before
        from new_line n join account a on a.id = n.account_id
        window line as (partition by n.account_id order by n.seq)
    ) l
    where l.seq <> l.seq_before + 1
       or l.balance_after <> l.balance_before + l.amount
       or l.granted_after <> l.granted_before + case when l.kind = 'GRANT' then l.amount else 0 end
       or l.charged_after <> l.charged_before - case when l.kind = 'CHARGE' then l.amount else 0 end
       or l.refunded_after <> l.refunded_before + case when l.kind = 'REFUND' then l.amount else 0 end
       or l.adjusted_after <> l.adjusted_before + case when l.kind = 'ADJUSTMENT' then l.amount else 0 end
       or l.recorded_at < l.recorded_before
       or l.recorded_at > greatest(clock_timestamp(), l.recorded_before)
       or (not l.imported and l.recorded_at < transaction_timestamp())
       or (l.imported and (l.account_live or l.live_before))
       or (l.kind = 'CHARGE' and l.balance_after < -l.overdraft_limit)
    limit 1;
    if found then
        raise exception 'line % of account % does not follow from the line before it', broken.seq, broken.account_id
            using errcode = 'integrity_constraint_violation';
    end if;

    select r.account_id, r.seq into broken
    from new_line r join entry c on c.account_id = r.account_id and c.seq = r.charge_seq
    where c.kind <> 'CHARGE'
       or (r.job_seq, r.campaign) is distinct from (c.job_seq, c.campaign)
       or -c.amount < (select sum(e.amount) from entry e where e.account_id = r.account_id and e.charge_seq = r.charge_seq)
    limit 1;
    if found then
        raise exception 'line % of account % refunds what is no charge, another job''s, or more than the charge took',
            broken.seq, broken.account_id using errcode = 'integrity_constraint_violation';
    end if;

    update account a
    set last_seq = l.seq, balance = l.balance_after, granted = l.granted_after, charged = l.charged_after,
        refunded = l.refunded_after, adjusted = l.adjusted_after, recorded_at = l.recorded_at,
        live = a.live or l.live
    from (select distinct on (n.account_id) n.*,
                 bool_or(not n.imported) over (partition by n.account_id) as live
          from new_line n order by n.account_id, n.seq desc) l
    where a.id = l.account_id;
    return null;
end $$;
create trigger entry_follows_from_its_predecessor after insert on entry
    referencing new table as new_line
    for each statement execute function entry_follows_from_its_predecessor();
