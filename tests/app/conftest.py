"""Servers for the tests of commands."""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest

from tests.app.support import RunningServer


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One `run` in a folder with a space in its name, for all tests that do not end it."""
    server = RunningServer(tmp_path_factory.mktemp("data folder"))
    yield server
    server.end(signal.SIGTERM)
