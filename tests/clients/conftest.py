"""The clients' packages, installed once for all processes that test with them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = ROOT / "web" / "clients"


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the clients' packages installed from their lock."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js with npm is not installed.")
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "clients.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock = (CLIENTS / "package-lock.json").read_text()
        stamp = CLIENTS / "node_modules" / ".installed-from"
        if not stamp.is_file() or stamp.read_text() != lock:
            subprocess.run([npm, "ci"], cwd=CLIENTS, check=True, capture_output=True, timeout=110)
            stamp.write_text(lock)
    return node
