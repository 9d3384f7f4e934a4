"""graphql-transport-ws over real sockets: what is asked, and the messages that answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.messages import ID_LENGTH_MAX
from tests.live.door import LANDED, VIEWER, Door, Message, door, request


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


async def test_what_may_be_null_or_absent_may_be_both(there: Door) -> None:
    async with there.introduced() as socket:
        extras: list[Message] = [
            {},
            {"operationName": None},
            {"operationName": ""},
            {"variables": None},
            {"more": 1},
        ]
        for n, extra in enumerate(extras):
            await socket.say({**request(**extra), "id": str(n)})
            assert (await socket.hear())["payload"] == {"data": {"viewer": {"kind": "CUSTOMER"}}}
            assert await socket.hear() == {"id": str(n), "type": "complete"}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("query A { viewer { kind } }", "B"),
        ("query A { viewer { kind } }", "A "),
        ("fragment A on Query { viewer { kind } }", None),
        ("fragment A on Query { viewer { kind } }", "A"),
    ],
)
async def test_an_operation_that_is_not_there_is_told_of_alike_through_every_door(
    there: Door, query: str, name: str | None
) -> None:
    asked = {"query": query, "operationName": name}
    async with there.http() as http, there.introduced() as socket:
        plain = (await http.post("/graphql", json=asked)).json()["errors"]
        sse = {"Accept": "text/event-stream"}
        streamed = (await http.post("/graphql", json=asked, headers=sse)).text.split("data: ")[1]
        await socket.say(request(**asked))
        said = await socket.hear()
    assert plain == [
        {
            "message": "operationName must name one of the document's operations.",
            "extensions": {"code": "BAD_USER_INPUT"},
        }
    ]
    assert json.loads(streamed.partition("\r\n")[0])["errors"] == plain
    assert (said["type"], said["payload"]) == ("error", plain)


async def test_an_id_is_one_sockets_own(there: Door) -> None:
    async with there.introduced() as one, there.introduced() as other:
        for socket in (one, other):
            await socket.follow("1", there.account, since="c2VxOjA=")
        await there.grant(1)
        assert [await socket.hear_seq() for socket in (one, other)] == [1, 1]
        await one.say({"id": "1", "type": "complete"})
        assert await one.is_open()
        await there.grant(1)
        assert await other.hear_seq() == 2
        assert await one.hears_nothing()


async def test_after_an_error_comes_no_complete_and_the_id_is_free(there: Door) -> None:
    async with there.introduced() as socket:
        for _ in range(3):
            await socket.subscribe("1", "{ nothing }")
            assert (await socket.hear())["type"] == "error"
        await socket.subscribe("1", VIEWER)
        assert (await socket.hear())["type"] == "next"
        assert await socket.hear() == {"id": "1", "type": "complete"}
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
    "an empty query": ({"query": ""}, "BAD_USER_INPUT"),
    "a blank query": ({"query": " "}, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    "an unknown operation": (
        {"query": "query a { viewer { kind } }", "operationName": "b"},
        "BAD_USER_INPUT",
    ),
    "no operation": ({"query": "fragment f on Viewer { kind }"}, "BAD_USER_INPUT"),
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
