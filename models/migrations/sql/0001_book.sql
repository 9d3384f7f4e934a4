-- The writer: the only maker of lines. One call takes an array of intents and answers one outcome each.
--
-- Locks every account once, in the order of their ids, then decides each account's intents in array order. A refused
-- intent leaves no trace and does not spoil its neighbours. Bounds of single fields are the caller's to check.

create type intent as (
    operation        text,         -- OPEN_ACCOUNT GRANT CHARGE REFUND ADJUSTMENT START_JOB FINISH_JOB EXPIRE_JOB
    account_id       bigint,
    key              text,         -- the idempotency key; of OPEN_ACCOUNT the account's key
    input_hash       bytea,
    amount           bigint,       -- a magnitude; signed for ADJUSTMENT; null for REFUND: all that is left
    reason_code      text,
    detail           text,
    campaign         text,
    metadata         jsonb,
    occurred_at      timestamptz,
    recorded_at      timestamptz,  -- given: history from elsewhere
    charge_seq       integer,      -- REFUND, EXPIRE_JOB
    corrects_seq     integer,      -- ADJUSTMENT
    author           text,         -- ADJUSTMENT
    note             text,         -- ADJUSTMENT
    job_key          text,         -- START_JOB, FINISH_JOB
    job_operation    text,         -- START_JOB
    deadline_seconds integer,      -- START_JOB
    status           text,         -- FINISH_JOB, EXPIRE_JOB: the outcome and the reason reported for it
    reported_code    text,
    done             integer,      -- FINISH_JOB
    total            integer,      -- FINISH_JOB
    owed_parts       integer,      -- FINISH_JOB, EXPIRE_JOB: the rule's ruling,
    parts            integer,      --     owed_parts / parts of the charge is owed back,
    decision_code    text,         --     for this reason,
    rule             text,         --     says this rule
    name             text,         -- OPEN_ACCOUNT
    unit             text,
    scale            integer,
    time_zone        text,
    overdraft_limit  bigint
);

create type outcome as (
    ord         integer,  -- the intent's place in the array, from 1
    status      text,     -- DONE REPLAYED or a refusal's name
    account     account,
    entry       entry,
    job         job,
    field       text,     -- INVALID_INPUT: the field, and what is wrong with it
    problem     text,
    credits     bigint    -- INSUFFICIENT_CREDITS: available. REFUND_EXCEEDS_CHARGE: left.
);

create function refused(status text, field text default null, problem text default null, credits bigint default null)
    returns outcome language sql immutable
as $$
    select row(null, status, null, null, null, field, problem, credits)::outcome
$$;

create function is_reason_for(code text, kind text) returns boolean language sql stable
as $$
    select exists (select from reason r where r.code = is_reason_for.code and r.kind = is_reason_for.kind)
$$;

-- Whether a line's balance and totals are credits that every reader can hold exactly.
create function is_exact(e entry) returns boolean language sql immutable
as $$
    select greatest(abs(e.balance_after), e.granted_after, e.charged_after, e.refunded_after, abs(e.adjusted_after))
           <= 9007199254740991
$$;

create function beyond_exact() returns outcome language sql immutable
as $$
    select refused('INVALID_INPUT', 'amount', 'The amount would take the balance or a total beyond 9007199254740991.')
$$;

-- The line that intent `i` adds after account `a`'s last one, at `at`.
create function next_line(a account, i intent, kind text, amount bigint, at timestamptz) returns entry
    language plpgsql immutable
as $$
declare
    e entry;
begin
    e.account_id := a.id;
    e.seq := a.last_seq + 1;
    e.kind := kind;
    e.amount := amount;
    e.balance_after := a.balance + amount;
    e.granted_after := a.granted + case when kind = 'GRANT' then amount else 0 end;
    e.charged_after := a.charged - case when kind = 'CHARGE' then amount else 0 end;
    e.refunded_after := a.refunded + case when kind = 'REFUND' then amount else 0 end;
    e.adjusted_after := a.adjusted + case when kind = 'ADJUSTMENT' then amount else 0 end;
    e.reason_code := i.reason_code;
    e.detail := i.detail;
    e.campaign := i.campaign;
    e.author := i.author;
    e.note := i.note;
    e.corrects_seq := i.corrects_seq;
    e.imported := i.recorded_at is not null;
    e.occurred_at := coalesce(i.occurred_at, at);
    e.recorded_at := at;
    e.metadata := i.metadata;
    return e;
end $$;

-- Inserts decided lines, and rings once for each account they belong to, at commit.
create function append_lines(lines entry[]) returns void language plpgsql
as $$
begin
    insert into entry select * from unnest(lines);
    perform pg_notify('usage_feed', l.account_id::text) from (select distinct account_id from unnest(lines)) l;
end $$;

create function open_account(i intent) returns outcome language plpgsql
as $$
declare
    o outcome;
    a account;
