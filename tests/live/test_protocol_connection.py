"""graphql-transport-ws over real sockets: who gets a connection, and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.live.door import Door, Message, door, request
from tests.live.support import eventually
from tests.owner import owner_of


async def test_the_protocol_is_found_among_those_a_client_offers(there: Door) -> None:
    offered = [Subprotocol("graphql-ws"), Subprotocol("graphql-transport-ws")]
    async with there.introduced(subprotocols=offered) as socket:
        assert socket.connection.subprotocol == "graphql-transport-ws"


async def test_without_the_protocol_a_socket_is_closed_with_4406(there: Door) -> None:
    for offered in (None, ["graphql-ws"], ["mqtt", "GRAPHQL-TRANSPORT-WS"]):
        async with there.socket(subprotocols=offered) as socket:
            assert await socket.closed() == (4406, "Subprotocol not acceptable")


async def test_a_page_of_another_site_gets_no_socket(there: Door) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with there.socket(origin=Origin("https://elsewhere.example")):
            pass
    assert refused.value.response.status_code == 403
    async with there.introduced(origin=Origin(there.url)) as socket:
        assert await socket.is_open()


async def test_a_client_introduces_itself_in_connection_init(there: Door) -> None:
    for name in ("authorization", "Authorization"):
        async with there.socket() as socket:
            payload = {name: f"Bearer {there.token}"}
            await socket.say({"type": "connection_init", "payload": payload})
            assert await socket.hear() == {"type": "connection_ack"}


async def test_a_client_may_introduce_itself_in_the_handshake(there: Door) -> None:
    headers = {"Authorization": f"Bearer {there.token}"}
    inits: list[Message] = [{}, {"payload": None}, {"payload": {}}, {"payload": {"x": 1}}]
    for init in inits:
        async with there.socket(additional_headers=headers) as socket:
            await socket.say({"type": "connection_init", **init})
            assert await socket.hear() == {"type": "connection_ack"}


UNKNOWN: tuple[Message | None, ...] = (
    None,
    {},
    {"authorization": None},
    {"authorization": 7},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer nonsense"},
    {"authorization": "Bearer uf_" + "x" * 43},
    {"authorization": "Basic YTpi"},
    {"authorization": "Bearer é"},
)


async def test_a_client_that_nobody_knows_is_closed_with_4403(there: Door) -> None:
    for payload in UNKNOWN:
        async with there.socket() as socket:
            await socket.say({"type": "connection_init", "payload": payload})
            assert await socket.closed() == (4403, "Forbidden")


async def test_a_client_that_does_not_introduce_itself_is_closed_with_4408(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path, seconds_to_init=0.2) as there:
        async with there.socket() as socket:
            assert await socket.closed() == (4408, "Connection initialisation timeout")
        async with there.introduced() as socket:
            await asyncio.sleep(0.4)
            assert await socket.is_open()


async def test_what_follows_the_introduction_at_once_is_answered_after_the_ack(there: Door) -> None:
    async with there.socket() as socket:
        payload = {"authorization": f"Bearer {there.token}"}
        await socket.say({"type": "connection_init", "payload": payload})
        await socket.say(request())
        heard = [await socket.hear() for _ in range(3)]
        assert [message["type"] for message in heard] == ["connection_ack", "next", "complete"]


async def test_every_message_of_the_server_is_text_with_a_type(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.say({"type": "ping"})
        await socket.say(request())
        await socket.subscribe("2", "{ nothing }")
        for _ in range(4):
            text = await socket.connection.recv()
            assert isinstance(text, str)
            assert json.loads(text)["type"] in ("pong", "next", "complete", "error")


async def test_a_client_that_closes_is_answered_and_leaves_nothing_behind(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.follow("1", there.account)
        await eventually(lambda: there.process.services.bell.followers == 1)
        await socket.connection.close(1000)
        assert socket.connection.close_code == 1000
    await eventually(lambda: there.process.services.bell.followers == 0)


async def test_a_second_introduction_is_closed_with_4429(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.say({"type": "connection_init"})
        assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_two_introductions_at_once_are_closed_with_4429(there: Door) -> None:
    async with there.socket() as socket:
        for _ in range(2):
            payload = {"authorization": f"Bearer {there.token}"}
            await socket.say({"type": "connection_init", "payload": payload})
        assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_an_operation_before_the_introduction_is_closed_with_4401(there: Door) -> None:
    async with there.socket() as socket:
        await socket.say(request())
        assert await socket.closed() == (4401, "Unauthorized")


async def test_a_ping_is_answered_with_its_payload_at_any_time(there: Door) -> None:
    extras: list[Message] = [{}, {"payload": {"a": [1]}}, {"payload": None}]
    for extra in extras:
        async with there.socket() as socket:
            await socket.say({"type": "ping", **extra})
            assert await socket.hear() == {"type": "pong", **extra}
            await socket.introduce(there.token)
            await socket.say({"type": "pong", **extra})
            await socket.say({"type": "ping", **extra})
            assert await socket.hear() == {"type": "pong", **extra}


async def test_an_account_has_so_many_sockets_and_no_more(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path, per_account_max=2) as there:
        async with there.introduced(), there.introduced() as second:
            async with there.socket() as third:
                payload = {"authorization": f"Bearer {there.token}"}
                await third.say({"type": "connection_init", "payload": payload})
                told = "Too many sockets for this account: end one first."
                assert await third.closed() == (1013, told)
            async with there.introduced(there.signer.token("another")) as other:
                assert await other.is_open()
            async with there.introduced(await there.service_key()) as service:
                assert await service.is_open()
            assert await second.is_open()
        async with there.introduced() as again:
            assert await again.is_open()


async def test_a_socket_ends_with_4403_when_its_token_expires(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.identity.LEEWAY_SECONDS", 0)
    async with there.introduced(there.signer.token("ada", seconds=2)) as socket:
        await socket.follow("1", there.account)
        assert await socket.closed(within_seconds=5) == (4403, "The token has expired")


async def test_a_database_that_is_away_ends_a_beginning_with_1013_and_a_sentence(
    there: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def away(*_: object) -> None:
        raise asyncpg.CannotConnectNowError("the database system is starting up")

    told = (1013, "The database is away for a moment")
    for function in ("by_key", "by_id"):
        monkeypatch.setattr(f"models.accounts.{function}", away)
    async with there.introduced() as socket:  # as one whose account is remembered
        await socket.follow("1", there.account)
        assert await socket.closed() == told
    async with there.socket() as socket:
        payload = {"authorization": f"Bearer {there.signer.token('bob')}"}
        await socket.say({"type": "connection_init", "payload": payload})
        assert await socket.closed() == told
    logged = "".join(capsys.readouterr())
    assert "Traceback" not in logged
    assert "Something went wrong on our side" not in logged


async def test_a_socket_ends_with_4403_when_its_key_is_revoked(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.identity.KEY_MEMORY_SECONDS", 0.05)
    async with (
        door(database_url, tmp_path, seconds_between_reviews=0.1) as there,
        there.introduced(await there.service_key()) as socket,
    ):
        await asyncio.sleep(0.5)
        assert await socket.is_open()
        async with owner_of(there.process) as db:
            await db.execute("update service_key set revoked_at = now()")
        assert await socket.closed() == (4403, "The key is no longer valid")
