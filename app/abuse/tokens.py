"""Credentials that are forged, cut, replayed or somebody else's, at every door."""

from __future__ import annotations

import json

from app.abuse.bodies import GRANT
from app.abuse.cases import JSON, Attempt, Case, by_service, posting
from app.abuse.issuer import Issuer
from app.abuse.stage import Stage
from app.abuse.wire import a_name, connected, exchanged, request, socket_to

NOBODY = "401 UNAUTHENTICATED"
ASKED = b'{"query": "{ viewer { kind } }"}'
PAGE = "{ account(id: $id) { balance usage(first: 5) { nodes { ... on LedgerEntry { id } } } } }"


def cases(issuer: Issuer) -> list[Case]:
    """Those of this issuer: every forged token over HTTP, and all of them over other doors."""
    forged = [
        Case(f"a token {name}", NOBODY, posting(ASKED, token=lambda _, token=token: token))
        for name, token in issuer.forged.items()
    ]
    parts = len(forged)
    return [
        *forged,
        Case("all of these over a socket", "closed 4403", _all_over_sockets, times=2, parts=parts),
        Case("all of these for an export", NOBODY, _all_for("/export"), times=2, parts=parts),
        Case("all of these for the measures", NOBODY, _all_for("/metrics"), times=2, parts=parts),
        *CASES,
    ]


async def _all_over_sockets(stage: Stage) -> str:
    said: set[str] = set()
    for token in stage.issuer.forged.values():
        async with socket_to(stage.server.port) as socket:
            said.add(await socket.introduce(token))
    return ", ".join(sorted(said))


def _all_for(target: str) -> Attempt:
    async def attempt(stage: Stage) -> str:
        said: set[str] = set()
        for token in stage.issuer.forged.values():
            headers = {"Authorization": f"Bearer {token}"}
            said.add(await exchanged(stage.server.port, request("GET", target, headers)))
        return ", ".join(sorted(said))

    return attempt


def _authorized(*headers: str) -> Attempt:
    """POSTs with these Authorization headers; `$` stands for a right token."""

    async def attempt(stage: Stage) -> str:
        lines = "".join(f"Authorization: {each}\r\n" for each in headers)
        head = request("POST", "/graphql", {**JSON, "Content-Length": str(len(ASKED))})
        given = lines.replace("$", stage.token()).encode("latin-1")
        return await exchanged(stage.server.port, head[:-2] + given + b"\r\n" + ASKED)

    return attempt


async def _in_the_address(stage: Stage) -> str:
    asked = f"/graphql?query=%7B__typename%7D&access_token={stage.token()}&token={stage.token()}"
    return await exchanged(stage.server.port, request("GET", asked, JSON))


def _of_another(stage: Stage) -> bytes:
    """The page of an account that is not the asker's."""
    query = f"query ($id: ID!) {PAGE}"
    return json.dumps({"query": query, "variables": {"id": stage.accounts["good"]}}).encode()


async def _another_ones_page(stage: Stage) -> str:
    headers = {**JSON, "Authorization": f"Bearer {stage.token()}"}
    data = request("POST", "/graphql", headers, _of_another(stage))
    async with connected(stage.server.port) as line:
        await line.send(data)
        reply = await line.reply()
        return "nothing" if reply and reply.json() == {"data": {"account": None}} else str(reply)


def _granting_to_oneself(stage: Stage) -> bytes:
    given = {
        "account": stage.accounts["stranger-0"],
        "idempotencyKey": a_name(),
        "amount": 1_000_000,
        "reasonCode": "GRANT_PROMO",
    }
    return json.dumps({"query": GRANT, "variables": {"input": given}}).encode()


def _altered_key(stage: Stage) -> str:
    last = stage.service_key[-1]
    return stage.service_key[:-1] + ("A" if last != "A" else "B")


CASES = [
    Case("no credential", NOBODY, _authorized()),
    Case("a credential of another kind", NOBODY, _authorized("Basic YWRtaW46YWRtaW4=")),
    Case("a credential of nothing", NOBODY, _authorized("Bearer ")),
    Case("a credential of strange letters", NOBODY, _authorized("Bearer \xff\xfe\xe2")),
    Case("a credential of 30,000 letters", NOBODY, _authorized("Bearer " + "a" * 30_000)),
    Case("a wrong credential and then a right one", NOBODY, _authorized("Bearer x", "Bearer $")),
    Case("a credential in the address", NOBODY, _in_the_address),
    Case("a service's key, cut", NOBODY, posting(ASKED, token=lambda s: s.service_key[:-4])),
    Case("a service's key, altered", NOBODY, posting(ASKED, token=_altered_key)),
    Case("a service's key and more", NOBODY, posting(ASKED, token=lambda s: f"{by_service(s)}a")),
    Case("a customer that grants itself", "200 FORBIDDEN", posting(_granting_to_oneself)),
    Case("a customer that asks for another's page", "nothing", _another_ones_page),
]
