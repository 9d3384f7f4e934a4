"""A client in Node.js that tells what it does, a line of JSON each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.faults.verdict import Verdict
from tests.live.door import Message
from tests.live.support import eventually


@dataclass
class Script:
    """A running client and what it has said."""

    process: asyncio.subprocess.Process
    said: list[Message] = field(default_factory=list[Message])

    def told(self, name: str) -> list[Any]:
        """All that it has said by this name, in order."""
        return [message[name] for message in self.said if name in message]

    async def has(self, head: int) -> None:
        """Wait until it has every line to `head`, each once and in order."""
        await eventually(lambda: len(self.told("seq")) >= head)
        assert Verdict.on(self.told("seq"), range(1, head + 1)) == Verdict(), self.said

    async def end(self) -> None:
        """Have it end what it follows, while its process goes on."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await eventually(lambda: self.told("ended") == [True])


@asynccontextmanager
async def running(*command: str, folder: Path) -> AsyncGenerator[Script]:
    """The client that a command starts in a folder, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    script = Script(process)

    async def listen() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            script.said.append(json.loads(line))

    listening = asyncio.create_task(listen())
    try:
        yield script
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening
