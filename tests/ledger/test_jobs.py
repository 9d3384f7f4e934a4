"""Promise 5: a failed job is refunded once, with no human, and every end is decided once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.intents import AdjustBalance, ExpireJob, FinishJob
from models.outcomes import InvalidInput, JobAlreadyFinished, JobNotFound, Outcome
from models.records import CREDITS_MAX, EntryKind, Job, JobStatus
from models.refund_rule import RULE, Ruling
from tests.ledger.support import Ledger, counted, done, entry, instant


async def refunds(ledger: Ledger, job: Job) -> list[int]:
    return [
        line.amount
        for line in await ledger.lines(job.account_id)
        if line.kind is EntryKind.REFUND and line.charge_seq == job.charge_seq
    ]


# charge, refunded by hand before, outcome -> refunded by rule, and the decision's reason
ENDS: list[tuple[int, int, JobStatus, dict[str, Any], int, str]] = [
    (90, 0, JobStatus.SUCCEEDED, {}, 0, "COMPLETED"),
    (90, 0, JobStatus.FAILED, {}, 90, "PLATFORM_ERROR"),
    (90, 40, JobStatus.FAILED, {}, 50, "PLATFORM_ERROR"),
    (90, 90, JobStatus.FAILED, {}, 0, "ALREADY_REFUNDED"),
    (90, 0, JobStatus.FAILED, {"reason_code": "OUTPUT_BLOCKED"}, 90, "OUTPUT_BLOCKED"),
    (90, 0, JobStatus.FAILED, {"reason_code": "INPUT_POLICY"}, 0, "INPUT_POLICY"),
    (90, 40, JobStatus.FAILED, {"reason_code": "INVALID_INPUT"}, 0, "INVALID_INPUT"),
    (90, 0, JobStatus.PARTIAL, {"done": 1, "total": 3}, 60, "PARTIAL_OUTPUT"),
    (100, 0, JobStatus.PARTIAL, {"done": 1, "total": 3}, 67, "PARTIAL_OUTPUT"),
    (100, 66, JobStatus.PARTIAL, {"done": 1, "total": 3}, 1, "PARTIAL_OUTPUT"),
    (100, 67, JobStatus.PARTIAL, {"done": 1, "total": 3}, 0, "ALREADY_REFUNDED"),
    (100, 68, JobStatus.PARTIAL, {"done": 1, "total": 3}, 0, "ALREADY_REFUNDED"),
    (100, 0, JobStatus.PARTIAL, {"done": 3, "total": 3}, 0, "NOTHING_OWED"),
    (1, 0, JobStatus.PARTIAL, {"done": 99, "total": 100}, 1, "PARTIAL_OUTPUT"),
    (100, 0, JobStatus.CANCELLED, {"done": 1, "total": 3}, 67, "CANCELLED_RUNNING"),
    (100, 30, JobStatus.CANCELLED, {}, 70, "CANCELLED_QUEUED"),
]


async def test_every_end_refunds_what_the_rule_owes_less_what_had_come_back_and_says_why(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=10_000)
    for charge, by_hand, status, given, by_rule, code in ENDS:
        job = await ledger.start(account_id, charge, campaign="spring")
        if by_hand:
            await ledger.refund(account_id, job.charge_seq, by_hand)
        outcome = done(await ledger.book(ledger.finishing(job, status, detail="Why.", **given)))
        case = (charge, by_hand, status, given)
        assert outcome.job is not None
        assert outcome.job.status is status, case
        decision = outcome.job.decision
        assert decision is not None
        assert (decision.refunded, decision.reason.code) == (by_rule, code), case
        assert (decision.detail, decision.rule) == ("Why.", RULE)
        assert await refunds(ledger, job) == [amount for amount in (by_hand, by_rule) if amount]
        if by_rule:
            line = entry(outcome)
            assert (line.automatic, line.reason.code, line.campaign) == (True, code, "spring")
            assert (line.charge_seq, line.job_seq) == (job.charge_seq, job.charge_seq)


async def test_a_part_of_the_largest_charge_is_refunded_to_the_credit(ledger: Ledger) -> None:
    # Quotients that lie a billionth above a whole number: any rounding but upwards loses a credit.
    for charge, done_, total in [
        (9007199254740991, 1, 2147483647),
        (9007199254740991, 2147483646, 2147483647),
        (1_000_000_000_001, 1, 1_000_000),
        (6074001001000001, 4194303, 4194304),
        (9007199254740990, 900719926, 2147483629),
    ]:
        account_id = await ledger.open(overdraft_limit=9007199254740991)
        job = await ledger.start(account_id, charge)
        report = ledger.finishing(job, JobStatus.PARTIAL, done=done_, total=total)
        exact = -(-charge * (total - done_) // total)
        assert entry(await ledger.book(report)).amount == exact, (charge, done_, total)


async def test_every_charge_has_room_for_its_refund(ledger: Ledger) -> None:
    """What was charged leaves room that no adjustment takes from its refund."""
    account_id = await ledger.open(granted=CREDITS_MAX)
    job = await ledger.start(account_id, 100)

    async def adjusted(amount: int) -> Outcome:
        return await ledger.book(
            AdjustBalance(
                account_id=account_id,
                idempotency_key=ledger.key(),
                amount=amount,
                reason_code="MANUAL_CORRECTION",
                note="A test.",
                author="test",
            )
        )

    before = await ledger.lines(account_id)
    refused = await adjusted(1)
    assert isinstance(refused, InvalidInput)
    assert refused.field == "amount"
    assert await ledger.lines(account_id) == before
    assert [entry(await adjusted(amount)).amount for amount in (-1, 1)] == [-1, 1]
    assert entry(await ledger.book(ledger.finishing(job, JobStatus.FAILED))).amount == 100
    assert (await ledger.account(account_id)).balance == CREDITS_MAX


async def test_a_job_that_never_reports_is_refunded_when_its_deadline_passes(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 30, deadline_seconds=1)
    await ledger.refund(account_id, job.charge_seq, 10)
    assert await ledger.sweep() == 0
    await ledger.past_deadline(job)
    assert await ledger.sweep() == 1
    assert await ledger.sweep() == 0
    ended = await ledger.job(job)
    assert ended.status is JobStatus.EXPIRED
    assert ended.decision is not None
    assert (ended.decision.refunded, ended.decision.reason.code) == (20, "WORKER_LOST")
    assert await refunds(ledger, job) == [10, 20]


async def test_no_job_is_ended_by_its_deadline_before_it_has_passed(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 30)
    early = ExpireJob(
        account_id=account_id, charge_seq=job.charge_seq, ruling=Ruling(1, 1, "WORKER_LOST")
    )
    assert isinstance(await ledger.book(early), JobNotFound)
    assert (await ledger.job(job)).status is JobStatus.RUNNING


async def test_a_deadlines_refund_of_an_imported_job_is_dated_by_what_the_account_has_since(
    ledger: Ledger,
) -> None:
    noon = instant("2025-01-01 12:00:00")
    followed, lived = await ledger.open(), await ledger.open()
    for account_id in (followed, lived):
        await ledger.grant(account_id, 100, recorded_at=noon)
        await ledger.start(account_id, 30, deadline_seconds=1, recorded_at=noon)
    later = await ledger.charge(followed, 1, recorded_at=noon + timedelta(hours=1))
    live = await ledger.charge(lived, 1)
    await ledger.db.fetchval("select pg_sleep(1.01)")
    assert await ledger.sweep() == 2
    # History follows history, at the line before it where the deadline was earlier ...
    refund = (await ledger.lines(followed))[-1]
    assert (refund.amount, refund.recorded_at) == (30, later.recorded_at)
    # ... and what happens to an account that is live happens now.
    refund = (await ledger.lines(lived))[-1]
    assert refund.amount == 30
    assert refund.recorded_at > live.recorded_at


async def test_a_late_success_after_the_deadlines_refund_charges_nothing(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 30, deadline_seconds=1)
    await ledger.past_deadline(job)
    await ledger.sweep()
    expired = await ledger.job(job)
    lines = await ledger.lines(account_id)
    for status in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED):
        late = ledger.finishing(job, status)
        outcome = done(await ledger.book(late))
        assert (outcome.entry, outcome.job, outcome.replayed) == (None, expired, False)
        assert done(await ledger.book(late)).replayed
    assert await ledger.lines(account_id) == lines
    assert (await ledger.account(account_id)).balance == 100


async def test_a_report_after_the_deadline_but_before_the_sweep_counts(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 30, deadline_seconds=1)
    await ledger.past_deadline(job)
    done(await ledger.book(ledger.finishing(job, JobStatus.SUCCEEDED)))
    assert await ledger.sweep() == 0
    assert (await ledger.job(job)).status is JobStatus.SUCCEEDED
    assert (await ledger.account(account_id)).balance == 70


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.PARTIAL])
async def test_the_same_outcome_again_stands_and_moves_nothing_and_another_is_refused(
    ledger: Ledger, status: JobStatus
) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 30)
    parts = {"done": 1, "total": 2} if status is JobStatus.PARTIAL else {}
    first = done(await ledger.book(ledger.finishing(job, status, **parts)))
    lines = await ledger.lines(account_id)
    again = done(await ledger.book(ledger.finishing(job, status, **parts)))
    assert again == replace(first, entry=None)
    others = [
        ledger.finishing(job, JobStatus.CANCELLED),
        ledger.finishing(job, JobStatus.PARTIAL, done=1, total=3),
        ledger.finishing(job, JobStatus.FAILED, reason_code="OUTPUT_EMPTY"),
    ]
    for other in others:
        assert await ledger.book(other) == JobAlreadyFinished(job=await ledger.job(job))
    assert await ledger.lines(account_id) == lines


async def test_a_report_that_comes_before_its_job_is_refused_and_can_come_again(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=100)
    start = ledger.starting(account_id, 30, key="early")
    report = FinishJob(
        account_id=account_id, idempotency_key="r", key="early", status=JobStatus.FAILED
    )
    assert isinstance(await ledger.book(report), JobNotFound)
    outcomes = await ledger.writer.book_many([report, start, report, report])
    assert counted(outcomes) == {"JobNotFound": 1, "Done": 2, "Replayed": 1}
    assert (await ledger.account(account_id)).balance == 100


async def test_a_charge_refunded_by_hand_after_its_jobs_end_never_exceeds_the_charge(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 30)
    await ledger.book(ledger.finishing(job, JobStatus.PARTIAL, done=1, total=3))
    await ledger.refund(account_id, job.charge_seq, None)
    assert await refunds(ledger, job) == [20, 10]
    decision = (await ledger.job(job)).decision
    assert decision is not None
    assert decision.refunded == 20
