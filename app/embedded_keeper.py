"""The keeper: the process that runs an embedded PostgreSQL for as long as anyone uses it.

Owns making the database folder, running `postgres` (again, should it die), and stopping it once the
last user has left. `embedded` starts it as a script, which says `ready` on its standard output, or
why not; the protocol of the lock files is told there. Uses the standard library alone, so that it
starts in some 30 ms and stays small.

PostgreSQL refuses to run as root. For root the keeper runs it as the database's owner, or
`postgres`, or `nobody`. That user may be unable to reach a folder below `/root`: rather than have
folders opened to everybody, the server then keeps the one capability that passes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.05
FAST_STOP_SECONDS = 60.0
IMMEDIATE_STOP_SECONDS = 10.0
RESTART_PAUSE_SECONDS = 1.0
START_ATTEMPTS_MAX = 5
LOG_BYTES_MAX = 5_000_000

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
SERVER_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class KeeperError(Exception):
    """Why the server cannot be kept; the message is for whoever started it."""


@dataclass(frozen=True)
class Owner:
    """The user the server runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Keeper:
    """One folder's server: where it is, what runs it, how it is set."""

    folder: Path
    binaries: Path
    settings: dict[str, str]

    @property
    def database(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.folder / "postgres"

    def prepare(self, log: IO[bytes]) -> None:
        """Leave the folder with a database that nobody else is serving."""
        if not self.database.exists():
            self._make_database(log)
        major = (self.database / "PG_VERSION").read_text().strip()
        ours = subprocess.check_output(
            [self.binaries / "postgres", "--version"], text=True
        ).split()[2]
        if ours.split(".")[0] != major:
            raise KeeperError(
                f"{self.database} was made by PostgreSQL {major} and this is {ours}. Move it away, "
                "or carry it over with pg_dump and pg_restore."
            )
        _end_leftovers(self.database)

    def run(self, in_use: IO[bytes], log: IO[bytes], on_ready: Callable[[], None]) -> None:
        """Serve until nobody holds `in_use`; call `on_ready` once, when it accepts connections.

        A server that dies later is started again on the same address.
        """
        attempts = 0
        ready_once = False
        while True:
            process = self._launch(log)
            ready = self._wait_until_ready(process, in_use)
            if ready and not ready_once:
                on_ready()
                ready_once = True
            while process.poll() is None:
                if _nobody_holds(in_use):
                    _stop(process)
                    return
                time.sleep(POLL_SECONDS)
            attempts = 0 if ready else attempts + 1
            if attempts >= START_ATTEMPTS_MAX or _nobody_holds(in_use):
                return
            if not ready_once:
                self._write_address(_free_port(), self._password())  # its port may have been taken
            time.sleep(RESTART_PAUSE_SECONDS if ready_once else POLL_SECONDS)
            _end_leftovers(self.database)

    def _launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        given = {
            "listen_addresses": "127.0.0.1",
            "port": self._address().rsplit(":", 1)[1].split("/")[0],
            "unix_socket_directories": "",  # a socket's path has 107 bytes at most
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        return subprocess.Popen(
            [*self._as_owner(), self.binaries / "postgres", "-D", self.database, *options],
            cwd="/",
            env=SERVER_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes], in_use: IO[bytes]) -> bool:
        while process.poll() is None and not _nobody_holds(in_use):
            with contextlib.suppress(OSError):
                lines = (self.database / "postmaster.pid").read_text().split("\n")
                if lines[0] == str(process.pid) and "".join(lines[7:8]).strip() == "ready":
                    return True
            time.sleep(POLL_SECONDS / 5)
        return False

    def _make_database(self, log: IO[bytes]) -> None:
        """initdb beside the final place, then rename: a killed one leaves nothing that counts."""
        for leftover in self.folder.glob("postgres.new-*"):
            _end_leftovers(leftover / "database")
            patience = time.monotonic() + IMMEDIATE_STOP_SECONDS
            while leftover.exists() and time.monotonic() < patience:
                shutil.rmtree(leftover, ignore_errors=True)  # a dying initdb may still write
        staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.folder))
        password = secrets.token_urlsafe(24)
        password_file = staging / "password"
        database = staging / "database"
        password_file.write_text(password)
        database.mkdir(mode=0o700)
        owner = self._owner()
        for path in (staging, password_file, database):
            os.chown(path, owner.uid, owner.gid)
        made = subprocess.run(
            [
                *self._as_owner(),
                *(self.binaries / "initdb", "-D", database, "--username=postgres"),
                *("--auth=scram-sha-256", f"--pwfile={password_file}"),
                *("--encoding=UTF8", "--locale=C.UTF-8"),
                *([] if self.settings.get("fsync") == "on" else ["--no-sync"]),
            ],
            cwd="/",
            env=SERVER_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
        if made.returncode != 0:
            raise KeeperError("")  # initdb has told the log
        self._write_address(_free_port(), password)
        database.rename(self.database)
        shutil.rmtree(staging)

    def _owner(self) -> Owner:
        if os.geteuid() != 0:
            return Owner(os.geteuid(), os.getegid())
        if self.database.exists() and (found := self.database.stat()).st_uid != 0:
            return Owner(found.st_uid, found.st_gid)
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return Owner(entry.pw_uid, entry.pw_gid)
        raise KeeperError("PostgreSQL cannot run as root, and there is no user `nobody` to run it.")

    def _as_owner(self) -> list[str]:
        """The prefix that runs a command as the owner, and stops it should the keeper be killed."""
        if shutil.which("setpriv") is None:
            raise KeeperError("The program setpriv is missing: install the package util-linux.")
        prefix = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            owner = self._owner()
            kept = _capability_to_pass() if self._is_closed_to_others() else None
            # access(2), which PostgreSQL asks, forgets capabilities without no_setuid_fixup.
            prefix += ["--securebits", "+no_setuid_fixup"] if kept else []
            prefix += ["--reuid", str(owner.uid), "--regid", str(owner.gid), "--clear-groups"]
            for kind in ("inh-caps", "ambient-caps", "bounding-set"):
                prefix.append(f"--{kind}=-all" + (f",+{kept}" if kept else ""))
        return [*prefix, "--"]

    def _is_closed_to_others(self) -> bool:
        parents = {self.folder, *self.folder.parents, self.binaries, *self.binaries.parents}
        return any(not path.stat().st_mode & 0o001 for path in parents)

    def _address(self) -> str:
        return (self.folder / "postgres.url").read_text().strip()

    def _password(self) -> str:
        return self._address().split("@")[0].rsplit(":", 1)[1]

    def _write_address(self, port: int, password: str) -> None:
        fresh = self.folder / "postgres.url.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres\n")
        fresh.rename(self.folder / "postgres.url")


