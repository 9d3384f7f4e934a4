"""What the demonstration's accounts did: a month of a design studio, and of its neighbour.

Owns the events, worked out from the month's beginning alone: the same beginning is the same story,
to the line.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.demonstration.work import (
    NIGHT_BATCH_DETAIL,
    SUCCEEDED,
    Work,
    night_batch,
    working_days,
)
from models.intents import (
    AdjustBalance,
    ExpireJob,
    FinishJob,
    GrantCredits,
    Intent,
    OpenAccount,
    RecordCharge,
    RefundCharge,
    StartJob,
)
from models.records import JobStatus
from models.refund_rule import Ruling

NORTHWIND = "northwind"
GLOBEX = "globex"
DAYS = 30
SEED = 2026
LOW_BALANCE = 400
TOP_UP_CREDITS = 2_000
QUIET_END = timedelta(minutes=20)
"""Nothing but the last events happens this shortly before the story is first told."""

SHARE_OF_GLOBEX = 0.04
DEADLINE_SECONDS = 900
PREVIEW_DEADLINE_SECONDS = 1
_NOT_REFUNDED = frozenset({"INPUT_POLICY", "INVALID_INPUT"})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `intent` is given the seq of the line with the key `after`."""

    at: datetime
    moves: int
    intent: Callable[[int], Intent]
    after: str | None = None


def globex(began_at: datetime) -> tuple[OpenAccount, list[Event]]:
    """A small account with another time zone and a unit of hundredths."""
    opening = _opening(GLOBEX, "Globex Print", "America/New_York", scale=2)
    rng = random.Random(SEED)  # noqa: S311 - a story, no secret
    work = working_days(rng, began_at, DAYS, ZoneInfo(opening.time_zone))
    jobs = _numbered("print", [w for w in work if rng.random() < SHARE_OF_GLOBEX], began_at)
    plan = _grant(began_at, "plan", 100_000, "GRANT_PLAN", "Starter plan, first month")
    return opening, _in_order([plan, *_of_jobs(jobs)])


def northwind(began_at: datetime) -> tuple[OpenAccount, list[Event]]:
    """The studio: its plan, top-ups, jobs, their refunds, and what its support did by hand."""
    opening = _opening(NORTHWIND, "Northwind Studio", "Europe/Berlin", scale=0)
    zone = ZoneInfo(opening.time_zone)

    def local(day: int, hour: int, minute: int) -> datetime:
        date = began_at.astimezone(zone).date() + timedelta(days=day)
        return datetime.combine(date, time(hour, minute), zone)

    rng = random.Random(SEED)  # noqa: S311 - a story, no secret
    work = working_days(rng, began_at, DAYS, zone)
    batch = night_batch(local(17, 2, 10))
    jobs = _numbered("gen", [*work, *batch], began_at)
    clip = next(key for key, w in jobs.items() if w.operation == "video" and _pleased(w))
    upscale = next(key for key, w in jobs.items() if w.detail == NIGHT_BATCH_DETAIL)
    preview_at = began_at + timedelta(days=DAYS) - QUIET_END / 2
    events = [
        _grant(began_at, "plan", 5_000, "GRANT_PLAN", "Studio plan, first month"),
        _grant(local(9, 11, 20), "invoice-2041", 2_000, "PURCHASE_MANUAL", "Invoice NW-2041"),
        _grant(local(12, 9, 0), "promo", 300, "GRANT_PROMO", "To try video with"),
        *(_storage(f"storage-{day}", local(day, 6, 0)) for day in (7, 14, 21, 28)),
        _storage("storage-14-again", local(14, 6, 2)),
        _given_back(
            "storage-14-again",
            local(14, 15, 30),
            35,
            "DUPLICATE_CHARGE",
            "Charged twice that week.",
        ),
        _charge("training", local(15, 16, 40), 250, "Training of the style “Lumen”"),
        _given_back(
            f"{clip}:start",
            jobs[clip].ended_at + timedelta(hours=20),
            jobs[clip].credits // 2,
            "GOODWILL",
            "Half of this clip, as agreed with our support.",
        ),
        *_of_jobs(jobs),
        *_lost_preview(preview_at),
    ]
    return opening, [*_with_top_ups(_in_order(events)), _correction(f"{upscale}:start", preview_at)]


def _numbered(prefix: str, work: Iterable[Work], began_at: datetime) -> dict[str, Work]:
    """The jobs that fit into the month, by their keys, in the order they started."""
    last = began_at + timedelta(days=DAYS) - QUIET_END
    fitting = [w for w in work if began_at < w.started_at and w.ended_at < last]
    fitting.sort(key=lambda w: w.started_at)
    return {f"{prefix}-{number}": w for number, w in enumerate(fitting, start=1001)}


