"""A real server on a real database, and callers that speak to it over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.process import Process, running
from app.server import bound, make_server, url_of
from app.settings import Settings
from models import service_keys
from resolvers.access import Scope
from tests.owner import owner_of

ISSUER = "https://issuer.test"
AUDIENCE = "usage-feed-tests"
CLAIM = "account_key"
EVERY_SCOPE = list(Scope)
ALGORITHMS = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}

LINE = (
    "__typename ... on LedgerEntry { id seq kind amount balanceAfter reason { code detail } "
    "campaign occurredAt recordedAt metadata }"
)
_ACCOUNT = "account { id key balance available headCursor }"
_ENTRY = f"entry {{ {LINE} }} {_ACCOUNT} replayed"
_DONE = {
    "openAccount": f"... on AccountOpened {{ {_ACCOUNT} replayed }}",
    "grantCredits": f"... on CreditsGranted {{ {_ENTRY} }}",
    "recordCharge": f"... on ChargeRecorded {{ {_ENTRY} }}",
    "refundCharge": f"... on ChargeRefunded {{ {_ENTRY} entry {{ automatic rule }} }}",
    "adjustBalance": f"... on BalanceAdjusted {{ {_ENTRY} entry {{ author note "
    f"corrects {{ {LINE} }} }} }}",
    "startJob": f"... on JobStarted {{ job {{ id key status }} {_ENTRY} }}",
    "finishJob": f"... on JobFinished {{ job {{ id key status refundDecision {{ refunded rule "
    f"reason {{ code detail }} }} }} refund {{ {LINE} automatic rule }} {_ACCOUNT} replayed }}",
}
_REFUSED = {
    "IdempotencyConflict": f"original: entry {{ {LINE} }} about: job {{ key }}",
    "InvalidInput": "field",
    "UnknownReason": "code",
    "InsufficientCredits": "available shortfall",
    "RefundExceedsCharge": "left",
    "JobAlreadyExists": "job { id key status }",
    "JobAlreadyFinished": "job { id key status }",
}
_POSSIBLE = {
    "openAccount": ["IdempotencyConflict", "InvalidInput"],
    "grantCredits": ["UnknownReason", "IdempotencyConflict", "InvalidInput"],
    "recordCharge": ["InsufficientCredits", "UnknownReason", "IdempotencyConflict", "InvalidInput"],
    "refundCharge": ["RefundExceedsCharge", "UnknownReason", "IdempotencyConflict", "InvalidInput"],
    "adjustBalance": ["UnknownReason", "IdempotencyConflict", "InvalidInput"],
    "startJob": [
        "InsufficientCredits",
        "JobAlreadyExists",
        "UnknownReason",
        "IdempotencyConflict",
        "InvalidInput",
    ],
    "finishJob": ["JobAlreadyFinished", "UnknownReason", "IdempotencyConflict", "InvalidInput"],
}
BATCHES = {"recordCharge": "recordCharges", "startJob": "startJobs", "finishJob": "finishJobs"}


def document(mutation: str, *, batch: bool = False) -> str:
    """A mutation that asks for everything its result may hold."""
    input_type = mutation[0].upper() + mutation[1:] + "Input"
    name, variable, given = mutation, f"$input: {input_type}!", "input: $input"
    if batch:
        name, variable, given = BATCHES[mutation], f"$input: [{input_type}!]!", "inputs: $input"
    refusals = " ".join(f"... on {kind} {{ {_REFUSED[kind]} }}" for kind in _POSSIBLE[mutation])
    result = f"__typename {_DONE[mutation]} ... on Refused {{ message }} {refusals}"
    return f"mutation ({variable}) {{ {name}({given}) {{ {result} }} }}"


@dataclass
class Keys:
    """An issuer's keys, one of each kind."""

    private: dict[str, Any] = field(
        default_factory=lambda: {
            "rsa": rsa.generate_private_key(65537, 2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }
    )

    def jwks(self) -> dict[str, Any]:
        public = {kid: key.public_key() for kid, key in self.private.items()}
        return {
            "keys": [
                {**RSAAlgorithm.to_jwk(public["rsa"], as_dict=True), "kid": "rsa"},
                {**ECAlgorithm.to_jwk(public["ec"], as_dict=True), "kid": "ec"},
                {**OKPAlgorithm.to_jwk(public["ed"], as_dict=True), "kid": "ed"},
            ]
        }

    def token(self, account_key: str | int | None, kid: str = "ed", **claims: Any) -> str:
        """A customer's token; a claim given as None is left out."""
        now = int(time.time())
        stated: dict[str, Any] = {
            CLAIM: account_key,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": now + 600,
            **claims,
        }
        return jwt.encode(
            {name: value for name, value in stated.items() if value is not None},
            self.private[kid],
            algorithm=ALGORITHMS[kid],
            headers={"kid": kid},
        )


@cache
def issuer_keys() -> Keys:
    return Keys()


class Caller:
    """Somebody with a credential, or none."""

    def __init__(self, api: Api, token: str | None) -> None:
        self.api = api
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30)
        self._numbers = itertools.count(1)

    async def answer(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole GraphQL answer to a well-formed request."""
        response = await self.http.post("/graphql", json={"query": query, "variables": variables})
        assert response.status_code == 200, (response.status_code, response.text)
        return response.json()

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.answer(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def code(self, query: str, **variables: Any) -> str:
        """The code of an answer's only error."""
        (error,) = (await self.answer(query, **variables))["errors"]
        return error["extensions"]["code"]

    async def do(self, mutation: str, **given: Any) -> dict[str, Any]:
        """The result of one mutation."""
        if mutation != "openAccount":
            given.setdefault("idempotencyKey", f"key-{next(self._numbers)}")
        return (await self.ask(document(mutation), input=given))[mutation]

    async def do_all(self, mutation: str, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The results of one batch."""
        return (await self.ask(document(mutation, batch=True), input=inputs))[BATCHES[mutation]]

    async def opened(self, key: str = "acme", granted: int = 1_000, **given: Any) -> str:
        """The id of a new account with credits."""
        account = await self.do("openAccount", key=key, name=key, **given)
        account_id: str = account["account"]["id"]
        if granted:
            await self.do(
                "grantCredits", account=account_id, amount=granted, reasonCode="GRANT_PLAN"
            )
        return account_id

    async def balance(self, account_id: str) -> tuple[int, str]:
        """The account's balance and head: what moves when anything does."""
        data = await self.ask(
            "query ($id: ID!) { account(id: $id) { balance headCursor } }", id=account_id
        )
        return data["account"]["balance"], data["account"]["headCursor"]

    async def lines(self, account_id: str, selection: str = LINE) -> list[dict[str, Any]]:
        """All of the account's lines, oldest first, read page by page."""
        query = (
            "query ($id: ID!, $after: String) { account(id: $id) "
            "{ usage(first: 100, after: $after) "
            f"{{ nodes {{ {selection} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
        )
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
        while page["hasNextPage"]:
            data = await self.ask(query, id=account_id, after=page["endCursor"])
            found += data["account"]["usage"]["nodes"]
            page = data["account"]["usage"]["pageInfo"]
        return found[::-1]


@asynccontextmanager
async def events(
    caller: Caller, query: str, **variables: Any
) -> AsyncGenerator[AsyncIterator[dict[str, Any]]]:
    """What a stream of server-sent events brings, until it completes."""
    body = {"query": query, "variables": variables}
    headers = {"Accept": "text/event-stream"}
    async with caller.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _payloads(response)


async def _payloads(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    event = ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data" and event == "next":
            yield json.loads(value)
        elif name.startswith("data") and event == "complete":
            return


@dataclass
class Api:
    """A server and those who call it."""

    url: str
    process: Process
    callers: list[Caller] = field(default_factory=list[Caller])

    def caller(self, token: str | None) -> Caller:
        caller = Caller(self, token)
        self.callers.append(caller)
        return caller

    async def service(self, *scopes: str, name: str = "tests") -> Caller:
        """A service with these scopes; without any, with all."""
        chosen = list(scopes) or EVERY_SCOPE
        async with owner_of(self.process) as db:
            return self.caller(await service_keys.create(db, name, chosen))

    def customer(self, account_key: str, **claims: Any) -> Caller:
        return self.caller(issuer_keys().token(account_key, **claims))


@asynccontextmanager
async def served(database_url: str, folder: Path, **settings: Any) -> AsyncGenerator[Api]:
    """A server of the test's own on a free port."""
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps(issuer_keys().jwks()))
    chosen: dict[str, Any] = {
        "database_url": database_url,
        "require_durable_database": False,
        "jwt_keys_file": jwks,
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "jwt_account_claim": CLAIM,
        "max_body_bytes": 1_048_576,
        "graphiql": True,
        "introspection": True,
        **settings,
    }
    with bound("127.0.0.1", 0) as listener:
        async with running(Settings(**chosen)) as process:
            listening = asyncio.Event()
            server = make_server(process, listening.set)
            task = asyncio.create_task(server.serve([listener]))
            await listening.wait()
            api = Api(url_of(listener, "127.0.0.1"), process)
            try:
                yield api
            finally:
                for caller in api.callers:
                    await caller.http.aclose()
                server.should_exit = True
                await task
