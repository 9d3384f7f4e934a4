"""The contract's scalars: what they accept and how they are written."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any, NewType, NoReturn, cast

import orjson
import strawberry
from graphql import GraphQLError

from models.records import CREDITS_MAX

Credits = NewType("Credits", int)
JSON = NewType("JSON", object)

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_JSON_DEPTH_MAX = 32
_INSTANT_LENGTH = len("2026-11-22T09:30:00.000000Z")


def parse_credits(value: object) -> int:
    """Raises: GraphQLError for anything but a whole JSON number within bounds."""
    if type(value) is not int or abs(value) > CREDITS_MAX:
        raise GraphQLError(
            "Credits must be a whole number, within ±(2^53-1), not a text or a float."
        )
    return value


def serialize_credits(value: Any) -> int:
    """Raises: OverflowError, so that an inexact number never leaves."""
    return value if -CREDITS_MAX <= value <= CREDITS_MAX else _refused()


def _refused() -> NoReturn:
    raise OverflowError("credits out of bounds")


def parse_instant(value: object) -> datetime:
    """Raises: GraphQLError for anything but RFC 3339 with an offset, exact to the microsecond."""
    if isinstance(value, str) and _INSTANT.fullmatch(value.upper()):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError(
        "DateTime must be RFC 3339 with an offset and at most 6 digits of a second, such as "
        "2026-11-22T09:30:00Z."
    )


_written_last: tuple[datetime | None, str] = (None, "")
"""Most lines show one and the same instant twice."""


def serialize_instant(value: datetime) -> str:
    """Always UTC, always microseconds, so that texts sort as instants do."""
    global _written_last  # noqa: PLW0603 - one value, replaced as a whole
    last, text = _written_last
    if value is not last:
        instant = value if value.tzinfo is UTC else value.astimezone(UTC)
        # A page has a hundred of them, and orjson takes a third of what isoformat() does.
        text = orjson.dumps(instant, None, orjson.OPT_UTC_Z)[1:-1].decode()
        if len(text) != _INSTANT_LENGTH:
            text = f"{text[:-1]}.000000Z"
        _written_last = value, text
    return text


def parse_date(value: object) -> date:
    """Raises: GraphQLError for anything but YYYY-MM-DD."""
    if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise GraphQLError("Date must be a day such as 2026-11-22.")


def parse_json(value: Any) -> Any:
    """Raises: GraphQLError for a number that another JSON reader would not read alike, or deep
    nesting.
    """
    level = [value]
    for _ in range(_JSON_DEPTH_MAX):
        if any(_inexact(v) for v in level):
            raise GraphQLError("JSON numbers must be finite, whole ones within ±(2^53-1).")
        level = [inner for v in level for inner in _members(v)]
        if not level:
            return value
    raise GraphQLError(f"JSON must not be nested deeper than {_JSON_DEPTH_MAX} levels.")


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else []


def _inexact(value: object) -> bool:
    # A float beyond is whole too, and PostgreSQL gives it back with all its digits.
    return type(value) in (int, float) and not abs(cast("float", value)) <= CREDITS_MAX


SCALARS: dict[object, Any] = {
    Credits: strawberry.scalar(
        name="Credits",
        description=(
            "An exact integer number of credits in the account's smallest unit: a JSON integer "
            "within ±(2^53-1). "
            "Texts, floats and booleans are refused."
        ),
        serialize=serialize_credits,
        parse_value=parse_credits,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "An instant as RFC 3339 text. Read: with an offset and at most microseconds. "
            "Written: in UTC with microseconds, such as 2026-11-22T09:30:00.000000Z."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=serialize_instant,
        parse_value=parse_instant,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A calendar day, such as 2026-11-22.",
        serialize=date.isoformat,
        parse_value=parse_date,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description=(
            "Any JSON value. Numbers must be finite, whole ones within ±(2^53-1). "
            "As an entry's metadata: at most 4,096 bytes and 8 levels."
        ),
        serialize=lambda value: value,
        parse_value=parse_json,
    ),
}
