"""What has a plan, what has none, and that the memory of plans is bounded and knows nobody."""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import gc
from typing import Any

import pytest
from graphql import execute, parse
from strawberry.extensions import SchemaExtension

from schema.compiled import CompiledExecutor, compiler, plans
from schema.compiled.executor import Run, plans_of
from schema.compiled.plans import Plan
from tests.compiled import awkward, menagerie
from tests.compiled.comparing import Compiled, core
from tests.compiled.test_by_hand import CASES


class Seen(CompiledExecutor):
    """Remembers the plan it was to run."""

    last: Plan | None = None

    @classmethod
    def build(cls, *given: Any, **named: Any) -> Any:
        found = super().build(*given, **named)
        if isinstance(found, Run):
            Seen.last = found.plan
        return found

    def plan(self) -> Plan | None:
        Seen.last = super().plan()
        return Seen.last


def ran(schema: Any, text: str, variables: Any = None, context: Any = None) -> Plan | None:
    result = execute(
        schema,
        parse(text),
        context_value=context or menagerie.World(),
        variable_values=variables,
        executor_class=Seen,
    )
    assert result.errors is None  # type: ignore[union-attr]
    return Seen.last


def test_a_document_is_compiled_when_it_comes_back() -> None:
    schema = core(awkward.build())
    assert ran(schema, "{ number }") is None
    plan = ran(schema, "{ number }")
    assert plan is not None
    assert ran(schema, "{ number }") is plan


def test_a_request_leaves_nothing_to_the_garbage_collector() -> None:
    schema, document = core(awkward.build()), parse("{ number }")
    world = menagerie.World()
    for _ in range(3):
        execute(schema, document, context_value=world, executor_class=CompiledExecutor)
    gc.collect()
    gc.disable()
    try:
        execute(schema, document, context_value=world, executor_class=CompiledExecutor)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_forgotten_plan_leaves_nothing_to_the_garbage_collector() -> None:
    schema, left = core(awkward.build()), dict[str, int]()
    gc.disable()
    try:
        for name, case in CASES.items():
            asked = parse(case.text), None, None, case.variables, case.name
            executor = CompiledExecutor.build(schema, *asked)
            if isinstance(executor, list) or plans.compiled(executor) is None:
                continue  # otherwise what is made once for all has been made now
            gc.freeze()
            plans.compiled(executor)
            left[name] = gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    assert len(left) > 20
    assert set(left.values()) == {0}, left


class Made(CompiledExecutor):
    """Counts how many of graphql-core's executors were made."""

    count = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        Made.count += 1


@pytest.mark.parametrize(("text", "made"), [("{ number }", 0), ("{ number sure }", 1)])
async def test_an_executor_is_made_only_for_what_a_plan_did_not_foresee(
    text: str, made: int
) -> None:
    schema = awkward.build(Made)
    for _ in range(3):
        Made.count = 0
        result = await schema.execute(text, context_value=menagerie.World())
        assert [error.path for error in result.errors or ()] == [["sure"]] * made
    assert Made.count == made


def test_a_plan_knows_a_text_and_never_who_asks() -> None:
    schema = core(awkward.build())
    text = "query ($n: Int) { box { echo(number: $n) } }"
    found = [ran(schema, text, {"n": number}, menagerie.World()) for number in range(4)]
    assert found[0] is None
    assert found[1] is not None
    assert found[1:] == [found[1]] * 3


def test_each_shape_that_conditions_give_a_document_has_its_own_plan_up_to_a_bound() -> None:
    schema = core(awkward.build())
    names = ["a", "b", "c", "d"]
    heading = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: number @include(if: ${name})" for name in names)
    text = f"query ({heading}) {{ {fields} }}"
    found: set[int] = set()
    for number in range(33):
        chosen = {name: bool(number >> place & 1) for place, name in enumerate(names)}
        plan = ran(schema, text, chosen)
        found |= {id(plan)} if plan else set()
    assert len(found) == plans.SHAPES_MAX


def test_long_operations_are_kept_in_smaller_number_with_their_plans_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema = core(awkward.build())
    texts = [f"{{ n{number:02}: number }}" for number in range(20)]
    monkeypatch.setattr(plans, "LETTERS_MAX", 8 * len(texts[0]))
    found = [[ran(schema, text) for _ in range(2)][1] for text in texts]
    assert None not in found
    assert len(plans_of(schema)) == 4
    assert [ran(schema, text) for text in texts[-4:]] == found[-4:]
    assert ran(schema, texts[0]) is None


async def test_long_operations_are_made_ready_in_smaller_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema = awkward.build(Compiled)
    texts = [f"query Q{number:02} {{ number }}" for number in range(20)]
    monkeypatch.setattr(plans, "LETTERS_MAX", 8 * len(texts[0]))
    for text in texts:
        assert (await schema.execute(text, context_value=menagerie.World())).errors is None
    known = plans_of(core(schema))
    ready = [text for text in texts if known.prepared(text, None)]
    assert ready == [text for text in texts if known.prepared(text, text[6:9])]
    assert ready == texts[-8:]


def test_no_more_plans_are_kept_than_the_bound_and_those_used_last_stay() -> None:
    schema = core(awkward.build())
    first = [ran(schema, "{ first: number }") for _ in range(2)][1]
    for number in range(plans.OPERATIONS_MAX - 1):
        ran(schema, f"{{ n{number}: number }}")
    assert ran(schema, "{ first: number }") is first
    for number in range(plans.OPERATIONS_MAX):
        ran(schema, f"{{ m{number}: number }}")
    assert ran(schema, "{ first: number }") is None
    assert len(plans_of(schema)) == plans.OPERATIONS_MAX


def test_plans_live_with_their_schema() -> None:
    one, other = (core(awkward.build()) for _ in range(2))
    plan = [ran(one, "{ number }") for _ in range(2)][1]
    assert plan is not None
    assert ran(other, "{ number }") is None


def test_what_asks_for_more_fields_than_a_plan_may_have_runs_without_one() -> None:
    schema = core(awkward.build())
    many = " ".join(f"n{number}: number" for number in range(compiler.FIELDS_MAX + 1))
    assert [ran(schema, f"{{ {many} }}") for _ in range(3)] == [None] * 3


def test_another_directive_is_left_to_graphql_core() -> None:
    schema = core(awkward.build())
    for text in ("{ number @other }", "query @other { number }", "{ ... @other { number } }"):
        assert [ran(schema, text) for _ in range(3)] == [None] * 3


def test_a_document_without_its_text_is_left_to_graphql_core() -> None:
    schema = core(awkward.build())
    document = parse("{ number }", no_location=True)
    for _ in range(3):
        execute(schema, document, context_value=menagerie.World(), executor_class=Seen)
        assert Seen.last is None


async def test_an_extension_around_resolvers_still_sees_every_field() -> None:
    fields: list[str] = []

    class Watch(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: str, **kwargs: Any) -> Any:
            fields.append(info.field_name)
            return _next(root, info, *args, **kwargs)

    schema = awkward.build(Compiled)
    schema.extensions = (Watch,)
    for _ in range(3):
        await schema.execute("{ box { plain } }", context_value=menagerie.World())
    assert fields == ["box", "plain"] * 3


def test_the_text_of_a_document_cannot_become_code() -> None:
    schema = core(awkward.build())
    names = ["__import__", "None_", "run", "source", "path", "waiting", "Exception", "fail", "v0"]
    text = " ".join(f"{name}: number" for name in names)
    text += """ box { echo(text: "''' + exit()") }"""
    assert [ran(schema, f"{{ {text} }}") is None for _ in range(3)] == [True, False, False]
