"""What compiled operations call: the road off the fast path, and awaiting.

Owns no rules of its own: whatever a plan did not foresee is handed to graphql-core's executor, at
the very place and with the very arguments that it would have had. A path here is a plain tuple of
what came before, key and type's name; a `Path` is made of it when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from graphql.pyutils.gather_with_cancel import gather_with_cancel

from .keeping import Place, Ready, ToKeep, takes_arguments_below

Coroutine: Any = CoroutineType


class Site:
    """A field at its place in an operation, or the items of the list that it is."""

    def __init__(
        self,
        parent: GraphQLObjectType,
        definition: GraphQLField,
        details: Any,
        type_: Any,
    ) -> None:
        self.parent = parent
        self.definition = definition
        self.details = details
        self.type = type_
        self.complete: Callable[[Any, Site, Any, Any], Any] = unforeseen
        """Completes a value of a site that is there. Raises its error; may return a coroutine."""
        self._place = Place()
        self._has_place: bool | None = None

    def place(self, run: Any) -> Place | None:
        """What stands for the field and its selection; None where an argument below decides."""
        if self._has_place is None:
            self._has_place = not takes_arguments_below(self.nodes, run.fragments)
        return self._place if self._has_place else None

    @property
    def nodes(self) -> list[FieldNode]:
        return [detail.node for detail in self.details]


class LazyInfo:
    """Stands for a GraphQLResolveInfo, which is made once more is asked of it than what is here."""

    __slots__ = ("_path", "_real", "_run", "_site", "context")

    def __init__(self, run: Any, site: Site, path: Any) -> None:
        self._run = run
        self._site = site
        self._path = path
        self._real: Any = None
        self.context = run.context_value

    @property
    def field_nodes(self) -> list[FieldNode]:
        return self._site.nodes

    @property
    def fragments(self) -> Any:
        return self._run.fragment_definitions

    @property
    def variable_values(self) -> dict[str, Any]:
        return self._run.variable_values.coerced

    @property
    def place(self) -> Place | None:
        return self._site.place(self._run)

    def __getattr__(self, name: str) -> Any:
        if self._real is None:
            self._real = info(self._run, self._site, self._path)
        return getattr(self._real, name)


def path_of(path: Any) -> Path:
    """The tuple of a plan as graphql-core's path."""
    before, key, typename = path
    return Path(None if before is None else path_of(before), key, typename)


def info(run: Any, site: Site, path: Any) -> Any:
    """The info of a field; for an item of a list, that of the field it is an item of."""
    while type(path[1]) is int:
        path = path[0]
    return run.build_resolve_info(site.definition, site.nodes, site.parent, path_of(path))


def resolve(run: Any, site: Site, source: Any, path: Any) -> Any:
    """What the field's own resolver returns, called as graphql-core calls it."""
    arguments: dict[str, Any] = {}
    if site.definition.args:
        arguments = get_argument_values(
            site.definition, site.nodes[0], run.variable_values, None, run.hide_suggestions
        )
    resolver = site.definition.resolve or run.field_resolver
    return resolver(source, info(run, site, path), **arguments)


def unforeseen(run: Any, site: Site, value: Any, path: Any) -> Any:
    """Completes any value of a site as graphql-core does."""
    about = info(run, site, path)
    return run.complete_value(site.type, site.details, about, path_of(path), value, None)


def finish(run: Any, site: Site, value: Any, path: Any) -> Any:
    """Completes what a plan has no short way for: a coroutine handles its own errors."""
    if run.is_awaitable(value):
        return later(run, site, value, path)
    value = site.complete(run, site, value, path)
    return guard(run, site, value, path) if type(value) is Coroutine else value


async def later(run: Any, site: Site, awaitable: Any, path: Any) -> Any:
    """Completes an awaitable value once it is there."""
    try:
        given: Any = await awaitable
        if type(given) is Ready:
            return given.shown
        is_kept = type(given) is ToKeep
        value: Any = site.complete(run, site, given.value if is_kept else given, path)
        if type(value) is Coroutine:
            return await value
        return given.keep(value) if is_kept and not run.errors else value
    except Exception as error:
        return fail(run, site, error, path)


async def guard(run: Any, site: Site, completing: Any, path: Any) -> Any:
    """Sees a completion through that has begun."""
    try:
        return await completing
    except Exception as error:
        return fail(run, site, error, path)


def fail(
    run: Any,
    site: Site,
    error: Exception,
    path: Any,
    waiting: Sequence[tuple[Any, Any]] = (),
    rest: Sequence[Any] = (),
) -> None:
    """Nulls the place of an error, or passes it on located where null may not stand.

    What was already under way beside it, and what a list still holds, is left to end by itself.
    """
    try:
        run.handle_field_error(error, site.type, site.details, path_of(path))
    except GraphQLError:
        left = [coroutine for _, coroutine in waiting]
        left += [item for item in rest if run.is_awaitable(item)]
        if left:
            run.settle_in_background(left)
        raise


async def gather(values: Any, waiting: Sequence[tuple[Any, Any]]) -> Any:
    """Puts what is awaited into its places of an object or a list, all at once."""
    if len(waiting) == 1:
        ((key, coroutine),) = waiting
        values[key] = await coroutine
        return values
    results = await gather_with_cancel(*[coroutine for _, coroutine in waiting])
    for (key, _), result in zip(waiting, results, strict=True):
        values[key] = result
    return values


def serially(run: Any, source: Any, roots: Sequence[Callable[..., Any]]) -> Any:
    """Runs the root fields of a mutation one after the other, each one once the last has ended."""
    data: dict[str, Any] = {}
    for number, root in enumerate(roots):
        part = root(run, source, None)
        if type(part) is Coroutine:
            return _serially_on(run, source, data, part, roots[number + 1 :])
        data.update(part)
    return data


async def _serially_on(
    run: Any, source: Any, data: dict[str, Any], part: Any, roots: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    data.update(await part)
    for root in roots:
        part = root(run, source, None)
        if type(part) is Coroutine:
            part = await part
        data.update(part)
    return data
