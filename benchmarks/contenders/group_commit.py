"""The floor of writing: a bare ASGI function over this project's writer, which folds what arrives
together into one commit. It verifies the service's key.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from benchmarks.contenders.serving import (
    DSN,
    App,
    Receive,
    Scope,
    Send,
    body_of,
    respond,
    serve,
)
from models import service_keys
from models.database import SERVER_ROLE, Database
from models.intents import RecordCharge
from models.outcomes import Done
from models.reasons import Catalogue
from models.writer import Writer


async def make_app() -> App:
    db = await Database.connect(DSN, role=SERVER_ROLE)
    writer = Writer(db, Catalogue(db))
    allowed: set[bytes] = set()

    async def may_charge(authorization: bytes) -> bool:
        digest = hashlib.sha256(authorization).digest()
        if digest not in allowed:
            key = await service_keys.verify(db, authorization.removeprefix(b"Bearer ").decode())
            if key is None or "charges:write" not in key.scopes:
                return False
            allowed.add(digest)
        return True

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not await may_charge(dict(scope["headers"]).get(b"authorization", b"")):
            await respond(send, 401, b'{"error":"Sign in."}')
            return
        given: dict[str, Any] = orjson.loads(await body_of(receive))
        outcome = await writer.book(
            RecordCharge(
                account_id=given["account"],
                idempotency_key=given["idempotencyKey"],
                amount=given["amount"],
            )
        )
        if not isinstance(outcome, Done) or outcome.entry is None:
            await respond(send, 409, orjson.dumps({"error": type(outcome).__name__}))
            return
        entry = outcome.entry
        answer = {"seq": entry.seq, "balanceAfter": entry.balance_after}
        await respond(send, 200, orjson.dumps(answer))

    return app


if __name__ == "__main__":
    serve(make_app)
