-- A page of an account's lines, newest first, below a seq: one statement, for all who write by hand.
select a.balance, e.seq, e.kind, e.amount, e.balance_after, e.campaign, e.occurred_at, e.recorded_at,
       r.code, r.title, e.detail, r.fault, e.rule is not null as automatic, e.charge_seq, c.amount as charge_amount
from account a
left join lateral (
    select * from entry x where x.account_id = a.id and x.seq < $2 order by x.seq desc limit 51
) e on true
left join reason r on r.code = e.reason_code
left join entry c on c.account_id = e.account_id and c.seq = e.charge_seq
where a.id = $1
order by e.seq desc
