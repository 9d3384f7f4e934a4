"""Several server processes behind one port: `--workers N`.

Owns their supervision: a worker that ends is started again, all stop together, and none outlives
its supervisor. Owns nothing that answers: a worker serves as a single process does (`server`), on
an address that it shares.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from app import colleagues
from app.logs import pass_over_what_was_given_up
from app.process import running
from app.server import favour_the_loop, make_server, reserved, url_of
from app.settings import Settings, SettingsError
from models.listen import Backoff

log = structlog.get_logger(__name__)

ROOT = Path(__file__).resolve().parent.parent
READY = b"ready\n"
LINGER_SECONDS = 2.0
"""What a worker may take beyond its grace before it is killed."""


class WorkersFailed(Exception):
    """The workers could not start; what they said is above."""


async def supervise(
    settings: Settings, on_listening: Callable[[str], None], *, json_logs: bool
) -> None:
    """Serve with `settings.workers` processes until SIGINT or SIGTERM; `on_listening` hears the
    address once all of them serve.

    Raises: OSError where the port is taken; WorkersFailed.
    """
    with (
        reserved(settings.host, settings.port) as address,
        tempfile.TemporaryDirectory(prefix="usage-feed-workers-") as folder,
    ):
        shared = settings.model_copy(update={"port": address.getsockname()[1]})
        arguments = [folder, *(["--json-logs"] if json_logs else [])]
        supervisor = _Supervisor(shared, arguments)
        await supervisor.run(lambda: on_listening(url_of(address, settings.host)))


def refuse_a_bell_of_one(settings: Settings) -> None:
    """Raise SettingsError where the workers could not hear of each other's lines."""
    if settings.workers > 1 and settings.broker_url == "memory://":
        raise SettingsError(
            "USAGE_FEED_BROKER_URL is memory://, which tells one process of its own lines alone, "
            f"and {settings.workers} workers are asked for. Unset it, or name a redis:// address."
        )


class _Supervisor:
    def __init__(self, settings: Settings, arguments: Sequence[str]) -> None:
        self._settings = settings
        self._arguments = arguments
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ready: set[int] = set()
        self._stopping = asyncio.Event()
        self._has_failed = False

    async def run(self, on_ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self._stop)
        try:
            numbers = range(self._settings.workers)
            await asyncio.gather(*(self._keep(number, on_ready) for number in numbers))
        finally:
            self._kill()
            for number in signals:
                loop.remove_signal_handler(number)
        if self._has_failed:
            raise WorkersFailed("A worker could not start; what it said is above.")

    async def _keep(self, number: int, on_ready: Callable[[], None]) -> None:
        """Keep a worker running until all are told to stop."""
        backoff = Backoff()
        while not self._stopping.is_set():
            process = self._processes[number] = await self._started(number)
            if self._stopping.is_set():  # told while it was being started
                process.terminate()
            if await process.stdout.readline() == READY:  # pyright: ignore[reportOptionalMemberAccess]
                backoff.reset()
                self._is_ready(number, on_ready)
            status = await process.wait()
            if self._stopping.is_set():
                return
            if len(self._ready) < self._settings.workers:
                self._has_failed = True
                self._stop()
                return
            log.error("a worker has ended and is replaced", worker=number, status=status)
            await backoff.wait()

    async def _started(self, number: int) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C is the supervisor's, who tells the workers. The end of its
        # standard input tells a worker that the supervisor is gone.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "app", "worker", str(number), *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        settings = self._settings.model_dump_json().encode()
        process.stdin.write(settings + b"\n")  # pyright: ignore[reportOptionalMemberAccess]
        return process

    def _is_ready(self, number: int, on_ready: Callable[[], None]) -> None:
        was_complete = len(self._ready) == self._settings.workers
        self._ready.add(number)
        if not was_complete and len(self._ready) == self._settings.workers:
            on_ready()

    def _stop(self) -> None:
        """Stop all in order; told again, at once."""
        if self._stopping.is_set():
            self._kill()
            return
        self._stopping.set()
        for process in self._running():
            process.terminate()
        patience = self._settings.shutdown_grace_seconds + LINGER_SECONDS
        asyncio.get_running_loop().call_later(patience, self._kill)

    def _kill(self) -> None:
        for process in self._running():
            process.kill()

    def _running(self) -> list[asyncio.subprocess.Process]:
        return [process for process in self._processes.values() if process.returncode is None]


async def work(number: int, folder: Path, settings: Settings) -> None:
    """Serve as one worker until SIGTERM, or until the supervisor is gone."""

    def on_listening() -> None:
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()

    places = [folder / f"{n}.socket" for n in range(settings.workers)]
    async with (
        running(settings) as process,
        colleagues.telling(places[number], lambda: process.metrics.text(process)),
    ):
        await favour_the_loop(process)
        pass_over_what_was_given_up()
        server = make_server(process, on_listening, lambda: colleagues.told_by(places))
        _when_alone(server.stop)
        with reserved(settings.host, settings.port) as address:
            await server.serve([address])


def _when_alone(then: Callable[[], None]) -> None:
    loop, standard_input = asyncio.get_running_loop(), sys.stdin.fileno()

    def hear() -> None:
        loop.remove_reader(standard_input)
        then()

    loop.add_reader(standard_input, hear)
