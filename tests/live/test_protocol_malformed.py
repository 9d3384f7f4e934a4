"""graphql-transport-ws over real sockets: messages that are none."""

from __future__ import annotations

import json

import pytest

from app.messages import ID_LENGTH_MAX
from app.server import WEBSOCKET_BYTES_MAX
from tests.live.door import Door, request

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
