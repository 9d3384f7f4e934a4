"""`python -m app.abuse`: one run of the abuse suite, as `./dev abuse` starts it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from app.abuse.run import Plan, run

SECONDS_OF_ONE_SHARE = 150.0
"""What two passes with all their attempts take, beside what waits for the server's patience."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seconds",
    default=SECONDS_OF_ONE_SHARE,
    show_default=True,
    help="About how long the attacks last, beside those that wait. More is more attempts.",
)
def abuse(seconds: float) -> None:
    """Do to a server what strangers, cheats and broken clients do, and measure what it costs."""
    folder = Path(tempfile.mkdtemp(prefix="usage-feed-abuse-"))
    report = asyncio.run(run(Plan(seconds / SECONDS_OF_ONE_SHARE), folder, click.echo))
    click.echo(f"\n{report}")
    for sentence in report.wrong:
        click.echo(f"WRONG: {sentence}")
    if report.wrong:
        click.echo(f"The servers' logs and the database are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    abuse()
