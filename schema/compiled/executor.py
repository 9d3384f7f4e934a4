"""The executor that runs a plan where there is one, and is graphql-core's where there is none.

Owns the way in: which operation may run compiled, and how its data become a result.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphql import DocumentNode, ExecutionResult, GraphQLError
from graphql.execution.values import VariableValues
from graphql.type import GraphQLSchema
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.graphql import OperationType

from .plans import Plan, Plans
from .prepared import Options, Prepared

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
            found = ready(cls, schema, known, root_value, context_value, raw, options)
            if found is not None:
                return found
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
        return plan.executed(self, serially)

    @property
    def errors(self) -> list[GraphQLError] | None:
        """What failed so far."""
        return self.collected_errors.errors or None

    def plan(self) -> Plan | None:
        """The plan of what is about to run; None where graphql-core shall run it."""
        if self.abort_signal is not None or getattr(self.middleware_manager, "middlewares", ()):
            return None
        return plans_of(self.schema).find(self, self.compile_at_sight)


class Run:
    """Stands for the executor of an operation that has a plan: it is made once more is asked of it
    than what is here.
    """

    __slots__ = (
        "_executor",
        "_make",
        "context_value",
        "fragment_definitions",
        "plan",
        "root_value",
        "variable_values",
    )

    def __init__(
        self,
        plan: Plan,
        known: Prepared,
        root: Any,
        context: Any,
        values: VariableValues,
        make: Callable[[], CompiledExecutor],
    ) -> None:
        self.fragment_definitions = known.fragment_definitions
        self.root_value = root
        self.context_value = context
        self.variable_values = values
        self.plan = plan
        self._make = make
        self._executor: CompiledExecutor | None = None

    def __getattr__(self, name: str) -> Any:
        if self._executor is None:
            self._executor = self._make()
        return getattr(self._executor, name)

    @property
    def errors(self) -> list[GraphQLError] | None:
        """What failed so far."""
        return self._executor and (self._executor.collected_errors.errors or None)

    def execute_operation(self, serially: bool | None = None) -> Any:
        return self.plan.executed(self, serially)

    def build_response(self, data: Any) -> ExecutionResult:
        return ExecutionResult(data, self.errors)


def ready(
    cls: Any,
    schema: GraphQLSchema,
    known: Prepared,
    root: Any,
    context: Any,
    raw: dict[str, Any],
    options: Options,
) -> Any:
    """What executes an operation that was executed before; None where graphql-core shall build
    it.
    """
    values = known.coerced(raw)
    if values is None:
        return None

    def make() -> CompiledExecutor:
        return known.executor(cls, schema, root, context, values, options)

    if options.abort_signal is not None or options.hooks is not None:
        return make()
    plan = plans_of(schema).known(known.operation, values.coerced)
    if plan is None or known.kind is OperationType.SUBSCRIPTION:
        return make()
    return Run(plan, known, root, context, values, make)


def plans_of(schema: GraphQLSchema) -> Plans:
    """The plans of a schema, kept on it: they live and die together."""
    plans: Plans | None = schema.extensions.get(_PLANS)
    if plans is None:
        plans = schema.extensions[_PLANS] = Plans()
    return plans
