-- A statement's boundaries: the last line before the period and the last line within it, and whether it is final.
--
-- A write in flight can only add lines after the account's last one: where a boundary has passed since that line, and
-- only there, the read waits for the account's lock. A function, because each of its statements sees what was committed before
-- it began.

create function statement(of_account bigint, period_start timestamptz, period_end timestamptz)
    returns table (
        opening_seq integer, opening bigint,
        opening_granted bigint, opening_charged bigint, opening_refunded bigint, opening_adjusted bigint,
        closing_seq integer, closing bigint,
        closing_granted bigint, closing_charged bigint, closing_refunded bigint, closing_adjusted bigint,
        final boolean)
    language plpgsql
as $$
declare
    now_   timestamptz := clock_timestamp();
    ended  boolean := period_end <= now_;
    passed timestamptz := case when ended then period_end when period_start <= now_ then period_start end;
    a      account;
begin
    select * into a from account where id = of_account;
    if not found then
        return;
    end if;
    if passed is not null and (a.recorded_at is null or a.recorded_at < passed) then
        select * into a from account where id = of_account for share;
    end if;
    return query
    select coalesce(o.seq, 0), coalesce(o.balance_after, 0),
           coalesce(o.granted_after, 0), coalesce(o.charged_after, 0),
           coalesce(o.refunded_after, 0), coalesce(o.adjusted_after, 0),
           coalesce(c.seq, 0), coalesce(c.balance_after, 0),
           coalesce(c.granted_after, 0), coalesce(c.charged_after, 0),
           coalesce(c.refunded_after, 0), coalesce(c.adjusted_after, 0),
           ended and (a.live or coalesce(a.recorded_at >= period_end, false))
    from (values (0)) one
    left join lateral (
        select * from entry e where e.account_id = of_account and e.recorded_at < period_start
        order by e.recorded_at desc, e.seq desc limit 1) o on true
    left join lateral (
        select * from entry e where e.account_id = of_account and e.recorded_at < period_end
        order by e.recorded_at desc, e.seq desc limit 1) c on true;
end $$;
