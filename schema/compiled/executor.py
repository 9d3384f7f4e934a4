"""The executor that runs a plan where there is one, and is graphql-core's where there is none.

Owns the way in: which operation may run compiled, and how its data become a result.
"""

from __future__ import annotations

from typing import Any, ClassVar

from graphql import GraphQLError
from graphql.type import GraphQLSchema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .plans import Plan, Plans
from .runtime import Coroutine

_PLANS = "compiled-plans"


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """Give it to `strawberry.Schema(execution_context_class=...)`; nothing else changes.

    Guarantees: the data and the errors of a request are those of graphql-core's own executor.
    """

    compile_at_sight: ClassVar[int] = 2
    """Which sight of a document compiles it: one that never comes back is not worth a plan."""

    def execute_operation(self, serially: bool | None = None) -> Any:
        plan = self.plan()
        if plan is None:
            return super().execute_operation(serially)
        try:
            data = plan.run(self, self.root_value, plan.mutates if serially is None else serially)
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            return self.build_response(None)
        return self._awaited(data) if type(data) is Coroutine else self.build_response(data)

    async def _awaited(self, data: Any) -> Any:
        try:
            return self.build_response(await data)
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            return self.build_response(None)

    def plan(self) -> Plan | None:
        """The plan of what is about to run; None where graphql-core shall run it."""
        if self.abort_signal is not None or getattr(self.middleware_manager, "middlewares", ()):
            return None
        return plans_of(self.schema).find(self, self.compile_at_sight)


def plans_of(schema: GraphQLSchema) -> Plans:
    """The plans of a schema, kept on it: they live and die together."""
    plans: Plans | None = schema.extensions.get(_PLANS)
    if plans is None:
        plans = schema.extensions[_PLANS] = Plans()
    return plans
