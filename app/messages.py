"""The messages of graphql-transport-ws: what a client may say, read strictly.

Owns the shapes and the close codes that the protocol document names. Owns no conversation
(`websocket`).
"""

from __future__ import annotations

from typing import Any, cast

import orjson

from app.questions import Malformed, Question, document_id_of

ID_LENGTH_MAX = 256
_REASON_BYTES_MAX = 123

Message = dict[str, Any]


class Code:
    """Close codes. The npm graphql-ws client comes back after FORBIDDEN, INIT_TIMEOUT,
    SERVICE_RESTART and TRY_AGAIN_LATER; the others are final to it, as 1011 is.
    """

    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITS = 4429


class Closing(Exception):
    """The socket must be closed with this code, for this reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = _fitting(reason)


def read(text: str | None) -> Message:
    """A client's message, whose fields have the types they must have.

    Raises: Closing with 4400 for anything else.
    """
    _need(text is not None, "it must be text")
    try:
        message = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise Closing(Code.BAD_REQUEST, "Invalid message: it must be valid JSON") from None
    _need(isinstance(message, dict), "it must be a JSON object")
    checked = cast("Message", message)
    match checked.get("type"):
        case "connection_init" | "ping" | "pong":
            _need(_is_object_or_null(checked.get("payload")), "payload must be an object")
        case "subscribe":
            _need(_is_id(checked.get("id")), f"id must be a text of 1 to {ID_LENGTH_MAX}")
            _need(isinstance(checked.get("payload"), dict), "payload must be an object")
            _check_request(checked["payload"])
        case "complete":
            _need(_is_id(checked.get("id")), f"id must be a text of 1 to {ID_LENGTH_MAX}")
        case _:
            raise Closing(Code.BAD_REQUEST, "Invalid message: its type is unknown")
    return checked


def question_of(message: Message) -> Question:
    """What a subscribe message asks."""
    request = message["payload"]
    return Question(
        request.get("query") or "",
        request.get("variables"),
        request.get("operationName") or None,
        document_id=document_id_of(request),
    )


def _fitting(reason: str) -> str:
    """The reason, cut to what a close frame holds."""
    return reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")


def _check_request(request: Message) -> None:
    try:
        by_id = document_id_of(request) is not None
    except Malformed:
        raise Closing(Code.BAD_REQUEST, "Invalid message: a document's id must be a text") from None
    query = request.get("query")
    _need(isinstance(query, str) or (by_id and query is None), "query must be a text")
    _need(isinstance(request.get("operationName"), str | None), "operationName must be a text")
    _need(_is_object_or_null(request.get("variables")), "variables must be an object")
    _need(_is_object_or_null(request.get("extensions")), "extensions must be an object")


def _need(holds: bool, sentence: str) -> None:
    if not holds:
        raise Closing(Code.BAD_REQUEST, f"Invalid message: {sentence}")


def _is_object_or_null(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= ID_LENGTH_MAX
