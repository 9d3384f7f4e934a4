"""Logs: one line per event on standard error, for people or for machines.

Owns their form. What is logged is each module's; no line holds a credential, a query's text or its
variables.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

OUR_PACKAGES = ("app", "schema", "resolvers", "subscriptions", "models")


def set_up(
    level: str, *, as_json: bool, stream: TextIO = sys.stderr, worker: int | None = None
) -> None:
    """Log what is at least as severe as `level`; what libraries log, from a warning on. Of several
    workers each says its number.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    render: Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )

    def numbered(_: object, __: str, event: EventDict) -> EventDict:
        return event if worker is None else {**event, "worker": worker}

    shared: list[Processor] = [
        numbered,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    # Through the standard library, because its handlers never raise: a log that cannot be written
    # must not end what it tells of.
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[_named_only, *shared, structlog.stdlib.ExtraAdder()],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    for package in OUR_PACKAGES:
        logging.getLogger(package).setLevel(number)


def pass_over_what_was_given_up() -> None:
    """Say nothing of coroutines that never began: a field that fails gives up those beside it.
    Python warns of them, or fails at it, whenever it happens to collect them.
    """
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    said = sys.unraisablehook

    def say(unraisable: sys.UnraisableHookArgs) -> None:
        if not asyncio.iscoroutine(unraisable.object):
            said(unraisable)

    sys.unraisablehook = say


def _named_only(_: object, __: str, event: EventDict) -> EventDict:
    """A library's warning names its exception and shows no traceback: it goes on by itself, as the
    database's pool does while the database is away.
    """
    if event["_record"].levelno < logging.ERROR and "exc_info" in event:
        event["error"] = repr(event.pop("exc_info")[1])
    return event
