"""docs/live.md says what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from app import streams
from app.connection import WebSocketProtocol
from app.process import STREAMS_MAX
from app.server import WEBSOCKET_BYTES_MAX
from app.websocket import Sockets
from subscriptions.bell import POLL_SECONDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "live.md").read_text()


def _default(name: str) -> float:
    return inspect.signature(Sockets).parameters[name].default


def test_the_page_names_the_limits_that_there_are() -> None:
    said = " ".join(PAGE.split())
    for sentence in (
        f"at most {_default('operations_max')} operations",
        f"at most {_default('per_account_max')} sockets",
        f"at most {STREAMS_MAX} streams",
        f"at most {WEBSOCKET_BYTES_MAX // 1024} KiB",
        f"within {_default('seconds_to_init'):g} seconds",
        f"closed with 1013 after {WebSocketProtocol.seconds_to_send:g} seconds",
        f"A comment every {streams.SIGN_OF_LIFE_SECONDS:g} seconds",
        f"a poll every {POLL_SECONDS:g} seconds",
    ):
        assert sentence in said, sentence


def test_the_lines_that_the_page_shows_are_those_that_the_tests_run() -> None:
    shown = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)[0]
    run = (Path(__file__).with_name("follow.mjs")).read_text()
    for line in (
        "shouldRetry: () => true, // without it a refused connection is final",
        "const { cursor, node } = data.usageEntryLanded.edge;",
        "operation.variables.since = cursor;",
        "client.subscribe(operation, {",
    ):
        assert line in shown
        assert line in run