def _of_jobs(jobs: dict[str, Work]) -> Iterator[Event]:
    for key, work in jobs.items():
        yield _start(key, work)
        yield _finish(key, work)


def _in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.at)


def _with_top_ups(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, with credits bought automatically whenever few are left."""
    balance, bought = 0, 0
    for event in events:
        yield event
        balance += event.moves
        if event.moves < 0 and balance < LOW_BALANCE:
            bought += 1
            detail = f"Fewer than {LOW_BALANCE} credits were left"
            yield _grant(event.at, f"top-up-{bought}", TOP_UP_CREDITS, "PURCHASE_AUTO", detail)
            balance += TOP_UP_CREDITS


def _opening(key: str, name: str, time_zone: str, scale: int) -> OpenAccount:
    return OpenAccount(idempotency_key=key, name=name, time_zone=time_zone, scale=scale)


def _grant(at: datetime, key: str, amount: int, reason_code: str, detail: str) -> Event:
    grant = GrantCredits(
        account_id=0,
        idempotency_key=key,
        amount=amount,
        reason_code=reason_code,
        detail=detail,
        recorded_at=at,
    )
    return Event(at, amount, lambda _: grant)


def _charge(key: str, at: datetime, amount: int, detail: str) -> Event:
    charge = RecordCharge(
        account_id=0, idempotency_key=key, amount=amount, detail=detail, recorded_at=at
    )
    return Event(at, -amount, lambda _: charge)


def _storage(key: str, at: datetime) -> Event:
    return _charge(key, at, 35, "Storage of your files, one week")


def _given_back(charge_key: str, at: datetime, amount: int, code: str, detail: str) -> Event:
    def refund(charge_seq: int) -> Intent:
        return RefundCharge(
            account_id=0,
            idempotency_key=f"{charge_key}:{code}",
            charge_seq=charge_seq,
            amount=amount,
            reason_code=code,
            detail=detail,
            recorded_at=at,
        )

    return Event(at, amount, refund, after=charge_key)


def _lost_preview(at: datetime) -> Iterator[Event]:
    """A job that never reports. Its deadline is short because it passes in real time."""
    work = Work("preview", "Live preview", 2, "Trailer", at, at, SUCCEEDED)
    yield _start("preview-1", work, deadline_seconds=PREVIEW_DEADLINE_SECONDS)
    yield Event(
        at + timedelta(seconds=PREVIEW_DEADLINE_SECONDS),
        work.credits,
        lambda seq: ExpireJob(account_id=0, charge_seq=seq, ruling=Ruling(1, 1, "WORKER_LOST")),
        after="preview-1:start",
    )


def _correction(charge_key: str, at: datetime) -> Event:
    """An operator's own line. It is booked as it happens, so no history can follow it."""

    def adjustment(corrects_seq: int) -> Intent:
        return AdjustBalance(
            account_id=0,
            idempotency_key="correction",
            amount=120,
            reason_code="MANUAL_CORRECTION",
            note="The night batch was priced as 4K though 2K was ordered: 3 credits back for each.",
            author="Mara Lindqvist, support",
            corrects_seq=corrects_seq,
        )

    return Event(at, 120, adjustment, after=charge_key)


def _start(key: str, job: Work, deadline_seconds: int = DEADLINE_SECONDS) -> Event:
    return Event(
        job.started_at,
        -job.credits,
        lambda _: StartJob(
            account_id=0,
            idempotency_key=f"{key}:start",
            key=key,
            job_operation=job.operation,
            amount=job.credits,
            deadline_seconds=deadline_seconds,
            detail=job.detail,
            campaign=job.campaign,
            occurred_at=job.started_at,
            recorded_at=job.started_at,
        ),
    )


def _finish(key: str, job: Work) -> Event:
    ending = job.ending
    return Event(
        job.ended_at,
        _comes_back(job),
        lambda _: FinishJob(
            account_id=0,
            idempotency_key=f"{key}:finish",
            key=key,
            status=ending.status,
            reason_code=ending.reason_code,
            detail=ending.detail,
            done=ending.done,
            total=ending.total,
            occurred_at=job.ended_at,
            recorded_at=job.ended_at,
        ),
    )


def _pleased(work: Work) -> bool:
    return work.ending is SUCCEEDED


def _comes_back(work: Work) -> int:
    """What the refund rule gives back for how the job ended."""
    ending = work.ending
    if ending.status is JobStatus.SUCCEEDED or ending.reason_code in _NOT_REFUNDED:
        return 0
    if ending.done is None or ending.total is None:
        return work.credits
    return -(-work.credits * (ending.total - ending.done) // ending.total)