def _capability_to_pass() -> str | None:
    status = Path("/proc/self/status").read_text()
    held = int(status.split("CapEff:")[1].split()[0], 16)
    if held >> CAP_DAC_READ_SEARCH & 1:
        return "dac_read_search"
    return "dac_override" if held >> CAP_DAC_OVERRIDE & 1 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _nobody_holds(in_use: IO[bytes]) -> bool:
    """Take the exclusive lock if every user has left; it is then kept until the keeper ends."""
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """A fast shutdown (rolls back what is open, writes a checkpoint), then ruder ones."""
    for sign, seconds in (
        (signal.SIGINT, FAST_STOP_SECONDS),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
        (signal.SIGKILL, IMMEDIATE_STOP_SECONDS),
    ):
        process.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _end_leftovers(database: Path) -> None:
    """End what a killed keeper or postmaster left at work on `database`, and its stale process id.

    PostgreSQL itself sees to a stale `postmaster.pid`, unless that id now belongs to another
    process: it would refuse to start. Every process of a server works in its data directory, so
    one that does not is not ours.
    """
    patience = time.monotonic() + IMMEDIATE_STOP_SECONDS
    for pid in _servers_of(database):
        _send(pid, signal.SIGINT)
    while servers := list(_servers_of(database)):
        if time.monotonic() > patience:
            for pid in servers:
                _send(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    pid_file = database / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError):
        entry = Path("/proc", pid_file.read_text().split("\n")[0])
        if not _is_alive_postgres(entry) or (entry / "cwd").readlink() != database:
            pid_file.unlink()


def _is_alive_postgres(entry: Path) -> bool:
    name, _, state = (entry / "stat").read_text().partition("(")[2].rpartition(") ")
    return name == "postgres" and state[0] not in "ZX"


def _servers_of(database: Path) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if _is_alive_postgres(entry) and (entry / "cwd").samefile(database):
                yield int(entry.name)


def _send(pid: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, sign)


def _open_log(folder: Path) -> IO[bytes]:
    path = folder / "postgres.log"
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(folder / "postgres.log.1")
    return path.open("ab")


def main() -> None:
    """Keep the server of the plan given as JSON in the first argument."""
    plan = json.loads(sys.argv[1])
    folder = Path(plan["folder"])
    keeper = Keeper(folder, Path(plan["binaries"]), plan["settings"])
    in_use = (folder / "in-use.lock").open("ab")  # for as long as this process lives
    with (
        (folder / "keeper.lock").open("ab") as own,
        _open_log(folder) as log,
        os.fdopen(plan["start_lock"], "ab") as start_lock,
    ):
        fcntl.flock(own, fcntl.LOCK_EX)
        if os.fork():
            os._exit(0)  # the starter is not the keeper's parent: nobody has to wait for it

        def tell(word: str) -> None:
            """Answer the starter, once; whatever is said later goes to the log."""
            os.write(sys.stdout.fileno(), word.encode())
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
            start_lock.close()

        try:
            keeper.prepare(log)
            keeper.run(in_use, log, on_ready=lambda: tell("ready"))
        except (KeeperError, OSError, subprocess.SubprocessError) as error:
            tell(str(error))
    os._exit(0)  # who waits for `in_use` gets it now, and finds `keeper.lock` free


if __name__ == "__main__":
    main()
