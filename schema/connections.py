"""Pages in Relay's shape, newest first, by cursors that stand for a seq."""

from __future__ import annotations

from typing import Annotated, Self

import strawberry

from models import feed, records
from resolvers.related import NOTHING, Related
from schema import ids
from schema.described import argument, field, output
from schema.types.entries import UsageEntry, entry_of
from schema.types.jobs import Job

First = Annotated[
    int | None,
    argument(
        "The newest so many of the page: 1 to 100, else BAD_USER_INPUT. Default 50. Not "
        "together with last."
    ),
]
FirstAlone = Annotated[
    int | None,
    argument("The newest so many of the page: 1 to 100, else BAD_USER_INPUT. Default 50."),
]
After = Annotated[
    str | None,
    argument("Only what is older than this cursor. BAD_USER_INPUT for what is no cursor."),
]
Last = Annotated[
    int | None,
    argument(
        "The oldest so many of the page: 1 to 100, else BAD_USER_INPUT. Not together with first."
    ),
]
Before = Annotated[
    str | None,
    argument("Only what is newer than this cursor. BAD_USER_INPUT for what is no cursor."),
]


@output
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = strawberry.field(
        description="True where older ones follow after endCursor; with last, where before was "
        "given."
    )
    has_previous_page: bool = strawberry.field(
        description="True where newer ones stand before startCursor; with first, where after was "
        "given."
    )
    start_cursor: str | None = strawberry.field(
        description="The cursor of the page's first and newest edge. Null on an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the page's last and oldest edge. Null on an empty page."
    )

    @classmethod
    def of(cls, seqs: list[int], *, older: bool, newer: bool) -> Self:
        return cls(
            has_next_page=older,
            has_previous_page=newer,
            start_cursor=ids.cursor(seqs[0]) if seqs else None,
            end_cursor=ids.cursor(seqs[-1]) if seqs else None,
        )


@output
class UsageEdge:
    """A line and its place in the feed."""

    record: strawberry.Private[records.Entry]
    known: strawberry.Private[Related] = NOTHING

    @field
    def cursor(self) -> str:
        """Stands for the line's seq: opaque, never stale, good for usage, the subscriptions and any
        filter.
        """
        return ids.cursor(self.record.seq)

    @field
    def node(self) -> UsageEntry:
        """The line."""
        return entry_of(self.record, self.known)


@output
class UsageConnection:
    """A page of lines, newest first.

    A cursor stands for a seq, is opaque, never goes stale, and serves usage, the subscriptions and
    any filter alike.
    """

    page: strawberry.Private[feed.Page]
    known: strawberry.Private[Related]

    @field
    def edges(self) -> list[UsageEdge]:
        """The page's lines with their cursors. At most 100."""
        return [UsageEdge(record=record, known=self.known) for record in self.page.entries]

    @field
    def nodes(self) -> list[UsageEntry]:
        """The page's lines. At most 100."""
        return [entry_of(record, self.known) for record in self.page.entries]

    @field
    def page_info(self) -> PageInfo:
        """Whether there is more, and where it goes on."""
        page = self.page
        return PageInfo.of(
            [entry.seq for entry in page.entries], older=page.has_older, newer=page.has_newer
        )


@output
class JobEdge:
    """A job and its place in the list."""

    cursor: str = strawberry.field(description="Opaque; never goes stale.")
    node: Job = strawberry.field(description="The job.")


@output
class JobConnection:
    """A page of jobs, the latest started first."""

    edges: list[JobEdge] = strawberry.field(
        description="The page's jobs with their cursors. At most 100."
    )
    nodes: list[Job] = strawberry.field(description="The page's jobs. At most 100.")
    page_info: PageInfo = strawberry.field(
        description="Whether there is more, and where it goes on."
    )

    @classmethod
    def of(cls, jobs: list[records.Job], *, older: bool, newer: bool) -> Self:
        edges = [JobEdge(cursor=ids.cursor(job.charge_seq), node=Job(record=job)) for job in jobs]
        return cls(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=PageInfo.of([job.charge_seq for job in jobs], older=older, newer=newer),
        )
