-- For PostGraphile: the ledger as its users would declare it, so that it answers the same shape: a type for each kind
-- of line, a line's reason and a refund's charge as relations.
create schema graphile;
create view graphile.account as
    select id, balance from public.account;
create view graphile.reason as
    select code, title, fault from public.reason;
create view graphile.entry as
    select account_id, seq, kind, amount, balance_after, campaign, occurred_at, recorded_at, reason_code, detail,
           rule is not null as automatic, charge_seq
    from public.entry;
comment on view graphile.account is E'@primaryKey id';
comment on view graphile.reason is E'@primaryKey code';
comment on view graphile.entry is E'@interface mode:single type:kind
@type CHARGE name:Charge
@type GRANT name:Grant
@type ADJUSTMENT name:Adjustment
@type REFUND name:Refund
@primaryKey account_id,seq
@foreignKey (account_id) references graphile.account (id)|@foreignFieldName lines
@foreignKey (reason_code) references graphile.reason (code)|@fieldName reason|@foreignBehavior -*
@foreignKey (account_id, charge_seq) references graphile.entry (account_id, seq)|@fieldName charge|@foreignBehavior -*';
