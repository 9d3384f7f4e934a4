"""Writes: which scope each needs, and how many at once.

Owns no decision about the ledger: the writer's answer goes up as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.intents import (
    AdjustBalance,
    FinishJob,
    GrantCredits,
    Intent,
    OpenAccount,
    RecordCharge,
    RefundCharge,
    StartJob,
)
from models.outcomes import Outcome, Refusal
from models.writer import Writer
from resolvers.access import Scope, Viewer, admit
from resolvers.errors import BadInput

BATCH_SIZE_MAX = 1_000

_SCOPES: dict[type[Intent], Scope] = {
    OpenAccount: Scope.ACCOUNTS_WRITE,
    GrantCredits: Scope.GRANTS_WRITE,
    RecordCharge: Scope.CHARGES_WRITE,
    RefundCharge: Scope.REFUNDS_WRITE,
    AdjustBalance: Scope.ADJUSTMENTS_WRITE,
    StartJob: Scope.CHARGES_WRITE,
    FinishJob: Scope.CHARGES_WRITE,
}


async def book(
    viewer: Viewer, writer: Writer, operation: type[Intent], intent: Intent | Refusal
) -> Outcome:
    """Book one intent; what was refused before it became one stays refused.

    Raises: Forbidden.
    """
    _admit(viewer, operation, intent)
    return intent if isinstance(intent, Refusal) else await writer.book(intent)


async def book_many(
    viewer: Viewer, writer: Writer, operation: type[Intent], intents: Sequence[Intent | Refusal]
) -> list[Outcome]:
    """Book intents in their order, one outcome each; a refused one does not spoil its neighbours.

    Raises: Forbidden, for all of them; BadInput for more than `BATCH_SIZE_MAX`.
    """
    _admit(viewer, operation, *intents)
    if len(intents) > BATCH_SIZE_MAX:
        raise BadInput(f"A batch holds at most {BATCH_SIZE_MAX} inputs.")
    bookable = [intent for intent in intents if isinstance(intent, Intent)]
    booked = iter(await writer.book_many(bookable) if bookable else [])
    return [intent if isinstance(intent, Refusal) else next(booked) for intent in intents]


def _admit(viewer: Viewer, operation: type[Intent], *intents: Intent | Refusal) -> None:
    admit(viewer, _SCOPES[operation])
    for intent in intents:
        if isinstance(intent, Intent) and intent.recorded_at is not None:
            admit(viewer, Scope.IMPORT)
