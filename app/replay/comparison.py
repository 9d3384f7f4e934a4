"""Holding the ledger against a trace's own arithmetic, account by account, to the credit.

Owns reading the accounts as they are and the table of differences.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from app.client import Api
from app.replay.driver import Tally
from app.replay.operations import ROOTS_MAX
from app.replay.trace import AccountTrace

READS_AT_ONCE = 4
MEASURES = ("granted", "charged", "refunded", "adjusted", "balance", "lines")

_SELECTION = """
fragment A on Account {
  balance
  usage(first: 1) {
    nodes { ... on LedgerEntry { seq totalsAfter { granted charged refunded adjusted } } }
  }
}
"""


@dataclass(slots=True)
class Comparison:
    """Sums over all accounts, and the accounts that differ in anything."""

    accounts: int = 0
    by_trace: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))
    by_ledger: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))
    apart: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))
    """Per measure, the differences of single accounts added up without their signs."""
    differing: list[str] = field(default_factory=list[str])

    def add(self, key: str, trace: dict[str, int], ledger: dict[str, int]) -> None:
        self.accounts += 1
        for measure in MEASURES:
            self.by_trace[measure] += trace[measure]
            self.by_ledger[measure] += ledger[measure]
            self.apart[measure] += abs(trace[measure] - ledger[measure])
        if trace != ledger:
            self.differing.append(key)

    def report(self, tally: Tally) -> Table:
        """The table that a replay ends with."""
        table = Table(
            title=f"{self.accounts:,} accounts compared, {len(self.differing):,} with a difference",
            caption=f"{tally.booked:,} steps booked, {tally.replayed:,} replayed, "
            f"{tally.refused.total():,} refused",
        )
        table.add_column("")
        for heading in ("the CSV says", "the ledger says", "difference"):
            table.add_column(heading, justify="right")
        for measure in MEASURES:
            table.add_row(
                measure,
                f"{self.by_trace[measure]:,}",
                f"{self.by_ledger[measure]:,}",
                f"{self.apart[measure]:,}",
                end_section=measure == "adjusted",
            )
        return table


async def compare(
    api: Api, accounts: Sequence[AccountTrace], on_accounts_done: Callable[[int], None]
) -> Comparison:
    """Read every account of the trace and hold it against the trace.

    Raises: ApiError.
    """
    comparison = Comparison()
    places = asyncio.Semaphore(READS_AT_ONCE)

    async def one_request(batch: Sequence[AccountTrace]) -> None:
        async with places:
            found = await _read(api, [account.key for account in batch])
        for account, ledger in zip(batch, found, strict=True):
            expected = account.expected
            trace = {"adjusted": 0, "balance": expected.balance} | asdict(expected)
            comparison.add(account.key, trace, ledger)
        on_accounts_done(len(batch))

    async with asyncio.TaskGroup() as tasks:
        for start in range(0, len(accounts), ROOTS_MAX):
            tasks.create_task(one_request(accounts[start : start + ROOTS_MAX]))
    return comparison


async def _read(api: Api, keys: Sequence[str]) -> list[dict[str, int]]:
    declared = ", ".join(f"$k{n}: String!" for n in range(len(keys)))
    roots = " ".join(f"r{n}: account(key: $k{n}) {{ ...A }}" for n in range(len(keys)))
    data = await api.run(
        f"query Accounts({declared}) {{ {roots} }} {_SELECTION}",
        **{f"k{n}": key for n, key in enumerate(keys)},
    )
    return [_measured(data[f"r{n}"]) for n in range(len(keys))]


def _measured(account: dict[str, Any] | None) -> dict[str, int]:
    nothing: dict[str, int] = dict.fromkeys(MEASURES, 0)
    if account is None:
        return nothing
    for last in account["usage"]["nodes"]:
        return nothing | last["totalsAfter"] | {"balance": account["balance"], "lines": last["seq"]}
    return nothing | {"balance": account["balance"]}
