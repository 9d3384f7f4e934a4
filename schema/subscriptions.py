"""Live lines: access and cursors here, delivery in `subscriptions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from models import records
from resolvers import accounts
from schema import ids
from schema.connections import UsageEdge
from schema.context import Info
from schema.described import argument, field, output, subscription
from schema.enums import EntryKind
from schema.types.account import Account
from subscriptions.follower import follow

AccountId = Annotated[
    strawberry.ID,
    argument("The account's global id. NOT_FOUND where there is none, or it is not yours."),
]
Since = Annotated[
    str | None,
    argument(
        "Only lines after this cursor. Absent: lines that land after the server accepted it. "
        "BAD_USER_INPUT for what is no cursor."
    ),
]


@output
class UsageLanded:
    """A line that has landed."""

    followed: strawberry.Private[records.Account]
    line: strawberry.Private[records.Entry]

    @field
    def edge(self) -> UsageEdge:
        """The line; its cursor is where to resume."""
        return UsageEdge(record=self.line)

    @field
    def account(self) -> Account:
        """The account as that line left it: account.balance is edge.node.balanceAfter."""
        return Account(record=self.followed.left_by(self.line))


@output
class Subscription:
    """Live: from any cursor every later line, each once and in order, across outages and
    reconnects.
    """

    @subscription
    async def usage_entry_landed(
        self,
        info: Info,
        account: AccountId,
        since: Since = None,
        kinds: Annotated[
            list[EntryKind] | None,
            argument("Only lines of these kinds are delivered. Absent: all."),
        ] = None,
    ) -> AsyncGenerator[UsageLanded, None]:
        """Every line booked after `since`, in order, each once. Absent: lines that land after the
        server accepted it.
        """
        return await _landed(info, account, since, None if kinds is None else frozenset(kinds))

    @subscription
    async def refund_landed(
        self, info: Info, account: AccountId, since: Since = None
    ) -> AsyncGenerator[UsageLanded, None]:
        """Every refund booked after `since`, in order, each once. Absent: refunds that land from
        now on.
        """
        return await _landed(info, account, since, frozenset({EntryKind.REFUND}))


async def _landed(
    info: Info, account: str, since: str | None, kinds: frozenset[EntryKind] | None
) -> AsyncGenerator[UsageLanded, None]:
    context = info.context
    start = ids.to_seq("since", since)
    followed, head = await accounts.to_follow(context.db, context.viewer, ids.to_account(account))
    context.accepted.set()
    lines = follow(context.services.bell, followed.id, head if start is None else start, kinds)
    return _shown(followed, lines)


async def _shown(
    account: records.Account, lines: AsyncGenerator[records.Entry, None]
) -> AsyncGenerator[UsageLanded, None]:
    async with aclosing(lines):
        async for line in lines:
            yield UsageLanded(followed=account, line=line)
