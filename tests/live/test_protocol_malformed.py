"""graphql-transport-ws over real sockets: messages that are none."""

from __future__ import annotations

import asyncio
import json

import pytest

from app.messages import ID_LENGTH_MAX
from app.server import WEBSOCKET_BYTES_MAX
from tests.live.door import Door, request
from tests.live.malformed import Malformed, malformed
from tests.live.wire import raw_socket, rest_of

MALFORMED_BY_CHANCE = 600

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


async def test_whatever_is_malformed_is_closed_with_its_code_and_never_with_1006(
    there: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    at_once = asyncio.Semaphore(8)

    async def meet(case: Malformed, introduced: bool) -> tuple[str, int, str]:
        async with at_once, there.socket() as socket:
            if introduced:
                await socket.introduce(there.token)
            sent = case.sent[0] if len(case.sent) == 1 else case.sent
            await socket.connection.send(sent, text=case.is_text)
            return case.way, *await socket.closed()

    cases = malformed(seed=4, number=MALFORMED_BY_CHANCE)
    met = await asyncio.gather(*(meet(case, n % 2 == 0) for n, case in enumerate(cases)))
    assert [(way, code) for way, code, _ in met] == [(case.way, case.code) for case in cases]
    for _, code, reason in met:
        assert code != 4400 or reason.startswith("Invalid message: ")
        assert len(reason.encode()) <= 123
    async with there.introduced() as socket:
        assert await socket.is_open()
    assert "Traceback" not in "".join(capsys.readouterr())


def _frame(first: int, payload: bytes, masked: bool = True) -> bytes:
    return bytes([first, len(payload) | 0x80 * masked]) + bytes(4 * masked) + payload


BROKEN_FRAMES = {
    "an unmasked frame": _frame(0x81, b'{"type":"ping"}', masked=False),
    "a reserved bit": _frame(0xC1, b'{"type":"ping"}'),
    "a reserved opcode": _frame(0x83, b"x"),
    "a reserved control opcode": _frame(0x8B, b""),
    "a continuation of nothing": _frame(0x80, b"x"),
    "a text within a text": _frame(0x01, b"{") + _frame(0x81, b"{}"),
    "a fragmented ping": _frame(0x09, b"x"),
    "a ping of 126 bytes": bytes([0x89, 0xFE, 0, 126]) + bytes(4) + b"x" * 126,
    "a close of one byte": _frame(0x88, b"x"),
    "a close with a reserved code": _frame(0x88, (1005).to_bytes(2, "big")),
}


async def test_a_broken_frame_is_closed_with_1002(
    there: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, frame in BROKEN_FRAMES.items():
        async with raw_socket(there) as raw:
            await asyncio.get_running_loop().sock_sendall(raw, frame)
            received = await rest_of(raw)
            assert (name, received[:1], received[2:4]) == (name, b"\x88", (1002).to_bytes(2, "big"))
    assert "Traceback" not in "".join(capsys.readouterr())
