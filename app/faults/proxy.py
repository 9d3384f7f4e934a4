"""A TCP proxy that fails on demand: cut, stalled, slow or half-closed.

Owns connections between two parties it does not understand.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

CHUNK_BYTES = 65_536
BUFFER_BYTES = 65_536
"""What the kernel holds for the proxy: little, so that a reader that stops is soon felt."""


class Proxy:
    """Listens on `port` and connects to one of the targets that answer, in turn."""

    def __init__(self, *targets: tuple[str, int]) -> None:
        self._targets: Sequence[tuple[str, int]] = targets
        self._turn = itertools.count()
        self._moving = asyncio.Event()
        self._moving.set()
        self._delay_seconds = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Proxy]:
        """Proxy on a free port until the end of the block."""
        listener = _socket()
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(self._serve, sock=listener)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def half_close(self) -> None:
        """End what flows in one direction of every connection; the other stays open."""
        for writer in self._writers:
            with suppress(OSError, RuntimeError):
                writer.write_eof()

    def stall(self) -> None:
        """Connections stay open and nothing passes, as after a cable is pulled."""
        self._moving.clear()

    def delay(self, seconds: float) -> None:
        """Everything passes this much later, chunk by chunk."""
        self._delay_seconds = seconds

    def resume(self) -> None:
        """Let everything pass again, at once."""
        self._delay_seconds = 0.0
        self._moving.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(self._turn)
        for n in range(len(self._targets)):
            target = self._targets[(first + n) % len(self._targets)]
            with suppress(OSError):
                there, back = await _connected(target)
                self._writers |= {writer, back}
                self._spawn(self._pump(reader, back))
                self._spawn(self._pump(there, writer))
                return
        writer.transport.abort()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # RuntimeError: half-closed on our side
            while data := await reader.read(CHUNK_BYTES):
                await self._moving.wait()
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


def _socket() -> socket.socket:
    made = socket.socket()
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, buffer, BUFFER_BYTES)
    made.setblocking(False)
    return made


async def _connected(
    target: tuple[str, int],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connecting = _socket()
    try:
        await asyncio.get_running_loop().sock_connect(connecting, target)
        return await asyncio.open_connection(sock=connecting)
    except BaseException:
        connecting.close()
        raise
