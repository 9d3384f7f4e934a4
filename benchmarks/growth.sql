-- An account with a history of %(lines)s lines, made as a set: the ledger's own way holds every line against the one
-- before it, which takes an hour for ten million. Triggers are off for the session; the checks of each row are not.
set session_replication_role = replica;

insert into account (key, name, unit, scale, time_zone, overdraft_limit, input_hash, opened_at,
                     balance, last_seq, granted, charged, refunded, adjusted, recorded_at, live)
select 'growth-%(lines)s', 'Growth', 'credits', 0, 'UTC', 0, '', now(),
       granted - charged + refunded, %(lines)s, granted, charged, refunded, 0, now(), true
from (select 1000000000000 as granted, 3 * (%(lines)s - 1 - %(lines)s / 4) as charged, 3 * (%(lines)s / 4) as refunded) t;

insert into entry (account_id, seq, kind, amount, balance_after, granted_after, charged_after, refunded_after,
                   adjusted_after, reason_code, detail, campaign, charge_seq, imported, occurred_at, recorded_at)
select account_id, n, kind, case kind when 'GRANT' then granted when 'CHARGE' then -3 else 3 end,
       granted - charged + refunded, granted, charged, refunded, 0,
       case kind when 'GRANT' then 'GRANT_PLAN' when 'CHARGE' then 'USAGE_CHARGE' else 'PROVIDER_ERROR' end,
       case kind when 'REFUND' then 'The provider did not answer.' end,
       -- A refund has its charge's campaign.
       case when (n - (kind = 'REFUND')::int) %% 199 = 1 then 'rare' else 'spring' end,
       case kind when 'REFUND' then n - 1 end, false, at, at
from (
    select a.id as account_id, n, case when n = 1 then 'GRANT' when n %% 4 = 0 then 'REFUND' else 'CHARGE' end as kind,
           1000000000000 as granted, 3 * (n - 1 - n / 4) as charged, 3 * (n / 4) as refunded,
           now() - make_interval(secs => (%(lines)s - n) * 0.001) as at
    from account a, generate_series(1, %(lines)s) n where a.key = 'growth-%(lines)s'
) line;

insert into idempotency_key (account_id, key, operation, input_hash, seq)
select e.account_id, 'made-' || e.seq, e.kind, '\x00', e.seq
from entry e join account a on a.id = e.account_id where a.key = 'growth-%(lines)s';

set session_replication_role = origin;
