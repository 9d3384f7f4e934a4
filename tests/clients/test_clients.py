"""Apollo Client, urql and Relay as their users have them, against the real server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.api.support import issuer_keys, served
from tests.clients.conftest import CLIENTS, ROOT

GUIDE = ROOT / "docs" / "clients.md"


@pytest.mark.parametrize("client", ["apollo", "urql", "relay"])
async def test_the_client_pages_paginates_filters_and_appends_live(
    node: str, client: str, database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path) as api:
        service = await api.service()
        account = await service.opened("acme", 1_000)
        for n in range(8):
            job = {"account": account, "key": f"gen-{n}"}
            await service.do("startJob", **job, operation="upscale", amount=9, deadlineSeconds=600)
            await service.do("finishJob", **job, status="FAILED", reasonCode="PLATFORM_ERROR")
        process = await asyncio.create_subprocess_exec(
            node,
            "--test",
            f"{client}.test.js",
            cwd=CLIENTS,
            env={
                **os.environ,
                "FEED_URL": f"{api.url}/graphql",
                "FEED_ACCOUNT": account,
                "FEED_TOKEN": issuer_keys().token("acme"),
                "FEED_SERVICE_TOKEN": service.token or "",
                "NODE_NO_WARNINGS": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        assert b"# pass 1" in said


def test_what_clients_need_beforehand_is_what_the_schema_says(node: str) -> None:
    compiler = str(CLIENTS / "node_modules" / ".bin" / "relay-compiler")
    checks = [
        ([node, "generate.mjs", "--check"], CLIENTS),
        ([compiler, "--validate", "relay.config.json"], CLIENTS / "relay"),
    ]
    for check, folder in checks:
        done = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_example_of_the_guide_is_a_file_that_a_test_executes() -> None:
    blocks = re.findall(r"^```js title=(\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    assert {name for name, _ in blocks} == {
        "web/clients/documents.js",
        "web/clients/apollo.js",
        "web/clients/urql.js",
        "web/clients/relay/documents.js",
        "web/clients/relay/environment.js",
    }
    for name, text in blocks:
        assert text == (ROOT / name).read_text(), f"{name} differs from docs/clients.md"
