-- For PostGraphile: the same rows with the joins written for it beforehand, and no types by kind.
create schema graphile_flat;
create view graphile_flat.account as
    select id, balance from public.account;
create view graphile_flat.entry as
    select e.account_id, e.seq, e.kind, e.amount, e.balance_after, e.campaign, e.occurred_at, e.recorded_at,
           r.code, r.title, e.detail, r.fault, e.rule is not null as automatic, e.charge_seq, c.amount as charge_amount
    from public.entry e
    join public.reason r on r.code = e.reason_code
    left join public.entry c on c.account_id = e.account_id and c.seq = e.charge_seq;
comment on view graphile_flat.account is E'@primaryKey id';
comment on view graphile_flat.entry is E'@primaryKey account_id,seq\n@foreignKey (account_id) references graphile_flat.account (id)|@foreignFieldName lines';
