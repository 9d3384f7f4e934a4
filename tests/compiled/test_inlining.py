"""What is written into a plan, what is called all the same, and that nobody can tell."""

# What is looked at is made at run time.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NewType

import pytest
import strawberry

from schema.compiled import CompiledExecutor, CompiledSchema
from schema.compiled.inlining import Inliner, Made, parts_of
from schema.schema import build_schema
from tests.compiled.comparing import Compiled, Operation, Stock, answers, core, differences

Size = NewType("Size", int)
CLOSED: list[str] = []


@dataclass
class Row:
    name: str
    broken: bool = False

    @property
    def size(self) -> int:
        if self.broken:
            raise ValueError(f"{self.name} is broken")
        return len(self.name)


@strawberry.type
class Told:
    name: str
    size: int

    @classmethod
    def of(cls, row: Row, extra: int = 1) -> Told:
        return cls(size=row.size + extra, name=row.name)


async def _looked_up(thing: Thing, info: strawberry.Info) -> Told | None:
    """Where null may not stand, it does for one of the rows."""
    await asyncio.sleep(0)
    return None if thing.row.name == "efg" else Told(name=info.path.key, size=0)  # pyright: ignore


@strawberry.interface
class Thing:
    row: strawberry.Private[Row]

    @strawberry.field
    def name(self) -> str:
        return self.row.name

    @strawberry.field
    def size(self) -> int | None:
        return Size(self.row.size)

    @strawberry.field
    def told(self) -> Told | None:
        """What is told of it."""
        return Told.of(self.row)

    @strawberry.field
    def whole(self) -> str:
        return type(self).__name__

    @strawberry.field
    def known(self, info: strawberry.Info) -> Told:
        return Told.of(self.row) if self.row.broken else _looked_up(self, info)  # pyright: ignore

    @strawberry.field
    def known_size(self, info: strawberry.Info) -> int | None:
        return self.row.size if self.row.name is not None else len(info.path.key)  # pyright: ignore


@strawberry.type
class Short(Thing):
    pass


@strawberry.type
class Long(Thing):
    pass


class Longer(Long):
    """A plain subclass: what only a subclass's instance is, graphql-core decides."""


def short(row: Row) -> Short:
    return Short(row=row)


_KINDS: dict[int, Any] = {1: Short, 2: Long, 3: Longer, 4: short}


def thing_of(row: Row) -> Any:
    return _KINDS[len(row.name)](row=row)


@strawberry.type
class Edge:
    row: strawberry.Private[Row]
    note: str | None = None

    @strawberry.field
    def node(self) -> Annotated[Short | Long, strawberry.union("Either")] | None:
        return thing_of(self.row)


@strawberry.type
class Query:
    @strawberry.field
    def edges(self) -> list[Edge]:
        return [Edge(row=row) for row in ROWS]

    @strawberry.field
    def things(self) -> list[Thing | None]:
        return [thing_of(row) for row in ROWS]


ROWS = [Row("a"), Row("bc"), Row("d", broken=True), Row("efg"), Row("hijk"), Row("lm", True)]
SCHEMA = CompiledSchema(Query, types=[Short, Long], execution_context_class=CompiledExecutor)


def written(function: Callable[..., Any], source: str | Made = "source") -> Any:
    return Inliner(lambda kind, _: kind).written(function, source)


@pytest.mark.parametrize(
    "text",
    [
        "{ edges { note node { ... on Short { name size } ... on Long { name size } } } }",
        "{ edges { node { __typename ... on Short { told { size name } whole } } } }",
        "{ things { name size told { name size } } }",
        "{ things { __typename ... on Long { whole told { size } } } edges { __typename } }",
        "{ things { known { size name } } }",
        "{ edges { node { ... on Short { known { name } } ... on Long { known { size } } } } }",
        "{ things { knownSize } }",
    ],
)
async def test_what_is_written_into_a_plan_answers_as_what_is_called(text: str) -> None:
    operation = Operation(text)
    found = await answers(core(SCHEMA), operation, [(Stock, None), (Compiled, None)])
    assert found is not None
    assert not differences(*found)
    assert any(errors for _, errors in found[0]) or "size" not in text


def test_the_feeds_own_fields_make_no_object() -> None:
    build_schema()
    from schema.connections import UsageConnection, UsageEdge
    from schema.types.entries import Charge

    def resolver(cls: Any, name: str) -> Any:
        fields = {field.python_name: field for field in cls.__strawberry_definition__.fields}
        return fields[name].base_resolver.wrapped_func

    record = Made(Charge, {"known": "k", "record": "r"})
    edges = written(resolver(UsageConnection, "edges"))
    assert (edges.value.values, edges.value.item.cls) == ("source.page.entries", UsageEdge)
    assert written(resolver(UsageEdge, "node"), record).value.parts == {"known": "k", "record": "r"}
    assert written(resolver(Charge, "amount"), record).value == "r.amount"
    assert isinstance(written(resolver(Charge, "reason"), record).value, Made)


def test_what_needs_its_info_only_where_something_is_unknown_is_written_down() -> None:
    inliner = Inliner(lambda kind, _: kind)
    known = inliner.where_known(info_in_the_rest, "source", "info")
    assert known is not None
    assert (known[0], known[1].value) == ("source.known", "source.name")
    for function in (info_in_the_test, info_in_the_value, called_in_the_test):
        assert inliner.where_known(function, "source", "info") is None


def info_in_the_rest(self: Any, info: Any) -> Any:
    return self.name if self.known else info.name


def info_in_the_test(self: Any, info: Any) -> Any:
    return self.name if info.known else info


def info_in_the_value(self: Any, info: Any) -> Any:
    return info.name if self.known else info


def called_in_the_test(self: Any, info: Any) -> Any:
    return self.name if self.known() else info


def closed_over(value: str) -> Callable[..., Any]:
    def told(_: Any) -> str:
        return value

    return told


def two_steps(self: Any) -> Any:
    CLOSED.append("seen")
    return self.name


def any_number(*selves: Any) -> Any:
    return selves[0]


def whole(self: Any) -> Any:
    return self


@functools.wraps(whole)
def wrapping(self: Any) -> Any:
    return CLOSED


def test_what_is_more_than_a_return_is_called() -> None:
    made = Made(Told, {"name": "n", "size": "s"})
    assert written(whole).value == "source"
    for function in (closed_over("x"), two_steps, any_number, len, functools.cache(whole)):
        assert written(function) is None
    assert written(whole, made) is None  # it wants the object
    assert written(wrapping).value == "CLOSED"  # its own text, not that of what it is named after


def test_a_source_that_is_not_what_runs_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name, later in (("stays", "return self.old"), ("changes", "return self.new")):
        module = tmp_path / f"{name}.py"
        module.write_text("def told(self):\n    return self.old\n")
        told = importlib.import_module(name).told
        module.write_text(f"def told(self):\n    {later}\n")
        found = written(told)
        assert (found.value if found else None) == ("source.old" if name == "stays" else None)


def test_a_class_that_does_more_than_take_its_parts_is_made() -> None:
    @dataclass
    class Noticing:
        name: str

        def __post_init__(self) -> None:
            CLOSED.append(self.name)

    class Own:
        def __init__(self, name: str) -> None:
            self.name = name

    class Guarded(Told):
        def __getattribute__(self, name: str) -> Any:
            return super().__getattribute__(name)

    assert list(parts_of(Told) or ()) == ["name", "size"]
    assert [parts_of(cls) for cls in (Noticing, Own, Guarded, int)] == [None] * 4
