"""What must hold of each kind of row, as conditions that find the rows of which it does not.

Owns the SQL of the audit. A source reads the rows of a range of accounts, (`$1`, `$2`] of their
ids, beside the rows they must agree with; a check is a condition under which such a row breaks a
promise, and the sentence that says how, filled from the row's columns.
"""

from __future__ import annotations

from dataclasses import dataclass

REFUND_OWED_SECONDS = 60
"""How long after its deadline a job may still run: the sweep comes every second."""


@dataclass(frozen=True, slots=True)
class Check:
    promise: int
    broken: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Source:
    """`rows` is a FROM clause whose rows are named `x`."""

    rows: str
    checks: tuple[Check, ...]

    def sql(self) -> str:
        """The rows that break a check, each with one truth per check in `broken`."""
        conditions = [f"coalesce({check.broken}, false)" for check in self.checks]
        return (
            f"select x.*, array[{', '.join(conditions)}] as broken from ({self.rows}) x "
            f"where {' or '.join(conditions)}"
        )


_FOLLOWS = "x.seq = x.seq_before + 1 and "


def _total(total: str, kind: str, sign: str) -> Check:
    moved = f"case when x.kind = '{kind}' then x.amount else 0 end"
    return Check(
        2,
        f"{_FOLLOWS}x.{total}_after <> x.{total}_before {sign} {moved}",
        f"as {{kind}} of {{amount}} it took the total {total} from {{{total}_before}} "
        f"to {{{total}_after}}",
    )


LINES = Source(
    """
    select e.*, a.key as account_key, a.overdraft_limit, r.kind as reason_kind,
           clock_timestamp() as now_
    from (
        select e.*,
               lag(e.seq, 1, 0) over line as seq_before,
               lag(e.balance_after, 1, 0::bigint) over line as balance_before,
               lag(e.granted_after, 1, 0::bigint) over line as granted_before,
               lag(e.charged_after, 1, 0::bigint) over line as charged_before,
               lag(e.refunded_after, 1, 0::bigint) over line as refunded_before,
               lag(e.adjusted_after, 1, 0::bigint) over line as adjusted_before,
               lag(e.recorded_at) over line as recorded_before,
               lag(e.imported, 1, true) over line as imported_before
        from entry e where e.account_id > $1 and e.account_id <= $2
        window line as (partition by e.account_id order by e.seq)
    ) e
    left join account a on a.id = e.account_id
    left join reason r on r.code = e.reason_code
    """,
    (
        Check(1, "x.account_key is null", "belongs to account id {account_id}, which is gone"),
        Check(2, "x.seq <> x.seq_before + 1", "follows line {seq_before}: lines are missing"),
        Check(
            2,
            f"{_FOLLOWS}x.balance_after <> x.balance_before + x.amount",
            "its amount {amount} took the balance from {balance_before} to {balance_after}",
        ),
        _total("granted", "GRANT", "+"),
        _total("charged", "CHARGE", "-"),
        _total("refunded", "REFUND", "+"),
        _total("adjusted", "ADJUSTMENT", "+"),
        Check(
            2,
            "x.balance_after <> x.granted_after - x.charged_after + x.refunded_after"
            " + x.adjusted_after",
            "its balance {balance_after} is not granted {granted_after} - charged {charged_after}"
            " + refunded {refunded_after} + adjusted {adjusted_after}",
        ),
        Check(
            2,
            "not case x.kind when 'CHARGE' then x.amount < 0 when 'REFUND' then x.amount > 0"
            " when 'GRANT' then x.amount > 0 when 'ADJUSTMENT' then x.amount <> 0 else false end",
            "an amount of {amount} is none for a {kind}",
        ),
        Check(
            2,
            "greatest(abs(x.amount), abs(x.balance_after), abs(x.granted_after),"
            " abs(x.charged_after), abs(x.refunded_after), abs(x.adjusted_after))"
            " > 9007199254740991",
            "an amount or total is beyond 9007199254740991",
        ),
        Check(
            2,
            "x.corrects_seq is not null and not x.corrects_seq between 1 and x.seq - 1",
            "corrects line {corrects_seq}, which is not before it",
        ),
        Check(
            3,
            "x.reason_kind is distinct from x.kind",
            "the reason {reason_code} is in the catalogue for {reason_kind}, not for {kind}",
        ),
        Check(
            7,
            "x.kind = 'CHARGE' and x.balance_after < -x.overdraft_limit",
            "left a balance of {balance_after}, beyond the overdraft limit of {overdraft_limit}",
        ),
        Check(
            10,
            "x.recorded_at < x.recorded_before",
            "was recorded at {recorded_at}, before the line before it at {recorded_before}",
        ),
        Check(10, "x.recorded_at > x.now_", "was recorded at {recorded_at}, which is yet to come"),
        Check(
            10,
            "x.imported and not x.imported_before",
            "is imported history after a line that was booked as it happened",
        ),
    ),
)

