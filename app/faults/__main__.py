"""`python -m app.faults`: one run of the fault suite, as `./dev faults` starts it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import click

from app.faults.run import Plan, run


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=900.0, show_default=True, help="How long things are broken.")
@click.option(
    "--broker", type=click.Choice(["postgres", "redis"]), default="postgres", show_default=True
)
@click.option("--seed", type=int, help="Repeats a run's choices. By default a new one.")
def faults(seconds: float, broker: str, seed: int | None) -> None:
    """Break everything around live delivery and count what every subscriber received.

    Each fault is told with the seconds by which the latest line was late meanwhile; the last line
    is a summary in JSON. Exit status 1 where anything was missing, doubled or out of order, an
    intent is not exactly one line, a line took long to a connected client while nothing was broken,
    the audit finds something, or a server showed a traceback.
    """
    plan = Plan(seconds, broker, secrets.randbelow(10**6) if seed is None else seed)
    click.echo(f"{seconds:g} s of faults over {broker}, seed {plan.seed}")
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # its pool prints every lost connection
    folder = Path(tempfile.mkdtemp(prefix="usage-feed-faults-"))
    report = asyncio.run(run(plan, folder, click.echo))
    click.echo(f"\n{report}")
    for finding in report.findings:
        click.echo(finding)
    if report.passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        click.echo(f"The servers' logs and the database are in {folder}")
    click.echo(report.summary())
    sys.exit(0 if report.passed else 1)


if __name__ == "__main__":
    faults()
