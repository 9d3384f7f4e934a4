"""Operations, remembered: which is ready and which has a plan, by its text and never by who asks.

Owns the keys and the bounds of the memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    Node,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution import Executor

from .compiler import NotCompilable, compile_operation
from .prepared import Prepared
from .runtime import Coroutine
from .runtime import serially as run_serially

OPERATIONS_MAX = 500
LETTERS_MAX = 524_288
"""Of the texts of all of them, once more for each plan, which takes up to 400 bytes a letter."""
SHAPES_MAX = 8
_CONDITIONS = frozenset({"skip", "include"})


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation as Python: one function for its root, or one per field of a mutation."""

    roots: tuple[Any, ...]
    mutates: bool

    def executed(self, run: Any, serially: bool | None) -> Any:
        """The response, or a coroutine of it."""
        try:
            if self.mutates if serially is None else serially:
                data = run_serially(run, run.root_value, self.roots)
            else:
                data = self.roots[0](run, run.root_value, None)
        except GraphQLError as error:
            return _failed(run, error)
        return _awaited(run, data) if type(data) is Coroutine else run.build_response(data)


async def _awaited(run: Any, data: Any) -> Any:
    try:
        return run.build_response(await data)
    except GraphQLError as error:
        return _failed(run, error)


def _failed(run: Any, error: GraphQLError) -> Any:
    run.collected_errors.add(error, None)
    return run.build_response(None)


@dataclass(slots=True)
class _Operation:
    """What is known of one operation: a plan for each value of the variables that shape it."""

    conditions: tuple[str, ...] | None
    """The variables of its @skip and @include; None where it has directives of other kinds."""
    sights: int = 0
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict[Any, Any])

    def shape(self, coerced: dict[str, Any]) -> tuple[Any, ...]:
        return tuple([coerced.get(name) for name in self.conditions or ()])


class Plans:
    """The plans of one schema, those used last."""

    def __init__(self) -> None:
        self.compile: Callable[[Executor[Any], Callable[[Plan | None], None]], None] = _compile
        """Makes the plan of what an executor runs and hands it over, now or later."""

        self._operations: OrderedDict[tuple[str, int], _Operation] = OrderedDict()
        self._prepared: OrderedDict[tuple[str, str | None], Prepared] = OrderedDict()

    def __len__(self) -> int:
        return len(self._operations)

    def prepared(self, text: str, operation_name: str | None) -> Prepared | None:
        """The operation of that name, if it has been executed before."""
        known = self._prepared.get((text, operation_name))
        if known is not None:
            self._prepared.move_to_end((text, operation_name))
        return known

    def prepare(self, text: str, document: DocumentNode, executor: Executor[Any]) -> None:
        """Remember the operation that an executor was built for: by its name, and without one where
        it is the document's only operation.
        """
        name = executor.operation.name
        operations = [
            node for node in document.definitions if isinstance(node, OperationDefinitionNode)
        ]
        known = Prepared(executor)
        for called in {name.value if name else None, *([None] if len(operations) == 1 else [])}:
            self._prepared[text, called] = known
        # An operation that is alone in its document is in twice.
        while len(self._prepared) > 2 * OPERATIONS_MAX or self._letters_prepared > 2 * LETTERS_MAX:
            self._prepared.popitem(last=False)

    def known(self, node: OperationDefinitionNode, coerced: dict[str, Any]) -> Plan | None:
        """The plan of an operation with these values of its variables, if it is there."""
        location = node.loc
        key = location and (location.source.body, location.start)
        operation = self._operations.get(key) if key else None
        if not key or operation is None or operation.conditions is None:
            return None
        self._operations.move_to_end(key)
        return operation.plans.get(operation.shape(coerced))

    def find(self, executor: Executor[Any], compile_at_sight: int) -> Plan | None:
        """The plan for what an executor is about to run; None where graphql-core shall run it."""
        location = executor.operation.loc
        if location is None:
            return None
        key = (location.source.body, location.start)
        operation = self._operations.get(key)
        if operation is None:
            operation = self._operations[key] = _Operation(_conditions(executor))
            self._make_room()
        else:
            self._operations.move_to_end(key)
        if operation.conditions is None:
            return None
        shape = operation.shape(executor.variable_values.coerced)
        if shape in operation.plans:
            return operation.plans[shape]
        operation.sights += 1
        if operation.sights < compile_at_sight or len(operation.plans) >= SHAPES_MAX:
            return None
        operation.plans[shape] = None  # graphql-core runs it until there is one
        self._make_room()
        self.compile(executor, partial(operation.plans.__setitem__, shape))
        return operation.plans[shape]

    def _make_room(self) -> None:
        """Forget the operations used longest ago, but not the last one."""
        while len(self._operations) > 1 and (
            len(self._operations) > OPERATIONS_MAX or self._letters > LETTERS_MAX
        ):
            self._operations.popitem(last=False)

    @property
    def _letters(self) -> int:
        known = self._operations.items()
        return sum(len(text) * (1 + len(operation.plans)) for (text, _), operation in known)

    @property
    def _letters_prepared(self) -> int:
        return sum(len(text) for text, _ in self._prepared)


def _compile(executor: Executor[Any], keep: Callable[[Plan | None], None]) -> None:
    keep(compiled(executor))


def compiled(executor: Executor[Any]) -> Plan | None:
    """The plan of what an executor runs, if it can have one. Any thread may ask."""
    mutates = executor.operation.operation is OperationType.MUTATION
    try:
        return Plan(compile_operation(executor, one_by_one=mutates), mutates)
    except (NotCompilable, GraphQLError, RecursionError):
        return None


def _conditions(executor: Executor[Any]) -> tuple[str, ...] | None:
    fragments = executor.fragments.values()
    if any(fragment.variable_signatures for fragment in fragments):
        return None
    directives = _Directives()
    for node in (executor.operation, *(fragment.definition for fragment in fragments)):
        visit(node, directives)
    return tuple(sorted(directives.variables)) if directives.are_conditions else None


class _Directives(Visitor):
    """Collects the variables of @skip and @include, and notices any other directive."""

    def __init__(self) -> None:
        super().__init__()
        self.are_conditions = True
        self.variables: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Node | Any) -> None:
        self.are_conditions &= node.name.value in _CONDITIONS
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.variables.add(argument.value.name.value)
