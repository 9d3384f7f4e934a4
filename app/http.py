"""GraphQL over HTTP, to the letter of its specification: POST, GET for queries, streams for
subscriptions.

Owns statuses. Owns no parsing of requests (`accept`, `questions`) and no rendering of streams
(`streams`).
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from strawberry.exceptions import MissingQueryError
from strawberry.http.streaming import HTTPStreamTransport
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app import questions, streams, travel
from app.accept import GRAPHQL_JSON, Accepted, accepted
from app.pressure import ComeBack, TooSlow
from app.process import Process
from app.questions import Headers, Malformed, Question
from app.results import body_of, is_request_error
from app.time_limit import OutOfTime
from app.trusted import DocumentRefused
from models.database import CONNECTION_LOST
from resolvers.access import Viewer, ViewerKind
from resolvers.errors import Unauthenticated
from schema import errors, limits
from schema.context import Context

log = structlog.get_logger(__name__)

CUSTOMER_BODY_BYTES_MAX = 65_536
"""A customer only reads: no batch makes its requests long."""

_READING = frozenset({OperationType.QUERY})
_ALL_AT_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})
_UNSEEN = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding, Authorization"}


class Subscribes(Malformed):
    """A subscription, where there is one answer and no more."""

    def __init__(self) -> None:
        super().__init__(400, "Subscribe over a WebSocket, or with Accept: text/event-stream.")


async def answer(request: Request, process: Process) -> Response:
    """Answer one request at `/graphql`."""
    request_id: str = request.scope["request_id"]
    headers = questions.headers_of(request)
    accept = accepted(headers.get("accept"))
    media_type = accept.media_type
    try:
        response = await _in_time(request, headers, process, accept, request_id)
    except Malformed as wrong:
        response = _refusal(wrong.status, str(wrong), wrong.code, media_type, wrong.headers)
    except Unauthenticated as wrong:
        response = _refusal(401, str(wrong), wrong.code, media_type, {"WWW-Authenticate": "Bearer"})
    except DocumentRefused as refused:
        status = 400 if media_type == GRAPHQL_JSON else 200
        response = _refusal(status, str(refused), refused.code, media_type, {})
    except ComeBack as busy:
        wait = {"Retry-After": str(busy.retry_after_seconds)}
        response = _refusal(busy.status, str(busy), busy.code, media_type, wait)
    except TooSlow as slow:
        status = 504 if media_type == GRAPHQL_JSON else 200
        response = _refusal(status, str(slow), slow.code, media_type, {})
    except CONNECTION_LOST as lost:
        body = errors.unavailable(request_id, lost)
        response = _json(body, 503, media_type, {"Retry-After": "1"})
    except Exception:
        log.exception("a request failed", request_id=request_id)
        response = _json(errors.internal_error(request_id), 500, media_type)
    return travel.prepared(request, headers, response)


async def _in_time(
    request: Request, headers: Headers, process: Process, accept: Accepted, request_id: str
) -> Response:
    """The answer, or the beginning of a stream, unless the client or we take too long.

    Raises: Malformed, TooSlow; what is wrong with the request.
    """
    question: Question | None = None
    try:
        with process.time_limit:
            process.load.check()
            viewer, question = await _asked(request, headers, process)
            return await _answered(request, process, viewer, question, accept, request_id)
    except OutOfTime:
        if question is None:
            raise Malformed(408, "The body did not arrive in time.") from None
        raise TooSlow from None


async def _asked(request: Request, headers: Headers, process: Process) -> tuple[Viewer, Question]:
    """Who asks what."""
    if request.method not in ("GET", "POST"):
        raise Malformed(405, "Use POST, or GET for queries.", headers={"Allow": "GET, POST"})
    viewer = await process.identity.viewer(headers.get("authorization"))
    process.rates.take(viewer)
    question = await questions.read(request, headers, _body_bytes_max(viewer, process))
    return viewer, process.trusted.question(question)


async def _answered(
    request: Request,
    process: Process,
    viewer: Viewer,
    question: Question,
    accept: Accepted,
    request_id: str,
) -> Response:
    context = Context(viewer, process.services)
    reading = request.method == "GET"

    async def stream(transport: HTTPStreamTransport) -> Response:
        async with AsyncExitStack() as held:
            held.enter_context(process.streams.by(viewer))
            with process.load:
                begun = context.accepted = asyncio.Event()
                results = await process.schema.stream(
                    question.query,
                    variable_values=question.variables,
                    context_value=context,
                    operation_name=question.operation_name,
                    allowed_operation_types=(_READING if reading else _ALL_AT_ONCE)
                    | {OperationType.SUBSCRIPTION},
                )
                authorization = request.headers.get("authorization")
                review = partial(process.identity.viewer, authorization, remembered=False)
                tell = partial(body_of, request_id=request_id, process=process)
                return await streams.response(results, transport, viewer, begun, tell, review, held)

    if accept.stream is not None and accept.is_stream_only:
        return await stream(accept.stream)
    try:
        with process.load:
            result = await _execute(process, question, context, reading=reading)
    except Subscribes:
        if accept.stream is None:
            raise
        return await stream(accept.stream)
    body = body_of(result, request_id, process)
    if question.wants_cost:
        body["extensions"] = await _cost(question, context, process)
    refused = is_request_error(result) and accept.media_type == GRAPHQL_JSON
    return _json(body, 400 if refused else 200, accept.media_type)


def _body_bytes_max(viewer: Viewer, process: Process) -> int:
    most = process.settings.max_body_bytes
    return most if viewer.kind is ViewerKind.SERVICE else min(most, CUSTOMER_BODY_BYTES_MAX)


async def _execute(
    process: Process, question: Question, context: Context, *, reading: bool
) -> ExecutionResult:
    try:
        return await process.schema.execute(
            question.query,
            variable_values=question.variables,
            context_value=context,
            operation_name=question.operation_name,
            allowed_operation_types=_READING if reading else _ALL_AT_ONCE,
        )
    except (CannotGetOperationTypeError, MissingQueryError) as nothing:
        told = GraphQLError(str(nothing), original_error=nothing)
        return PreExecutionError(data=None, errors=[told])
    except InvalidOperationTypeError as wrong:
        if wrong.operation_type is OperationType.SUBSCRIPTION:
            raise Subscribes from None
        raise Malformed(405, errors.MUST_BE_POSTED, headers={"Allow": "POST"}) from None


async def _cost(question: Question, context: Context, process: Process) -> dict[str, Any]:
    """What the operation asked for and what it may ask for; empty where it cannot be told."""
    asked = (question.query, question.operation_name)
    measure = await process.schema.measured(*asked, context)
    return {"cost": asdict(measure) | {"limits": asdict(limits.LIMITS)}} if measure else {}


def _refusal(
    status: int, message: str, code: str, media_type: str, headers: dict[str, str]
) -> Response:
    return _json(errors.error_body(message, code), status, media_type, headers)


def _json(
    body: dict[str, Any], status: int, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(body),
        status,
        headers={
            **_UNSEEN,
            **(headers or {}),
            "Content-Type": f"{media_type}; charset=utf-8",
        },
    )
