"""GraphQL over HTTP by its specification's own audits, which are npm graphql-http."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

from tests.api.support import issuer_keys, served
from tests.clients.conftest import CLIENTS

AUDITS = 61


async def test_every_audit_of_graphql_over_http_is_passed_without_a_warning(
    node: str, database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, introspection=True) as api:
        await (await api.service()).opened("acme")
        process = await asyncio.create_subprocess_exec(
            node,
            "audits.js",
            cwd=CLIENTS,
            env={
                **os.environ,
                "FEED_URL": f"{api.url}/graphql",
                "FEED_TOKEN": issuer_keys().token("acme"),
                "NODE_NO_WARNINGS": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    audits = [json.loads(line) for line in said.splitlines()]
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert Counter(audit["status"] for audit in audits) == {"ok": AUDITS}
