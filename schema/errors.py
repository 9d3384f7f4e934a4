"""Errors as clients see them: a code, a sentence, no internals.

Owns which code an error has. A fault of ours is masked to a request id; its cause goes to the
log, without the text of the query or its variables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from models.database import CONNECTION_LOST
from resolvers.errors import RequestError

log = structlog.get_logger(__name__)

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
BAD_USER_INPUT = "BAD_USER_INPUT"
INTERNAL = "INTERNAL"
UNAVAILABLE = "UNAVAILABLE"
MESSAGE_LENGTH_MAX = 500

_HINT = re.compile(r" Did you mean [^?]*\?")
"""What graphql-core adds to what is misspelt in variables, where it knows a similar name."""

MUST_BE_POSTED = "A mutation must be POSTed."
_NO_SUCH_OPERATION = "operationName must name one of the document's operations."
_NOTHING_TO_RUN: dict[type, str] = {
    MissingQueryError: "query must be a text that is not empty.",
    CannotGetOperationTypeError: _NO_SUCH_OPERATION,
    InvalidOperationTypeError: MUST_BE_POSTED,
}
"""What Strawberry raises for a document without an operation that may be run, and what to say."""


def presented(result: Any, request_id: str, *, hints: bool = True) -> list[dict[str, Any]]:
    """The errors of an execution's result, ready to send; without `hints` they tell nobody what a
    misspelt name may have been meant to be.
    """
    errors: Sequence[GraphQLError] = result.errors or ()
    shown = [_presented(error, request_id) for error in errors]
    if not hints:
        for error in shown:
            error["message"] = _HINT.sub("", error["message"])
    for error in errors:
        _let_go(error)
    return shown


def invalid(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """Errors that validation found, marked as such: later ones are about values."""
    for error in errors:
        error.extensions = {"code": VALIDATION_FAILED}
    return list(errors)


def error_body(message: str, code: str, **extensions: Any) -> dict[str, Any]:
    """A response of one error and no data."""
    return {"errors": [{"message": message, "extensions": {"code": code, **extensions}}]}


def internal_error(request_id: str) -> dict[str, Any]:
    """A response that says no more than where to look in the log."""
    message = "Something went wrong on our side. Quote the request id when you report it."
    return error_body(message, INTERNAL, requestId=request_id)


def unavailable(request_id: str, lost: BaseException | None) -> dict[str, Any]:
    """A response beside a database that is away; the log has how it was lost."""
    log.warning("the database is away", request_id=request_id, error=repr(lost))
    return error_body("The database is away for a moment. Try again.", UNAVAILABLE)


def _presented(error: GraphQLError, request_id: str) -> dict[str, Any]:
    if sentence := _NOTHING_TO_RUN.get(type(error.original_error)):
        return error_body(sentence, BAD_USER_INPUT)["errors"][0]
    code = _code(error)
    shown: dict[str, Any] = dict(error.formatted)
    if code == INTERNAL:
        cause = error.original_error or error
        log.error("a request failed", request_id=request_id, path=error.path, exc_info=cause)
        return shown | internal_error(request_id)["errors"][0]
    if code == UNAVAILABLE:
        return shown | unavailable(request_id, error.original_error)["errors"][0]
    if len(shown["message"]) > MESSAGE_LENGTH_MAX:
        shown["message"] = error.message[: MESSAGE_LENGTH_MAX - 1] + "…"
    shown["extensions"] = {"code": code}
    return shown


def _let_go(error: BaseException | None) -> None:
    """Forget the frames that an error went through: they hold it, and all that was asked, until the
    garbage collector comes.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _code(error: GraphQLError) -> str:
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, RequestError):
        return cause.code
    if isinstance(cause, CONNECTION_LOST):
        return UNAVAILABLE
    if cause is not None and not isinstance(cause, GraphQLError):
        return INTERNAL
    if isinstance(error, GraphQLSyntaxError):
        return PARSE_FAILED
    if (error.extensions or {}).get("code") == VALIDATION_FAILED:
        return VALIDATION_FAILED
    # What graphql-core refuses once a document is valid is a value, of a variable or an argument.
    return BAD_USER_INPUT