ACCOUNTS = Source(
    """
    select a.*, a.key as account_key, coalesce(s.sum, 0) as sum_of_lines, s.live as lines_live,
           coalesce(s.lines, 0) as lines, coalesce(l.seq, 0) as line,
           l.recorded_at as line_recorded_at, coalesce(l.balance_after, 0) as balance_after,
           coalesce(l.granted_after, 0) as granted_after,
           coalesce(l.charged_after, 0) as charged_after,
           coalesce(l.refunded_after, 0) as refunded_after,
           coalesce(l.adjusted_after, 0) as adjusted_after
    from account a
    left join (
        select e.account_id, sum(e.amount), count(*) as lines, bool_or(not e.imported) as live
        from entry e where e.account_id > $1 and e.account_id <= $2 group by e.account_id
    ) s on s.account_id = a.id
    left join lateral (
        select * from entry e where e.account_id = a.id order by e.seq desc limit 1
    ) l on true
    where a.id > $1 and a.id <= $2
    """,
    (
        Check(
            1,
            "x.balance <> x.sum_of_lines",
            "its balance is {balance}, and the sum of its lines {sum_of_lines}",
        ),
        Check(
            1,
            "(x.balance, x.granted, x.charged, x.refunded, x.adjusted) <>"
            " (x.balance_after, x.granted_after, x.charged_after, x.refunded_after,"
            " x.adjusted_after)",
            "its balance {balance} or a total is not what its last line, {line}, left behind",
        ),
        Check(
            2,
            "x.last_seq <> x.line or x.last_seq <> x.lines",
            "has {lines} lines, the last of them {line}, but counts {last_seq}",
        ),
        Check(
            10,
            "x.recorded_at is distinct from x.line_recorded_at",
            "its last line was recorded at {line_recorded_at}, but it says {recorded_at}",
        ),
        Check(
            10,
            "x.live <> coalesce(x.lines_live, false)",
            "says live {live}, but whether a line was booked as it happened is {lines_live}",
        ),
    ),
)

REFUNDS = Source(
    """
    select r.*, a.key as account_key, c.kind as charge_kind, -c.amount as charge_amount,
           c.job_seq as charge_job_seq, c.campaign as charge_campaign
    from (
        select r.*,
               sum(r.amount) over refund as refunded_so_far,
               count(r.rule) over refund as automatic_so_far
        from entry r where r.kind = 'REFUND' and r.account_id > $1 and r.account_id <= $2
        window refund as (partition by r.account_id, r.charge_seq order by r.seq)
    ) r
    left join account a on a.id = r.account_id
    left join entry c on c.account_id = r.account_id and c.seq = r.charge_seq and c.seq < r.seq
    """,
    (
        Check(
            4,
            "x.charge_kind is distinct from 'CHARGE'",
            "refunds line {charge_seq}, which is no earlier charge of the account",
        ),
        Check(
            4,
            "x.charge_kind = 'CHARGE' and x.refunded_so_far > x.charge_amount",
            "brings the refunds of charge {charge_seq} to {refunded_so_far} of {charge_amount}",
        ),
        Check(
            4,
            "(x.job_seq, x.campaign) is distinct from (x.charge_job_seq, x.charge_campaign)",
            "is not of the job and campaign of charge {charge_seq}",
        ),
        Check(
            5,
            "x.rule is not null and x.automatic_so_far > 1",
            "is automatic refund number {automatic_so_far} of charge {charge_seq}",
        ),
    ),
)

# Which operation makes which line: `k` may be the key of `e`.
_MAKES = """case x.operation
    when 'START_JOB' then x.kind = 'CHARGE' and x.job_seq = x.seq
    when 'CHARGE' then x.kind = 'CHARGE' and x.job_seq is null
    when 'FINISH_JOB' then x.kind = 'REFUND' and x.rule is not null
    when 'REFUND' then x.kind = 'REFUND' and x.rule is null
    else x.operation in ('GRANT', 'ADJUSTMENT') and x.operation = x.kind end"""

KEYS_OF_LINES = Source(
    """
    select e.account_id, e.seq, e.kind, e.job_seq, e.rule, a.key as account_key,
           j.charge_seq as job, j.status, coalesce(k.keys, 0) as keys, k.operation,
           k.key as its_key
    from entry e
    left join account a on a.id = e.account_id
    left join job j on j.account_id = e.account_id and j.charge_seq = e.job_seq
    left join (
        select k.account_id, k.seq, count(*) as keys, min(k.operation) as operation,
               min(k.key) as key
        from idempotency_key k where k.account_id > $1 and k.account_id <= $2 group by 1, 2
    ) k on k.account_id = e.account_id and k.seq = e.seq
    where e.account_id > $1 and e.account_id <= $2
    """,
    (
        Check(5, "x.job_seq is not null and x.job is null", "is of job {job_seq}, which is none"),
        Check(
            6,
            "x.keys <> case when x.rule is not null and x.status = 'EXPIRED' then 0 else 1 end",
            "{keys} idempotency keys stand for it",
        ),
        Check(
            6,
            f"x.keys = 1 and not {_MAKES}",
            "the key {its_key} that stands for this {kind} is of the operation {operation}",
        ),
    ),
)

