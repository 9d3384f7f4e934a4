"""One operation through two executors, and what differs."""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    subscribe,
    validate,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.compiled import CompiledExecutor
from schema.compiled.executor import Run
from schema.compiled.plans import Plan


class Compiled(CompiledExecutor):
    """Compiles what it sees at once, and counts what ran compiled and what did not."""

    compile_at_sight = 1
    ran: ClassVar[Counter[str]] = Counter()

    @classmethod
    def build(cls, *given: Any, **named: Any) -> Any:
        """Twice: the second one is put together from what the first made ready."""
        first = super().build(*given, **named)
        if isinstance(first, list):
            return first
        if isinstance(first, CompiledExecutor):
            CompiledExecutor.plan(first)
        found = super().build(*given, **named)
        if isinstance(found, Run):
            cls.ran["compiled"] += 1
        return found

    def plan(self) -> Plan | None:
        plan = super().plan()
        self.ran["compiled" if plan else "stock"] += 1
        return plan


Stock = StrawberryGraphQLCoreExecutionContext


@dataclass(frozen=True)
class Operation:
    """What a client sends."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    name: str | None = None


def core(schema: strawberry.Schema) -> Any:
    """graphql-core's own schema in one of Strawberry's."""
    return schema._schema  # pyright: ignore[reportPrivateUsage]


def differences(one: Any, other: Any) -> list[str]:
    """What two lists of answers do not have in common."""
    if len(one) != len(other):
        return [f"{len(one)} answers, and {len(other)}"]
    return [
        f"answer {number}:\n  {mine}\n  {theirs}"
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True))
        if mine != theirs
    ]


async def answers(
    schema: Any, operation: Operation, runs: Sequence[tuple[Any, Any]]
) -> list[list[Any]] | None:
    """What each executor answers, given its context; None for what is not valid.

    An answer is all that a client is told: one result, or one for each event of a subscription.
    """
    document = parse(operation.text)
    if validate(schema, document):
        return None
    return [await _executed(schema, document, operation, *run) for run in runs]


async def _executed(
    schema: Any,
    document: DocumentNode,
    operation: Operation,
    executor: Any,
    context: Any,
) -> list[Any]:
    run: Callable[..., Any] = execute
    chosen = get_operation_ast(document, operation.name)
    if chosen and chosen.operation is OperationType.SUBSCRIPTION:
        run = subscribe
    result = run(
        schema,
        document,
        context_value=context,
        variable_values=operation.variables,
        operation_name=operation.name,
        executor_class=executor,
    )
    if asyncio.iscoroutine(result):
        result = await result
    results = [result] if isinstance(result, ExecutionResult) else [event async for event in result]
    told = [comparable(result) for result in results]
    # What an error left behind is to end before the next executor begins.
    for _ in range(20):
        await asyncio.sleep(0)
    return told


def comparable(result: ExecutionResult) -> tuple[Any, Counter[str]]:
    """The data, with the order and the types of all in them, and the errors as a multiset."""
    return _exactly(result.data), Counter(_told(error) for error in result.errors or ())


def _exactly(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        value = orjson.loads(orjson.dumps(value))
    if isinstance(value, dict):
        return [(key, _exactly(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [_exactly(inner) for inner in value]
    return type(value).__name__, value


def _told(error: GraphQLError) -> str:
    code = (error.extensions or {}).get("code")
    locations = [location.formatted for location in error.locations or ()]
    return repr((error.message, error.path, locations, code, type(error.original_error)))
