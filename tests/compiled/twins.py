"""Ledgers with the same history, and what can be asked about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from models import intents
from models.database import Database
from models.fence import Fence
from models.outcomes import Done
from models.reasons import Catalogue
from models.records import JobStatus
from models.writer import Writer
from resolvers.access import Scope, Viewer, ViewerKind
from schema import ids
from schema.context import Context, Services
from subscriptions.bell import Bell
from tests.compiled.generator import ABSENT

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CAMPAIGNS = [None, "spring", "ünïcode"]
ENDS = [JobStatus.FAILED, JobStatus.SUCCEEDED, JobStatus.PARTIAL, None]
_CODES = {
    "GrantCreditsInput.reasonCode": "GRANT_PROMO",
    "RecordChargeInput.reasonCode": "USAGE_CHARGE",
    "RefundChargeInput.reasonCode": "GOODWILL",
    "AdjustBalanceInput.reasonCode": "CHARGEBACK",
    "FinishJobInput.reasonCode": "PROVIDER_ERROR",
}
SERVICE = Viewer(ViewerKind.SERVICE, "tests", scopes=frozenset(Scope))


@dataclass
class Twin:
    """One of the ledgers, and the names of all that is in it."""

    services: Services
    accounts: list[int] = field(default_factory=list[int])
    entries: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    charges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def context(self, viewer: Viewer = SERVICE) -> Context:
        return Context(viewer, self.services)

    async def book(self, intent: intents.Intent) -> Done:
        done = await self.services.writer.book(intent)
        assert isinstance(done, Done), done
        return done

    async def live(self) -> None:
        """Three accounts with every kind of line."""
        for number in range(3):
            opening = intents.OpenAccount(
                idempotency_key=f"account-{number}", name="Ä", overdraft_limit=number
            )
            account = (await self.book(opening)).account.id
            self.accounts.append(account)
            await self._history(account)

    async def _history(self, account: int) -> None:
        clock = BEGIN
        for step in range(12):
            clock += timedelta(hours=7)
            given: dict[str, Any] = {"account_id": account, "recorded_at": clock}
            key = f"{step}"
            more: dict[str, Any] = {"metadata": {"step": [step, None]}} if step % 3 else {}
            if step % 4 == 0:
                one = intents.GrantCredits(
                    **given, **more, idempotency_key=key, amount=500, reason_code="GRANT_PLAN"
                )
                self._note(await self.book(one))
                continue
            starting = intents.StartJob(
                **given, **more, idempotency_key=key, key=f"job-{step}", job_operation="draft",
                amount=10 + step, deadline_seconds=10**6, campaign=CAMPAIGNS[step % 3],
            )  # fmt: skip
            self._note(await self.book(starting), charge=True)
            if status := ENDS[step % 4]:
                parts: dict[str, Any] = {"done": 1, "total": 3} if status == "PARTIAL" else {}
                reason = "PROVIDER_ERROR" if status == "FAILED" else None
                ending = intents.FinishJob(
                    **given, **parts, idempotency_key=f"{step}-end", key=f"job-{step}",
                    status=status, reason_code=reason,
                )  # fmt: skip
                self._note(await self.book(ending))
        charge = intents.RecordCharge(
            account_id=account, idempotency_key="charge", amount=5, recorded_at=clock
        )
        self._note(await self.book(charge), charge=True)
        mending = intents.AdjustBalance(
            account_id=account, idempotency_key="mend", amount=-3, author="a", note="a note",
            reason_code="MANUAL_CORRECTION", corrects_seq=self.entries[-1][1],
        )  # fmt: skip
        self._note(await self.book(mending))

    def _note(self, done: Done, *, charge: bool = False) -> None:
        if done.entry is not None:
            self.entries.append((done.entry.account_id, done.entry.seq))
            if charge:
                self.charges.append(self.entries[-1])


@asynccontextmanager
async def twin(database_url: str) -> AsyncGenerator[Twin]:
    """A ledger with its history, on a database of its own."""
    async with AsyncExitStack() as stack:
        db = await Database.connect(database_url)
        stack.push_async_callback(db.close)
        fence = Fence(database_url, 4)
        stack.push_async_callback(fence.close)
        catalogue = Catalogue(db)
        writer = Writer(db, catalogue)
        stack.push_async_callback(writer.close)
        bell = Bell.over(db, "memory://")
        await bell.start()
        stack.push_async_callback(bell.close)
        ledger = Twin(Services(db, fence, catalogue, writer, writer, bell))
        await ledger.live()
        yield ledger


class Values:
    """Values of arguments that mean something to these ledgers, and some that do not."""

    def __init__(self, ledger: Twin) -> None:
        self._ledger = ledger
        self._keys = 0

    def __call__(self, coordinate: str, random: Random) -> Any:
        name = coordinate.rpartition(".")[2]
        if name == "reasonCode" and coordinate in _CODES and random.random() < 0.8:
            return _CODES[coordinate]
        chosen = self._of(name, random)
        return [chosen, chosen] if name == "ids" else chosen

    def _of(self, name: str, random: Random) -> Any:
        account = random.choice(self._ledger.accounts)
        entry = random.choice(self._ledger.entries)
        charge = random.choice(self._ledger.charges)
        instant = (BEGIN + timedelta(hours=random.randint(0, 100))).isoformat()
        any_id = [ids.account(account), ids.entry(*entry), ids.job(*charge), "nonsense"]
        known: dict[str, list[Any]] = {
            "id": any_id,
            "ids": any_id,
            "ID": any_id,
            "account": [*any_id, *[ids.account(account)] * 12],
            "charge": [*any_id, *[ids.entry(*charge)] * 12],
            "corrects": [ids.entry(*entry), *any_id],
            "job": any_id,
            "key": [f"job-{random.randint(0, 30)}"] * 3 + [f"account-{random.randint(0, 4)}", ""],
            "idempotencyKey": [f"made-{random.randint(0, 300)}"],
            "after": [ids.cursor(random.randint(0, 20)), "nonsense"],
            "before": [ids.cursor(random.randint(0, 20)), None],
            "since": [ids.cursor(random.randint(0, 20))],
            "first": [1, 2, 3, 50, 100, 0, 101],
            "last": [None, None, None, None, 1, 2, -1],
            "seq": [*range(20), -1, 2**31 - 1],
            "from": [BEGIN.isoformat(), instant],
            "to": [(BEGIN + timedelta(days=9)).isoformat(), instant],
            "recordedAt": [*[None] * 9, instant],
            "occurredAt": [None, None, None, instant, "yesterday"],
            "amount": [1, 2, 5, 12, 10**6, 0],
            "deadlineSeconds": [3_600, 10**6],
            "DateTime": [instant, "yesterday"],
            "Credits": [1, 5, 12, 10**6, 0, -4],
            "JSON": [{"a": [1, None, "ü"]}, [], 1.5, None],
            "search": ["#3", "job-", "job-5", ids.entry(*entry), ""],
            "campaign": ["spring", "ünïcode", "other"],
            "reasonCode": ["USAGE_CHARGE", "PROVIDER_ERROR", "GOODWILL", "NO_SUCH"],
            "timeZone": ["Europe/Berlin", "Mars/Olympus", None],
        }
        return random.choice(known[name]) if name in known else ABSENT
