"""The commands: `python -m app COMMAND`, which `./dev COMMAND` sets up and hands over to.

Owns options, exit codes and the sentences of errors. What a command does is its module's.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from app import DEFAULT_DATA_DIR

if TYPE_CHECKING:
    from app.settings import Settings

T = TypeVar("T")

data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=DEFAULT_DATA_DIR,
    show_default="data/ in the checkout",
    help="Folder of the embedded database and of the demonstration.",
)

workers_option = click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that serve behind the port."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def commands() -> None:
    """Usage Feed: a credit ledger in which every movement of a balance is a line with a reason."""


@commands.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one."
)
@workers_option
@data_option
def run(port: int | None, workers: int | None, data_dir: Path) -> None:
    """Serve, with a demonstration account and an embedded PostgreSQL."""
    from app.run import run as run_everything

    run_everything(_settings(port, workers), data_dir, say)


@commands.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one."
)
@workers_option
def serve(port: int | None, workers: int | None) -> None:
    """Serve against USAGE_FEED_DATABASE_URL, as in production."""
    from app.run import serve_alone

    serve_alone(_settings(port, workers, json_logs=True), say)


@commands.command(hidden=True)
@click.argument("number", type=int)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json-logs", is_flag=True)
def worker(number: int, folder: Path, json_logs: bool) -> None:
    """Serve as one of several, with the settings on standard input; the supervisor's command."""
    from app import logs
    from app.settings import Settings
    from app.workers import work

    settings = Settings.model_validate_json(sys.stdin.readline())
    logs.set_up(settings.log_level, as_json=json_logs, worker=number)
    _run(work(number, folder, settings))


@commands.command()
@click.option(
    "--account", "account_key", metavar="KEY", help="A customer's token for this account."
)
@click.option("--service", is_flag=True, help="A service's key.")
@click.option("--scopes", metavar="S,S", help="The service's scopes. By default all.")
@data_option
def token(account_key: str | None, service: bool, scopes: str | None, data_dir: Path) -> None:
    """Print a customer's or a service's credential, and nothing else."""
    from app.credentials import ALL_SCOPES
    from app.keys import scopes_of

    if (account_key is None) == (not service):
        raise click.UsageError("Say either --account KEY or --service.")
    if scopes is not None and not service:
        raise click.UsageError("--scopes goes with --service.")
    wanted = ALL_SCOPES if scopes is None else scopes_of(scopes)
    click.echo(_run(_token(account_key, wanted, data_dir)))


async def _token(account_key: str | None, scopes: list[str], data_dir: Path) -> str:
    from app.credentials import Credentials
    from app.opening import database_address, opened
    from app.settings import load_settings
    from models import accounts

    credentials = Credentials(data_dir)
    with database_address(load_settings(), data_dir) as address:
        async with opened(address, migrate=True) as db:
            if account_key is None:
                return await credentials.service(db, scopes)
            if await accounts.by_key(db, account_key) is None:
                raise click.ClickException(f"There is no account {account_key!r}.")
    return credentials.customer(account_key)


@commands.command("demo-failure")
@data_option
def demo_failure(data_dir: Path) -> None:
    """Run a job that fails, so that its refund lands in the feed."""
    from app.failure import fail_a_job
    from app.running import server_of

    _run(fail_a_job(server_of(data_dir), _demonstration_key(data_dir), click.echo))


@commands.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--url", help="Address of the server. By default the one that runs on --data.")
@click.option(
    "--token-file",
    type=click.File(),
    help="Where the service's key is read from, - for standard input. "
    "By default the demonstration's is used.",
)
@data_option
def replay(path: Path, url: str | None, token_file: IO[str] | None, data_dir: Path) -> None:
    """Drive the running server with a trace (CSV), and check its arithmetic."""
    from rich.console import Console

    from app.replay import replay as replay_trace
    from app.running import data_dir_of, server_of

    if token_file:
        key = token_file.read().strip()
    else:
        key = _demonstration_key((url and data_dir_of(url)) or data_dir)
    if not _run(replay_trace(path, url or server_of(data_dir), key, Console())):
        sys.exit(1)


@commands.command()
@data_option
def audit(data_dir: Path) -> None:
    """Recompute every promise from the rows of the database."""
    if _run(_audit(data_dir)):
        sys.exit(1)


async def _audit(data_dir: Path) -> int:
    from rich.console import Console

    from app.opening import database_address, opened
    from app.progress import progress_bar
    from app.settings import load_settings
    from models.audit import audit as audit_ledger

    with database_address(load_settings(), data_dir) as address:
        async with opened(address) as db:
            with progress_bar(Console(stderr=True)) as progress:
                task = progress.add_task("Auditing", total=None)
                findings = await audit_ledger(
                    db, lambda done, whole: progress.update(task, completed=done, total=whole)
                )
    for finding in findings:
        click.echo(finding)
    click.echo(f"{len(findings):,} findings")
    return len(findings)


@commands.group()
def reason() -> None:
    """The catalogue of reasons."""


