"""Everything that can be done: one intent a mutation, or a batch of one result per item."""

from __future__ import annotations

from typing import Annotated

from models import intents
from models.writer import Writer
from resolvers import writing
from resolvers.access import Viewer
from schema import results
from schema.context import Info, writer_of
from schema.described import argument, mutation, output
from schema.inputs import (
    AdjustBalanceInput,
    FinishJobInput,
    GrantCreditsInput,
    OpenAccountInput,
    RecordChargeInput,
    RefundChargeInput,
    StartJobInput,
)

BATCH = "At most 1,000, else BAD_USER_INPUT. Decided in this order."


@output
class Mutation:
    """Writing, for services. FORBIDDEN without the scope; a refusal is a type of the result.

    Retry freely: the same idempotency key and input is the same answer, and nothing moves twice.
    """

    @mutation
    async def open_account(
        self,
        info: Info,
        input: Annotated[OpenAccountInput, argument("The account to open.")],  # noqa: A002
    ) -> results.OpenAccountResult:
        """Open an account, with a balance of 0. Needs accounts:write."""
        outcome = await writing.book(*_who(info), intents.OpenAccount, input.intent())
        return results.account_opened(outcome)

    @mutation
    async def grant_credits(
        self,
        info: Info,
        input: Annotated[GrantCreditsInput, argument("The grant to book.")],  # noqa: A002
    ) -> results.GrantCreditsResult:
        """Put credits in. Needs grants:write."""
        outcome = await writing.book(*_who(info), intents.GrantCredits, input.intent())
        return results.credits_granted(outcome)

    @mutation
    async def record_charge(
        self,
        info: Info,
        input: Annotated[RecordChargeInput, argument("The charge to book.")],  # noqa: A002
    ) -> results.RecordChargeResult:
        """Take credits for work, never more than is available. Needs charges:write."""
        outcome = await writing.book(*_who(info), intents.RecordCharge, input.intent())
        return results.charge_recorded(outcome)

    @mutation
    async def record_charges(
        self,
        info: Info,
        inputs: Annotated[list[RecordChargeInput], argument("Charges to book. " + BATCH)],
    ) -> list[results.RecordChargeResult]:
        """Book charges, of any accounts. Not atomic: one result per input. Needs charges:write."""
        wanted = [item.intent() for item in inputs]
        outcomes = await writing.book_many(*_who(info), intents.RecordCharge, wanted)
        return [results.charge_recorded(outcome) for outcome in outcomes]

    @mutation
    async def refund_charge(
        self,
        info: Info,
        input: Annotated[RefundChargeInput, argument("The refund to book.")],  # noqa: A002
    ) -> results.RefundChargeResult:
        """Give credits back for a charge, in all never more than it took. Needs refunds:write."""
        outcome = await writing.book(*_who(info), intents.RefundCharge, input.intent())
        return results.charge_refunded(outcome)

    @mutation
    async def adjust_balance(
        self,
        info: Info,
        input: Annotated[AdjustBalanceInput, argument("The correction to book.")],  # noqa: A002
    ) -> results.AdjustBalanceResult:
        """Book an operator's correction. Needs adjustments:write."""
        wanted = input.intent(author=info.context.viewer.name)
        outcome = await writing.book(*_who(info), intents.AdjustBalance, wanted)
        return results.balance_adjusted(outcome)

    @mutation
    async def start_job(
        self,
        info: Info,
        input: Annotated[StartJobInput, argument("The job to start.")],  # noqa: A002
    ) -> results.StartJobResult:
        """Start a job and take its charge at once. Needs charges:write."""
        outcome = await writing.book(*_who(info), intents.StartJob, input.intent())
        return results.job_started(outcome)

    @mutation
    async def start_jobs(
        self,
        info: Info,
        inputs: Annotated[list[StartJobInput], argument("Jobs to start. " + BATCH)],
    ) -> list[results.StartJobResult]:
        """Start jobs, of any accounts. Not atomic: one result per input. Needs charges:write."""
        wanted = [item.intent() for item in inputs]
        outcomes = await writing.book_many(*_who(info), intents.StartJob, wanted)
        return [results.job_started(outcome) for outcome in outcomes]

    @mutation
    async def finish_job(
        self,
        info: Info,
        input: Annotated[FinishJobInput, argument("How the job ended.")],  # noqa: A002
    ) -> results.FinishJobResult:
        """Report how a job ended; the rule refunds what is owed. Needs charges:write.

        The same outcome again succeeds and moves nothing; so does any report after the deadline's
        refund.
        """
        outcome = await writing.book(*_who(info), intents.FinishJob, input.intent())
        return results.job_finished(outcome)

    @mutation
    async def finish_jobs(
        self,
        info: Info,
        inputs: Annotated[list[FinishJobInput], argument("How jobs ended. " + BATCH)],
    ) -> list[results.FinishJobResult]:
        """Report how jobs ended, of any accounts. Not atomic: one result per input. Needs
        charges:write.
        """
        wanted = [item.intent() for item in inputs]
        outcomes = await writing.book_many(*_who(info), intents.FinishJob, wanted)
        return [results.job_finished(outcome) for outcome in outcomes]


def _who(info: Info) -> tuple[Viewer, Writer]:
    context = info.context
    return context.viewer, writer_of(context.viewer, context.services)
