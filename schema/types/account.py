"""An account and everything that is asked about one."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import strawberry

from models import feed, records
from models.rows import Ref
from resolvers import accounts, statements, usage
from resolvers.access import Scope, admit
from resolvers.errors import BadInput
from resolvers.related import Asked, related
from resolvers.usage import Question, Window
from schema import ids
from schema.compiled import Ready, ToKeep, place_of
from schema.connections import (
    After,
    Before,
    First,
    FirstAlone,
    JobConnection,
    Last,
    UsageConnection,
)
from schema.context import Info
from schema.described import argument, field, given, optional, output
from schema.enums import EntryKind, JobStatus
from schema.inputs import or_none
from schema.lookahead import arguments_below, asked_below
from schema.scalars import Credits
from schema.types.entries import UsageEntry, entry_of
from schema.types.jobs import Job
from schema.types.node import Node

if TYPE_CHECKING:
    from schema.types.statement import Statement


@given
class UsageFilter:
    """Which lines to show; all that is given must hold. from and to are half-open and go by
    recordedAt.
    """

    kinds: list[EntryKind] | None = optional("Only these kinds. An empty list shows nothing.")
    campaign: str | None = optional("Only this campaign. 1 to 200 characters.")
    reason_code: str | None = optional("Only this reason. 1 to 100 characters.")
    job: strawberry.ID | None = optional("Only this job's charge and refunds: its global id.")
    from_: datetime | None = optional("Only what was booked at or after this instant.", name="from")
    to: datetime | None = optional(
        "Only what was booked before this instant; later than from, else BAD_USER_INPUT."
    )
    search: str | None = optional(
        "A line's or a job's global id, a line's number such as #12, or how a job's key begins. "
        "1 to 255 characters."
    )

    def to_model(self, account_id: int) -> feed.Filter:
        kinds, search = or_none(self.kinds), or_none(self.search)
        entry = None if search is None else ids.to_entry(search)
        searched_job = None if search is None else ids.to_job(search)
        if entry is not None:
            search = f"#{_own_seq(entry, account_id)}"
        elif searched_job is not None:
            search = None
        wanted_jobs = [] if searched_job is None else [_own_seq(searched_job, account_id)]
        job = or_none(self.job)
        if job is not None:
            wanted_jobs.append(_own_seq(ids.to_job(job), account_id))
        return feed.Filter(
            kinds=None if kinds is None else frozenset(kinds),
            campaign=or_none(self.campaign),
            reason_code=or_none(self.reason_code),
            job_seq=_the_one(wanted_jobs),
            start=or_none(self.from_),
            end=or_none(self.to),
            search=search,
        )


NO_SEQ = 0
"""No line has it: what is foreign, missing or contradictory matches nothing."""


def _own_seq(ref: Ref | None, account_id: int) -> int:
    return ref[1] if ref is not None and ref[0] == account_id else NO_SEQ


def _the_one(seqs: list[int]) -> int | None:
    return None if not seqs else seqs[0] if len(set(seqs)) == 1 else NO_SEQ


_OF_ENTRIES = frozenset({"charge", "corrects"})
_OF_REFUNDS = frozenset({"refunds", "refunded", "net"})

Filter = Annotated[UsageFilter | None, argument("Which lines to show. Absent: all.")]


def question(
    account_id: int,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    filter: UsageFilter | None,  # noqa: A002 - the contract's word
) -> Question:
    """What `usage` is asked by its arguments, wherever it stands.

    Raises: BadInput.
    """
    return Question(
        account_id,
        Window(first, ids.to_seq("after", after), last, ids.to_seq("before", before)),
        feed.ALL if filter is None else filter.to_model(account_id),
    )


async def page_read(
    info: Info,
    asked: Question,
    within: tuple[int, int],
    last_seq: int = feed.SEQ_MAX,
    ahead: feed.Page | None = None,
) -> UsageConnection:
    """The page asked for, unless it was read `ahead`, with what belongs to its lines up to line
    `last_seq`.
    """
    db, names = info.context.db, asked_below(info)
    page = ahead or await usage.page(db, info.context.viewer, asked, within)
    wanted = Asked(
        entries=not names.isdisjoint(_OF_ENTRIES),
        refunds=not names.isdisjoint(_OF_REFUNDS),
        jobs="job" in names,
    )
    return UsageConnection(page=page, known=await related(db, page, wanted, last_seq))


_ARGUMENTS = ("first", "after", "last", "before", "filter")


class Ahead(NamedTuple):
    """A page of lines that is asked for below an account."""

    given: tuple[Any, ...]
    """The arguments of `usage`, in their order."""
    asked: Question
    page: feed.Page | None = None
    """The page, where it was read together with the account."""


@output
class Account(Node):
    """One customer's balance, in one unit, as it is now."""

    record: strawberry.Private[records.Account]
    ahead: strawberry.Private[Ahead | None] = None

    @field
    def id(self) -> strawberry.ID:
        """Global id of the account."""
        return strawberry.ID(ids.account(self.record.id))

    @field
    def key(self) -> str:
        """The product's own name for it, unique. 1 to 255 characters."""
        return self.record.key

    @field
    def name(self) -> str:
        """What the customer calls it. 1 to 200 characters."""
        return self.record.name

    @field
    def unit(self) -> str:
        """What a credit is called. 1 to 50 characters."""
        return self.record.unit

    @field
    def scale(self) -> int:
        """Decimal places of the unit, 0 to 12: at scale 2, 1234 reads 12.34."""
        return self.record.scale

    @field
    def time_zone(self) -> str:
        """IANA time zone in which its days are cut."""
        return self.record.time_zone

    @field
    def balance(self) -> Credits:
        """The sum of all its lines, in credits, of either sign."""
        return Credits(self.record.balance)

    @field
    def overdraft_limit(self) -> Credits:
        """How far below 0 charges may take the balance, in credits. ≥ 0."""
        return Credits(self.record.overdraft_limit)

    @field
    def available(self) -> Credits:
        """max(0, balance + overdraftLimit): what charges may still take, in credits. At most
        2^53-1.
        """
        return Credits(self.record.available)

    @field
    def head_cursor(self) -> str:
        """Where a subscriber that has seen everything so far resumes; there from the start, at seq
        0.
        """
        return ids.cursor(self.record.last_seq)

    @field
    async def usage(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Filter = None,  # noqa: A002 - the contract's word
    ) -> UsageConnection:
        """Its lines, newest first: those that its balance is the sum of."""
        account_id, last_seq = self.record.id, self.record.last_seq
        given = first, after, last, before, filter
        ahead = self.ahead if self.ahead is not None and self.ahead.given == given else None
        asked = question(account_id, *given) if ahead is None else ahead.asked
        context, place = info.context, place_of(info)
        pages = context.services.pages
        if not admit(context.viewer, Scope.READ, account_id):
            place = None
        shown = None if place is None else pages.get(asked, last_seq, place)
        if shown is not None:
            return cast("UsageConnection", Ready(shown))
        page = await page_read(info, asked, (0, last_seq), last_seq, ahead and ahead.page)
        if place is None or not page.known.is_settled:
            return page
        keep = partial(pages.keep, asked, last_seq, place)
        return cast("UsageConnection", ToKeep(page, keep))

    @field
    async def entry(
        self, info: Info, seq: Annotated[int, argument("The line's number, from 1.")]
    ) -> UsageEntry | None:
        """Its line of that number. Null where there is none yet."""
        record = await usage.entry(info.context.db, info.context.viewer, self.record.id, seq)
        return None if record is None else entry_of(record)

    @field
    async def statement(
        self,
        info: Info,
        from_: Annotated[
            datetime, argument("The period's first instant, by recordedAt.", name="from")
        ],
        to: Annotated[
            datetime,
            argument(
                "Where the period ends, itself outside; later than from, else BAD_USER_INPUT."
            ),
        ],
        time_zone: Annotated[
            str | None,
            argument(
                "IANA time zone in which byDay cuts days, else BAD_USER_INPUT. Default: the "
                "account's."
            ),
        ] = None,
    ) -> Annotated[Statement, strawberry.lazy("schema.types.statement")]:
        """One half-open period of recordedAt: what was there, what moved, what is left."""
        from schema.types.statement import Statement

        context = info.context
        return Statement(
            account_record=self.record,
            record=await statements.read(
                context.db, context.viewer, self.record, from_, to, time_zone
            ),
        )

    @field
    async def jobs(
        self,
        info: Info,
        first: FirstAlone = None,
        after: After = None,
        status: Annotated[
            JobStatus | None, argument("Only jobs that stand there. Absent: all.")
        ] = None,
    ) -> JobConnection:
        """Its jobs, the latest started first."""
        context, older_than = info.context, ids.to_seq("after", after)
        jobs, has_older = await usage.jobs_page(
            context.db, context.viewer, self.record.id, status, first, older_than
        )
        return JobConnection.of(jobs, older=has_older, newer=older_than is not None)

    @field
    async def job(self, info: Info, key: Annotated[str, argument("The job's key.")]) -> Job | None:
        """Its job of that key. Null where there is none."""
        record = await usage.job(info.context.db, info.context.viewer, self.record.id, key)
        return None if record is None else Job(record=record)


async def account_read(info: Info, account_id: int | None) -> Account | None:
    """The account, or None, read together with the page of lines that is asked for below it, unless
    that is remembered.

    Raises: Forbidden.
    """
    context = info.context
    db, viewer = context.db, context.viewer
    ahead = None if account_id is None else _asked_ahead(info, account_id)
    if ahead is None or ahead.asked in context.services.pages:
        record = await accounts.by_id(db, viewer, account_id)
        return None if record is None else Account(record=record, ahead=ahead)
    asked = ahead.asked
    found = await accounts.with_page(db, viewer, asked.account_id, asked.window.slice())
    if found is None:
        return None
    return Account(record=found[0], ahead=Ahead(ahead.given, asked, found[1]))


def _asked_ahead(info: Info, account_id: int) -> Ahead | None:
    """The page of newest lines, not filtered, that is asked for below an account."""
    below = arguments_below(info, "usage")
    if below is None:
        return None
    given = first, after, last, before, filter_ = [below.get(name) for name in _ARGUMENTS]
    if last is not None or filter_ is not None:
        return None
    try:
        asked = question(account_id, first, after, None, before, None)
        asked.window.slice()
    except BadInput:
        return None  # `usage` says so itself
    return Ahead(tuple(given), asked)
