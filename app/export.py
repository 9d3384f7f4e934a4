"""`GET /export`: the lines that the usage page shows, as a file.

Owns the two formats, the file's name and the reading of parameters. Owns no access and no walk
(`resolvers.export`). The credential comes in the header; no token is ever part of an address.
"""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import strawberry
from graphql import GraphQLError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.doorway import away
from app.pressure import ComeBack
from app.process import Process
from app.streams import LongResponse
from models import feed
from models.database import CONNECTION_LOST
from models.records import Account, EntryKind
from models.validation import check_time_zone
from resolvers import export
from resolvers.errors import BadInput, Forbidden, NotFound, RequestError, Unauthenticated
from resolvers.export import Line
from schema import errors, ids
from schema.context import reads_of
from schema.scalars import parse_instant
from schema.types.account import UsageFilter

_STATUSES: dict[type[RequestError], int] = {
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    BadInput: 400,
}
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_PARAMETERS = frozenset(
    {
        "account",
        "format",
        "from",
        "to",
        "kind",
        "campaign",
        "reasonCode",
        "job",
        "search",
        "timeZone",
    }
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may begin a formula with; some take the wide signs for the narrow ones."""

Row = dict[str, Any]


async def answer(request: Request, process: Process) -> Response:
    """Stream the account's lines that the parameters name, newest first."""
    try:
        process.load.check()
        return await _answer(request, process)
    except ComeBack as busy:
        return Response(
            orjson.dumps(errors.error_body(str(busy), busy.code)),
            busy.status,
            {"Retry-After": str(busy.retry_after_seconds), "Content-Type": "application/json"},
        )
    except CONNECTION_LOST as lost:  # here, where a page of another site may read the answer too
        return away(request.scope["request_id"], lost)
    except RequestError as wrong:
        status = next(s for kind, s in _STATUSES.items() if isinstance(wrong, kind))
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        return Response(
            orjson.dumps(errors.error_body(str(wrong), wrong.code)),
            status,
            {**headers, "Content-Type": "application/json", "Cache-Control": "no-store"},
        )


async def _answer(request: Request, process: Process) -> Response:
    viewer = await process.identity.viewer(request.headers.get("authorization"))
    process.rates.take(viewer)
    given = request.query_params
    unknown = sorted(set(given) - _PARAMETERS)
    if unknown:
        raise BadInput(f"{unknown[0]} is no parameter of an export.")
    form = _format(request)
    db = reads_of(viewer, process.services)
    account = await export.account_to_export(db, viewer, ids.to_account(given.get("account", "")))
    zone = _zone(given.get("timeZone") or account.time_zone)
    wanted = _filter(given, account)
    render = _csv if form == "csv" else _json_lines
    pages = export.lines(db, account, wanted)
    async with AsyncExitStack() as held:
        held.enter_context(process.streams.by(viewer))
        parts = _parts(render, pages, account, zone, partial(process.exports.of, viewer.name))
        held.push_async_callback(parts.aclose)
        first = await anext(parts)
        headers = {
            "Content-Type": _MEDIA_TYPES[form],
            "Content-Disposition": f'attachment; filename="{_name(account, wanted, zone)}.{form}"',
            "Cache-Control": "no-store",
            "Vary": "Accept, Authorization",
        }
        return LongResponse(_stream(first, parts), headers, held.pop_all())


def _format(request: Request) -> str:
    suffix = request.url.path.rpartition(".")[2]
    asked = request.query_params.get("format") or (suffix if suffix in _MEDIA_TYPES else None)
    if asked is None:
        accept = request.headers.get("accept", "")
        asked = "jsonl" if "ndjson" in accept or "jsonl" in accept else "csv"
    if asked not in _MEDIA_TYPES:
        raise BadInput("format must be csv or jsonl.")
    return asked


def _filter(given: QueryParams, account: Account) -> feed.Filter:
    kinds = given.getlist("kind")
    if any(kind not in EntryKind.__members__ for kind in kinds):
        raise BadInput(f"kind must be one of {', '.join(EntryKind)}.")
    return UsageFilter(
        kinds=[EntryKind(kind) for kind in kinds] or None,
        campaign=given.get("campaign") or None,
        reason_code=given.get("reasonCode") or None,
        job=strawberry.ID(given["job"]) if given.get("job") else None,
        from_=_instant("from", given),
        to=_instant("to", given),
        search=given.get("search") or None,
    ).to_model(account.id)


def _instant(name: str, given: QueryParams) -> datetime | None:
    text = given.get(name)
    if not text:
        return None
    try:
        return parse_instant(text)
    except GraphQLError:
        raise BadInput(f"{name} must be an RFC 3339 date-time with an offset.") from None


def _zone(name: str) -> ZoneInfo:
    problem = check_time_zone("timeZone", name)
    if problem is not None:
        raise BadInput(problem.message)
    return ZoneInfo(name)


def _name(account: Account, wanted: feed.Filter, zone: ZoneInfo) -> str:
    """Account, range and zone, in characters that every file system takes."""
    first = _day(wanted.start, zone) if wanted.start else "start"
    last = _day(wanted.end or datetime.now(UTC), zone, less=timedelta(microseconds=1))
    text = f"usage_{account.key}_{first}_{last}_{zone.key}"
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)


