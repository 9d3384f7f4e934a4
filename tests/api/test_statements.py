"""A period closes: opening and the terms make the closing, to the credit, in any zone."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.api.support import Caller

STATEMENT = (
    "query ($id: ID!, $from: DateTime!, $to: DateTime!, $zone: String) { account(id: $id) "
    "{ statement(from: $from, to: $to, timeZone: $zone) { from to timeZone opening granted charged "
    "refunded adjusted closing unexplained final byReason { kind reason { code } count amount } "
    "byCampaign { campaign count charged refunded } "
    "byDay { date granted charged refunded adjusted } "
    "usage(first: 100) { nodes { ... on LedgerEntry { seq } } } } } }"
)
SELECTION = "... on LedgerEntry { seq kind amount recordedAt campaign reason { code } }"
START = datetime(2026, 3, 27, tzinfo=UTC)
"""Around the night in which Berlin's clocks go forward."""

Line = dict[str, Any]


@pytest.fixture
async def account(service: Caller) -> str:
    """An account with a seeded history of five days, booked as history from elsewhere."""
    chance = random.Random(29)
    account = await service.opened("acme", granted=0, timeZone="Europe/Berlin")
    times = sorted(START + timedelta(seconds=chance.randint(0, 5 * 86_400)) for _ in range(60))
    grant = {"account": account, "reasonCode": "GRANT_PLAN", "amount": 5_000}
    await service.do("grantCredits", **grant, recordedAt=times[0].isoformat())
    charged: list[str] = []
    for time in times[1:]:
        if charged and chance.random() < 0.3:
            back = {
                "charge": charged.pop(),
                "reasonCode": chance.choice(["GOODWILL", "OUTPUT_EMPTY"]),
            }
            await service.do("refundCharge", **back, recordedAt=time.isoformat())
        else:
            taken = {"amount": chance.randint(1, 20), "campaign": chance.choice([None, "a", "b"])}
            booked = await service.do(
                "recordCharge", account=account, **taken, recordedAt=time.isoformat()
            )
            charged.append(booked["entry"]["id"])
    await service.do("recordCharge", account=account, amount=1)  # from here on, no more history
    return account


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def statement(
    caller: Caller, account: str, start: datetime, end: datetime, zone: str | None = None
) -> dict[str, Any]:
    period = {"from": start.isoformat(), "to": end.isoformat(), "zone": zone}
    return (await caller.ask(STATEMENT, id=account, **period))["account"]["statement"]


async def test_any_period_reconciles_with_its_own_lines(service: Caller, account: str) -> None:
    chance = random.Random(3)
    lines = await service.lines(account, SELECTION)
    for _ in range(10):
        start = START + timedelta(seconds=chance.randint(-86_400, 5 * 86_400))
        end = start + timedelta(seconds=chance.randint(1, 3 * 86_400))
        zone = chance.choice([None, "UTC", "Asia/Kathmandu", "America/St_Johns"])
        found = await statement(service, account, start, end, zone)
        before = [line for line in lines if at(line["recordedAt"]) < start]
        within = [line for line in lines if start <= at(line["recordedAt"]) < end]
        assert found["opening"] == sum(line["amount"] for line in before)
        assert found["closing"] == found["opening"] + sum(line["amount"] for line in within)
        terms = found["granted"] - found["charged"] + found["refunded"] + found["adjusted"]
        assert found["opening"] + terms == found["closing"]
        assert (found["unexplained"], found["final"]) == (0, True)
        shown = [node["seq"] for node in found["usage"]["nodes"]]
        assert shown == [line["seq"] for line in reversed(within)][:100]
        assert found["timeZone"] == (zone or "Europe/Berlin")
        _assert_grouped(found, within, ZoneInfo(found["timeZone"]))


