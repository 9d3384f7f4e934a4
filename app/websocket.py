"""graphql-transport-ws, as its protocol document says, for any client and any bytes.

Owns each socket's conversation: who speaks, its operations, its limits, its end. Owns no shapes of
messages (`messages`), no execution (the schema) and no delivery (`subscriptions`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult
from uvicorn.protocols.utils import ClientDisconnected

from app.doorway import new_request_id
from app.messages import Closing, Code, Message, question_of, read
from app.pressure import Beginning, ComeBack, Held, RateLimited, TooSlow
from app.process import Process
from app.questions import Question
from app.results import body_of, is_request_error
from app.trusted import DocumentRefused
from models.database import CONNECTION_LOST
from resolvers.access import Viewer, ViewerKind
from resolvers.errors import Unauthenticated
from resolvers.identity import KEY_MEMORY_SECONDS
from schema.context import Context
from schema.errors import UNAVAILABLE, error_body, internal_error
from schema.live import Live

log = structlog.get_logger(__name__)

SUBPROTOCOL = "graphql-transport-ws"

Results = AsyncGenerator[str | ExecutionResult, None]
"""An operation's results, rendered or not."""


class Sockets:
    """The sockets of one process, and how much each may ask of it."""

    def __init__(
        self,
        process: Process,
        *,
        per_account_max: int = 100,
        operations_max: int = 100,
        seconds_to_init: float = 10.0,
        seconds_between_reviews: float = KEY_MEMORY_SECONDS,
    ) -> None:
        """Set the limits: sockets of one customer's account, operations at once on one socket, the
        time to introduce oneself, and how often a service's key is checked again.
        """
        self.process = process
        self.live = Live(process.schema)
        self.held = Held("sockets", per_account_max)
        self.operations_max = operations_max
        self.seconds_to_init = seconds_to_init
        self.seconds_between_reviews = seconds_between_reviews
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one socket until it ends: an ASGI application."""
        headers = Headers(scope=scope)
        is_welcome = self._is_welcome(headers.get("origin"), headers.get("host"))
        is_understood = SUBPROTOCOL in scope["subprotocols"]
        authorization = headers.get("authorization")
        del headers
        await receive()  # websocket.connect
        if not is_welcome:
            await send({"type": "websocket.close"})
            return
        await send(
            {"type": "websocket.accept", "subprotocol": SUBPROTOCOL if is_understood else None}
        )
        conversation = _Conversation(self, receive, send, authorization)
        if is_understood:
            await conversation.hold()
        else:
            await conversation.close(
                Closing(Code.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
            )

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task, and hold it until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.spawn(work())

    def _is_welcome(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of this origin may connect; what is no browser sends none."""
        if origin is None or origin in self.process.settings.allowed_origins:
            return True
        return urlsplit(origin).netloc.lower() == (host or "").lower()


