"""Subscriptions whose every event is rendered once for all who asked the same question.

Owns the way from a known subscription to the JSON of its events, and the short memory of what was
just rendered. Owns no delivery (`subscriptions`) and no execution: graphql-core's executor, or the
compiled one, makes each answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast
from weakref import WeakValueDictionary

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    Node,
    OperationType,
    VariableNode,
    Visitor,
    create_source_event_stream,  # pyright: ignore[reportUnknownVariableType]
    execute_subscription_event,  # pyright: ignore[reportUnknownVariableType]
    visit,
)
from graphql.execution import Executor
from strawberry.types.execution import PreExecutionError

from resolvers.access import Viewer
from schema.context import Context
from schema.documents import Documents
from schema.schema import UsageSchema
from schema.subscriptions import UsageLanded

MEMORY_SECONDS = 1.0
"""What was rendered is remembered for this long, and forgotten within twice of it."""
MEMORY_MAX = 10_000

Rendered = str | ExecutionResult
"""What to send: the rendered payload, or a result with errors in it."""

_Key = tuple[int | None, int, int]
"""The viewer's account, where it has one, and the line: its account and its seq."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What two subscribers must have in common to be sent the same text for the same line."""

    text: str
    operation_name: str | None
    variables: bytes
    viewer: tuple[object, ...]


class _Rendering:
    """One question, and what was just rendered of it: shared by all who ask it now.

    Whoever renders does so as itself: customers ask the same question, each behind its own fence.
    """

    def __init__(self, executor: Any) -> None:
        self._executor = executor.build_per_event_executor(None)
        self._executor.context_value = None  # whoever asked first may be gone long before the last
        self._idle: Any = None
        """An executor that has ended at once and without an error, so that it is as good as new."""
        self._recent: dict[_Key, str | asyncio.Future[str | None]] = {}
        self._older: dict[_Key, str | asyncio.Future[str | None]] = {}
        self._ageing: asyncio.TimerHandle | None = None

    def of(self, event: UsageLanded, context: Context) -> Rendered | Awaitable[Rendered]:
        """The event's payload, by whoever comes first; at once where nothing has to be read."""
        line = event.line
        key = (context.viewer.account_id, line.account_id, line.seq)
        known = self._recent.get(key) or self._older.get(key)
        if known is None:
            return self._render(event, context, key)
        return known if isinstance(known, str) else self._shared(known, event, context, key)

    async def _shared(
        self,
        promised: asyncio.Future[str | None],
        event: UsageLanded,
        context: Context,
        key: _Key,
    ) -> Rendered:
        payload = await asyncio.shield(promised)
        if payload is not None:
            return payload
        rendered = self._render(event, context, key)
        return rendered if isinstance(rendered, Rendered) else await rendered

    def _render(
        self, event: UsageLanded, context: Context, key: _Key
    ) -> Rendered | Awaitable[Rendered]:
        executor = self._idle or self._executor.build_per_event_executor(None)
        self._idle = None
        executor.root_value, executor.context_value = event, context
        result = execute_subscription_event(executor)
        if not isinstance(result, ExecutionResult):
            return self._rendered(result, key)
        if result.errors:
            return result
        executor.root_value = executor.context_value = None
        self._idle = executor
        payload = _payload(result)
        self._remember(key, payload)
        return payload

    async def _rendered(self, executing: Awaitable[ExecutionResult], key: _Key) -> Rendered:
        promised: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._remember(key, promised)
        payload = None
        try:
            result = await executing
            if result.errors:
                return result  # not remembered: each who asks gets a try of its own
            payload = _payload(result)
            return payload
        finally:
            promised.set_result(payload)

    def _remember(self, key: _Key, payload: str | asyncio.Future[str | None]) -> None:
        if len(self._recent) < MEMORY_MAX and key not in self._older:
            self._recent.setdefault(key, payload)
            if self._ageing is None:
                self._ageing = asyncio.get_running_loop().call_later(MEMORY_SECONDS, self._age)

    def _age(self) -> None:
        """Forget what was rendered longer ago than last time: one timer, not one for each line."""
        self._older, self._recent = self._recent, {}
        loop = asyncio.get_running_loop()
        self._ageing = loop.call_later(MEMORY_SECONDS, self._age) if self._older else None


class Live:
    """The live questions of one schema."""

    def __init__(self, schema: UsageSchema) -> None:
        self._schema = schema._schema  # pyright: ignore[reportPrivateUsage]
        self._documents = _documents_of(schema)
        self._executor_class: Any = schema.execution_context_class  # pyright: ignore[reportUnknownMemberType]
        self._renderings: WeakValueDictionary[_Question, _Rendering] = WeakValueDictionary()

    def follow(
        self,
        text: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: Context,
    ) -> AsyncGenerator[Rendered | PreExecutionError, None] | None:
        """The events of a subscription that has been asked before; None for anything else."""
        document = self._documents.known(text)
        if document is None:
            return None
        executor: Executor[Any] | list[Any] = self._executor_class.build(
            self._schema,
            document,
            context_value=context,
            raw_variable_values=variables,
            operation_name=operation_name,
        )
        if isinstance(executor, list) or not _is_subscription(executor):
            return None
        question = _question(text, operation_name, executor)
        rendering = self._renderings.get(question)
        if rendering is None:
            rendering = self._renderings[question] = _Rendering(executor)
        return _events(create_source_event_stream(executor), rendering, context)


async def _events(
    begun: Any, rendering: _Rendering, context: Context
) -> AsyncGenerator[Rendered | PreExecutionError, None]:
    # Holds nothing of its own executor while it waits: thousands of these wait at a time.
    source = await begun if isawaitable(begun) else begun
    del begun
    if isinstance(source, ExecutionResult):
        yield PreExecutionError(data=None, errors=source.errors)
        return
    async with aclosing(cast("AsyncGenerator[UsageLanded, None]", source)) as landed:
        async for event in landed:
            rendered = rendering.of(event, context)
            yield rendered if isinstance(rendered, Rendered) else await rendered


def _payload(result: ExecutionResult) -> str:
    return orjson.dumps({"data": result.data}).decode()


def _is_subscription(executor: Executor[Any]) -> bool:
    return executor.operation.operation is OperationType.SUBSCRIPTION


def _documents_of(schema: UsageSchema) -> type[Documents]:
    for extension in schema.extensions:
        if isinstance(extension, type) and issubclass(extension, Documents):
            return extension
    raise TypeError("The schema has no memory of documents.")


def _question(text: str, operation_name: str | None, executor: Executor[Any]) -> _Question:
    """What decides how an event of this subscription is rendered.

    The root field's own arguments choose which lines there are, and the line is named with the
    question: only variables that are used further down make two questions differ. What a viewer may
    see is decided by its kind, its scopes and, for a customer, its account, which is in `_Key`.
    """
    used = _Variables()
    for node in executor.operation.selection_set.selections:
        for part in _but_arguments(node):
            visit(part, used)
    for fragment in executor.fragments.values():
        visit(fragment.definition, used)
    given = executor.variable_values.coerced
    variables = {name: repr(given.get(name)) for name in sorted(used.names)}
    viewer: Viewer = executor.context_value.viewer
    who = (viewer.kind, viewer.scopes)
    return _Question(text, operation_name, orjson.dumps(variables), who)


def _but_arguments(node: Node) -> list[Node]:
    if not isinstance(node, FieldNode):
        return [node]
    inner = [node.selection_set] if node.selection_set else []
    return [*(node.directives or ()), *inner]


class _Variables(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
