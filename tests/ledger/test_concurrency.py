"""Promises 4 to 7 with many writers at once, through several writers as several processes have.

Every test counts exactly and ends with an audit of the whole ledger.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from models.intents import GrantCredits, Intent, OpenAccount, RecordCharge, RefundCharge
from models.outcomes import Done, InsufficientCredits, Outcome, RefundExceedsCharge
from models.reasons import Catalogue
from models.records import EntryKind, JobStatus
from models.refund_rule import Ruling
from models.sweep import sweep
from models.writer import Writer
from tests.ledger.support import Ledger, counted, done, entry, only
from tests.waiting import somebody_waits

WRITERS = 64
PROCESSES = 4


async def writers_of(ledger: Ledger) -> list[Writer]:
    return [ledger.writer, *[await ledger.another_writer() for _ in range(PROCESSES - 1)]]


async def at_once(
    writers: Sequence[Writer], intents: Sequence[Intent], workers: int = WRITERS
) -> list[Outcome]:
    """Book the intents, `workers` of them in flight at any moment; outcomes in their order."""
    places = iter(range(len(intents)))
    outcomes: dict[int, Outcome] = {}

    async def work(writer: Writer) -> None:
        for place in places:
            outcomes[place] = await writer.book(intents[place])

    await asyncio.gather(*[work(writers[n % len(writers)]) for n in range(workers)])
    return [outcomes[place] for place in range(len(intents))]


def charge(ledger: Ledger, account_id: int, amount: int) -> RecordCharge:
    return RecordCharge(account_id=account_id, idempotency_key=ledger.key(), amount=amount)


async def test_many_intents_share_calls_in_halves_and_one_alone_has_its_own(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=1_000)
    calls: list[int] = []
    writer = Writer(ledger.db, Catalogue(ledger.db), on_batch=calls.append)
    for number, sizes in ((1, [1]), (32, [32]), (64, [32, 32]), (200, [100, 50, 32, 18])):
        calls.clear()
        booking = writer.book_many([charge(ledger, account_id, 1) for _ in range(number)])
        assert [entry(outcome).amount for outcome in await booking] == [-1] * number
        assert calls == sizes
    await writer.close()


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_what_a_database_isolates_by_default_keeps_no_writer_from_booking(
    ledger: Ledger, isolation: str
) -> None:
    account_id = await ledger.open(granted=1_000)
    name = await ledger.db.fetchval("select quote_ident(current_database())")
    await ledger.db.execute(
        f"alter database {name} set default_transaction_isolation = '{isolation}'"
    )
    others = [await ledger.another_writer() for _ in range(PROCESSES)]
    intents = [charge(ledger, account_id, 1) for _ in range(400)]
    assert counted(await at_once(others, intents)) == {"Done": 400}


async def test_64_writers_at_once_on_one_account_spend_exactly_what_is_available(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=5_000, overdraft_limit=1_000)
    intents = [charge(ledger, account_id, 7) for _ in range(1_000)]
    outcomes = await at_once(await writers_of(ledger), intents)
    # 6,000 available: 857 charges of 7 take 5,999, and every later one falls short by 6.
    assert counted(outcomes) == {"Done": 857, "InsufficientCredits": 143}
    assert {(o.available, o.shortfall) for o in only(outcomes, InsufficientCredits)} == {(1, 6)}
    account = await ledger.account(account_id)
    assert (account.balance, account.available, account.last_seq) == (-999, 1, 858)
    assert [line.seq for line in await ledger.lines(account_id)] == list(range(1, 859))
    assert sorted(entry(o).seq for o in only(outcomes, Done)) == list(range(2, 859))


async def test_64_writers_at_once_on_1000_accounts_refuse_and_pass_exactly_what_they_should(
    ledger: Ledger,
) -> None:
    opened = await at_once(
        [ledger.writer],
        [
            OpenAccount(idempotency_key=f"a{n}", name="A", overdraft_limit=n % 3)
            for n in range(1000)
        ],
    )
    ids = [done(outcome).account.id for outcome in opened]
    chance = random.Random(64)
    intents: list[Intent] = [charge(ledger, one, 1) for one in ids for _ in range(4)]
    chance.shuffle(intents)
    outcomes = await at_once(await writers_of(ledger), intents)
    # Four charges of 1 each: 334 accounts have 0 available, 333 have 1 and 333 have 2.
    assert counted(outcomes) == {"Done": 333 + 2 * 333, "InsufficientCredits": 4_000 - 999}
    passed = Counter(entry(outcome).account_id for outcome in only(outcomes, Done))
    assert [passed[one] for one in ids] == [n % 3 for n in range(1000)]


async def test_100_refunds_at_once_never_exceed_their_charge_of_90(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=90)
    seq = (await ledger.charge(account_id, 90)).seq
    chance = random.Random(90)
    intents = [
        RefundCharge(
            account_id=account_id,
            idempotency_key=ledger.key(),
            charge_seq=seq,
            amount=chance.randint(1, 3),
            reason_code="GOODWILL",
        )
        for _ in range(100)
    ]
    outcomes = await at_once(await writers_of(ledger), intents, workers=100)
    booked = [entry(outcome).amount for outcome in only(outcomes, Done)]
    refused = only(outcomes, RefundExceedsCharge)
    assert sum(booked) == 90
    assert len(booked) + len(refused) == 100
    assert all(refusal.left < 3 for refusal in refused)
    assert (await ledger.account(account_id)).balance == 90


async def test_the_same_key_100_times_at_once_moves_once_and_answers_100_times_alike(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=100)
    same = RecordCharge(account_id=account_id, idempotency_key="same", amount=60)
    outcomes = await at_once(await writers_of(ledger), [same] * 100, workers=100)
    assert counted(outcomes) == {"Done": 1, "Replayed": 99}
    assert {repr(done(outcome).entry) for outcome in outcomes} == {repr(entry(outcomes[0]))}
    assert {done(outcome).account.balance for outcome in outcomes} == {40}


async def test_one_account_key_opened_100_times_at_once_is_one_account(ledger: Ledger) -> None:
    same = OpenAccount(idempotency_key="acme", name="Acme")
    outcomes = await at_once(await writers_of(ledger), [same] * 100, workers=100)
    assert counted(outcomes) == {"Done": 1, "Replayed": 99}
    assert len({done(outcome).account.id for outcome in outcomes}) == 1


async def test_two_inputs_race_for_one_key_and_one_of_them_wins_it_for_good(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=1_000)
    rivals = [
        RecordCharge(account_id=account_id, idempotency_key="one", amount=amount)
        for amount in (1, 2)
        for _ in range(50)
    ]
    outcomes = await at_once(await writers_of(ledger), rivals, workers=100)
    assert counted(outcomes) == {"Done": 1, "Replayed": 49, "IdempotencyConflict": 50}
    assert len(await ledger.lines(account_id)) == 2


async def test_two_sweeps_at_once_refund_each_job_once(ledger: Ledger) -> None:
    account_ids = [await ledger.open(granted=100) for _ in range(5)]
    jobs = [
        await ledger.start(account_id, 7, deadline_seconds=1)
        for account_id in account_ids
        for _ in range(4)
    ]
    await ledger.past_deadline(jobs[-1])
    others = [await ledger.another_writer() for _ in range(3)]
    sweeps = [sweep(ledger.db, ledger.catalogue, writer) for writer in [ledger.writer, *others]]
    await asyncio.gather(*sweeps)
    assert await ledger.sweep() == 0
    for account_id in account_ids:
        refunds = [x for x in await ledger.lines(account_id) if x.kind is EntryKind.REFUND]
        assert [(r.amount, r.automatic) for r in refunds] == [(7, True)] * 4
        assert (await ledger.account(account_id)).balance == 100


async def test_reports_that_race_the_sweep_end_each_job_once_by_one_of_them(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=1_000)
    jobs = [await ledger.start(account_id, 10, deadline_seconds=1) for _ in range(20)]
    await ledger.past_deadline(jobs[-1])
    other = await ledger.another_writer()
    reports = [
        other.book(ledger.finishing(job, JobStatus.SUCCEEDED, idempotency_key=f"f{job.key}"))
        for job in jobs
    ]
    _, outcomes = await asyncio.gather(ledger.sweep(), asyncio.gather(*reports))
    assert counted(outcomes) == {"Done": 20}
    ended = [await ledger.job(job) for job in jobs]
    expired = [job for job in ended if job.status is JobStatus.EXPIRED]
    assert len(expired) + sum(job.status is JobStatus.SUCCEEDED for job in ended) == 20
    assert (await ledger.account(account_id)).balance == 800 + 10 * len(expired)


@pytest.mark.parametrize("seed", range(3))
async def test_batches_over_the_same_accounts_in_opposite_orders_never_deadlock(
    ledger: Ledger, seed: int
) -> None:
    ids = [await ledger.open() for _ in range(20)]
    chance = random.Random(seed)

    def batch() -> list[Intent]:
        order = chance.sample(ids, len(ids))
        return [
            GrantCredits(
                account_id=one, idempotency_key=ledger.key(), amount=1, reason_code="GRANT_PROMO"
            )
            for one in order
        ]

    writers = await writers_of(ledger)
    batches = [[*batch(), *batch()] for _ in range(24)]
    outcomes = await asyncio.gather(
        *[raw_book(writers[n % len(writers)], b) for n, b in enumerate(batches)]
    )
    assert Counter(status for statuses in outcomes for status in statuses) == {"DONE": 24 * 40}
    assert [(await ledger.account(one)).balance for one in ids] == [48] * 20


async def test_batches_that_open_the_same_accounts_in_opposite_orders_never_deadlock(
    ledger: Ledger,
) -> None:
    known = await ledger.open()
    writers = await writers_of(ledger)

    def batch(names: Sequence[str]) -> list[Intent]:
        grant = GrantCredits(
            account_id=known, idempotency_key=ledger.key(), amount=1, reason_code="GRANT_PROMO"
        )
        return [grant, *[OpenAccount(idempotency_key=name, name="A") for name in names]]

    statuses: Counter[str] = Counter()
    for number in range(10):  # once the accounts are there, nobody waits for anybody
        names = [f"{number}:{n:03}" for n in range(60)]
        orders = [names, names[::-1]] * 2
        pairs = zip(writers, orders, strict=True)
        for answers in await asyncio.gather(*[raw_book(one, batch(order)) for one, order in pairs]):
            statuses.update(answers)
    assert statuses == {"DONE": 10 * (4 + 60), "REPLAYED": 10 * 3 * 60}


async def raw_book(writer: Writer, intents: Sequence[Intent]) -> list[str]:
    """The statuses of one call of `book` in the given order, which a writer would have sorted.

    A deadlock would be raised here: the writer's own answer to one is to book one by one.
    """
    rows = await writer._call(intents)  # pyright: ignore[reportPrivateUsage]
    return [row["status"] for row in rows]


async def test_a_refused_intent_does_not_spoil_its_neighbours(ledger: Ledger) -> None:
    one, other = await ledger.open(granted=10), await ledger.open(granted=10)
    outcomes = await ledger.writer.book_many(
        [
            charge(ledger, one, 4),
            charge(ledger, 999_999, 1),
            charge(ledger, one, 7),
            charge(ledger, other, 0),
            charge(ledger, other, 10),
            charge(ledger, one, 6),
            charge(ledger, other, 1),
        ]
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Done",
        "AccountNotFound",
        "InsufficientCredits",
        "InvalidInput",
        "Done",
        "Done",
        "InsufficientCredits",
    ]
    assert [(await ledger.account(one)).balance, (await ledger.account(other)).balance] == [0, 0]


async def test_an_account_opened_while_a_batch_waits_for_its_locks_is_not_there_yet(
    ledger: Ledger,
) -> None:
    known = await ledger.open(granted=10)
    unborn = known + 1
    blocker = await ledger.connection()
    async with blocker.transaction():
        await blocker.execute("select from account where id = $1 for update", known)
        intents = [charge(ledger, known, 1), charge(ledger, unborn, 1)]
        waiting = asyncio.create_task(ledger.writer.book_many(intents))
        await somebody_waits(ledger.db)
        other = await ledger.another_writer()
        opened = done(await other.book(OpenAccount(idempotency_key="b", name="B")))
        assert opened.account.id == unborn
        grant = GrantCredits(
            account_id=unborn, idempotency_key="g", amount=5, reason_code="GRANT_PLAN"
        )
        done(await other.book(grant))
    assert counted(await waiting) == {"Done": 1, "AccountNotFound": 1}


async def test_a_line_is_recorded_at_the_clocks_time_once_its_lock_is_held(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=10)
    blocker = await ledger.connection()
    async with blocker.transaction():
        await blocker.execute("select from account where id = $1 for update", account_id)
        waiting = asyncio.create_task(ledger.charge(account_id, 1))
        await somebody_waits(ledger.db)
        held_until = await blocker.fetchval("select clock_timestamp()")
    assert (await waiting).recorded_at > held_until


async def test_an_intent_that_the_database_chokes_on_does_not_take_its_neighbours_with_it(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open(granted=10)
    job = await ledger.start(account_id, 1)
    # A ruling for a reason that is not in the catalogue: no rule gives one, the foreign key would.
    choking = ledger.finishing(job, JobStatus.FAILED, ruling=Ruling(0, 1, "NO_SUCH_CODE"))
    outcomes = await ledger.writer.book_many(
        [charge(ledger, account_id, 1), choking, charge(ledger, account_id, 2)]
    )
    assert counted(outcomes) == {"Done": 2, "OutcomeUnknown": 1}
    assert (await ledger.account(account_id)).balance == 6


async def test_of_two_openings_of_one_key_in_a_batch_the_first_stands(ledger: Ledger) -> None:
    for number in range(20):
        opened = await ledger.writer.book_many(
            [OpenAccount(idempotency_key=f"a{number}", name=name) for name in "ABCD"]
        )
        assert counted(opened[:1]) == {"Done": 1}
        assert counted(opened[1:]) == {"IdempotencyConflict": 3}
        assert done(opened[0]).account.name == "A"


async def test_one_writer_books_in_order_of_arrival_within_an_account(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=10_000)
    amounts = list(range(1, 101))
    booked = await asyncio.gather(*[ledger.charge(account_id, amount) for amount in amounts])
    assert [line.seq for line in booked] == list(range(2, 102))
