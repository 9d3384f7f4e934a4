"""Operations made ready: all that an executor needs and neither variables nor askers change.

Owns the short way from raw variables to coerced ones. Whatever graphql-core would refuse is left to
it.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, Undefined, is_non_null_type
from graphql.execution import (
    Executor,
    MiddlewareManager,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from strawberry.types.graphql import OperationType

from .variables import Read, reader


@dataclass(slots=True)
class Options:
    """What an executor is given besides the operation: names, order and defaults are those of
    `Executor.build`, and what Strawberry adds.
    """

    field_resolver: Any = None
    type_resolver: Any = None
    subscribe_field_resolver: Any = None
    max_coercion_errors: int = 50
    enable_early_execution: bool = False
    middleware: Any = None
    is_awaitable: Any = None
    is_async_iterable: Any = None
    hide_suggestions: bool = False
    abort_signal: Any = None
    hooks: Any = None
    operation_extensions: Any = None

    @property
    def are_plain(self) -> bool:
        """Whether nothing stands between a field and its resolver."""
        middleware = self.middleware
        return middleware is None or (
            isinstance(middleware, MiddlewareManager) and not middleware.middlewares
        )


class Prepared:
    """One operation of a document."""

    __slots__ = ("_variables", "fragment_definitions", "fragments", "kind", "operation")

    def __init__(self, executor: Executor[Any]) -> None:
        self.fragment_definitions = executor.fragment_definitions
        self.fragments = executor.fragments
        self.operation = executor.operation
        self.kind = OperationType(executor.operation.operation.value)
        self._variables: list[tuple[str, Any, Read | None]] = []
        for node in executor.operation.variable_definitions or ():
            signature = get_variable_signature(executor.schema, node)
            read = None if isinstance(signature, GraphQLError) else reader(signature.type)
            self._variables.append((node.variable.name.value, signature, read))

    def executor(
        self,
        cls: Any,
        schema: Any,
        root: Any,
        context: Any,
        values: VariableValues,
        options: Options,
    ) -> Any:
        """An executor of the operation."""
        return cls(
            schema,
            self.fragment_definitions,
            self.fragments,
            root,
            context,
            self.operation,
            values,
            options.field_resolver or default_field_resolver,
            options.type_resolver or default_type_resolver,
            options.subscribe_field_resolver or default_field_resolver,
            options.enable_early_execution,
            options.middleware,
            options.is_awaitable,
            options.is_async_iterable,
            hide_suggestions=options.hide_suggestions,
            abort_signal=options.abort_signal,
            hooks=options.hooks,
            operation_extensions=options.operation_extensions,
        )

    def coerced(self, raw: dict[str, Any]) -> VariableValues | None:
        """The variables' values; None where graphql-core shall coerce or refuse them."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, read in self._variables:
            if read is None:
                return None
            value = raw.get(name, Undefined)
            if value is Undefined:
                if signature.default is not None or is_non_null_type(signature.type):
                    return None
                sources[name] = VariableValueSource(signature)
                continue
            known = read(value)
            if known is Undefined:
                return None
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = known
        return VariableValues(sources, coerced)
