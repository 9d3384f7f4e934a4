"""The contract's enums: the ledger's own, with a sentence for every value."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry

from models.records import EntryKind, Fault, JobStatus

__all__ = ["EntryKind", "Fault", "JobStatus"]


def _describe(cls: type[Enum], description: str, values: dict[Enum, str]) -> None:
    definition: Any = strawberry.enum(cls, description=description)
    for value in definition.__strawberry_definition__.values:
        value.description = values[cls[value.name]]


_describe(
    EntryKind,
    "What a line did to the balance.",
    {
        EntryKind.CHARGE: "Credits taken for work: a negative amount.",
        EntryKind.REFUND: "Credits given back for one charge, wholly or in part: a positive "
        "amount.",
        EntryKind.GRANT: "Credits put in: bought, in a plan or promotional. A positive amount.",
        EntryKind.ADJUSTMENT: "An operator's correction, of either sign.",
    },
)
_describe(
    Fault,
    "Whose fault it was that an entry was needed.",
    {
        Fault.PLATFORM: "The platform that sells the work.",
        Fault.PROVIDER: "Whoever the platform bought the work from.",
        Fault.CUSTOMER: "The customer.",
        Fault.NONE: "Nobody: the ordinary course of things.",
    },
)
_describe(
    JobStatus,
    "Where a job stands.",
    {
        JobStatus.RUNNING: "Started and charged, not reported yet. Cannot be reported.",
        JobStatus.SUCCEEDED: "All of the work was delivered: nothing is refunded.",
        JobStatus.PARTIAL: "Some of the work was delivered: the rest is refunded.",
        JobStatus.FAILED: "Nothing was delivered; the reason says whether it is refunded.",
        JobStatus.CANCELLED: "Stopped before its end: what was not delivered is refunded.",
        JobStatus.EXPIRED: "No report came before the deadline: refunded. Cannot be reported.",
    },
)
