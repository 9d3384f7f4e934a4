"""The server under test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.api.support import Api, Caller, served


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncGenerator[Api]:
    """A server on a fresh database."""
    async with served(database_url, tmp_path) as api:
        yield api


@pytest.fixture
async def service(api: Api) -> Caller:
    """A service that may do everything."""
    return await api.service()
