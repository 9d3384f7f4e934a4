"""graphql-transport-ws over real sockets: what its document says, and what clients do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from app.messages import ID_LENGTH_MAX
from app.server import WEBSOCKET_BYTES_MAX
from tests.live.door import LANDED, Door, Message, door
from tests.owner import owner_of

VIEWER = "{ viewer { kind } }"


@pytest.fixture
async def there(database_url: str, tmp_path: Path) -> AsyncGenerator[Door]:
    """A server as it ships."""
    async with door(database_url, tmp_path) as there:
        yield there


def request(**fields: object) -> Message:
    return {"id": "1", "type": "subscribe", "payload": {"query": VIEWER, **fields}}


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


MALFORMED = {
    "nothing": "",
    "no JSON": "hello",
    "half JSON": '{"type":',
    "a number": "1",
    "a text": '"ping"',
    "true": "true",
    "null": "null",
    "an array": "[]",
    "an array of messages": '[{"type":"ping"}]',
    "NaN": '{"type":"ping","payload":{"x":NaN}}',
    "a lone surrogate": '{"type":"ping","payload":{"x":"\\ud800"}}',
    "a lone surrogate as id": '{"id":"\\udfff","type":"complete"}',
    "100,000 levels": '{"type":"ping","payload":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
    "100,000 open brackets": "[" * 100_000,
    "no type": "{}",
    "a type that is no text": '{"type":1}',
    "a type that is an object": '{"type":{"a":1}}',
    "a type that is null": '{"type":null}',
    "an unknown type": '{"type":"start","id":"1"}',
    "an empty type": '{"type":""}',
    "a server's message": '{"type":"connection_ack"}',
    "a server's next": '{"type":"next","id":"1","payload":{}}',
    "a server's error": '{"type":"error","id":"1","payload":[]}',
    "a very long type": json.dumps({"type": "é" * 10_000}),
    "init with a text": '{"type":"connection_init","payload":"x"}',
    "init with an array": '{"type":"connection_init","payload":[]}',
    "init with a number": '{"type":"connection_init","payload":0}',
    "init with false": '{"type":"connection_init","payload":false}',
    "ping with a text": '{"type":"ping","payload":"x"}',
    "pong with an array": '{"type":"pong","payload":[1]}',
    "subscribe without id": '{"type":"subscribe","payload":{"query":"{a}"}}',
    "subscribe with id null": '{"id":null,"type":"subscribe","payload":{"query":"{a}"}}',
    "subscribe with a number as id": '{"id":1,"type":"subscribe","payload":{"query":"{a}"}}',
    "subscribe with an object as id": '{"id":{},"type":"subscribe","payload":{"query":"{a}"}}',
    "subscribe with an empty id": '{"id":"","type":"subscribe","payload":{"query":"{a}"}}',
    "subscribe with an endless id": json.dumps({**request(), "id": "x" * (ID_LENGTH_MAX + 1)}),
    "subscribe without payload": '{"id":"1","type":"subscribe"}',
    "subscribe with payload null": '{"id":"1","type":"subscribe","payload":null}',
    "subscribe with an array": '{"id":"1","type":"subscribe","payload":[]}',
    "subscribe without query": '{"id":"1","type":"subscribe","payload":{}}',
    "query null": json.dumps(request(query=None)),
    "query a number": json.dumps(request(query=1)),
    "query an object": json.dumps(request(query={})),
    "operationName a number": json.dumps(request(operationName=1)),
    "variables a text": json.dumps(request(variables="{}")),
    "variables an array": json.dumps(request(variables=[])),
    "extensions a text": json.dumps(request(extensions="x")),
    "extensions an array": json.dumps(request(extensions=[1])),
    "complete without id": '{"type":"complete"}',
    "complete with a number as id": '{"id":1,"type":"complete"}',
    "complete with an array as id": '{"id":["1"],"type":"complete"}',
}


@pytest.mark.parametrize("introduced", [False, True], ids=["before", "after"])
async def test_a_malformed_message_is_closed_with_4400_and_a_reason(
    there: Door, capsys: pytest.CaptureFixture[str], introduced: bool
) -> None:
    for name, message in MALFORMED.items():
        async with there.socket() as socket:
            if introduced:
                await socket.introduce(there.token)
            await socket.connection.send(message)
            code, reason = await socket.closed()
            assert (name, code) == (name, 4400)
            assert reason.startswith("Invalid message: ")
            assert len(reason.encode()) <= 123
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_message_that_is_not_text_is_closed_with_4400(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.connection.send(b'{"type":"ping"}')
        assert await socket.closed() == (4400, "Invalid message: it must be text")


async def test_a_message_that_is_not_utf_8_is_closed_with_1007(
    there: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    async with there.introduced() as socket:
        await socket.connection.send(b'{"type":"\xff"}', text=True)
        assert (await socket.closed())[0] == 1007
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_message_larger_than_the_limit_is_closed_with_1009(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.say({"type": "ping", "payload": {"x": "x" * WEBSOCKET_BYTES_MAX}})
        assert (await socket.closed())[0] == 1009


async def test_a_message_in_many_fragments_is_one_message(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.connection.send(list('{"type":"ping"}'))
        assert await socket.hear() == {"type": "pong"}


async def test_an_id_that_is_in_use_is_closed_with_4409(there: Door) -> None:
    for id_ in ("1", "é" * ID_LENGTH_MAX, "\x00\n", "__proto__"):
        async with there.introduced() as socket:
            for _ in range(2):
                await socket.follow(id_, there.account)
            code, reason = await socket.closed()
            assert code == 4409
            assert reason.startswith(f"Subscriber for {id_[:20]}")
            assert len(reason.encode()) <= 123


async def test_an_id_is_free_again_after_its_operation(there: Door) -> None:
    async with there.introduced() as socket:
        for _ in range(3):
            await socket.subscribe("1", VIEWER)
            assert (await socket.hear())["type"] == "next"
            assert await socket.hear() == {"id": "1", "type": "complete"}
        for _ in range(3):
            await socket.follow("1", there.account)
            await socket.say({"id": "1", "type": "complete"})
        assert await socket.is_open()


async def test_complete_for_an_unknown_id_is_ignored(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.say({"id": "never", "type": "complete"})
        assert await socket.is_open()


async def test_a_query_gets_one_next_and_complete(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.subscribe("q", VIEWER)
        assert await socket.hear() == {
            "id": "q",
            "type": "next",
            "payload": {"data": {"viewer": {"kind": "CUSTOMER"}}},
        }
        assert await socket.hear() == {"id": "q", "type": "complete"}


async def test_a_mutation_runs_over_a_socket_with_its_scopes(there: Door) -> None:
    mutation = """mutation($account: ID!) { grantCredits(input: {account: $account, amount: 5,
      idempotencyKey: "k", reasonCode: "GRANT_PROMO"}) { ... on CreditsGranted { replayed } } }"""
    async with there.introduced() as socket:
        await socket.subscribe("m", mutation, account=there.account)
        refused = await socket.hear()
        assert _codes(refused["payload"]["errors"]) == ["FORBIDDEN"]
    async with there.introduced(await there.service_key()) as socket:
        for replayed in (False, True):
            await socket.subscribe("m", mutation, account=there.account)
            done = await socket.hear()
            assert done["payload"] == {"data": {"grantCredits": {"replayed": replayed}}}
            assert await socket.hear() == {"id": "m", "type": "complete"}


def _codes(errors: list[Message]) -> list[str]:
    return [error["extensions"]["code"] for error in errors]


REFUSED_DOCUMENTS = {
    "a syntax error": ({"query": "{ viewer {"}, "GRAPHQL_PARSE_FAILED"),
    "an empty query": ({"query": ""}, "GRAPHQL_VALIDATION_FAILED"),
    "a blank query": ({"query": " "}, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    "an unknown operation": (
        {"query": "query a { viewer { kind } }", "operationName": "b"},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "no operation": (
        {"query": "fragment f on Viewer { kind }"},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "two root fields": (
        {
            "query": "subscription { a: refundLanded(account: 1) { account { id } } "
            "b: refundLanded(account: 2) { account { id } } }"
        },
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a missing variable": ({"query": LANDED}, "BAD_USER_INPUT"),
    "a variable of another type": (
        {"query": LANDED, "variables": {"account": [1]}},
        "BAD_USER_INPUT",
    ),
    "an unreadable id": ({"query": LANDED, "variables": {"account": "x"}}, "NOT_FOUND"),
    "an unknown account": (
        {"query": LANDED, "variables": {"account": "QWNjb3VudDo5OTk="}},
        "NOT_FOUND",
    ),
}


async def test_a_document_that_cannot_run_gets_an_error_and_the_socket_stays(
    there: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    async with there.introduced() as socket:
        for name, (payload, code) in REFUSED_DOCUMENTS.items():
            await socket.say({"id": name, "type": "subscribe", "payload": payload})
            answer = await socket.hear()
            assert (answer["id"], answer["type"]) == (name, "error"), answer
            assert (name, _codes(answer["payload"])) == (name, [code])
        assert await socket.is_open()
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_cursor_that_is_none_gets_an_error_and_the_socket_stays(there: Door) -> None:
    async with there.introduced() as socket:
        for since in ("", "x", "c2VxOi0x", "c2VxOjk5OTk5OTk5OTk5OTk5OTk5OTk5"):
            await socket.follow("1", there.account, since=since)
            answer = await socket.hear()
            assert answer["type"] == "error"
            assert _codes(answer["payload"]) == ["BAD_USER_INPUT"]
        assert await socket.is_open()


async def test_a_foreign_account_looks_like_none_at_all(there: Door) -> None:
    async with there.introduced(there.signer.token("nobody")) as socket:
        await socket.follow("1", there.account)
        answer = await socket.hear()
        assert answer["type"] == "error"
        assert _codes(answer["payload"]) == ["NOT_FOUND"]


async def test_lines_arrive_in_order_until_the_client_completes(there: Door) -> None:
    async with there.introduced() as socket:
        await there.grant(3)
        await socket.follow("1", there.account, since="c2VxOjA=")
        assert [await socket.hear_seq() for _ in range(3)] == [1, 2, 3]
        await there.grant(2)
        assert [await socket.hear_seq() for _ in range(2)] == [4, 5]
        await socket.say({"id": "1", "type": "complete"})
        assert await socket.is_open()
        await there.grant(2)
        assert await socket.hears_nothing()
    assert there.process.services.bell.followers == 0


async def test_operations_on_one_socket_do_not_wait_for_each_other(there: Door) -> None:
    async with there.introduced() as socket:
        await socket.follow("live", there.account, since="c2VxOjA=")
        for n in range(20):
            await socket.subscribe(f"q{n}", VIEWER)
        answers = [await socket.hear() for _ in range(40)]
        assert {answer["id"] for answer in answers} == {f"q{n}" for n in range(20)}
        await there.grant(1)
        assert await socket.hear_seq() == 1


async def test_one_operation_too_many_gets_an_error_and_the_socket_stays(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        door(database_url, tmp_path, operations_max=3) as there,
        there.introduced() as socket,
    ):
        for n in range(4):
            await socket.follow(str(n), there.account, since="c2VxOjA=")
        answer = await socket.hear()
        assert (answer["id"], answer["type"]) == ("3", "error")
        assert _codes(answer["payload"]) == ["TOO_MANY_OPERATIONS"]
        await socket.say({"id": "0", "type": "complete"})
        await socket.follow("3", there.account, since="c2VxOjA=")
        assert await socket.is_open()
        await there.grant(1)
        heard = [await socket.hear() for _ in range(3)]
        assert sorted(message["id"] for message in heard) == ["1", "2", "3"]


async def test_an_account_has_so_many_sockets_and_no_more(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path, per_account_max=2) as there:
        async with there.introduced(), there.introduced() as second:
            async with there.socket() as third:
                payload = {"authorization": f"Bearer {there.token}"}
                await third.say({"type": "connection_init", "payload": payload})
                assert await third.closed() == (1013, "Too many sockets for this account")
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
