"""Two accounts of the same shape, and everybody who may or may not ask about the first.

Owns the rows that the matrix asks about, their names, and what a stranger must never read of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from models.database import Database
from models.intents import Intent
from models.outcomes import Outcome, OutcomeUnknown
from models.writer import Writer
from resolvers.access import Scope
from schema import ids
from tests.api.support import EVERY_SCOPE, Api, Caller, issuer_keys
from tests.owner import owner_of

WRITER = "billing"
"""All services have one name: it is part of an adjustment, and so of a retry of one."""

NOBODY = ("none", "malformed", "expired", "audience", "issuer")
CUSTOMERS = ("other", "own")
SERVICES = (*(str(scope) for scope in Scope), "all")
CALLERS = (*NOBODY, *CUSTOMERS, *SERVICES)
"""The columns of the matrix, in its order."""

LOST = "lost"
"""A key of writes whose outcome nobody knows."""

_IDS = ("grant", "manualCharge", "manualRefund", "charge", "job", "refund", "adjustment")
_COUNTS = """
select (select count(*) from account), (select count(*) from entry), (select count(*) from job),
       (select count(*) from idempotency_key), (select sum(balance) from account),
       (select count(*) from job where status = 'RUNNING'), (select count(*) from reason),
       (select count(*) from service_key)
"""


@dataclass
class World:
    """What there is, by name: `$account` in an operation is `names["account"]`."""

    owner: Database
    names: dict[str, Any]
    callers: dict[str, Caller]

    @property
    def secrets(self) -> set[str]:
        """Texts that the first account's rows have and no others: none may reach a stranger."""
        of_ids = {self.names[name] for name in (*_IDS, "account")}
        return of_ids | {self.names["key"], "918273", "54321", "13579", "246813", "97531"}

    async def ledger(self) -> tuple[Any, ...]:
        """What changes when anything moves."""
        return tuple(await self.owner.fetchrow(_COUNTS) or ())


@asynccontextmanager
async def made(api: Api) -> AsyncGenerator[World]:
    """The two accounts and all callers."""
    _lose_connections_over(api.process.services.writer, LOST)
    callers = await everybody(api)
    first = await booked(callers["all"], "zebra", times=1)
    await booked(callers["all"], "globe", times=7)
    async with owner_of(api.process) as owner:
        yield World(owner, first, callers)


def _lose_connections_over(writer: Writer, key: str) -> None:
    """Answer as when the connection is lost between a commit and its answer, which tests/ledger
    does for real: with one that is lost here, a neighbour in the batch would be lost too.
    """
    book = writer.book

    async def booked_or_lost(intent: Intent) -> Outcome:
        return OutcomeUnknown() if intent.idempotency_key == key else await book(intent)

    writer.book = booked_or_lost


async def everybody(api: Api) -> dict[str, Caller]:
    keys, now = issuer_keys(), int(time.time())
    callers = {
        "none": api.caller(None),
        "malformed": api.caller("abc.def.ghi"),
        "expired": api.customer("zebra", exp=now - 3_600),
        "audience": api.customer("zebra", aud="others"),
        "issuer": api.customer("zebra", iss="https://others.test"),
        "other": api.caller(keys.token("globe")),
        "own": api.caller(keys.token("zebra")),
        "all": await api.service(*EVERY_SCOPE, name=WRITER),
    }
    for scope in Scope:
        callers[scope] = await api.service(scope, name=WRITER)
    return {name: callers[name] for name in CALLERS}


async def booked(service: Caller, key: str, *, times: int) -> dict[str, Any]:
    """An account with a line of every kind, each with all that a line can have."""
    about = {"detail": f"{key} detail", "metadata": {f"{key}Note": f"{key}-value"}}
    opening = {"key": key, "name": f"{key} limited", "unit": f"{key} coins"}
    account = (await service.do("openAccount", **opening))["account"]["id"]
    grant = {"account": account, "idempotencyKey": "g", "amount": 918_273 * times}
    grant |= {"reasonCode": "GRANT_PLAN", **about}
    granted = await service.do("grantCredits", **grant)
    charge = {"account": account, "idempotencyKey": "c", "amount": 54_321 * times, **about}
    charged = await service.do("recordCharge", **charge, campaign=f"{key}-campaign")
    refund = {"charge": charged["entry"]["id"], "idempotencyKey": "r", "amount": 13_579 * times}
    refund |= {"reasonCode": "GOODWILL", **about}
    refunded = await service.do("refundCharge", **refund)
    job = {"account": account, "idempotencyKey": "s", "key": f"{key}-job"}
    job |= {"amount": 246_813 * times, "operation": f"{key}-draft", "deadlineSeconds": 3_600}
    job |= {"campaign": f"{key}-campaign"}
    started = await service.do("startJob", **job, **about)
    end = {"account": account, "idempotencyKey": "f", "key": f"{key}-job", "status": "FAILED"}
    ended = await service.do("finishJob", **end)
    correction = {"account": account, "idempotencyKey": "a", "amount": -97_531 * times}
    correction |= {"reasonCode": "MANUAL_CORRECTION", "note": f"{key} correction"}
    correction |= {"corrects": charged["entry"]["id"], "metadata": about["metadata"]}
    adjusted = await service.do("adjustBalance", **correction)
    return {
        "account": account,
        "key": key,
        "jobKey": f"{key}-job",
        "grant": granted["entry"]["id"],
        "manualCharge": charged["entry"]["id"],
        "manualRefund": refunded["entry"]["id"],
        "charge": started["entry"]["id"],
        "job": started["job"]["id"],
        "refund": ended["refund"]["id"],
        "adjustment": adjusted["entry"]["id"],
        "grantSeq": granted["entry"]["seq"],
        "chargeSeq": started["entry"]["seq"],
        "refundSeq": ended["refund"]["seq"],
        "adjustmentSeq": adjusted["entry"]["seq"],
        "start": ids.cursor(0),
        "openInput": opening,
        "grantInput": grant,
        "chargeInput": {**charge, "campaign": f"{key}-campaign"},
        "refundInput": refund,
        "adjustInput": correction,
        "startInput": {**job, **about},
        "finishInput": end,
        "lost": LOST,
        "missing": ids.account(999_999),
        "missingCharge": ids.entry(999_999, 2),
    }
