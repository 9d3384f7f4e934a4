"""The server under test, and its command line."""

from __future__ import annotations

from tests.api.conftest import api, service

__all__ = ["api", "service"]
