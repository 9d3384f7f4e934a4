"""Replaying a trace of real requests against a running server, and checking its arithmetic.

Owns the order of its parts: read the trace, drive the server, compare, tell.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from app.client import Api
from app.progress import progress_bar
from app.replay.comparison import compare
from app.replay.driver import Driver
from app.replay.trace import read_trace

NAMED_MAX = 10


async def replay(path: Path, url: str, token: str, console: Console) -> bool:
    """Drive the server with the trace; whether the ledger then agrees with it to the credit.

    Raises: TraceError, OSError, ApiError.
    """
    accounts = read_trace(path)
    async with Api(url, token) as api:
        with progress_bar(console) as progress:
            steps = progress.add_task("Replaying", total=sum(len(a.steps) for a in accounts))
            tally = await Driver(api, accounts, lambda n: progress.advance(steps, n)).run()
            reads = progress.add_task("Comparing", total=len(accounts))
            comparison = await compare(api, accounts, lambda n: progress.advance(reads, n))
    console.print(comparison.report(tally))
    for refusal in tally.refusals:
        console.print(f"Refused: {refusal}", markup=False)
    if comparison.differing:
        console.print(f"Different: {', '.join(comparison.differing[:NAMED_MAX])}", markup=False)
    return not comparison.differing and not tally.refused
