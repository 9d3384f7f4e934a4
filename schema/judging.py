"""A schema that judges what it has never been asked off the loop.

Owns the thread in which documents are parsed and validated, and whose turn it is: a document takes
up to 40 ms, and a loop that stands still for so long stands still for everybody. Owns no rule and
no memory (`documents`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import strawberry
from graphql import DocumentNode, GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from resolvers.access import Viewer
from resolvers.turns import Turns
from schema import limits
from schema.documents import Documents

Judgement = DocumentNode | list[GraphQLError]
"""A sound document, or what is wrong with it."""

_T = TypeVar("_T")


class Rates(Protocol):
    """What an asker may ask of the thread."""

    def wait(self, viewer: Viewer, waiting: int) -> None:
        """Let one more document wait beside so many of its asker's. Raises what turns it away."""
        ...

    def spend(self, viewer: Viewer, cpu_seconds: float) -> None:
        """Count what was spent for a viewer."""
        ...


class JudgingSchema(strawberry.Schema):
    """Guarantees: a known document waits for no unknown one, and an asker's first unknown document
    for at most one of each other asker.
    """

    def __init__(
        self, *given: Any, documents: type[Documents], rates: Rates | None = None, **named: Any
    ) -> None:
        super().__init__(*given, extensions=[documents], **named)  # pyright: ignore[reportUnknownMemberType]
        self._documents = documents
        self._rates = rates
        self._turns = Turns()
        self._under_way: dict[tuple[Hashable, str], asyncio.Task[Judgement]] = {}
        self._thread = ThreadPoolExecutor(1, "documents")

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        *given: Any,
        **named: Any,
    ) -> ExecutionResult:
        """Execute an operation as `strawberry.Schema` does, once its document is found sound.

        Raises: CannotGetOperationTypeError where there is none, as that does.
        """
        refusal = await self._refusal(query, context_value)
        if refusal is not None:
            cause = refusal.errors[0].original_error if refusal.errors else None
            if isinstance(cause, CannotGetOperationTypeError):
                raise CannotGetOperationTypeError(None)
            return refusal
        return await super().execute(query, variable_values, context_value, *given, **named)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        *given: Any,
        **named: Any,
    ) -> Any:
        """Stream an operation as `strawberry.Schema` does, once its document is found sound."""
        refusal = await self._refusal(query, context_value)
        if refusal is not None:
            return _alone(refusal)
        return await super().stream(query, variable_values, context_value, *given, **named)

    async def measured(
        self, query: str, operation_name: str | None, context: Any
    ) -> limits.Measure | None:
        """What one operation of a document asks for; None where there is no such operation."""
        return await self.in_turn(context, self._documents.measured, query, operation_name)

    async def _refusal(self, text: str | None, context: Any) -> PreExecutionError | None:
        if not text or self._documents.known(text) is not None:
            return None
        found = await self._judged(text, context)
        if isinstance(found, list):
            return PreExecutionError(data=None, errors=found)
        self._documents.remember(text, found)
        return None

    async def _judged(self, text: str, context: Any) -> Judgement:
        """What a text is: found out once for all that one asker asks with it meanwhile."""
        viewer = _viewer(context)
        asker = _asker(viewer)
        judging = self._under_way.get((asker, text))
        if judging is None:
            if viewer is not None and self._rates is not None:
                self._rates.wait(viewer, sum(name == asker for name, _ in self._under_way))
            work = self.in_turn(context, self._documents.judged, self._schema, text)
            judging = self._under_way[asker, text] = asyncio.create_task(work)
            judging.add_done_callback(lambda _: self._under_way.pop((asker, text)))
        return await asyncio.shield(judging)

    async def in_turn(self, context: Any, work: Callable[..., _T], *given: Any) -> _T:
        """Do the work in the thread, once it is the turn of who asks for it."""
        viewer = _viewer(context)

        def timed() -> tuple[_T, float]:
            began = time.thread_time()
            return work(*given), time.thread_time() - began

        async with self._turns.of(_asker(viewer)):
            loop = asyncio.get_running_loop()
            found, seconds = await loop.run_in_executor(self._thread, timed)
        if viewer is not None and self._rates is not None:
            self._rates.spend(viewer, seconds)
        return found


def _viewer(context: Any) -> Viewer | None:
    return getattr(context, "viewer", None)


def _asker(viewer: Viewer | None) -> Hashable:
    """The name of the line that a viewer's documents wait in."""
    return viewer and (viewer.kind, viewer.name)


async def _alone(result: ExecutionResult) -> AsyncGenerator[ExecutionResult]:
    yield result
