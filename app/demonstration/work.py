"""The jobs of the demonstration's studio: what it generated, when, and how each one ended.

Owns the rhythm (days, nights, weekends, campaigns) and the chances of failure. Owns no lines:
`story` makes them of this.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

from models.records import JobStatus

JOBS_ON_WORKDAYS = (14, 27)
JOBS_ON_WEEKENDS = (2, 7)
NIGHT_BATCH_JOBS = 40
NIGHT_BATCH_DETAIL = "Upscaled to 4K: 1"
NIGHT_BATCH_FAILED = range(17, 24)
"""The jobs of the night batch that met a restart of the workers."""

_SATURDAY = 5
_HOUR_WEIGHTS = (1, 0, 0, 0, 0, 0, 1, 4, 12, 20, 24, 22, 12, 18, 24, 22, 18, 12, 7, 4, 4, 5, 4, 2)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended, as its producer reports it."""

    status: JobStatus
    reason_code: str | None = None
    detail: str | None = None
    done: int | None = None
    total: int | None = None


SUCCEEDED = Ending(JobStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Work:
    """One job."""

    operation: str
    detail: str
    credits: int
    campaign: str | None
    started_at: datetime
    ended_at: datetime
    ending: Ending


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    parts: tuple[int, ...]
    credits_per_part: int
    detail: str
    seconds: tuple[int, int]
    weight: int


@dataclass(frozen=True, slots=True)
class _Campaign:
    name: str | None
    first_day: int
    last_day: int
    weight: int


_OPERATIONS = (
    _Operation("txt2img", (1, 2, 4, 4, 4, 8), 4, "Images from text: {}", (6, 40), 52),
    _Operation("img2img", (1, 2, 2, 4), 5, "Variations of an image: {}", (8, 45), 22),
    _Operation("upscale", (1, 1, 1, 2), 3, "Upscaled to 2K: {}", (4, 15), 16),
    _Operation("video", (4, 6, 8), 15, "Video, seconds: {}", (60, 240), 10),
)
_CAMPAIGNS = (
    _Campaign("Lookbook", 0, 13, 4),
    _Campaign("Product shots", 4, 24, 4),
    _Campaign("Café Lumen", 13, 30, 5),
    _Campaign("Trailer", 19, 30, 3),
    _Campaign(None, 0, 30, 2),
)
_FAILURES: tuple[tuple[int, str, str | None], ...] = (
    (14, "PROVIDER_ERROR", "The model stopped with an error before anything was delivered."),
    (9, "PROVIDER_TIMEOUT", "Sent to the model twice, without an answer."),
    (6, "PLATFORM_ERROR", "The result could not be saved. It has been fixed since."),
    (5, "OUTPUT_BLOCKED", "The finished image was held back by the model's own filter."),
    (4, "OUTPUT_EMPTY", None),
    (3, "OUTPUT_INVALID", "The file could not be opened."),
    (9, "INPUT_POLICY", "The prompt names a living person. It was stopped before it ran."),
    (4, "INVALID_INPUT", "The reference image is smaller than 64 × 64 pixels."),
)


def working_days(rng: random.Random, began_at: datetime, days: int, zone: tzinfo) -> Iterator[Work]:
    """The jobs of some days, in no order."""
    first = began_at.astimezone(zone).date()
    for day in range(days + 1):
        date = first + timedelta(days=day)
        few, many = JOBS_ON_WEEKENDS if date.weekday() >= _SATURDAY else JOBS_ON_WORKDAYS
        for _ in range(rng.randint(few, many)):
            hour = rng.choices(range(24), _HOUR_WEIGHTS)[0]
            at = datetime.combine(date, time(hour, rng.randrange(60), rng.randrange(60)), zone)
            yield _job(rng, at, _campaign(rng, day))


def night_batch(at: datetime) -> Iterator[Work]:
    """Upscales sent one after the other in the dark; some meet a restart of the workers."""
    for number in range(NIGHT_BATCH_JOBS):
        started_at = at + timedelta(seconds=25 * number)
        lost = number in NIGHT_BATCH_FAILED
        yield Work(
            operation="upscale",
            detail=NIGHT_BATCH_DETAIL,
            credits=6,
            campaign="Product shots",
            started_at=started_at,
            ended_at=started_at + timedelta(seconds=22 if lost else 11 + number % 5),
            ending=Ending(
                JobStatus.FAILED, "PLATFORM_ERROR", "Our workers restarted during the night batch."
            )
            if lost
            else SUCCEEDED,
        )


def _job(rng: random.Random, at: datetime, campaign: str | None) -> Work:
    operation = rng.choices(_OPERATIONS, [o.weight for o in _OPERATIONS])[0]
    parts = rng.choice(operation.parts)
    ended_at = at + timedelta(
        milliseconds=1000 * rng.randint(*operation.seconds) + rng.randrange(1000)
    )
    return Work(
        operation=operation.name,
        detail=operation.detail.format(parts),
        credits=operation.credits_per_part * parts,
        campaign=campaign,
        started_at=at,
        ended_at=ended_at,
        ending=_ending(rng, parts),
    )


def _campaign(rng: random.Random, day: int) -> str | None:
    running = [c for c in _CAMPAIGNS if c.first_day <= day <= c.last_day]
    return rng.choices(running, [c.weight for c in running])[0].name


def _ending(rng: random.Random, parts: int) -> Ending:
    chance = rng.random()
    if chance < 0.88:
        return SUCCEEDED
    if chance < 0.91 and parts > 1:
        done = rng.randint(1, parts - 1)
        detail = f"{done} of {parts} were delivered before the model stopped."
        return Ending(JobStatus.PARTIAL, "PARTIAL_OUTPUT", detail, done, parts)
    if chance < 0.92:
        return Ending(JobStatus.CANCELLED, "CANCELLED_QUEUED")
    if chance < 0.93 and parts > 1:
        return Ending(
            JobStatus.CANCELLED, "CANCELLED_RUNNING", None, rng.randint(0, parts - 1), parts
        )
    _, code, detail = rng.choices(_FAILURES, [weight for weight, _, _ in _FAILURES])[0]
    return Ending(JobStatus.FAILED, code, detail)
