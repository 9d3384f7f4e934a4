"""Reading a GraphQL request strictly: what is not well formed is refused here, with a status and a
sentence.

Owns bodies and parameters. Owns no answer (`accept`, `http`) and no execution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import orjson
from starlette.requests import Request

from app.accept import JSON
from schema.errors import BAD_USER_INPUT, PARSE_FAILED

Headers = dict[str, str]
"""By their names in small letters."""


class Malformed(Exception):
    """The request is not well formed."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = BAD_USER_INPUT,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Question:
    """One operation to execute."""

    query: str
    """Empty where the document is asked for by its id."""
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    wants_cost: bool = False
    document_id: str | None = None


def headers_of(request: Request) -> Headers:
    """A request's headers; of several with one name, the first. Starlette looks through all of them
    for each that is asked for.
    """
    raw = reversed(request.scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}


async def read(request: Request, headers: Headers, body_bytes_max: int) -> Question:
    """The question of a POST's body or a GET's parameters. Raises: Malformed."""
    if request.method == "GET":
        return _from_parameters(request)
    _check_content(headers)
    return question_of(parse_json(await _body(request, headers, body_bytes_max)))


def parse_json(text: bytes | str) -> Any:
    """Strict JSON: UTF-8, finite numbers, at most 1,024 levels. Raises: Malformed."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(400, f"The body is not valid JSON: {error}.", PARSE_FAILED) from None


def question_of(body: Any) -> Question:
    """The question that a JSON value asks. Raises: Malformed."""
    if not isinstance(body, dict):
        raise Malformed(400, "The body must be a JSON object with a query.")
    fields = cast("dict[str, Any]", body)
    query, document_id = fields.get("query"), document_id_of(fields)
    if document_id is not None and query in (None, ""):
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise Malformed(400, "query must be a text that is not empty.")
    variables = fields.get("variables")
    if not isinstance(variables, dict | None):
        raise Malformed(400, "variables must be an object or null.")
    name = fields.get("operationName")
    if not isinstance(name, str | None):
        raise Malformed(400, "operationName must be a text or null.")
    extensions = fields.get("extensions")
    if not isinstance(extensions, dict | None):
        raise Malformed(400, "extensions must be an object or null.")
    wants_cost = cast("dict[str, Any]", extensions or {}).get("cost") is True
    values = cast("dict[str, Any] | None", variables)
    return Question(query, values, name or None, wants_cost, document_id)


def document_id_of(fields: dict[str, Any]) -> str | None:
    """The id that a document is asked for by, as `documentId` or as Apollo and urql send it."""
    given = fields.get("documentId")
    if given is None:
        given = _inside(_inside(fields, "extensions"), "persistedQuery").get("sha256Hash")
    if not isinstance(given, str | None):
        raise Malformed(400, "A document's id must be a text.")
    return given


def _inside(fields: dict[str, Any], name: str) -> dict[str, Any]:
    inner = fields.get(name)
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def _from_parameters(request: Request) -> Question:
    given = request.query_params
    for name in given:
        if len(given.getlist(name)) > 1:
            raise Malformed(400, f"The parameter {name} is given more than once.")
    body: dict[str, Any] = {
        "query": given.get("query"),
        "operationName": given.get("operationName"),
        "documentId": given.get("documentId"),
    }
    for name in ("variables", "extensions"):
        if given.get(name):
            body[name] = parse_json(given[name])
    return question_of(body)


def _check_content(headers: Headers) -> None:
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != JSON or charset not in ("", "utf-8", "utf8"):
        raise Malformed(415, "POST a JSON body in UTF-8: Content-Type: application/json.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Malformed(415, "The body must not be compressed.")


async def _body(request: Request, headers: Headers, bytes_max: int) -> bytes:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:19]) > bytes_max:
        raise _too_large(bytes_max)
    body, is_whole = bytearray(), False
    while not is_whole:  # Starlette's own stream costs as much as all else that is done here
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Malformed(400, "The body did not arrive whole.")
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        is_whole = not message.get("more_body", False)
    return bytes(body)


def _too_large(bytes_max: int) -> Malformed:
    return Malformed(413, f"The body must not be larger than {bytes_max} bytes.")
