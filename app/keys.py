"""The commands on services' keys, against the operator's database or a data folder's.

Owns what they print. The life of a key is `models.service_keys`'.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from io import StringIO
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from app.credentials import ALL_SCOPES
from app.opening import database_address, opened
from app.settings import load_settings
from models import service_keys
from models.database import Database
from models.service_keys import KeyRecord

_WIDTH = 160


def scopes_of(text: str) -> list[str]:
    """The scopes that a text names, separated by commas; `all` is every one.

    Raises: UsageError.
    """
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    if not wanted:
        raise click.UsageError(f"Name at least one scope of {', '.join(ALL_SCOPES)}, or all.")
    if wanted == ["all"]:
        return ALL_SCOPES
    if unknown := sorted(set(wanted) - set(ALL_SCOPES)):
        raise click.UsageError(
            f"There is no scope {', '.join(unknown)}. The scopes are {', '.join(ALL_SCOPES)}."
        )
    return sorted(set(wanted))


async def create(data_dir: Path, name: str, scopes: list[str]) -> str:
    """Make the only live key of a name; its secret."""
    async with _database(data_dir) as db:
        return await service_keys.issue(db, name, scopes)


async def rotate(data_dir: Path, name: str, expires_in_hours: float | None) -> str:
    """Make a second key of a name; its secret."""
    async with _database(data_dir) as db:
        return await service_keys.rotate(db, name, expires_in_hours)


async def revoke(data_dir: Path, name: str, *, old: bool, every: bool) -> int:
    """Revoke keys of a name; how many."""
    async with _database(data_dir) as db:
        return await service_keys.revoke(db, name, old=old, every=every)


async def table(data_dir: Path) -> str:
    """All keys, a row each."""
    async with _database(data_dir) as db:
        keys = await service_keys.all_keys(db)
    shown = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "state", "scopes", "created", "last used"):
        shown.add_column(heading)
    for key in keys:
        shown.add_row(
            str(key.id),
            key.name,
            _state(key),
            "all" if key.scopes == ALL_SCOPES else ",".join(key.scopes),
            _minute(key.created_at),
            _minute(key.last_used_at) if key.last_used_at else "never",
        )
    text = StringIO()
    Console(file=text, width=_WIDTH, markup=False, highlight=False).print(shown)
    return text.getvalue()


def _state(key: KeyRecord) -> str:
    if key.revoked_at:
        return f"revoked {_minute(key.revoked_at)}"
    if key.expires_at:
        return f"{'ends' if key.live else 'ended'} {_minute(key.expires_at)}"
    return "live"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z"


@asynccontextmanager
async def _database(data_dir: Path) -> AsyncGenerator[Database]:
    with database_address(load_settings(), data_dir) as address:
        async with opened(address, migrate=True) as db:
            yield db
