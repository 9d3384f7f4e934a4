"""Thousands of random intents, answered by the ledger and by a tiny one in Python: no difference.

The model shares nothing with the ledger but the intents' shapes: it keeps lists, adds up, and looks
back through all of them.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from models.intents import (
    AdjustBalance,
    FinishJob,
    GrantCredits,
    Intent,
    RecordCharge,
    RefundCharge,
    StartJob,
)
from models.outcomes import (
    Done,
    IdempotencyConflict,
    InsufficientCredits,
    JobAlreadyExists,
    JobAlreadyFinished,
    Outcome,
    RefundExceedsCharge,
)
from models.records import Entry, Job, JobStatus
from tests.ledger.support import Ledger, instant

Answer = tuple[Any, ...]
INTENTS = 1_500
OVERDRAFT = 20


@dataclass
class Line:
    kind: str
    amount: int
    reason: str
    charge: int | None = None
    job: int | None = None
    automatic: bool = False
    campaign: str | None = None


@dataclass
class Work:
    charge: int
    status: str = "RUNNING"
    end: tuple[Any, ...] = ()
    refunded: int | None = None
    why: str | None = None


@dataclass
class Book:
    """One account of the model: its lines, its jobs by key, and what each key stands for."""

    lines: list[Line] = field(default_factory=list[Line])
    jobs: dict[str, Work] = field(default_factory=dict[str, Work])
    keys: dict[str, tuple[Intent, int | None, str | None]] = field(
        default_factory=dict[str, tuple[Intent, int | None, str | None]]
    )
    live: bool = False

    def balance(self, seq: int | None = None) -> int:
        return sum(line.amount for line in self.lines[:seq])

    def left(self, charge: int) -> int:
        back = sum(line.amount for line in self.lines if line.charge == charge)
        return -self.lines[charge - 1].amount - back

    def answer(self, intent: Intent) -> Answer:
        bound = self.keys.get(intent.idempotency_key)
        if bound is not None:
            first, seq, job = bound
            name = "Replayed" if first == intent else "IdempotencyConflict"
            return name, self.line(seq), self.work(job)
        if intent.recorded_at and self.live:
            return ("InvalidInput",)
        decided = self.decide(intent)
        if isinstance(decided, tuple):
            return decided
        seq = None
        if isinstance(decided, Line):
            self.lines.append(decided)
            self.live = self.live or intent.recorded_at is None
            seq = len(self.lines)
        job = intent.key if isinstance(intent, StartJob | FinishJob) else None
        self.keys[intent.idempotency_key] = intent, seq, job
        return "Done", self.line(seq), self.work(job)

    def decide(self, intent: Intent) -> Line | Answer | None:
        """The line that the intent adds, a refusal, or None where it stands without a line."""
        available = max(0, self.balance() + OVERDRAFT)
        match intent:
            case GrantCredits():
                return Line("GRANT", intent.amount, intent.reason_code)
            case AdjustBalance():
                if intent.corrects_seq is not None and intent.corrects_seq > len(self.lines):
                    return ("EntryNotFound",)
                return Line("ADJUSTMENT", intent.amount, intent.reason_code)
            case RecordCharge():
                if intent.amount > available:
                    return "InsufficientCredits", available, intent.amount - available
                return Line("CHARGE", -intent.amount, "USAGE_CHARGE", campaign=intent.campaign)
            case StartJob():
                if intent.key in self.jobs:
                    return ("JobAlreadyExists", self.work(intent.key))
                if intent.amount > available:
                    return "InsufficientCredits", available, intent.amount - available
                seq = len(self.lines) + 1
                self.jobs[intent.key] = Work(seq)
                return Line(
                    "CHARGE", -intent.amount, "JOB_CHARGE", job=seq, campaign=intent.campaign
                )
            case RefundCharge():
                if not self.is_charge(intent.charge_seq):
                    return ("ChargeNotFound",)
                left = self.left(intent.charge_seq)
                if not left or (intent.amount or 0) > left:
                    return "RefundExceedsCharge", left
                return self.back(intent.charge_seq, intent.amount or left, intent.reason_code)
            case FinishJob():
                return self.finish(intent)
            case _:
                raise TypeError(intent)

    def is_charge(self, seq: int) -> bool:
        return 1 <= seq <= len(self.lines) and self.lines[seq - 1].kind == "CHARGE"

    def back(self, charge: int, amount: int, reason: str, automatic: bool = False) -> Line:
        of = self.lines[charge - 1]
        return Line("REFUND", amount, reason, charge, of.job, automatic, of.campaign)

    def finish(self, intent: FinishJob) -> Line | Answer | None:
        job = self.jobs.get(intent.key)
        if job is None:
            return ("JobNotFound",)
        share, why = owed(intent)
        end = (intent.status, intent.reason_code or default(intent), intent.done, intent.total)
        if job.status != "RUNNING":
            return None if job.end == end else ("JobAlreadyFinished", self.work(intent.key))
        charged = -self.lines[job.charge - 1].amount
        back = max(0, math.ceil(charged * share) - (charged - self.left(job.charge)))
        job.status, job.end, job.refunded = intent.status, end, back
        job.why = "ALREADY_REFUNDED" if share and not back else why
        return self.back(job.charge, back, why, automatic=True) if back else None

    def line(self, seq: int | None) -> Answer | None:
        if seq is None:
            return None
        line = self.lines[seq - 1]
        of_kind: defaultdict[str, int] = defaultdict(int)
        for earlier in self.lines[:seq]:
            of_kind[earlier.kind] += earlier.amount
        return (
            seq, line.kind, line.amount, self.balance(seq), of_kind["GRANT"], -of_kind["CHARGE"],
            of_kind["REFUND"], of_kind["ADJUSTMENT"], line.reason, line.charge, line.job,
            line.automatic, line.campaign,
        )  # fmt: skip

    def work(self, key: str | None) -> Answer | None:
        job = self.jobs[key] if key else None
        return (job.charge, job.status, job.refunded, job.why) if job else None


def default(intent: FinishJob) -> str:
    if intent.status is JobStatus.CANCELLED:
        return "CANCELLED_QUEUED" if intent.done is None else "CANCELLED_RUNNING"
    return {
        JobStatus.SUCCEEDED: "COMPLETED",
        JobStatus.FAILED: "PLATFORM_ERROR",
        JobStatus.PARTIAL: "PARTIAL_OUTPUT",
    }[intent.status]


def owed(intent: FinishJob) -> tuple[float, str]:
    """The share of the charge that is owed back, and why or why not."""
    reason = intent.reason_code or default(intent)
    if intent.status is JobStatus.SUCCEEDED or reason == "INPUT_POLICY":
        return 0, reason
    if intent.done is None or intent.total is None:
        return 1, reason
    # Totals are powers of two here, so that a share is exact.
    share = 1 - intent.done / intent.total
    return share, reason if share else "NOTHING_OWED"


def shown(outcome: Outcome) -> Answer:
    """An answer of the ledger as the model gives it."""
    match outcome:
        case Done():
            name = "Replayed" if outcome.replayed else "Done"
            return name, shown_line(outcome.entry), shown_job(outcome.job)
        case InsufficientCredits():
            return "InsufficientCredits", outcome.available, outcome.shortfall
        case RefundExceedsCharge():
            return "RefundExceedsCharge", outcome.left
        case _:
            told: list[Any] = [type(outcome).__name__]
            if isinstance(outcome, IdempotencyConflict):
                told.append(shown_line(outcome.entry))
            if isinstance(outcome, IdempotencyConflict | JobAlreadyExists | JobAlreadyFinished):
                told.append(shown_job(outcome.job))
            return tuple(told)


def shown_line(line: Entry | None) -> Answer | None:
    if line is None:
        return None
    after = line.totals_after
    return (
        line.seq, line.kind, line.amount, line.balance_after, after.granted, after.charged,
        after.refunded, after.adjusted, line.reason.code, line.charge_seq, line.job_seq,
        line.automatic, line.campaign,
    )  # fmt: skip


def shown_job(job: Job | None) -> Answer | None:
    if job is None:
        return None
    decision = job.decision
    return (
        job.charge_seq,
        job.status,
        decision.refunded if decision else None,
        decision.reason.code if decision else None,
    )


def random_intent(chance: random.Random, account_id: int, head: int, history: float) -> Intent:
    """An intent that may well be refused: keys, jobs and lines are few and chosen blindly."""
    given: dict[str, Any] = {
        "account_id": account_id,
        "idempotency_key": f"k{chance.randrange(2_000)}",
    }
    if account_id % 2 and chance.random() < history:  # half the accounts have some to import
        given["recorded_at"] = instant("2025-01-01 00:00:00") + timedelta(
            hours=chance.randrange(1000)
        )
    amount = chance.choice([1, 2, 3, 7, 30, 64])
    job = f"j{chance.randrange(80)}"
    campaign = chance.choice([None, "spring"])
    line = chance.randrange(1, head + 12)
    match chance.choice(["grant", "charge", "refund", "adjust"] * 2 + ["start", "end"] * 3):
        case "grant":
            return GrantCredits(**given, amount=amount, reason_code="GRANT_PLAN")
        case "charge":
            return RecordCharge(**given, amount=amount, campaign=campaign)
        case "refund":
            some = chance.choice([None, 1, amount])
            return RefundCharge(**given, charge_seq=line, amount=some, reason_code="GOODWILL")
        case "adjust":
            return AdjustBalance(
                **given, amount=chance.choice([-amount, amount]), note="n", author="ann",
                reason_code="MANUAL_CORRECTION", corrects_seq=chance.choice([None, line]),
            )  # fmt: skip
        case "start":
            return StartJob(
                **given, key=job, job_operation="o", amount=amount, campaign=campaign,
                deadline_seconds=3600,
            )  # fmt: skip
        case _:
            parts = {"done": chance.randrange(9), "total": 8}
            end: dict[str, Any] = chance.choice(
                [
                    {"status": JobStatus.SUCCEEDED},
                    {"status": JobStatus.FAILED},
                    {"status": JobStatus.FAILED, "reason_code": "INPUT_POLICY"},
                    {"status": JobStatus.CANCELLED},
                    {"status": JobStatus.CANCELLED, **parts},
                    {"status": JobStatus.PARTIAL, **parts},
                ]
            )
            return FinishJob(**given, key=job, **end)


@pytest.mark.parametrize("seed", range(4))
async def test_the_ledger_and_a_tiny_model_of_it_answer_thousands_of_random_intents_alike(
    ledger: Ledger, seed: int
) -> None:
    chance = random.Random(seed)
    account_ids = [await ledger.open(overdraft_limit=OVERDRAFT) for _ in range(4)]
    books = {account_id: Book() for account_id in account_ids}
    said: list[Intent] = []
    names: defaultdict[str, int] = defaultdict(int)
    while len(said) < INTENTS:
        batch: list[Intent] = []
        for _ in range(chance.choice([1, 2, 10, 60])):
            if said and chance.random() < 0.1:
                batch.append(replace(chance.choice(said)))
            else:
                account_id = chance.choice(account_ids)
                head = len(books[account_id].lines)
                history = 1.0 if len(said) < INTENTS / 2 else 0.8
                batch.append(random_intent(chance, account_id, head, history))
        said += batch
        for intent, outcome in zip(batch, await ledger.writer.book_many(batch), strict=True):
            answer = books[intent.account_id].answer(intent)
            assert shown(outcome) == answer, intent
            names[answer[0]] += 1
    for account_id, book in books.items():
        assert (await ledger.account(account_id)).balance == book.balance()
        lines = [shown_line(line) for line in await ledger.lines(account_id)]
        assert lines == [book.line(seq + 1) for seq in range(len(book.lines))]
    assert len(names) == 11, names
    assert min(names.values()) >= 5, names  # every answer was given, and not once by accident
