-- Tables for those who do not write through the ledger: an account, its entries, and the same invariants as far as
-- plain constraints keep them.
create schema plain;
create table plain.account (
    id       bigint primary key,
    balance  bigint not null check (balance >= 0),
    last_seq integer not null
);
create table plain.entry (
    account_id      bigint      not null references plain.account,
    seq             integer     not null,
    idempotency_key text        not null,
    kind            text        not null check (kind in ('CHARGE', 'REFUND', 'GRANT', 'ADJUSTMENT')),
    amount          bigint      not null check (amount <> 0),
    balance_after   bigint      not null check (balance_after >= 0),
    reason_code     text        not null,
    recorded_at     timestamptz not null default clock_timestamp(),
    primary key (account_id, seq),
    unique (account_id, idempotency_key)
);
create index on plain.entry (account_id, recorded_at, seq);
insert into plain.account select id, balance, last_seq from public.account;

-- What PostGraphile shows as a mutation.
create function plain.record_charge(account_id bigint, idempotency_key text, amount bigint) returns plain.entry
    language plpgsql volatile strict
as $$
declare
    a plain.account;
    e plain.entry;
begin
    select * into a from plain.account where id = record_charge.account_id for no key update;
    select * into e from plain.entry x
    where x.account_id = record_charge.account_id and x.idempotency_key = record_charge.idempotency_key;
    if found then
        return e;
    elsif a.balance < record_charge.amount then
        raise exception 'insufficient credits';
    end if;
    update plain.account set balance = a.balance - record_charge.amount, last_seq = a.last_seq + 1 where id = a.id;
    insert into plain.entry (account_id, seq, idempotency_key, kind, amount, balance_after, reason_code)
    values (a.id, a.last_seq + 1, record_charge.idempotency_key, 'CHARGE', -record_charge.amount,
            a.balance - record_charge.amount, 'USAGE_CHARGE')
    returning * into e;
    return e;
end $$;
-- The same over this ledger: all of its promises, one call for each charge.
create schema ledger;
create function ledger.record_charge(account_id bigint, idempotency_key text, amount bigint,
                                     out seq integer, out balance_after bigint)
    language sql volatile strict security definer
as $$
    select (o.entry).seq, (o.entry).balance_after
    from public.book(array[jsonb_populate_record(null::public.intent, jsonb_build_object(
        'operation', 'CHARGE', 'account_id', account_id, 'key', idempotency_key, 'amount', amount,
        'reason_code', 'USAGE_CHARGE', 'input_hash', '\x' || encode(sha256(idempotency_key::bytea), 'hex')))]) o
$$;
comment on schema plain is '@behavior -insert -update -delete';
