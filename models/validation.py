"""Bounds of what a writer may send, each answered by a sentence that names the field.

Owns the checks of single values. Owns no rule that needs the ledger's state.
"""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import TypeAlias

from models.outcomes import InvalidInput
from models.records import CREDITS_MAX

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

METADATA_BYTES_MAX = 4_096
METADATA_DEPTH_MAX = 8
_SURROGATE = re.compile("[\ud800-\udfff]")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def check_text(field: str, value: str | None, length_max: int) -> InvalidInput | None:
    """Text of 1 to `length_max` characters that PostgreSQL can hold, or nothing at all."""
    if value is None:
        return None
    if not value.strip():
        return InvalidInput(field=field, message=f"{field} must not be empty.")
    if len(value) > length_max:
        return InvalidInput(
            field=field, message=f"{field} has {len(value)} characters; the most is {length_max}."
        )
    if not _storable(value):
        return InvalidInput(
            field=field, message=f"{field} must be valid Unicode text without NUL characters."
        )
    return None


def check_range(field: str, value: int | None, least: int, most: int) -> InvalidInput | None:
    if value is None or least <= value <= most:
        return None
    return InvalidInput(
        field=field, message=f"{field} must be a whole number from {least} to {most}."
    )


def check_not_0(field: str, value: int) -> InvalidInput | None:
    return None if value else InvalidInput(field=field, message=f"{field} must not be 0.")


def check_choice(field: str, value: str, choices: Collection[str]) -> InvalidInput | None:
    if value in choices:
        return None
    return InvalidInput(field=field, message=f"{field} must be one of {', '.join(choices)}.")


def check_instant(field: str, value: datetime | None) -> InvalidInput | None:
    """An instant that every reader of the feed can represent."""
    if value is None or _EARLIEST <= value < _LATEST:
        return None
    return InvalidInput(field=field, message=f"{field} must lie between the years 1970 and 9999.")


def check_time_zone(field: str, value: str) -> InvalidInput | None:
    if value in _time_zones():
        return None
    return InvalidInput(
        field=field, message=f"{field} must be an IANA time zone such as Europe/Berlin."
    )


def check_metadata(field: str, value: Json) -> InvalidInput | None:
    """JSON that PostgreSQL can hold, of at most `METADATA_BYTES_MAX` and `METADATA_DEPTH_MAX`."""
    if value is None:
        return None
    if _depth(value) > METADATA_DEPTH_MAX:
        return InvalidInput(
            field=field, message=f"{field} is nested deeper than {METADATA_DEPTH_MAX} levels."
        )
    if not _storable(value):
        return InvalidInput(
            field=field,
            message=f"{field} must be JSON of numbers within ±(2^53-1) and of text without NUL.",
        )
    if len(json.dumps(value, ensure_ascii=False).encode()) > METADATA_BYTES_MAX:
        return InvalidInput(
            field=field, message=f"{field} is larger than {METADATA_BYTES_MAX} bytes of JSON."
        )
    return None


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _storable(value: Json) -> bool:
    match value:
        case str():
            return "\0" not in value and (value.isascii() or _SURROGATE.search(value) is None)
        case int() | float():
            return abs(value) <= CREDITS_MAX  # false for NaN
        case dict():
            return all(_storable(k) and _storable(v) for k, v in value.items())
        case list():
            return all(_storable(v) for v in value)
        case _:
            return True


def _depth(value: Json) -> int:
    deepest, level = 0, [value]
    while level and deepest <= METADATA_DEPTH_MAX:
        level = [part for whole in level for part in _parts(whole)]
        deepest += 1
    return deepest


def _parts(value: Json) -> Collection[Json]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()