class _Conversation:
    __slots__ = (  # there are thousands of these
        "_authorization",
        "_closed",
        "_introduced",
        "_operations",
        "_process",
        "_receive",
        "_send_event",
        "_sockets",
        "_timer",
        "_viewer",
    )

    def __init__(
        self, sockets: Sockets, receive: Receive, send: Send, authorization: str | None
    ) -> None:
        self._sockets = sockets
        self._process = sockets.process
        self._receive = receive
        self._send_event = send
        self._introduced = False
        self._authorization = authorization
        self._viewer: Viewer | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        """One at a time: for the introduction, then for the end of what it was made with."""
        self._closed = False

    async def hold(self) -> None:
        """Converse until either side ends it, and leave no task, timer or count behind."""
        self._later(self._sockets.seconds_to_init, self._time_out)
        self._process.metrics.sockets.inc()
        try:
            while True:
                event = await self._receive()
                if event["type"] == "websocket.disconnect":
                    return
                await self._take(read(event.get("text")))
                del event  # not kept while waiting for the next
        except Closing as closing:
            await self.close(closing)
        except ClientDisconnected:
            pass
        except Exception:
            log.exception("a socket failed")
            await self.close(Closing(Code.TRY_AGAIN_LATER, "Something went wrong on our side"))
        finally:
            self._closed = True
            self._process.metrics.sockets.dec()
            await self._leave()

    async def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._viewer is not None:
            self._sockets.held.give_back(self._viewer)
        operations = list(self._operations.values())
        for operation in operations:
            operation.cancel()
        await asyncio.gather(*operations, return_exceptions=True)

    async def _take(self, message: Message) -> None:
        match message["type"]:
            case "connection_init":
                await self._introduce(message.get("payload") or {})
            case "ping":
                echo = {"payload": message["payload"]} if "payload" in message else {}
                await self._send({"type": "pong", **echo})
            case "subscribe":
                await self._subscribe(message["id"], question_of(message))
            case "complete":
                if operation := self._operations.pop(message["id"], None):
                    operation.cancel()
            case _:
                pass  # a pong

    async def _introduce(self, payload: Message) -> None:
        if self._introduced:
            raise Closing(Code.TOO_MANY_INITS, "Too many initialisation requests")
        self._introduced = True
        for name in ("authorization", "Authorization"):
            if name in payload:  # in place of the handshake's header
                self._authorization = payload[name] if isinstance(payload[name], str) else None
        try:
            viewer = await self._process.identity.viewer(self._authorization)
        except Unauthenticated:
            raise Closing(Code.FORBIDDEN, "Forbidden") from None
        except CONNECTION_LOST as lost:
            log.warning("the database is away", error=repr(lost))
            raise _away() from None
        self._admit(viewer)
        await self._send({"type": "connection_ack"})

    def _admit(self, viewer: Viewer) -> None:
        try:
            self._sockets.held.take(viewer)
        except RateLimited as many:
            raise Closing(Code.TRY_AGAIN_LATER, str(many)) from None
        self._viewer = viewer
        if viewer.kind is ViewerKind.SERVICE:
            self._later(self._sockets.seconds_between_reviews, self._review)
        if viewer.expires_at is not None:
            self._later(viewer.expires_at - time.time(), self._expire)

    async def _time_out(self) -> None:
        await self.close(Closing(Code.INIT_TIMEOUT, "Connection initialisation timeout"))

    async def _expire(self) -> None:
        await self.close(Closing(Code.FORBIDDEN, "The token has expired"))

    async def _review(self) -> None:
        """End the socket of a service whose key has been revoked."""
        try:
            await self._process.identity.viewer(self._authorization, remembered=False)
        except Unauthenticated:
            await self.close(Closing(Code.FORBIDDEN, "The key is no longer valid"))
        except Exception as error:  # a database that is away revokes nobody
            log.warning("a key could not be reviewed", error=repr(error))
        self._later(self._sockets.seconds_between_reviews, self._review)

    async def _refuse(self, operation_id: str, body: Message) -> None:
        await self._send({"id": operation_id, "type": "error", "payload": body["errors"]})

    async def _subscribe(self, operation_id: str, question: Question) -> None:
        if self._viewer is None:
            raise Closing(Code.UNAUTHORIZED, "Unauthorized")
        if operation_id in self._operations:
            raise Closing(Code.SUBSCRIBER_EXISTS, f"Subscriber for {operation_id} already exists")
        if len(self._operations) >= self._sockets.operations_max:
            most = f"A socket runs at most {self._sockets.operations_max} operations at once."
            await self._refuse(operation_id, error_body(most, "TOO_MANY_OPERATIONS"))
            return
        try:
            self._process.rates.take(self._viewer)
            question = self._process.trusted.question(question)
            beginning = self._process.load.begin()
        except (ComeBack, DocumentRefused) as refused:
            await self._refuse(operation_id, error_body(str(refused), refused.code))
            return
        context = Context(self._viewer, self._process.services, accepted=beginning)
        operation = self._sockets.spawn(self._operate(operation_id, question, context, beginning))
        self._operations[operation_id] = operation
        beginning.within(self._process.settings.request_timeout_seconds, operation.cancel)

    async def _operate(
        self, operation_id: str, question: Question, context: Context, beginning: Beginning
    ) -> None:
        self._process.metrics.operates()
        try:
            last = await self._run(operation_id, self._results(question, context), beginning)
            if self._process.stopping.is_set():
                raise Closing(Code.SERVICE_RESTART, "The server is restarting")
            self._operations.pop(operation_id, None)
            await self._send({"id": operation_id, **last})
        except Closing as closing:
            await self.close(closing)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            if not beginning.is_late:
                raise
            self._operations.pop(operation_id, None)
            with suppress(ClientDisconnected):
                await self._refuse(operation_id, error_body(str(TooSlow()), TooSlow.code))
        finally:
            beginning.set()
            self._process.metrics.socket_operations.dec()

    async def _run(self, operation_id: str, results: Results, beginning: Beginning) -> Message:
        """Send the operation's results; returns the message that ends it."""
        request_id = new_request_id()
        begin = orjson.dumps({"id": operation_id, "type": "next"}).decode()[:-1] + ',"payload":'
        try:
            async with aclosing(results):
                async for result in results:
                    beginning.set()
                    if isinstance(result, str):
                        await self._send_text(f"{begin}{result}}}")
                        continue
                    payload = body_of(result, request_id, self._process)
                    if is_request_error(result):
                        _come_back_if_away(payload["errors"])
                        return {"type": "error", "payload": payload["errors"]}
                    await self._send({"id": operation_id, "type": "next", "payload": payload})
        except (ClientDisconnected, Closing):
            raise
        except ComeBack as busy:
            return {"type": "error", "payload": error_body(str(busy), busy.code)["errors"]}
        except Exception:
            log.exception("an operation failed", request_id=request_id)
            return {"type": "error", "payload": internal_error(request_id)["errors"]}
        return {"type": "complete"}

    def _results(self, question: Question, context: Context) -> Results:
        """The operation's results; those of a live question that many ask come rendered."""
        asked = (question.query, question.variables, question.operation_name, context)
        live = self._sockets.live.follow(*asked)
        return cast("Results", live) if live else self._executed(question, context)

    async def _executed(self, question: Question, context: Context) -> Results:
        results = await self._process.schema.stream(
            question.query,
            variable_values=question.variables,
            operation_name=question.operation_name,
            context_value=context,
        )
        async with aclosing(results):
            async for result in results:
                yield cast("ExecutionResult", result)  # the schema has no @defer and no @stream

    async def _send(self, message: Message) -> None:
        await self._send_text(orjson.dumps(message).decode())

    def _send_text(self, text: str) -> Awaitable[None]:
        """Raises, or its awaitable does: ClientDisconnected where the client has left, or has been
        told to.
        """
        if self._closed:
            raise ClientDisconnected
        return self._send_event({"type": "websocket.send", "text": text})

    async def close(self, closing: Closing) -> None:
        """Say why it ends, unless it has."""
        if not self._closed:
            self._closed = True
            with suppress(OSError, RuntimeError):  # the client was faster
                code, reason = closing.code, closing.reason
                self._process.metrics.closed(code)
                await self._send_event({"type": "websocket.close", "code": code, "reason": reason})

    def _later(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, seconds), self._sockets.begin, work)


def _come_back_if_away(errors: list[Message]) -> None:
    """An error message is final to a client, and a database that is away is not: close instead."""
    if any(error["extensions"]["code"] == UNAVAILABLE for error in errors):
        raise _away()


def _away() -> Closing:
    return Closing(Code.TRY_AGAIN_LATER, "The database is away for a moment")
