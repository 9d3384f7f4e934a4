"""Jobs and what was decided about their charge."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from models import records
from schema import ids
from schema.context import Info
from schema.described import field, output
from schema.enums import JobStatus
from schema.scalars import Credits
from schema.types.entries import Charge, Refund, net_of, refunds_of
from schema.types.node import Node, present
from schema.types.reasons import Reason

if TYPE_CHECKING:
    from schema.types.account import Account


@output
class RefundDecision:
    """What a job's end meant for its charge."""

    refunded: Credits = strawberry.field(
        description="What the decision gave back, in credits. ≥ 0."
    )
    reason: Reason = strawberry.field(description="Why it was refunded, or why it was not.")
    rule: str = strawberry.field(
        description="Name and version of the rule that decided, such as default/1."
    )


@output
class Job(Node):
    """One unit of work that a charge pays for, named by its producer's key."""

    record: strawberry.Private[records.Job]

    @field
    def id(self) -> strawberry.ID:
        """Global id of the job."""
        return strawberry.ID(ids.job(self.record.account_id, self.record.charge_seq))

    @field
    def key(self) -> str:
        """Its producer's name for it, unique in the account. 1 to 255 characters."""
        return self.record.key

    @field
    async def account(
        self, info: Info
    ) -> Annotated[Account, strawberry.lazy("schema.types.account")]:
        """The account that pays for it, as it is now."""
        from schema.types.account import Account

        return Account(
            record=present(await info.context.loaders.accounts.load(self.record.account_id))
        )

    @field
    def operation(self) -> str:
        """What kind of work it is, in its producer's words. 1 to 200 characters."""
        return self.record.operation

    @field
    def campaign(self) -> str | None:
        """The label its product groups usage by, at most 200 characters; null where it has none."""
        return self.record.campaign

    @field
    def status(self) -> JobStatus:
        """Where it stands."""
        return self.record.status

    @field
    def started_at(self) -> datetime:
        """When its producer says that it started."""
        return self.record.started_at

    @field
    def deadline_at(self) -> datetime:
        """When it is refunded unless a report came before."""
        return self.record.deadline_at

    @field
    def finished_at(self) -> datetime | None:
        """When its producer says that it ended, or when it expired. Null while running."""
        return self.record.finished_at

    @field
    async def charge(self, info: Info) -> Charge | None:
        """The charge that paid for it."""
        charge = await self._charge(info)
        return None if charge is None else Charge(record=charge)

    @field
    async def refunds(self, info: Info) -> list[Refund]:
        """What was given back for its charge, oldest first."""
        charge = await self._charge(info)
        return [] if charge is None else [Refund(record=r) for r in await refunds_of(info, charge)]

    @field
    async def net(self, info: Info) -> Credits:
        """charge.net: what it cost after refunds, in credits. ≤ 0."""
        charge = await self._charge(info)
        return Credits(0) if charge is None else await net_of(info, charge)

    @field
    def refund_decision(self) -> RefundDecision | None:
        """What its end meant for its charge. Null while running."""
        decision = self.record.decision
        if decision is None:
            return None
        return RefundDecision(
            refunded=Credits(decision.refunded),
            reason=Reason.of(decision.reason, decision.detail),
            rule=decision.rule,
        )

    async def _charge(self, info: Info) -> records.Entry | None:
        return await info.context.loaders.entries.load(
            (self.record.account_id, self.record.charge_seq)
        )
