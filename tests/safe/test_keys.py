"""Services' keys, by the commands an operator has, against a server that runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from models import service_keys
from models.service_keys import PREFIX
from resolvers import identity
from tests.api.support import Api, events
from tests.app.support import command_here
from tests.owner import owner_of

ASKED = "{ viewer { kind scopes } }"


class Commands:
    """`./dev key` on the server's database."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def key(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, complaints."""
        ended = await asyncio.to_thread(command_here, self._capsys, "key", *arguments)
        return ended.returncode, ended.stdout.strip(), ended.stderr.strip()

    async def made(self, *arguments: str) -> str:
        """The secret that a command prints, alone."""
        code, secret, said = await self.key(*arguments)
        assert (code, said) == (0, "")
        assert secret.startswith(PREFIX)
        assert len(secret) == 46
        return secret


@pytest.fixture
def dev(api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", api.process.services.db.dsn)
    return Commands(capsys)


async def status(api: Api, secret: str) -> int:
    response = await api.caller(secret).http.post("/graphql", json={"query": ASKED})
    return response.status_code


async def listed(api: Api, column: str) -> list[Any]:
    async with owner_of(api.process) as db:
        return [getattr(found, column) for found in await service_keys.all_keys(db)]


@pytest.fixture
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(identity, "KEY_MEMORY_SECONDS", 0.2)


async def test_a_key_has_the_scopes_it_was_made_with_and_its_name_to_itself(
    api: Api, dev: Commands
) -> None:
    secret = await dev.made("create", "billing", "--scopes", "read,charges:write")
    asked = await api.caller(secret).ask(ASKED)
    assert asked["viewer"] == {"kind": "SERVICE", "scopes": ["charges:write", "read"]}
    code, out, said = await dev.key("create", "billing", "--scopes", "read")
    assert (code, out) == (1, "")
    assert said == "Error: billing has a live key: rotate it, or revoke it first."
    for scopes, why in (("root", "There is no scope root"), (" ,", "Name at least one scope")):
        code, out, said = await dev.key("create", "other", "--scopes", scopes)
        assert (code, out) == (2, "")
        assert why in said
    assert await listed(api, "name") == ["billing"]


@pytest.mark.parametrize("hours", ["-1", "nan", "1e9", "1e300"])
async def test_an_end_that_no_key_can_have_is_refused_and_keys_can_be_listed(
    dev: Commands, hours: str
) -> None:
    await dev.made("create", "billing", "--scopes", "all")
    code, out, said = await dev.key("rotate", "billing", "--expires-in-hours", hours)
    assert (code != 0, out) == (True, "")
    assert "Error: " in said
    code, table, _ = await dev.key("list")
    assert (code, table.count("billing")) == (0, 1)


@pytest.mark.usefixtures("_short_memory")
async def test_a_rotation_has_two_live_keys_and_ends_with_the_old_one_revoked(
    api: Api, dev: Commands
) -> None:
    old = await dev.made("create", "billing", "--scopes", "all")
    new = await dev.made("rotate", "billing")
    assert [await status(api, old), await status(api, new)] == [200, 200]
    assert (await dev.key("rotate", "billing"))[0] == 1
    assert (await dev.key("revoke", "billing"))[0] == 1, "which of the two?"
    assert await dev.key("revoke", "billing", "--old") == (0, "Revoked 1 of billing.", "")
    await asyncio.sleep(identity.KEY_MEMORY_SECONDS)
    assert [await status(api, old), await status(api, new)] == [401, 200]
    code, table, _ = await dev.key("list")
    assert code == 0
    assert [("revoked" in row, "live" in row) for row in table.splitlines()[1:]] == [
        (True, False),
        (False, True),
    ]
    assert old not in table
    assert new not in table
    assert await dev.key("revoke", "billing") == (0, "Revoked 1 of billing.", "")
    assert (await dev.key("revoke", "billing"))[0] == 1
    await asyncio.sleep(identity.KEY_MEMORY_SECONDS)
    assert await status(api, new) == 401


@pytest.mark.usefixtures("_short_memory")
async def test_a_rotated_key_ends_by_itself_at_its_hour(api: Api) -> None:
    async with owner_of(api.process) as db:
        old = await service_keys.issue(db, "billing", ["read"])
        began = time.monotonic()
        new = await service_keys.rotate(db, "billing", expires_in_hours=0.5 / 3_600)
        while await status(api, old) == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert time.monotonic() - began >= 0.5
        assert [await status(api, old), await status(api, new)] == [401, 200]
        await service_keys.rotate(db, "billing")  # the ended one is no second live key


async def test_of_many_who_make_a_key_of_one_name_at_once_one_does(api: Api) -> None:
    async with owner_of(api.process) as one, owner_of(api.process) as other:
        tries = [service_keys.issue(db, "billing", ["read"]) for db in (one, other) * 4]
        ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(end, str) for end in ended) == 1
    assert sum(isinstance(end, service_keys.KeyRefused) for end in ended) == 7


async def test_the_last_use_of_a_key_is_recorded_once_a_minute(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[int] = []
    record = service_keys.note_use

    async def counted(db: Any, key_id: int) -> None:
        noted.append(key_id)
        await record(db, key_id)

    monkeypatch.setattr(service_keys, "note_use", counted)
    monkeypatch.setattr(identity, "KEY_MEMORY_SECONDS", 0.0)
    async with owner_of(api.process) as db:
        used = await service_keys.issue(db, "used", ["read"])
        await service_keys.issue(db, "unused", ["read"])
    for _ in range(5):
        assert await status(api, used) == 200
    await api.process.identity.close()
    assert len(noted) == 1
    assert [at is not None for at in await listed(api, "last_used_at")] == [False, True]


async def test_the_server_may_record_a_use_and_nothing_else_of_a_key(api: Api) -> None:
    db = api.process.services.db
    for change in ("scopes = '{admin}'", "revoked_at = null", "expires_at = null", "name = 'x'"):
        with pytest.raises(Exception, match="permission denied"):
            await db.execute(f"update service_key set {change}")


@pytest.mark.usefixtures("_short_memory")
async def test_a_revoked_key_ends_its_streams(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.streams.KEY_MEMORY_SECONDS", 0.2)
    service = await api.service(name="follower")
    account = await service.opened("acme")
    query = "subscription ($id: ID!) { usageEntryLanded(account: $id) { __typename } }"
    async with events(service, query, id=account) as landed:
        async with owner_of(api.process) as db:
            await service_keys.revoke(db, "follower")
        async with asyncio.timeout(5):
            bodies = [body async for body in landed]
    (error,) = bodies[-1]["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
