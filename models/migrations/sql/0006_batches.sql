-- What a batch needs of the database, asked once for all of its intents: which keys stand already, and the binding of
-- the new ones. And the plan of the check of lines, which read all accounts where a few would do.

drop function append_lines(entry[]);

-- Inserts decided lines and the keys that stand for them, and rings once for all accounts they belong to, at commit.
create function append_lines(lines entry[], keys idempotency_key[]) returns void language plpgsql
as $$
begin
    if lines <> '{}' then
        insert into entry select * from unnest(lines);
        -- A notification holds 8,000 bytes, an id has up to 19 digits.
        perform pg_notify('usage_feed', string_agg(a.account_id::text, ' '))
        from (select account_id, row_number() over () / 300 as part
              from (select distinct account_id from unnest(lines)) l) a
        group by a.part;
    end if;
    if keys <> '{}' then
        insert into idempotency_key select * from unnest(keys);
    end if;
end $$;

-- The places of the intents whose key may stand for something by the time they are decided: it is bound, or another
-- intent of the same call has it too.
create function bound_or_twice(intents intent[]) returns integer[] language sql stable
as $$
    select coalesce(array_agg(u.place), '{}')
    from (select account_id, key, ordinality::integer as place, count(*) over (partition by account_id, key) > 1 as is_twice
          from unnest(intents) with ordinality
          where operation <> 'OPEN_ACCOUNT') u
    left join idempotency_key k on k.account_id = u.account_id and k.key = u.key  -- left: each is looked up by its key
    where k.key is not null or u.is_twice
$$;

create or replace function book(intents intent[]) returns setof outcome language plpgsql
    set enable_seqscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
    set plan_cache_mode = force_generic_plan
as $$
declare
    i       intent;
    o       outcome;
    e       entry;
    j       job;
    a       account;
    bound   idempotency_key;
    n       integer := 0;
    now_    timestamptz;
    locked  bigint[];
    asked   integer[] := '{}';          -- the places of intents whose key is looked up
    lines   entry[] := '{}';            -- decided, not inserted yet
    keys    idempotency_key[] := '{}';  -- to be bound with them
    waiting bigint[] := '{}';           -- the accounts of those lines
begin
    for n in select s from generate_subscripts(intents, 1) s
             where intents[s].operation = 'OPEN_ACCOUNT' order by intents[s].key, s
    loop
        o := open_account(intents[n]);
        o.ord := n;
        return next o;
    end loop;

    locked := array(select id from account
                    where id = any (array(select u.account_id from unnest(intents) u))
                    order by id for no key update);
    now_ := clock_timestamp();
    if exists (select from unnest(intents) u where u.key is not null) then
        asked := bound_or_twice(intents);
    end if;

    n := 0;
    foreach i in array intents loop
        n := n + 1;
        continue when i.operation = 'OPEN_ACCOUNT';
        bound := null;
        -- Whatever is looked up must find what was decided a moment ago.
        if n = any (asked) or (i.account_id = any (waiting)
                               and (a.id is distinct from i.account_id
                                    or i.operation in ('REFUND', 'FINISH_JOB', 'EXPIRE_JOB')))
        then
            perform append_lines(lines, keys);
            lines := '{}'; keys := '{}'; waiting := '{}';
        end if;
        if a.id is distinct from i.account_id then
            -- One that was opened while the locks were waited for is not locked: not there yet.
            select * into a from account where id = i.account_id and id = any (locked);
        end if;
        if n = any (asked) then
            select * into bound from idempotency_key where account_id = a.id and key = i.key;
        end if;

        if a.id is null then
            o := refused(case when i.operation = 'REFUND' then 'CHARGE_NOT_FOUND' else 'ACCOUNT_NOT_FOUND' end);
        elsif bound.key is not null then
            o := recall(bound, i);
        else
            o := decide(a, i, now_);
        end if;

        if o.status = 'DONE' then
            e := o.entry;
            j := o.job;
            if e.seq is not null then
                lines := lines || e;
                if waiting = '{}' or waiting[cardinality(waiting)] <> a.id then
                    waiting := waiting || a.id;
                end if;
                a.last_seq := e.seq; a.balance := e.balance_after; a.granted := e.granted_after;
                a.charged := e.charged_after; a.refunded := e.refunded_after; a.adjusted := e.adjusted_after;
                a.recorded_at := e.recorded_at; a.live := a.live or not e.imported;
            end if;
            if i.key is not null then
                bound.account_id := a.id; bound.key := i.key; bound.operation := i.operation;
                bound.input_hash := i.input_hash; bound.seq := e.seq; bound.job_seq := j.charge_seq;
                keys := keys || bound;
            end if;
        end if;
        o.ord := n;
        if a.id is not null then
            o.account := a;
        end if;
        return next o;
    end loop;
    perform append_lines(lines, keys);
end $$;

create or replace function entry_follows_from_its_predecessor() returns trigger language plpgsql
    set enable_seqscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
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
        from new_line n left join account a on a.id = n.account_id  -- left: each is looked up by its id
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
