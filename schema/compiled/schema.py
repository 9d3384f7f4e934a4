"""A Strawberry schema that goes straight to execution with what it has executed before.

Owns the way past parsing, validation and the extensions around them. Owns no execution.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from .executor import CompiledExecutor, plans_of, ready
from .prepared import Options
from .runtime import Coroutine

_AROUND_OPERATIONS = ("on_operation", "on_execute", "resolve", "get_results")
_PLAIN = Options(is_awaitable=optimized_is_awaitable)
_AT_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})


class CompiledSchema(strawberry.Schema):
    """A schema that asks its extensions about a document until it has been executed once, as long
    as all that they have are `on_parse` and `on_validate`.
    """

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute an operation as `strawberry.Schema` does, sooner where it was executed before."""
        allowed = _AT_ONCE if allowed_operation_types is None else allowed_operation_types
        executor = self._executor(
            query or "",
            variable_values or {},
            context_value,
            root_value,
            operation_name,
            allowed,
            operation_extensions,
        )
        if executor is not None:
            return await _executed(executor)
        return await super().execute(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed_operation_types,
            operation_extensions,
        )

    def _executor(
        self,
        text: str,
        variables: dict[str, Any],
        context: Any,
        root: Any,
        name: str | None,
        allowed: Iterable[OperationType],
        operation_extensions: dict[str, Any] | None,
    ) -> Any:
        cls: Any = self.execution_context_class
        if not issubclass(cls, CompiledExecutor):
            return None
        known = plans_of(self._schema).prepared(text, name)
        if known is None or known.kind not in list(allowed):  # a set would hash it, in Python
            return None
        if not all(map(_looks_at_documents, self.extensions)):
            return None
        options = _PLAIN
        if operation_extensions is not None:
            options = replace(_PLAIN, operation_extensions=operation_extensions)
        return ready(cls, self._schema, known, root, context, variables, options)


@cache
def _looks_at_documents(extension: Any) -> bool:
    """Whether that is all it does: one that sees operations or results must see every one."""
    cls: Any = extension if isinstance(extension, type) else type(extension)
    return issubclass(cls, SchemaExtension) and all(
        getattr(cls, name) is getattr(SchemaExtension, name) for name in _AROUND_OPERATIONS
    )


async def _executed(executor: Any) -> ExecutionResult:
    try:
        result = executor.execute_operation()
        if type(result) is Coroutine:
            result = await result
    except Exception as error:
        located = error if isinstance(error, GraphQLError) else None
        return PreExecutionError(
            data=None, errors=[located or GraphQLError(str(error), original_error=error)]
        )
    return ExecutionResult(data=result.data, errors=result.errors)
