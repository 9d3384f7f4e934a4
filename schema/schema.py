"""The schema, put together."""

from __future__ import annotations

from typing import Any

from graphql.execution import Executor
from strawberry.schema.config import StrawberryConfig

from schema import refusals
from schema.compiled import CompiledExecutor, CompiledSchema
from schema.compiled.executor import plans_of
from schema.documents import Documents
from schema.judging import JudgingSchema, Rates
from schema.mutations import Mutation
from schema.queries import Query
from schema.scalars import SCALARS
from schema.subscriptions import Subscription
from schema.types.entries import LedgerEntry


class UsageSchema(CompiledSchema, JudgingSchema):
    """The contract, executable: what was executed before goes straight to execution, what is new is
    judged first.
    """

    @property
    def operations_known(self) -> int:
        """Operations that are known by their text, compiled once they came again."""
        return len(plans_of(self._schema))

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """Nothing: `schema.errors` logs what is ours to log, without the texts of clients."""


def build_schema(
    executor: type[Executor[Any]] = CompiledExecutor,
    *,
    introspection: bool = True,
    rates: Rates | None = None,
) -> UsageSchema:
    """The schema with a memory of documents of its own, executed by `executor`; `rates` hold
    its askers to what they may have judged.
    """
    return UsageSchema(
        Query,
        Mutation,
        Subscription,
        types=[LedgerEntry, refusals.Refused],
        documents=Documents.remembering(introspection=introspection),
        rates=rates,
        execution_context_class=executor,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
