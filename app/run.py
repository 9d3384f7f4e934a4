"""`run`: everything on one machine with one command. `serve`: the server alone, for production.

Owns the order of a start (address, database, schema, demonstration, one server or several) and what
is printed.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from app import DEFAULT_DATA_DIR
from app.credentials import ALL_SCOPES, Credentials
from app.demonstration import book_demonstration
from app.demonstration.story import NORTHWIND
from app.opening import database_address, opened
from app.running import announced
from app.server import bound, serve
from app.settings import Settings
from app.workers import refuse_a_bell_of_one, supervise
from models.database import Database
from models.reasons import Catalogue
from models.writer import Writer

FIRST_QUERY = (
    f'{{ account(key: "{NORTHWIND}") {{ name balance '
    "usage(first: 3) { nodes { ... on LedgerEntry { amount balanceAfter reason { title } } } } } }"
)


def run(settings: Settings, data_dir: Path, say: Callable[[str], None]) -> None:
    """Serve with a demonstration until SIGINT or SIGTERM.

    Raises: ClickException, SettingsError, DatabaseUnusable, EmbeddedPostgresError,
    DemonstrationError.
    """
    credentials = Credentials(data_dir)
    settings = credentials.accepted_by(with_tools(settings))
    refuse_a_bell_of_one(settings)
    refuse_taken_port(settings)
    if not settings.database_url:
        say(f"Starting PostgreSQL in {data_dir}")
    with database_address(settings, data_dir, create=True) as address, ExitStack() as stack:
        settings = settings.model_copy(update={"database_url": address})
        service_key = asyncio.run(_prepare(settings, credentials, say))

        def on_listening(url: str) -> None:
            stack.enter_context(announced(credentials.folder, url))
            failure = "./dev demo-failure"
            if data_dir != DEFAULT_DATA_DIR:
                failure += f" --data {shlex.quote(str(data_dir))}"
            click.echo(banner(url, credentials.customer(NORTHWIND), service_key, failure))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, on_listening, json_logs=False))
        say("Stopped.")


def with_tools(settings: Settings) -> Settings:
    """Those settings, with what a developer looks around with unless it is set otherwise."""
    left = {"graphiql", "introspection"} - settings.model_fields_set
    return settings.model_copy(update=dict.fromkeys(left, True))


def serve_alone(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve against the operator's database until SIGINT or SIGTERM.

    Raises: ClickException, SettingsError, DatabaseUnusable.
    """
    refuse_a_bell_of_one(settings)
    refuse_taken_port(settings)

    async def migrate_and_serve() -> None:
        if settings.database_url:
            async with opened(settings.database_url, migrate=True):
                pass
        await _serve(settings, lambda url: say(f"Serving at {url}"), json_logs=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(migrate_and_serve())


async def _serve(
    settings: Settings, on_listening: Callable[[str], None], *, json_logs: bool
) -> None:
    if settings.workers == 1:
        await serve(settings, on_listening)
    else:
        await supervise(settings, on_listening, json_logs=json_logs)


async def _prepare(settings: Settings, credentials: Credentials, say: Callable[[str], None]) -> str:
    """Bring the database to the schema and the demonstration; its service key."""
    async with opened(settings.database_url or "", migrate=True) as db:
        if settings.require_durable_database:
            await db.refuse_unless_durable()
        await _book(db, credentials, say)
        return await credentials.service(db, ALL_SCOPES)


async def _book(db: Database, credentials: Credentials, say: Callable[[str], None]) -> None:
    writer = Writer(db, Catalogue(db))
    try:
        with credentials.locked():
            if await book_demonstration(db, writer, datetime.now(UTC)):
                say("Booked the demonstration: a month of Northwind Studio")
    finally:
        await writer.close()


def refuse_taken_port(settings: Settings) -> None:
    """Raise ClickException before anything else is started."""
    try:
        bound(settings.host, settings.port).close()
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            f"Stop what uses it, or choose another port: --port {min(settings.port + 1, 65535)}"
        ) from error


def banner(url: str, customer_token: str, service_key: str, failure: str) -> str:
    """What a start ends with: every line can be clicked or pasted."""
    query = '{"query": ' + json.dumps(FIRST_QUERY) + "}"
    curl = (
        f"curl -s {url}/graphql -H 'Content-Type: application/json' "
        f"-H 'Authorization: Bearer {service_key}' -d {shlex.quote(query)}"
    )
    heading = click.style("Usage Feed is running", bold=True)
    return "\n".join(
        [
            "",
            f"  {heading}",
            "",
            "  The customer's usage page",
            f"  {url}/billing/usage#token={customer_token}",
            "",
            "  GraphiQL, as the same customer",
            f"  {url}/graphql#token={customer_token}",
            "",
            "  The API, as a service",
            f"  {curl}",
            "",
            "  A job that fails: watch its refund land on the page",
            f"  {failure}",
            "",
            "  Ctrl-C stops everything",
            "",
        ]
    )