def _assert_grouped(found: dict[str, Any], within: list[Line], zone: ZoneInfo) -> None:
    days: defaultdict[str, list[Line]] = defaultdict(list)
    reasons: defaultdict[str, list[Line]] = defaultdict(list)
    campaigns: defaultdict[str | None, list[Line]] = defaultdict(list)
    for line in within:
        days[at(line["recordedAt"]).astimezone(zone).date().isoformat()].append(line)
        reasons[line["reason"]["code"]].append(line)
        if line["kind"] in ("CHARGE", "REFUND"):
            campaigns[line["campaign"]].append(line)

    def total(lines: list[Line], kind: str) -> int:
        return abs(sum(line["amount"] for line in lines if line["kind"] == kind))

    assert found["byDay"] == [
        {
            "date": day,
            "granted": total(lines, "GRANT"),
            "charged": total(lines, "CHARGE"),
            "refunded": total(lines, "REFUND"),
            "adjusted": 0,
        }
        for day, lines in sorted(days.items())
    ]
    assert {row["reason"]["code"]: (row["count"], row["amount"]) for row in found["byReason"]} == {
        code: (len(lines), abs(sum(line["amount"] for line in lines)))
        for code, lines in reasons.items()
    }
    assert {
        row["campaign"]: (row["count"], row["charged"], row["refunded"])
        for row in found["byCampaign"]
    } == {
        campaign: (len(lines), total(lines, "CHARGE"), total(lines, "REFUND"))
        for campaign, lines in campaigns.items()
    }


async def test_a_period_that_is_not_over_is_not_final(service: Caller, account: str) -> None:
    now = datetime.now(UTC)
    found = await statement(service, account, START, now + timedelta(hours=1))
    assert found["final"] is False
    assert found["closing"] == (await service.balance(account))[0]


async def test_a_period_is_final_once_no_history_can_be_imported_into_it(service: Caller) -> None:
    account = await service.opened("history", granted=0)
    grant = {"account": account, "amount": 5, "reasonCode": "GRANT_PLAN"}
    await service.do("grantCredits", **grant, recordedAt=START.isoformat())
    past = (START - timedelta(days=1), START + timedelta(days=1))
    assert (await statement(service, account, *past))["final"] is False
    await service.do("grantCredits", **grant)
    assert (await statement(service, account, *past))["final"] is True


async def test_a_statement_of_all_time_is_the_account(service: Caller, account: str) -> None:
    earliest, latest = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
    found = await statement(service, account, earliest, latest)
    assert (found["opening"], found["closing"]) == (0, (await service.balance(account))[0])
    assert len(found["byDay"]) == 7  # five days of UTC touch six of Berlin; and today


async def test_adjustments_keep_their_sign(service: Caller) -> None:
    account = await service.opened("signed", granted=10)
    for amount in (-15, 3):
        made = {"amount": amount, "reasonCode": "MANUAL_CORRECTION", "note": "n"}
        await service.do("adjustBalance", account=account, **made)
    now = datetime.now(UTC)
    found = await statement(service, account, now - timedelta(days=1), now + timedelta(days=1))
    assert (found["adjusted"], found["closing"]) == (-12, -2)
    (row,) = (row for row in found["byReason"] if row["kind"] == "ADJUSTMENT")
    assert (row["count"], row["amount"]) == (2, -12)


async def test_a_statement_that_cannot_be_is_refused(service: Caller, account: str) -> None:
    end = START + timedelta(days=1)
    for wrong in (
        {"from": end.isoformat(), "to": START.isoformat()},
        {"from": end.isoformat(), "to": end.isoformat()},
        {"from": START.isoformat(), "to": end.isoformat(), "zone": "Mars/Base"},
        {"from": START.isoformat(), "to": end.isoformat(), "zone": ""},
        {"from": START.isoformat(), "to": end.isoformat(), "zone": "../etc/passwd"},
    ):
        assert await service.code(STATEMENT, id=account, **wrong) == "BAD_USER_INPUT", wrong


async def test_a_zone_that_the_database_does_not_know_is_refused(
    service: Caller, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.validation._time_zones", lambda: {"localtime", "Europe/Berlin"})
    period = {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat()}
    assert await service.code(STATEMENT, id=account, **period, zone="localtime") == "BAD_USER_INPUT"
    assert (await statement(service, account, START, START + timedelta(days=1)))["byDay"]
