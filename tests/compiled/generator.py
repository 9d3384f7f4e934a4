"""Operations made up from a schema and a seed: all that the language has, in any combination."""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any

from graphql import (
    OperationType,
    Undefined,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from tests.compiled.comparing import Operation

ABSENT = Undefined
_WEIGHTS: dict[tuple[Any, ...], list[int]] = {}


class Generator:
    """Makes operations of a schema.

    `values` gives an argument's or a scalar's value as JSON by its coordinate, such as
    `Query.node.id` or `Credits`, or `ABSENT`; `weight` says how often to choose a field.
    """

    def __init__(
        self,
        schema: Any,
        random: Random,
        values: Callable[[str, Random], Any],
        depth: int = 4,
        weight: Callable[[str], int] = lambda _: 1,
    ) -> None:
        self._schema = schema
        self._random = random
        self._values = values
        self._depth = depth
        self._weight = weight

    def operation(self, kind: OperationType = OperationType.QUERY) -> Operation:
        """One operation of a kind."""
        self._aliases = 0
        self._definitions: list[str] = []
        self._given: dict[str, Any] = {}
        self._fragments: list[tuple[str, str]] = []
        self._fragment_texts: list[str] = []
        root = self._schema.get_root_type(kind)
        assert root is not None
        most = 1 if kind is OperationType.SUBSCRIPTION else 3
        names = self._some(list(root.fields), self._random.randint(1, most))
        fields = [self._field(root, name, self._depth) for name in names]
        if kind is OperationType.SUBSCRIPTION:
            fields = fields[:1]
        elif self._chance(0.1):
            fields.append("__typename")
        heading = f"({', '.join(self._definitions)})" if self._definitions else ""
        text = f"{kind.value} Made{heading} {{ {' '.join(fields)} }}"
        return Operation("\n".join([text, *self._fragment_texts]), self._given)

    def _some(self, names: list[str], count: int) -> list[str]:
        if not names:
            return []
        key = (self._weight, *names)
        if key not in _WEIGHTS:
            _WEIGHTS[key] = list(accumulate(map(self._weight, names)))
        return self._random.choices(names, cum_weights=_WEIGHTS[key], k=count)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _selection(self, type_: Any, depth: int) -> str:
        parts: list[str] = []
        if is_abstract_type(type_) or self._chance(0.15):
            parts.append("__typename")
        fields = list(getattr(type_, "fields", {}))
        if depth <= 1:
            fields = [name for name in fields if not self._is_composite(type_, name)]
        chosen = self._some(fields, self._random.randint(1, 3))
        parts += [self._field(type_, name, depth - 1) for name in chosen]
        parts += [self._fragment(member, depth) for member in self._conditions(type_)]
        return f"{{ {' '.join(parts) or '__typename'} }}"

    def _is_composite(self, type_: Any, name: str) -> bool:
        return is_composite_type(get_named_type(type_.fields[name].type))

    def _conditions(self, type_: Any) -> list[Any]:
        if is_abstract_type(type_):
            members: list[Any] = list(self._schema.get_possible_types(type_))
            interfaces = [face for member in members for face in member.interfaces]
            return self._random.sample(members, self._random.randint(0, len(members))) + (
                [self._random.choice(interfaces)] if interfaces and self._chance(0.3) else []
            )
        if not is_object_type(type_) or not self._chance(0.15):
            return []
        return [self._random.choice([type_, None, *type_.interfaces])]

    def _fragment(self, condition: Any, depth: int) -> str:
        known = [
            name for name, on in self._fragments if condition is not None and on == str(condition)
        ]
        if known and self._chance(0.3):
            return f"...{self._random.choice(known)}{self._directives()}"
        if condition is None:
            return f"...{self._directives()} {{ __typename }}"
        selection = self._selection(condition, depth - 1)
        if self._chance(0.5):
            return f"... on {condition}{self._directives()} {selection}"
        name = f"F{len(self._fragment_texts)}"
        self._fragment_texts.append(f"fragment {name} on {condition} {selection}")
        self._fragments.append((name, str(condition)))
        return f"...{name}{self._directives()}"

    def _field(self, parent: Any, name: str, depth: int) -> str:
        field: Any = parent.fields[name]
        named = get_named_type(field.type)
        key = name
        if field.args or is_composite_type(named) or self._chance(0.3) or is_abstract_type(parent):
            self._aliases += 1
            key = f"a{self._aliases}: {name}"
        head = f"{key}{self._arguments(parent, name, field)}{self._directives()}"
        if not is_composite_type(named):
            return head
        text = f"{head} {self._selection(named, depth)}"
        # The same field again, to be merged with the first.
        if self._chance(0.1):
            text += f" {head} {self._selection(named, min(depth, 2))}"
        return text

    def _directives(self) -> str:
        if not self._chance(0.12):
            return ""
        name = self._random.choice(["skip", "include"])
        value = self._chance(0.5)
        condition = str(value).lower()
        if self._chance(0.6):
            condition = self._variable("Boolean!", value)
        return f" @{name}(if: {condition})"

    def _variable(self, type_: str, value: Any) -> str:
        name = f"v{len(self._definitions)}"
        self._definitions.append(f"${name}: {type_}")
        if value is not ABSENT:
            self._given[name] = value
        return f"${name}"

    def _arguments(self, parent: Any, name: str, field: Any) -> str:
        written = [
            f"{key}: {value}"
            for key, argument in field.args.items()
            if (value := self._argument(f"{parent.name}.{name}.{key}", argument)) is not None
        ]
        return f"({', '.join(written)})" if written else ""

    def _argument(self, coordinate: str, argument: Any) -> str | None:
        type_ = argument.type
        if not is_non_null_type(type_) and self._chance(0.4):
            return None
        value = self._given_or_made(coordinate, type_)
        if not self._chance(0.5):
            return self._literal(type_, value)
        if self._chance(0.05):
            value = self._random.choice([None, ABSENT, "wrong", -1, [], {"a": 1}])
        return self._variable(str(type_), value)

    def _given_or_made(self, coordinate: str, type_: Any) -> Any:
        value = self._values(coordinate, self._random)
        return self._value(type_) if value is ABSENT else value

    def _value(self, type_: Any) -> Any:
        random = self._random
        if is_non_null_type(type_):
            return self._value(type_.of_type)
        if self._chance(0.05):
            return None
        if is_list_type(type_):
            return [self._value(type_.of_type) for _ in range(random.randint(0, 3))]
        if is_enum_type(type_):
            return random.choice(list(type_.values))
        if is_input_object_type(type_):
            return {
                name: self._given_or_made(f"{type_.name}.{name}", field.type)
                for name, field in type_.fields.items()
                if is_non_null_type(field.type) or self._chance(0.4)
            }
        value = self._values(str(type_), random)
        if value is not ABSENT:
            return value
        return {
            "Int": random.randint(-2, 5),
            "Float": random.random(),
            "Boolean": self._chance(0.5),
        }.get(str(type_), random.choice(["", "a", "ü", "12", '"quoted"']))

    def _literal(self, type_: Any, value: Any) -> str:
        if is_non_null_type(type_):
            return self._literal(type_.of_type, value)
        if value is None:
            return "null"
        if is_list_type(type_):
            return f"[{', '.join(self._literal(type_.of_type, item) for item in value)}]"
        if is_input_object_type(type_):
            inner = [
                f"{name}: {self._literal(type_.fields[name].type, item)}"
                for name, item in value.items()
            ]
            return f"{{{', '.join(inner)}}}"
        return str(value) if is_enum_type(type_) else _json_literal(value)


def _json_literal(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_json_literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json_literal, value))}]"
    return json.dumps(value, ensure_ascii=False)
