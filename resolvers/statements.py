"""Statements: the bounds of a period, and access to it."""

from __future__ import annotations

from datetime import datetime

from models import statements
from models.database import Reads
from models.records import Account, Statement
from models.validation import check_time_zone
from resolvers.access import Scope, Viewer, admit
from resolvers.errors import BadInput, NotFound
from resolvers.usage import check_period


async def read(
    db: Reads,
    viewer: Viewer,
    account: Account,
    start: datetime,
    end: datetime,
    time_zone: str | None,
) -> Statement:
    """The account's half-open period `start` to `end`, its days cut in `time_zone` or the account's
    own.

    Raises: BadInput, Forbidden, NotFound.
    """
    check_period(start, end)
    zone = account.time_zone if time_zone is None else time_zone
    problem = check_time_zone("timeZone", zone)
    if problem is not None:
        raise BadInput(problem.message)
    statement = None
    if admit(viewer, Scope.READ, account.id):
        try:
            statement = await statements.read(db, account.id, start, end, zone)
        except statements.UnknownTimeZone:
            raise BadInput("timeZone is not one that the database knows.") from None
    if statement is None:
        raise NotFound
    return statement