@reason.command()
@click.argument("code")
@click.option("--kind", required=True, help="CHARGE, REFUND, GRANT or ADJUSTMENT.")
@click.option("--title", required=True, help="What a customer reads.")
@click.option("--fault", required=True, help="PLATFORM, PROVIDER, CUSTOMER or NONE.")
@data_option
def add(code: str, kind: str, title: str, fault: str, data_dir: Path) -> None:
    """Add a reason that entries may have from now on."""
    _run(_add_reason(code, kind.upper(), title, fault.upper(), data_dir))
    click.echo(f"Added {code}.")


async def _add_reason(code: str, kind: str, title: str, fault: str, data_dir: Path) -> None:
    from app.opening import database_address, opened
    from app.settings import load_settings
    from models.reasons import Catalogue, ReasonExists

    with database_address(load_settings(), data_dir) as address:
        async with opened(address, migrate=True) as db:
            try:
                problem = await Catalogue(db).add(code, kind, title, fault)
            except ReasonExists:
                raise click.ClickException(f"The catalogue already has {code}.") from None
            if problem:
                raise click.ClickException(problem.message)


@commands.group("key")
def service_key() -> None:
    """Services' keys."""


@service_key.command("create")
@click.argument("name")
@click.option("--scopes", required=True, metavar="S,S", help="What the key allows, or `all`.")
@data_option
def create_key(name: str, scopes: str, data_dir: Path) -> None:
    """Make a service's key and print its secret, which is shown this once."""
    from app.keys import create, scopes_of

    click.echo(_run(create(data_dir, name, scopes_of(scopes))))


@service_key.command("list")
@data_option
def list_keys(data_dir: Path) -> None:
    """List all keys: scopes, age, last use, end."""
    from app.keys import table

    click.echo(_run(table(data_dir)), nl=False)


@service_key.command("rotate")
@click.argument("name")
@click.option(
    "--expires-in-hours",
    type=click.FloatRange(min=0, max=8_760),
    help="When the old key ends by itself, a year at most. By default when it is revoked.",
)
@data_option
def rotate_key(name: str, expires_in_hours: float | None, data_dir: Path) -> None:
    """Make a second key beside the old one and print its secret."""
    from app.keys import rotate

    click.echo(_run(rotate(data_dir, name, expires_in_hours)))


@service_key.command("revoke")
@click.argument("name")
@click.option("--old", is_flag=True, help="Of two live keys, the older.")
@click.option("--all", "every", is_flag=True, help="Every live key of the name.")
@data_option
def revoke_key(name: str, old: bool, every: bool, data_dir: Path) -> None:
    """Revoke a key: within 10 seconds no server accepts it."""
    from app.keys import revoke

    revoked = _run(revoke(data_dir, name, old=old, every=every))
    click.echo(f"Revoked {revoked} of {name}.")


@commands.command()
@click.option("--check", is_flag=True, help="Compare only; exit 1 where the two differ.")
def schema(check: bool) -> None:
    """Write schema/schema.graphql from the code, or compare the two."""
    from schema import snapshot

    difference = snapshot.drift() if check else ""
    breaks = snapshot.unannounced_breaks() if check else snapshot.update()
    for sentence in breaks:
        say(f"Breaks clients, and schema/announced-changes.txt does not say so: {sentence}")
    click.echo(difference, nl=False)
    if breaks or difference:
        sys.exit(1)


def say(sentence: str) -> None:
    """Tell what is going on, on standard error: standard output is for results."""
    click.echo(sentence, err=True)


def _settings(port: int | None, workers: int | None, *, json_logs: bool = False) -> Settings:
    from app import logs
    from app.settings import load_settings

    settings = load_settings()
    logs.set_up(settings.log_level, as_json=json_logs)
    given = {"port": port, "workers": workers}
    return settings.model_copy(update={k: v for k, v in given.items() if v is not None})


def _demonstration_key(data_dir: Path) -> str:
    from app.credentials import ALL_SCOPES, Credentials

    key = Credentials(data_dir).kept_service(ALL_SCOPES)
    if key is None:
        raise click.ClickException(
            f"{data_dir} has no demonstration's credential: ./dev run makes it. "
            "--data names another folder."
        )
    return key


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; whatever goes wrong in a foreseen way ends in a sentence."""
    try:
        sys.exit(commands.main(arguments, prog_name="./dev", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("Stopped.")
        sys.exit(130)
    except Exception as error:
        say(f"Error: {_sentence(error)}")
        sys.exit(1)


def _sentence(error: Exception) -> str:
    """What to tell of a foreseen error; any other is raised again."""
    from app.client import ApiError
    from app.demonstration import DemonstrationError
    from app.embedded import EmbeddedPostgresError
    from app.replay.trace import TraceError
    from app.running import NoServer
    from app.settings import SettingsError
    from app.workers import WorkersFailed
    from models.database import CONNECTION_LOST, DatabaseUnusable
    from models.service_keys import KeyRefused

    foreseen = (
        ApiError,
        DatabaseUnusable,
        DemonstrationError,
        EmbeddedPostgresError,
        KeyRefused,
        NoServer,
        SettingsError,
        TraceError,
        WorkersFailed,
    )
    if isinstance(error, foreseen):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    if hasattr(error, "sqlstate"):
        return f"The database refuses: {error}."
    if isinstance(error, CONNECTION_LOST) and type(error) is not OSError:
        return f"The database does not answer: {error or type(error).__name__}."
    raise error