KEYS = Source(
    """
    select k.account_id, k.seq, k.key, k.operation, k.job_seq, a.key as account_key,
           e.seq as line, e.charge_seq, j.charge_seq as job, j.key as job_key, j.status,
           octet_length(k.input_hash) as hash_bytes
    from idempotency_key k
    left join account a on a.id = k.account_id
    left join entry e on e.account_id = k.account_id and e.seq = k.seq
    left join job j on j.account_id = k.account_id and j.charge_seq = k.job_seq
    where k.account_id > $1 and k.account_id <= $2
    """,
    (
        Check(
            6,
            "(x.seq is not null and x.line is null) or (x.job_seq is not null and x.job is null)"
            " or num_nonnulls(x.seq, x.job_seq) = 0",
            "the idempotency key {key} stands for no line or job of its account",
        ),
        Check(
            6,
            "not case x.operation when 'START_JOB' then x.seq = x.job_seq"
            " when 'FINISH_JOB' then x.job_seq is not null and x.status <> 'RUNNING'"
            " and coalesce(x.charge_seq = x.job_seq, x.seq is null) else x.job_seq is null end",
            "the idempotency key {key} does not stand for what a {operation} does",
        ),
        Check(6, "x.hash_bytes <> 32", "the idempotency key {key} has no hash of its input"),
    ),
)

# What the default rule owes at a job's end: the same table as models/refund_rule.py, written twice
# on purpose.
_OWED = """case
    when j.status = 'EXPIRED' then -c.amount
    when j.status = 'FAILED' then case when r.kind = 'REFUND' then -c.amount else 0 end
    when j.status in ('PARTIAL', 'CANCELLED')
        then coalesce(
            div(-c.amount::numeric * (j.total - j.done) + j.total - 1, j.total), -c.amount)
    else 0 end"""

JOBS = Source(
    f"""
    select j.*, a.key as account_key, j.key as job_key, c.kind as charge_kind,
           c.job_seq as charge_job_seq, {_OWED} as owed, u.rule, u.reason_code as automatic_code,
           coalesce(u.amount, 0) as automatic, coalesce(t.refunded, 0) as refunded,
           coalesce(f.reports, 0) as reports, d.kind as decision_kind, clock_timestamp() as now_,
           coalesce(j.decision_refunded, 0) as decided
    from job j
    left join account a on a.id = j.account_id
    left join entry c on c.account_id = j.account_id and c.seq = j.charge_seq
    left join reason r on r.code = j.reason_code
    left join reason d on d.code = j.decision_code
    left join entry u on u.account_id = j.account_id and u.charge_seq = j.charge_seq
                      and u.rule is not null
    left join (
        select e.account_id, e.charge_seq, sum(e.amount) as refunded
        from entry e where e.charge_seq is not null and e.account_id > $1 and e.account_id <= $2
        group by 1, 2
    ) t on t.account_id = j.account_id and t.charge_seq = j.charge_seq
    left join (
        select k.account_id, k.job_seq, count(*) as reports from idempotency_key k
        where k.operation = 'FINISH_JOB' and k.account_id > $1 and k.account_id <= $2
        group by 1, 2
    ) f on f.account_id = j.account_id and f.job_seq = j.charge_seq
    where j.account_id > $1 and j.account_id <= $2
    """,
    (
        Check(
            5,
            "x.charge_kind is distinct from 'CHARGE' or x.charge_job_seq is distinct from"
            " x.charge_seq",
            "line {charge_seq} is not the charge that pays for it",
        ),
        Check(
            5,
            "x.decided <> x.automatic",
            "its decision gave back {decided}, and its automatic refund is {automatic}",
        ),
        Check(
            5,
            "(x.status = 'RUNNING') = (x.finished_at is not null or x.decision_rule is not null)",
            "is {status}, which does not agree with its end at {finished_at} by rule"
            " {decision_rule}",
        ),
        Check(
            5,
            "x.automatic > 0 and (x.rule, x.automatic_code) is distinct from"
            " (x.decision_rule, x.decision_code)",
            "was decided by {decision_rule} as {decision_code}, and refunded by {rule} as"
            " {automatic_code}",
        ),
        Check(
            5,
            "x.status <> 'RUNNING' and x.decided = 0 and x.decision_kind is distinct from 'JOB'",
            "was not refunded, and {decision_code} does not say why not",
        ),
        Check(
            5,
            "x.decision_rule = 'default/1' and (x.automatic > x.owed or x.refunded < x.owed)",
            "ended {status} and is owed {owed}; {refunded} came back, {automatic} of it by rule",
        ),
        Check(
            5,
            "case x.status when 'RUNNING' then x.reports > 0 when 'EXPIRED' then false"
            " else x.reports = 0 end",
            "is {status} with {reports} reports of its end",
        ),
        Check(
            5,
            "x.status = 'RUNNING' and"
            f" x.due_at < x.now_ - interval '{REFUND_OWED_SECONDS} seconds'",
            "still runs, though its refund has been owed since {due_at}",
        ),
    ),
)

SOURCES = (LINES, ACCOUNTS, REFUNDS, KEYS_OF_LINES, KEYS, JOBS)
