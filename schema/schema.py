"""The schema, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from graphql.execution import Executor
from strawberry.schema.config import StrawberryConfig

from schema import refusals
from schema.compiled import CompiledExecutor, CompiledSchema
from schema.compiled.executor import plans_of
from schema.compiled.plans import Plan, compiled
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

    def __init__(self, *given: Any, rates: Rates | None = None, **named: Any) -> None:
        super().__init__(*given, rates=rates, **named)
        self._compiling: set[asyncio.Task[None]] = set()
        if rates is not None:
            plans_of(self._schema).compile = self._compile_in_turn

    @property
    def operations_known(self) -> int:
        """Operations that are known by their text, compiled once they came again."""
        return len(plans_of(self._schema))

    def _compile_in_turn(
        self, executor: Executor[Any], keep: Callable[[Plan | None], None]
    ) -> None:
        """Compile where documents are judged, in the turn and at the cost of who asks: it takes up
        to 0.2 s.
        """

        async def compile_and_keep() -> None:
            keep(await self.in_turn(executor.context_value, compiled, executor))

        task = asyncio.create_task(compile_and_keep())
        self._compiling.add(task)
        task.add_done_callback(self._compiling.discard)

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
