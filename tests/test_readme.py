"""Promises of the README: its commands run as written, and its links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from itertools import pairwise

import pytest

from tests.app.support import ROOT, RunningServer, environment

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
RUN = "git clone <this repository> usage-feed && cd usage-feed\n./dev run\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """What the quick start's second command starts, in a folder of the test's own."""
    server = RunningServer(tmp_path_factory.mktemp("readme"))
    yield server
    server.end(signal.SIGTERM)


def commands() -> list[str]:
    """Every shell block but the quick start's first."""
    return [text for language, text in BLOCKS if language == "sh" and text != RUN]


def _line_of(text: str) -> int:
    return README[: README.index(text)].count("\n") + 1


def test_a_stranger_needs_two_commands() -> None:
    assert BLOCKS[0] == ("sh", RUN)
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("text", commands(), ids=lambda text: f"line {_line_of(text)}")
def test_every_command_works_as_written(text: str, server: RunningServer) -> None:
    said = _run(text, server)
    if text.startswith("curl"):
        assert _shape(said) == _shape(_shown_after(text))
    else:
        assert "+60 credits" in said


def test_every_command_of_the_table_exists() -> None:
    table = re.findall(r"^\| `([a-z-]+)[ `]", README, re.MULTILINE)
    usage = subprocess.check_output([ROOT / "dev", "--help"], text=True)
    assert {"run", "demo-failure", "token", "replay", "audit", "reason", "schema"} <= set(table)
    for name in table:
        assert re.search(rf"^  {name}\b", usage, re.MULTILINE), name


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def _run(text: str, server: RunningServer) -> str:
    """The block, with `./dev` as this test's Python and its server in place of the usual one."""
    data = shlex.quote(str(server.data_dir))
    here = f"{shlex.quote(sys.executable)} -m app"
    text = re.sub(r"\./dev ([a-z-]+)", rf"{here} \1 --data {data}", text)
    text = text.replace("http://127.0.0.1:8000", server.url)
    return subprocess.check_output(
        ["/bin/sh", "-euc", text], cwd=ROOT, env=environment(), text=True, timeout=60
    )


def _shown_after(command: str) -> str:
    for (_, text), (language, answer) in pairwise(BLOCKS):
        if text == command and language == "json":
            return answer
    raise AssertionError(f"no answer is shown for {command}")


def _shape(answer: str) -> str:
    """What keys and types an answer has, whatever its values."""
    return re.sub(r": (\d+|\"[^\"]*\")", ": value", json.dumps(json.loads(answer)))
