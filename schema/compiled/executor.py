"""The executor that runs a plan where there is one, and is graphql-core's where there is none.

Owns the way in: which operation may run compiled, and how its data become a result.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import Any, ClassVar

from graphql import DocumentNode, GraphQLError
from graphql.type import GraphQLSchema
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .plans import Plan, Plans
from .prepared import Options
from .runtime import Coroutine

_PLANS = "compiled-plans"


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """Give it to `strawberry.Schema(execution_context_class=...)`; nothing else changes.

    Guarantees: the data and the errors of a request are those of graphql-core's own executor.
    """

    compile_at_sight: ClassVar[int] = 2
    """Which sight of a document compiles it: one that never comes back is not worth a plan."""

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """graphql-core keeps these on the executor, whose methods they are: a circle, so that all
        that a request held would wait for the garbage collector.
        """
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, kept: object) -> None: ...

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Any = None,
        raw_variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *given: Any,
        **named: Any,
    ) -> Any:
        """The executor that graphql-core builds, or its list of errors; for an operation that was
        executed before it is put together from what is known of it.
        """
        plans, raw = plans_of(schema), raw_variable_values or {}
        options = Options(*given, **named)
        text = document.loc.source.body if document.loc and options.are_plain else None
        known = None if text is None else plans.prepared(text, operation_name)
        if known is not None:
            ready = known.executor(cls, schema, root_value, context_value, raw, options)
            if ready is not None:
                return ready
        executor = super().build(
            schema, document, root_value, context_value, raw, operation_name, *given, **named
        )
        if text is not None and known is None and isinstance(executor, cls):
            plans.prepare(text, document, executor)
        return executor

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