def _day(instant: datetime, zone: ZoneInfo, less: timedelta = timedelta()) -> str:
    with suppress(OverflowError):  # the calendar's first and last day have no neighbours
        instant = (instant - less).astimezone(zone)
    return instant.date().isoformat()


async def _stream(first: bytes, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for part in parts:
        yield part


async def _parts(
    render: Callable[[Iterable[Row], bool, Account], bytes],
    pages: AsyncGenerator[list[Line]],
    account: Account,
    zone: ZoneInfo,
    turn: Callable[[], AbstractAsyncContextManager[None]],
) -> AsyncGenerator[bytes]:
    """The file, page by page: one at a time among all exports, however many there are, and after
    each the loop belongs to everybody else for as long as it took.
    """
    is_first = True
    async with aclosing(pages):
        while True:
            async with turn():
                page = await anext(pages, None)
                if page is None:
                    return
                began = time.monotonic()
                part = render((_row(line, zone) for line in page), is_first, account)
                await asyncio.sleep(time.monotonic() - began)
            is_first = False
            yield part


def _row(line: Line, zone: ZoneInfo) -> Row:
    entry, job = line.entry, line.job
    return {
        "line": entry.seq,
        "id": ids.entry(entry.account_id, entry.seq),
        "recordedAt": entry.recorded_at.astimezone(zone).isoformat(timespec="microseconds"),
        "occurredAt": entry.occurred_at.astimezone(zone).isoformat(timespec="microseconds"),
        "kind": entry.kind.value,
        "amount": entry.amount,
        "balanceAfter": entry.balance_after,
        "reasonCode": entry.reason.code,
        "reason": entry.reason.title,
        "fault": entry.reason.fault.value,
        "detail": entry.detail,
        "operation": job.operation if job else None,
        "campaign": entry.campaign,
        "job": job.key if job else None,
        "jobStatus": job.status.value if job else None,
        "refundOfLine": entry.charge_seq,
        "rule": entry.rule,
        "correctsLine": entry.corrects_seq,
        "author": entry.author,
        "note": entry.note,
        "metadata": entry.metadata,
    }


_CREDITS = ("amount", "balanceAfter")
_COLUMNS: tuple[str, ...] = (
    "line", "id", "recordedAt", "occurredAt", "kind", "amount", "balanceAfter", "unit",
    "reasonCode", "reason", "fault", "detail", "operation", "campaign", "job", "jobStatus",
    "refundOfLine", "rule", "correctsLine", "author", "note", "metadata",
)  # fmt: skip


def _csv(rows: Iterable[Row], first: bool, account: Account) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    if first:
        writer.writeheader()
    for row in rows:
        row["unit"] = account.unit
        for name in _CREDITS:
            row[name] = _decimal(row[name], account.scale)
        if row["metadata"] is not None:
            row["metadata"] = orjson.dumps(row["metadata"]).decode()
        writer.writerow({name: _inert(name, value) for name, value in row.items()})
    return text.getvalue().encode()


def _inert(column: str, value: Any) -> Any:
    """A text that no spreadsheet takes for a formula; credits are numbers and stay as they are."""
    if column not in _CREDITS and isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _decimal(amount: int, scale: int) -> str:
    if scale == 0:
        return str(amount)
    digits = str(abs(amount)).rjust(scale + 1, "0")
    return f"{'-' if amount < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def _json_lines(rows: Iterable[Row], first: bool, account: Account) -> bytes:
    shown = {"unit": account.unit, "scale": account.scale}
    return b"".join(orjson.dumps(row | shown) + b"\n" for row in rows)
