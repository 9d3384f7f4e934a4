"""Promise 6, a retry is the same answer, and promise 8 as far as a lost connection goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from models.intents import (
    AdjustBalance,
    FinishJob,
    GrantCredits,
    Intent,
    OpenAccount,
    RecordCharge,
    RefundCharge,
    StartJob,
)
from models.outcomes import Done, IdempotencyConflict
from models.records import EntryKind, JobStatus
from tests.ledger.support import Ledger, counted, done, entry, instant

NOON = instant("2026-01-01 12:00:00")


@dataclass(frozen=True)
class Retried:
    """An intent, and the same key with each other input that must be told from it."""

    intent: Callable[[int], Intent]
    others: list[dict[str, Any]]


# Line 1 is a grant of 1,000, line 2 a charge of 100, line 3 the charge of 50 for the job `started`.
RETRIED = {
    "openAccount": Retried(
        lambda _: OpenAccount(idempotency_key="opened", name="A"),
        [{"name": "B"}, {"unit": "seconds"}, {"scale": 2}, {"time_zone": "Europe/Berlin"},
         {"overdraft_limit": 1}],
    ),
    "grantCredits": Retried(
        lambda a: GrantCredits(
            account_id=a, idempotency_key="k", amount=5, reason_code="GRANT_PLAN"
        ),
        [{"amount": 6}, {"reason_code": "GRANT_PROMO"}, {"detail": "x"}, {"occurred_at": NOON},
         {"metadata": {"a": 1}}],
    ),
    "recordCharge": Retried(
        lambda a: RecordCharge(account_id=a, idempotency_key="k", amount=5),
        [{"amount": 6}, {"detail": "x"}, {"campaign": "c"}, {"occurred_at": NOON},
         {"metadata": [1]}],
    ),
    "refundCharge": Retried(
        lambda a: RefundCharge(
            account_id=a, idempotency_key="k", charge_seq=2, amount=5, reason_code="GOODWILL"
        ),
        [{"charge_seq": 3}, {"amount": 6}, {"amount": None}, {"reason_code": "PLATFORM_ERROR"},
         {"detail": "x"}, {"metadata": 0}],
    ),
    "adjustBalance": Retried(
        lambda a: AdjustBalance(
            account_id=a, idempotency_key="k", amount=-5, reason_code="MANUAL_CORRECTION",
            note="n", author="ann",
        ),
        [{"amount": 5}, {"reason_code": "CHARGEBACK"}, {"note": "m"}, {"corrects_seq": 1},
         {"metadata": ""}],
    ),
    "startJob": Retried(
        lambda a: StartJob(
            account_id=a, idempotency_key="k", key="j", job_operation="o", amount=5,
            deadline_seconds=60,
        ),
        [{"key": "i"}, {"job_operation": "p"}, {"amount": 6}, {"deadline_seconds": 61},
         {"detail": "x"}, {"campaign": "c"}, {"occurred_at": NOON}, {"metadata": False}],
    ),
    "finishJob": Retried(
        lambda a: FinishJob(
            account_id=a, idempotency_key="k", key="started", status=JobStatus.CANCELLED,
            done=1, total=3,
        ),
        [{"key": "other"}, {"status": JobStatus.PARTIAL}, {"done": 2}, {"total": 4},
         {"reason_code": "GOODWILL"}, {"detail": "x"}, {"occurred_at": NOON}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", RETRIED)
async def test_a_retry_is_the_same_answer_and_another_input_is_a_conflict_that_moves_nothing(
    ledger: Ledger, operation: str
) -> None:
    account_id = await ledger.open(granted=1_000)
    await ledger.charge(account_id, 100)
    await ledger.start(account_id, 50, key="started")
    case = RETRIED[operation]
    intent = case.intent(account_id)
    first = done(await ledger.book(intent))
    assert not first.replayed

    # Much happens in between; the answer stays, but for what `account` is now.
    await ledger.grant(first.account.id, 7)
    image = await ledger.image()
    again = done(await ledger.book(intent))
    now = await ledger.account(first.account.id)
    assert again == replace(first, replayed=True, account=now)
    for other in case.others:
        conflict = await ledger.book(replace(intent, **other))
        assert conflict == IdempotencyConflict(entry=first.entry, job=first.job), other
    assert await ledger.image() == image


async def test_one_key_names_one_intent_across_all_operations(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    granted = await ledger.grant(account_id, 1, idempotency_key="k")
    charged = await ledger.book(RecordCharge(account_id=account_id, idempotency_key="k", amount=1))
    assert charged == IdempotencyConflict(entry=granted, job=None)


async def test_one_key_of_two_accounts_names_two_intents(ledger: Ledger) -> None:
    one, other = await ledger.open(granted=5), await ledger.open(granted=5)
    await ledger.charge(one, 1, idempotency_key="k")
    await ledger.charge(other, 2, idempotency_key="k")
    assert [(await ledger.account(a)).balance for a in (one, other)] == [4, 3]


async def test_a_refusal_leaves_its_key_free(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=5)
    intent = RecordCharge(account_id=account_id, idempotency_key="k", amount=6)
    assert counted([await ledger.book(intent)]) == {"InsufficientCredits": 1}
    await ledger.grant(account_id, 1)
    assert not done(await ledger.book(intent)).replayed


async def test_a_key_is_remembered_within_the_batch_that_bound_it(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=10)
    same = RecordCharge(account_id=account_id, idempotency_key="k", amount=6)
    outcomes = await ledger.writer.book_many([same, same, replace(same, amount=5)])
    assert counted(outcomes) == {"Done": 1, "Replayed": 1, "IdempotencyConflict": 1}
    assert entry(outcomes[1]) == entry(outcomes[0])


async def test_the_report_of_a_job_that_moved_nothing_is_remembered_too(ledger: Ledger) -> None:
    job = await ledger.start(await ledger.open(granted=10), 10)
    report = ledger.finishing(job, JobStatus.SUCCEEDED)
    first = done(await ledger.book(report))
    assert (first.entry, first.replayed) == (None, False)
    assert done(await ledger.book(report)) == replace(first, replayed=True)


def hashed(**given: Any) -> bytes:
    given = {"amount": 5, "reason_code": "GRANT_PLAN"} | given
    return GrantCredits(account_id=1, idempotency_key="k", **given).canonical_hash()


def test_absent_equals_null_in_the_hash_of_an_input() -> None:
    assert hashed() == hashed(detail=None, metadata=None, occurred_at=None, recorded_at=None)


def test_the_order_of_json_keys_does_not_change_the_hash_but_their_values_do() -> None:
    metadata = {"b": {"y": 1, "x": [1, 2]}, "a": "ü"}
    turned = {"a": "ü", "b": {"x": [1, 2], "y": 1}}
    assert hashed(metadata=metadata) == hashed(metadata=turned)
    assert hashed(metadata=metadata) != hashed(metadata={"a": "ü", "b": {"x": [2, 1], "y": 1}})


def test_one_instant_written_with_two_offsets_has_one_hash() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    assert hashed(occurred_at=NOON) == hashed(occurred_at=berlin)
    assert hashed(occurred_at=NOON) != hashed(occurred_at=NOON.replace(microsecond=1))


def test_the_hash_covers_the_operation_and_neither_account_key_nor_author() -> None:
    def adjusted(**given: Any) -> bytes:
        given = {"account_id": 1, "idempotency_key": "k", "author": "ann"} | given
        return AdjustBalance(
            amount=5, reason_code="MANUAL_CORRECTION", note="n", **given
        ).canonical_hash()

    assert adjusted() == adjusted(account_id=2, idempotency_key="l", author="bob")
    assert hashed(reason_code="USAGE_CHARGE") != (
        RecordCharge(account_id=1, idempotency_key="k", amount=5).canonical_hash()
    )


async def test_a_writer_whose_connection_is_killed_answers_unknown_and_the_same_key_settles_it(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=100)
    intents = [
        RecordCharge(account_id=account_id, idempotency_key=f"c{n}", amount=1)
        for n in range(16)  # few enough to share one call
    ]
    blocker = await ledger.connection()
    async with blocker.transaction():
        await blocker.execute("select from account where id = $1 for update", account_id)
        booking = asyncio.create_task(ledger.writer.book_many(intents))
        assert await killed(ledger, "select % from book%") == 1
        assert counted(await booking) == {"OutcomeUnknown": 16}
    settled = await ledger.writer.book_many(intents)
    assert counted(settled) == {"Done": 16}
    assert counted(await ledger.writer.book_many(intents)) == {"Replayed": 16}
    assert (await ledger.account(account_id)).balance == 84


async def test_a_connection_killed_at_any_moment_loses_and_doubles_nothing(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100_000)
    unknown: list[Intent] = []

    async def spend(writer_number: int) -> None:
        writer = await ledger.another_writer()
        for n in range(50):
            intent = RecordCharge(
                account_id=account_id, idempotency_key=f"{writer_number}:{n}", amount=1
            )
            while not isinstance(await writer.book(intent), Done):
                unknown.append(intent)

    spending = asyncio.gather(*[spend(n) for n in range(4)])
    kills = 0
    while not spending.done() and kills < KILLS:
        kills += await killed(ledger, "select % from book%", wait=False)
        await asyncio.sleep(0.05)
    await spending
    assert unknown
    charges = [x for x in await ledger.lines(account_id) if x.kind is EntryKind.CHARGE]
    assert len(charges) == 4 * 50


KILLS = 30
"""Enough to meet every moment of a call; bounded, so that a slow machine gets through between."""


async def killed(ledger: Ledger, query: str, wait: bool = True) -> int:
    """Terminate the backends that run `query`; wait until there is one."""
    while True:
        pids = await ledger.db.fetch(
            "select pid, pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and state = 'active' and query like $1"
            " and pid <> pg_backend_pid()",
            query,
        )
        if pids or not wait:
            return len(pids)
        await asyncio.sleep(0.01)
