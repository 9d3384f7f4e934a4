"""The feed: any page under any filter is what a naive look through all lines finds."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from models import feed, jobs
from models.feed import SEQ_MAX, Filter, Slice
from models.records import Entry, EntryKind, Job, JobStatus
from tests.ledger.support import Ledger, done, instant

START = instant("2025-01-01 00:00:00")
CAMPAIGNS = [None, "spring", "autumn", "Spring"]
JOB_KEYS = ["draft-", "draft-1", "Draft-1", "drafts/", "ü", "%", "_"]
NOT_FOUND = ["#0", "#99999999999", "#x", "draft-9", "DRAFT", "%%", "\U0010ffff"]


async def a_varied_account(ledger: Ledger, chance: random.Random) -> int:
    """About 300 imported lines: charges, refunds, jobs whose keys begin alike."""
    account_id = await ledger.open()
    at = START
    await ledger.grant(account_id, 100_000, recorded_at=at)
    charges: list[int] = []
    for number in range(200):
        at += timedelta(minutes=chance.choice([0, 0, 1, 5, 300]))
        campaign = chance.choice(CAMPAIGNS)
        match chance.choice(["grant", "charge", "charge", "refund", "job", "failed"]):
            case "grant":
                code = chance.choice(["GRANT_PROMO", "PURCHASE_AUTO"])
                await ledger.grant(account_id, 1, reason_code=code, recorded_at=at)
            case "charge":
                line = await ledger.charge(account_id, 9, campaign=campaign, recorded_at=at)
                charges.append(line.seq)
            case "refund" if charges:
                charge = charges.pop(chance.randrange(len(charges)))
                await ledger.refund(account_id, charge, 4, recorded_at=at)
                await ledger.refund(account_id, charge, 5, recorded_at=at)
            case how:
                key = f"{chance.choice(JOB_KEYS)}{number:03}"
                job = await ledger.start(account_id, 7, key=key, campaign=campaign, recorded_at=at)
                if how == "failed":
                    report = ledger.finishing(job, JobStatus.FAILED, recorded_at=at)
                    done(await ledger.book(report))
    await ledger.adjust(account_id, -1)
    return account_id


def random_filter(chance: random.Random, lines: list[Entry], keys: list[str]) -> Filter:
    def sometimes(*choices: object) -> object:
        return chance.choice(choices) if chance.random() < 0.2 else None

    line = chance.choice(lines)
    tick = timedelta(microseconds=chance.choice([0, 1]))
    kinds = frozenset(chance.sample(list(EntryKind), chance.randint(1, 3)))
    key = chance.choice(keys)
    search = chance.choice(
        [f"#{line.seq}", key, key[: chance.randint(1, len(key))], *chance.sample(NOT_FOUND, 1)]
    )
    given = {
        "kinds": sometimes(kinds),
        "campaign": sometimes(*CAMPAIGNS[1:], "winter"),
        "reason_code": sometimes(line.reason.code, "JOB_CHARGE", "NO_SUCH_CODE"),
        "job_seq": sometimes(line.job_seq or 3, chance.choice(lines).seq),
        "start": sometimes(line.recorded_at + tick),
        "end": sometimes(chance.choice(lines).recorded_at + tick),
        "search": sometimes(search),
    }
    return Filter(**given)  # pyright: ignore[reportArgumentType]


def matches(line: Entry, of: Filter, by_seq: dict[int, Job]) -> bool:
    job = by_seq.get(line.seq) or by_seq.get(line.charge_seq or 0)
    return (
        (of.kinds is None or line.kind in of.kinds)
        and (of.campaign is None or line.campaign == of.campaign)
        and (of.reason_code is None or line.reason.code == of.reason_code)
        and (of.job_seq is None or (job is not None and job.charge_seq == of.job_seq))
        and (of.start is None or line.recorded_at >= of.start)
        and (of.end is None or line.recorded_at < of.end)
        and (of.search is None or found(of.search, line, job))
    )


def found(search: str, line: Entry, job: Job | None) -> bool:
    if search.startswith("#") and search[1:].isdigit():
        return line.seq == int(search[1:])
    return job is not None and job.key.startswith(search)


@pytest.mark.parametrize("seed", range(3))
async def test_any_page_under_any_filter_is_what_a_look_through_all_lines_finds(
    ledger: Ledger, seed: int
) -> None:
    chance = random.Random(seed)
    account_id = await a_varied_account(ledger, chance)
    await a_varied_account(ledger, chance)  # a neighbour, whose lines are never shown
    lines = await ledger.lines(account_id)
    all_jobs, more = await jobs.page(ledger.db, account_id, None, 1_000, None)
    assert not more
    by_seq = {job.charge_seq: job for job in all_jobs}
    filled = 0
    for _ in range(400):
        of = random_filter(chance, lines, [job.key for job in all_jobs])
        bounds = [None, None, None, 0, SEQ_MAX, *chance.sample(range(len(lines) + 3), 3)]
        slice_ = Slice(
            limit=chance.choice([1, 2, 7, 50]),
            older_than=chance.choice(bounds),
            newer_than=chance.choice(bounds),
            from_oldest=chance.random() < 0.4,
        )
        within = chance.choice([None, (chance.randint(0, 50), chance.randint(50, 400))])
        after, last = within or (0, SEQ_MAX)
        expected = [
            line
            for line in lines
            if after < line.seq <= last
            and (slice_.older_than is None or line.seq < slice_.older_than)
            and (slice_.newer_than is None or line.seq > slice_.newer_than)
            and matches(line, of, by_seq)
        ]
        page = await feed.page(ledger.db, account_id, slice_, of, within)
        shown = expected[: slice_.limit] if slice_.from_oldest else expected[-slice_.limit :]
        case = (slice_, of, within)
        assert page.entries == shown[::-1], case
        beyond = page.has_newer if slice_.from_oldest else page.has_older
        assert beyond == (len(expected) > slice_.limit), case
        filled += bool(shown)
    assert filled > 100


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_put_together_are_all_lines_once_while_new_lines_land(
    ledger: Ledger, newest_first: bool
) -> None:
    account_id = await ledger.open(granted=1_000)
    for _ in range(30):
        await ledger.charge(account_id, 1)
    there = [line.seq for line in await ledger.lines(account_id)]
    seen: list[int] = []
    more = True
    while more:
        end = seen[-1] if seen else None
        slice_ = (
            Slice(7, older_than=end) if newest_first else Slice(7, newer_than=end, from_oldest=True)
        )
        page = await feed.page(ledger.db, account_id, slice_)
        more = page.has_older if newest_first else page.has_newer
        seqs = [line.seq for line in page.entries]
        seen += seqs if newest_first else seqs[::-1]
        if len(seen) < 20:
            await ledger.charge(account_id, 1)
    landed = [line.seq for line in await ledger.lines(account_id)][len(there) :]
    assert len(landed) == 2
    assert seen == (there[::-1] if newest_first else there + landed)


async def test_later_heads_entries_and_refunds_find_what_is_there_and_leave_out_the_rest(
    ledger: Ledger,
) -> None:
    one, other = await ledger.open(granted=10), await ledger.open()
    charge = await ledger.charge(one, 5)
    refunds = [await ledger.refund(one, charge.seq, 2), await ledger.refund(one, charge.seq, 1)]
    assert await feed.later(ledger.db, one, 2, 1) == refunds[:1]
    assert await feed.later(ledger.db, one, 4, 9) == []
    assert await feed.heads(ledger.db, [one, other, 77]) == {one: 4, other: 0}
    refs = [(one, 2), (one, 99), (other, 1), (77, 1)]
    assert await feed.entries(ledger.db, refs) == {(one, 2): charge}
    assert await feed.refunds_of(ledger.db, [(one, 2), (one, 1)]) == {(one, 2): refunds}


async def test_pages_of_jobs_are_newest_first_and_by_status(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    started = [await ledger.start(account_id, 1) for _ in range(5)]
    for job in started[1::2]:
        done(await ledger.book(ledger.finishing(job, JobStatus.SUCCEEDED)))
    now = [await ledger.job(job) for job in started][::-1]
    assert await jobs.page(ledger.db, account_id, None, 2, None) == (now[:2], True)
    assert await jobs.page(ledger.db, account_id, None, 9, now[1].charge_seq) == (now[2:], False)
    running = await jobs.page(ledger.db, account_id, JobStatus.RUNNING, 3, None)
    assert running == (now[0::2], False)
