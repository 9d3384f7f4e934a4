-- Whether a line's balance and totals are credits that every reader can hold exactly. What is given but by a refund
-- leaves room for all of those: the balance, if every charge came back, is what was granted and adjusted.
create or replace function is_exact(e entry) returns boolean language sql immutable
as $$
    select greatest(abs(e.balance_after), e.granted_after, e.charged_after, e.refunded_after, abs(e.adjusted_after))
           <= 9007199254740991
       and (e.amount < 0 or e.kind = 'REFUND' or e.granted_after + e.adjusted_after <= 9007199254740991)
$$;

create or replace function beyond_exact() returns outcome language sql immutable
as $$
    select refused('INVALID_INPUT', 'amount',
                   'The amount would take a total, or the balance if every charge came back, beyond 9007199254740991.')
$$;