begin
    begin
        perform clock_timestamp() at time zone i.time_zone;
    exception when invalid_parameter_value then
        return refused('INVALID_INPUT', 'timeZone', 'timeZone is not one that the database knows.');
    end;
    insert into account (key, name, unit, scale, time_zone, overdraft_limit, input_hash, opened_at,
                         balance, last_seq, granted, charged, refunded, adjusted, live)
    values (i.key, i.name, i.unit, i.scale, i.time_zone, i.overdraft_limit, i.input_hash, clock_timestamp(),
            0, 0, 0, 0, 0, 0, false)
    on conflict (key) do nothing
    returning * into a;
    o.status := 'DONE';
    if not found then
        select * into a from account where key = i.key;
        o.status := case when a.input_hash = i.input_hash then 'REPLAYED' else 'IDEMPOTENCY_CONFLICT' end;
    end if;
    o.account := a;
    return o;
end $$;

-- GRANT and ADJUSTMENT: no balance limits them.
create function put_in(a account, i intent, at timestamptz) returns outcome language plpgsql
as $$
declare
    o outcome;
begin
    if not is_reason_for(i.reason_code, i.operation) then
        return refused('UNKNOWN_REASON');
    elsif i.corrects_seq is not null and not i.corrects_seq between 1 and a.last_seq then
        return refused('ENTRY_NOT_FOUND');
    end if;
    o.entry := next_line(a, i, i.operation, i.amount, at);
    if not is_exact(o.entry) then
        return beyond_exact();
    end if;
    o.status := 'DONE';
    return o;
end $$;

-- CHARGE and START_JOB: takes credits, never more than are available.
create function charge(a account, i intent, at timestamptz, now_ timestamptz) returns outcome language plpgsql
as $$
declare
    o         outcome;
    e         entry;
    j         job;
    available bigint := greatest(0, a.balance + a.overdraft_limit);
begin
    if i.operation = 'START_JOB' then
        select * into j from job where account_id = a.id and key = i.job_key;
        if found then
            o.status := 'JOB_ALREADY_EXISTS';
            o.job := j;
            return o;
        end if;
    end if;
    if not is_reason_for(i.reason_code, 'CHARGE') then
        return refused('UNKNOWN_REASON');
    elsif i.amount > available then
        return refused('INSUFFICIENT_CREDITS', credits => available);
    end if;
    e := next_line(a, i, 'CHARGE', -i.amount, at);
    if not is_exact(e) then
        return beyond_exact();
    end if;
    if i.operation = 'START_JOB' then
        e.job_seq := e.seq;
        insert into job (account_id, charge_seq, key, operation, campaign, status, started_at, deadline_at, due_at)
        values (a.id, e.seq, i.job_key, i.job_operation, i.campaign, 'RUNNING', e.occurred_at,
                at + make_interval(secs => i.deadline_seconds), now_ + make_interval(secs => i.deadline_seconds))
        returning * into j;
        o.job := j;
    end if;
    o.entry := e;
    o.status := 'DONE';
    return o;
end $$;

-- What is left of a charge: its magnitude less its refunds.
create function left_of(charge entry) returns bigint language sql stable
as $$
    select (-charge.amount - coalesce(sum(e.amount), 0))::bigint
    from entry e where e.account_id = charge.account_id and e.charge_seq = charge.seq
$$;

create function refund_line(a account, i intent, charge entry, amount bigint, at timestamptz) returns entry
    language plpgsql immutable
as $$
declare
    e entry;
begin
    i.campaign := charge.campaign;
    e := next_line(a, i, 'REFUND', amount, at);
    e.charge_seq := charge.seq;
    e.job_seq := charge.job_seq;
    return e;
end $$;

-- REFUND: gives back a charge, wholly or in part, never more than is left of it.
create function refund(a account, i intent, at timestamptz) returns outcome language plpgsql
as $$
declare
    o      outcome;
    c      entry;
    unused bigint;
begin
    select * into c from entry where account_id = a.id and seq = i.charge_seq and kind = 'CHARGE';
    if not found then
        return refused('CHARGE_NOT_FOUND');
    elsif not is_reason_for(i.reason_code, 'REFUND') then
        return refused('UNKNOWN_REASON');
    end if;
    unused := left_of(c);
    if unused = 0 or i.amount > unused then
        return refused('REFUND_EXCEEDS_CHARGE', credits => unused);
    end if;
    o.entry := refund_line(a, i, c, coalesce(i.amount, unused), at);
    if not is_exact(o.entry) then
        return beyond_exact();
    end if;
    o.status := 'DONE';
    return o;
end $$;

-- FINISH_JOB and EXPIRE_JOB: whoever gets here first decides, and what the rule says is owed and has not come back
-- yet is refunded.
create function end_job(a account, i intent, at timestamptz, now_ timestamptz) returns outcome language plpgsql
as $$
declare
    o    outcome;
    c    entry;
    e    entry;
    j    job;
    back bigint;
