-- The ledger's tables beside those that Tortoise models define (account, reason, service_key): their keys are
-- composite, which its models refuse. Every key starts with account_id and no constraint spans accounts.

alter table reason
    add constraint reason_kind check (kind in ('CHARGE', 'REFUND', 'GRANT', 'ADJUSTMENT', 'JOB')),
    add constraint reason_fault check (fault in ('PLATFORM', 'PROVIDER', 'CUSTOMER', 'NONE')),
    add constraint reason_says_something check (code <> '' and title <> ''),
    add constraint reason_code_and_kind unique (code, kind);

alter table account
    add constraint account_credits_are_exact check (
        balance between -9007199254740991 and 9007199254740991
        and granted between 0 and 9007199254740991
        and charged between 0 and 9007199254740991
        and refunded between 0 and 9007199254740991
        and adjusted between -9007199254740991 and 9007199254740991
        and overdraft_limit between 0 and 9007199254740991),
    add constraint account_balance_is_the_sum check (balance = granted - charged + refunded + adjusted),
    add constraint account_scale check (scale between 0 and 12);
alter table account set (fillfactor = 50);

create table entry (
    account_id     bigint      not null references account,
    seq            integer     not null,
    kind           text        not null,
    amount         bigint      not null,
    balance_after  bigint      not null,
    granted_after  bigint      not null,
    charged_after  bigint      not null,
    refunded_after bigint      not null,
    adjusted_after bigint      not null,
    reason_code    text        not null,
    detail         text,
    campaign       text,
    charge_seq     integer,
    job_seq        integer,
    corrects_seq   integer,
    rule           text,
    author         text,
    note           text,
    imported       boolean     not null,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    metadata       jsonb,
    primary key (account_id, seq),
    constraint entry_reason foreign key (reason_code, kind) references reason (code, kind),
    constraint entry_refunds_a_charge foreign key (account_id, charge_seq) references entry,
    constraint entry_corrects_an_entry foreign key (account_id, corrects_seq) references entry,
    constraint entry_seq_starts_at_1 check (seq >= 1),
    constraint entry_sign check (case kind
        when 'CHARGE' then amount < 0
        when 'REFUND' then amount > 0
        when 'GRANT' then amount > 0
        when 'ADJUSTMENT' then amount <> 0
        else false end),
    constraint entry_parts_of_its_kind check (
        (charge_seq is not null) = (kind = 'REFUND')
        and num_nonnulls(author, note) = case kind when 'ADJUSTMENT' then 2 else 0 end
        and (rule is null or (kind = 'REFUND' and job_seq is not null))
        and (corrects_seq is null or kind = 'ADJUSTMENT')
        and coalesce(charge_seq < seq, true) and coalesce(corrects_seq < seq, true)
        and (job_seq is null or (kind = 'CHARGE' and job_seq = seq) or (kind = 'REFUND' and job_seq = charge_seq))),
    constraint entry_balance_is_the_sum check (
        balance_after = granted_after - charged_after + refunded_after + adjusted_after),
    constraint entry_credits_are_exact check (
        amount between -9007199254740991 and 9007199254740991
        and balance_after between -9007199254740991 and 9007199254740991
        and granted_after between 0 and 9007199254740991
        and charged_after between 0 and 9007199254740991
        and refunded_after between 0 and 9007199254740991
        and adjusted_after between -9007199254740991 and 9007199254740991)
);
create index entry_by_time on entry (account_id, recorded_at, seq);
create index entry_by_reason on entry (account_id, reason_code, seq);
create index entry_by_campaign on entry (account_id, campaign, reason_code, seq) where campaign is not null;
create index entry_by_charge on entry (account_id, charge_seq, seq) where charge_seq is not null;
create unique index entry_one_automatic_refund_per_charge on entry (account_id, charge_seq) where rule is not null;

create table job (
    account_id           bigint      not null references account,
    charge_seq           integer     not null,
    key                  text        not null,
    operation            text        not null,
    campaign             text,
    status               text        not null,
    started_at           timestamptz not null,
    deadline_at          timestamptz not null,
    due_at               timestamptz not null,
    finished_at          timestamptz,
    reason_code          text        references reason (code),
    done                 integer,
    total                integer,
    decision_code        text        references reason (code),
    decision_detail      text,
    decision_refunded    bigint,
    decision_rule        text,
    primary key (account_id, charge_seq),
    constraint job_key unique (account_id, key),
    constraint job_is_paid_for foreign key (account_id, charge_seq) references entry
        deferrable initially deferred,
    constraint job_status check (status in ('RUNNING', 'SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'EXPIRED')),
    constraint job_end_has_a_decision check (
        case when status = 'RUNNING'
            then num_nonnulls(finished_at, reason_code, done, total,
                              decision_code, decision_detail, decision_refunded, decision_rule) = 0
            else num_nulls(finished_at, reason_code, decision_code, decision_refunded, decision_rule) = 0 end),
    constraint job_decision_is_a_magnitude check (decision_refunded >= 0),
    constraint job_parts check ((done is null) = (total is null) and (done between 0 and total or done is null))
);
comment on column job.due_at is
    'When the sweep may end it, on the ledger''s clock: deadlineSeconds after it was booked, however old its history is.';
alter table entry add constraint entry_belongs_to_a_job foreign key (account_id, job_seq) references job;
create index job_due on job (due_at) where status = 'RUNNING';
create index job_by_status on job (account_id, status, charge_seq);
create index job_by_key_prefix on job (account_id, key text_pattern_ops);

create table idempotency_key (
    account_id bigint  not null,
    key        text    not null,
    operation  text    not null,
    input_hash bytea   not null,
    seq        integer,
    job_seq    integer,
    primary key (account_id, key),
    foreign key (account_id, seq) references entry deferrable initially deferred,
    foreign key (account_id, job_seq) references job (account_id, charge_seq) deferrable initially deferred,
    constraint idempotency_key_names_an_outcome check (case
        when operation = 'START_JOB' then num_nulls(seq, job_seq) = 0 and seq = job_seq
        when operation = 'FINISH_JOB' then job_seq is not null
        when operation in ('GRANT', 'CHARGE', 'REFUND', 'ADJUSTMENT') then seq is not null and job_seq is null
        else false end)
);
