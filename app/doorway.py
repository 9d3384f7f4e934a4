"""What every HTTP request passes: its id, its measure, its headers, and the answer where nothing
else had one.
"""

from __future__ import annotations

import random
import time

import orjson
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics
from models.database import CONNECTION_LOST
from schema import errors

log = structlog.get_logger(__name__)

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_ids = random.Random()  # noqa: S311 - they tell requests apart, and are no secret
_DOORS = ("graphql", "export", "billing", "assets", "healthz", "readyz", "metrics")


class Doorway:
    """Gives each request an id, which its answer and its log lines carry as `X-Request-Id` and
    `request_id`, adds what browsers should hold every answer to unless it says otherwise, and
    measures it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, door = time.monotonic(), _door(scope["path"])
        request_id = scope["request_id"] = new_request_id()
        begun = False

        async def send_through(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers: list[tuple[bytes, bytes]] = message["headers"]
                given = {name for name, _ in headers}
                headers += [header for header in _HEADERS if header[0] not in given]
                headers.append((b"x-request-id", request_id.encode()))
                self._metrics.answered(door, message["status"], time.monotonic() - began)
            await send(message)

        try:
            await (_refusal(scope) or self._app)(scope, receive, send_through)
        except Exception as error:
            if begun:
                log.exception("a request failed", request_id=request_id, door=door)
                raise  # the connection is cut, so that half an answer is not taken for a whole one
            await _answer_to(error, request_id, door)(scope, receive, send_through)


def new_request_id() -> str:
    """What an answer and the log call one request, or one operation of a socket."""
    return f"{_ids.getrandbits(64):016x}"


def away(request_id: str, lost: Exception) -> Response:
    """The answer beside a database that is away."""
    body = errors.unavailable(request_id, lost)
    return Response(orjson.dumps(body), 503, {"Retry-After": "1"}, "application/json")


def _answer_to(error: Exception, request_id: str, door: str) -> Response:
    if isinstance(error, CONNECTION_LOST):
        return away(request_id, error)
    log.error("a request failed", request_id=request_id, door=door, exc_info=error)
    body = errors.internal_error(request_id)
    return Response(orjson.dumps(body), 500, media_type="application/json")


def _refusal(scope: Scope) -> ASGIApp | None:
    """The answer to a request of which it is doubtful where it ends; nothing after it is read."""
    problem = _problem(scope)
    if problem is None:
        return None
    body = orjson.dumps(errors.error_body(problem, errors.BAD_USER_INPUT))
    return Response(body, 400, {"Connection": "close"}, "application/json")


def _problem(scope: Scope) -> str | None:
    if scope["http_version"] not in ("1.1", "1.0"):
        return "Speak HTTP/1.1."
    names = [name for name, _ in scope["headers"]]
    if names.count(b"host") != 1 and scope["http_version"] == "1.1":
        return "Name one host."
    if b"transfer-encoding" in names and b"content-length" in names:
        return "A body has a length or comes in chunks, not both."
    return None


def _door(path: str) -> str:
    """The first part of the path, where it is one of ours: clients do not make up labels."""
    name = path[1:].partition("/")[0].partition(".")[0]
    return name if name in _DOORS else "other"