begin
    select * into j from job
    where account_id = a.id
      and case i.operation when 'FINISH_JOB' then key = i.job_key else charge_seq = i.charge_seq and due_at <= now_ end;
    if not found then
        return refused('JOB_NOT_FOUND');
    elsif j.status <> 'RUNNING' then
        o.job := j;
        -- A report after the deadline's refund, or the same outcome again, stands and moves nothing.
        o.status := case when j.status = 'EXPIRED' or
                              (j.status, j.reason_code) = (i.status, i.reported_code)
                              and (j.done, j.total) is not distinct from (i.done, i.total)
                         then 'DONE' else 'JOB_ALREADY_FINISHED' end;
        return o;
    end if;

    select * into c from entry where account_id = a.id and seq = j.charge_seq;
    if i.operation = 'EXPIRE_JOB' and c.imported and not a.live then
        i.recorded_at := j.deadline_at;
        at := greatest(j.deadline_at, a.recorded_at);
    end if;
    -- Rounded up in whole numbers: a numeric quotient keeps too few digits for large charges.
    back := greatest(div(-c.amount::numeric * i.owed_parts + i.parts - 1, i.parts)::bigint - (-c.amount - left_of(c)), 0);
    if back > 0 then
        i.reason_code := i.decision_code;
        e := refund_line(a, i, c, back, at);
        e.rule := i.rule;
        if not is_exact(e) then
            return beyond_exact();
        end if;
        o.entry := e;
    end if;
    update job
    set status = i.status, finished_at = coalesce(i.occurred_at, at), reason_code = i.reported_code,
        done = i.done, total = i.total,
        decision_code = case when back = 0 and i.owed_parts > 0 then 'ALREADY_REFUNDED' else i.decision_code end,
        decision_detail = i.detail, decision_refunded = back, decision_rule = i.rule
    where account_id = a.id and charge_seq = j.charge_seq
    returning * into j;
    o.job := j;
    o.status := 'DONE';
    return o;
end $$;

create function decide(a account, i intent, now_ timestamptz) returns outcome language plpgsql
as $$
declare
    at timestamptz := greatest(coalesce(i.recorded_at, now_), a.recorded_at);
begin
    if i.recorded_at > now_ then
        return refused('INVALID_INPUT', 'recordedAt', 'recordedAt must not be later than now.');
    elsif i.recorded_at is not null and a.live then
        return refused('INVALID_INPUT', 'recordedAt',
                       'The account has lines booked as they happened, so no history can be imported any more.');
    end if;
    return case
        when i.operation in ('GRANT', 'ADJUSTMENT') then put_in(a, i, at)
        when i.operation in ('CHARGE', 'START_JOB') then charge(a, i, at, now_)
        when i.operation = 'REFUND' then refund(a, i, at)
        when i.operation in ('FINISH_JOB', 'EXPIRE_JOB') then end_job(a, i, at, now_)
    end;
end $$;

-- What an idempotency key already stands for: the original outcome, or a conflict where the input differs.
create function recall(bound idempotency_key, i intent) returns outcome language plpgsql stable
as $$
declare
    o outcome;
    e entry;
    j job;
begin
    o.status := case when bound.input_hash = i.input_hash then 'REPLAYED' else 'IDEMPOTENCY_CONFLICT' end;
    if bound.seq is not null then
        select * into e from entry where account_id = bound.account_id and seq = bound.seq;
        o.entry := e;
    end if;
    if bound.job_seq is not null then
        select * into j from job where account_id = bound.account_id and charge_seq = bound.job_seq;
        o.job := j;
    end if;
    return o;
end $$;

create function book(intents intent[]) returns setof outcome language plpgsql
    set enable_seqscan = off
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
    lines   entry[] := '{}';   -- decided, not inserted yet
    waiting bigint[] := '{}';  -- the accounts of those lines
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

    n := 0;
    foreach i in array intents loop
        n := n + 1;
        continue when i.operation = 'OPEN_ACCOUNT';
        if a.id is distinct from i.account_id then
            if i.account_id = any (waiting) then
                perform append_lines(lines);
                lines := '{}'; waiting := '{}';
            end if;
            -- One that was opened while the locks were waited for is not locked: not there yet.
            select * into a from account where id = i.account_id and id = any (locked);
        end if;
        bound := null;
        if a.id is not null and i.key is not null then
            select * into bound from idempotency_key where account_id = a.id and key = i.key;
        end if;
        -- Whatever looks a line up must find those decided a moment ago.
        if a.id = any (waiting) and (bound.key is not null or i.operation in ('REFUND', 'FINISH_JOB', 'EXPIRE_JOB')) then
            perform append_lines(lines);
            lines := '{}'; waiting := '{}';
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
                if not coalesce(a.id = any (waiting), false) then
                    waiting := waiting || a.id;
                end if;
                a.last_seq := e.seq; a.balance := e.balance_after; a.granted := e.granted_after;
                a.charged := e.charged_after; a.refunded := e.refunded_after; a.adjusted := e.adjusted_after;
                a.recorded_at := e.recorded_at; a.live := a.live or not e.imported;
            end if;
            if i.key is not null then
                insert into idempotency_key (account_id, key, operation, input_hash, seq, job_seq)
                values (a.id, i.key, i.operation, i.input_hash, e.seq, j.charge_seq);
            end if;
        end if;
        o.ord := n;
        if a.id is not null then
            o.account := a;
        end if;
        return next o;
    end loop;
    if lines <> '{}' then
        perform append_lines(lines);
    end if;
end $$;
