"""Where the server that `run` started is found by the commands beside it.

Owns `DIR/demonstration/server.json`, there while a server runs on DIR, and a note in the checkout
of which folder belongs to which port, so that an address alone leads to its credentials.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from app.credentials import write_private

NOTES = Path(__file__).resolve().parent.parent / ".cache" / "servers"


class NoServer(Exception):
    """No server is known to run; the message says how to have one."""


@contextmanager
def announced(demonstration: Path, url: str) -> Generator[None]:
    """Make the running server known, and forget it at the end."""
    place = demonstration / "server.json"
    note = NOTES / str(urlsplit(url).port)
    write_private(place, json.dumps({"url": url, "pid": os.getpid()}))
    with suppress(OSError):
        NOTES.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        note.symlink_to(demonstration.resolve())
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if json.loads(place.read_text())["pid"] == os.getpid():
                place.unlink()
            note.unlink()


def server_of(data_dir: Path) -> str:
    """The address of the server that runs on a data folder.

    Raises: NoServer.
    """
    try:
        return json.loads((data_dir / "demonstration" / "server.json").read_text())["url"]
    except (OSError, ValueError, KeyError):
        raise NoServer(
            f"No server is running on {data_dir}. Start one with ./dev run in another terminal, "
            "or name the folder of one that runs: --data"
        ) from None


def data_dir_of(url: str) -> Path | None:
    """The data folder of the server that was last announced at a local address."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    note = NOTES / str(parts.port)
    return note.resolve().parent if note.is_symlink() else None
