"""Documents that ask for more than an operation may, in every way a document can be large."""

from __future__ import annotations

import json

from app.abuse.cases import Case, posting

REFUSED = "400 GRAPHQL_VALIDATION_FAILED"
UNREAD = "400 GRAPHQL_PARSE_FAILED"


def _document(text: str, **variables: object) -> bytes:
    return json.dumps({"query": text, "variables": variables}).encode()


def _nested(levels: int) -> str:
    inner = "account { usage { nodes { ... on LedgerEntry { " * levels + "id" + " } } } }" * levels
    return f"{{ viewer {{ {inner} }} }}"


def _nested_pages(levels: int) -> str:
    page = "account { usage(first: 100) { nodes { ... on LedgerEntry { "
    return f"{{ viewer {{ {page * levels} id {'} } } } ' * levels} }} }}"


def _alike(fragments: int) -> str:
    each = "".join(f" fragment F{n} on Query {{ viewer {{ kind }} }}" for n in range(fragments))
    return f"{{ {' '.join(f'...F{n}' for n in range(fragments))} }}{each}"


def _doubling(fragments: int) -> str:
    each = "".join(
        f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(fragments)
    )
    return f"{{ ...F0 }} {each} fragment F{fragments} on Query {{ __typename }}"


def _circle(fragments: int) -> str:
    each = "".join(
        f"fragment F{n} on Query {{ ...F{(n + 1) % fragments} }} " for n in range(fragments)
    )
    return f"{{ ...F0 }} {each}"


def _many(text: str, times: int) -> str:
    return f"{{ {' '.join(text.replace('$', str(n)) for n in range(times))} }}"


def _unnamed_operations(times: int) -> str:
    return " ".join(f"query Q{n} {{ __typename }}" for n in range(times))


def _variables(times: int) -> str:
    definitions = ", ".join(f"$v{n}: ID" for n in range(times))
    return f"query ({definitions}) {{ __typename }}"


_TYPES = "types { fields { type { fields { type { fields { type { fields { name } } } } } } } }"
_POSSIBLE = "possibleTypes { interfaces { possibleTypes { interfaces { name } } } }"
_OF_TYPE = "ofType { " * 15 + "name" + " }" * 15

TEXTS: dict[str, tuple[str, str]] = {
    "nesting, 20 pages deep": (_nested(20), REFUSED),
    "nesting, 400 pages deep": (_nested(400), UNREAD),
    "15,000 braces": ("{a" * 15_000, UNREAD),
    "pages within pages": (_nested_pages(3), REFUSED),
    "500 aliases": (_many("a$: __typename", 500), REFUSED),
    "10,000 aliases": (_many("a$: id", 6_000)[:32_000] + "}", UNREAD),
    "610 times __typename": (_many("__typename", 610), REFUSED),
    "10,000 tokens": ("{ " + "a " * 10_000 + "}", UNREAD),
    "fragments that double 30 times": (_doubling(30), REFUSED),
    "fragments that double 200 times": (_doubling(200), UNREAD),
    "a fragment of itself": ("{ ...A } fragment A on Query { ...A __typename }", REFUSED),
    "a circle of 150 fragments": (_circle(150), REFUSED),
    "900 directives": ("{ __typename " + "@a " * 900 + "}", REFUSED),
    "280 times skip": ("{ __typename " + "@skip(if: true) " * 280 + "}", REFUSED),
    "200 answers under one name": (_many('node(id: "$") { id }', 200), REFUSED),
    "one field 299 times": (_many("viewer { kind }", 299), REFUSED),
    "one field from 150 fragments": (_alike(150), REFUSED),
    "300 fields that are not there": (_many("nodez$", 300), REFUSED),
    "200 arguments that are not there": (_many("node(idd$: 1) { id }", 150), REFUSED),
    "380 operations": (_unnamed_operations(380), REFUSED),
    "400 variables": (_variables(400), REFUSED),
    "600 misspelt parts of a filter": (
        "{ viewer { account { usage(filter: {"
        + " ".join(f"serch{n}: 1" for n in range(600))
        + "}) { __typename } } } }",
        REFUSED,
    ),
    "500 ids": (f"{{ nodes(ids: [{' '.join(['1'] * 500)}]) {{ id }} }}", "200 BAD_USER_INPUT"),
    "a list of lists of lists": (f"{{ nodes(ids: {'[' * 400}{']' * 400}) {{ id }} }}", UNREAD),
    "deep input objects": ("{ node(id: " + "{a: " * 180 + "1" + "}" * 180 + ") { id } }", REFUSED),
    "a name of 30,000 letters": (f"{{ {'a' * 30_000} }}", REFUSED),
    "a number of 30,000 digits": (f"{{ node(id: {'9' * 30_000}) {{ id }} }}", "200"),
    "a page of 4,500 digits": (
        f"{{ viewer {{ account {{ usage(first: {'9' * 4_500}) {{ __typename }} }} }} }}",
        REFUSED,
    ),
    "a text that never ends": ('{ node(id: """' + "a" * 20_000, UNREAD),
    "20,000 commas": ("{" + "," * 20_000 + "__typename}", "200"),
    "500 comments": ("#\n" * 500 + "{ __typename }", UNREAD),
    "40,000 letters of comment": ("#" * 40_000 + "\n{ __typename }", UNREAD),
    "NUL in a document": ("{ __typename \0 }", UNREAD),
    "marks that turn the text around": ("{ __typename \u202e }", UNREAD),
    "the schema, where it is not shown": ("{ __schema { types { name } } }", REFUSED),
    "a type, where it is not shown": ('{ __type(name: "Account") { name } }', REFUSED),
    "the schema in 20 fragments": (
        "{ ...F0 }" + "".join(f" fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(20))
        + f" fragment F20 on Query {{ __schema {{ {_TYPES} }} }}",
        REFUSED,
    ),
}  # fmt: skip

SHOWN: dict[str, tuple[str, str]] = {
    "introspection: types of types of types": (f"{{ __schema {{ {_TYPES} }} }}", REFUSED),
    "introspection: faces of members": (f"{{ __schema {{ types {{ {_POSSIBLE} }} }} }}", REFUSED),
    "introspection: 15 times ofType": (
        f"{{ __schema {{ types {{ fields {{ type {{ {_OF_TYPE} }} }} }} }} }}",
        "200",
    ),
}

CASES = [
    *(Case(name, answer, posting(_document(text))) for name, (text, answer) in TEXTS.items()),
    *(
        Case(name, answer, posting(_document(text)), times=5, is_shown=True)
        for name, (text, answer) in SHOWN.items()
    ),
    Case(
        "a document of 30 MB",
        "413 BAD_USER_INPUT",
        posting(b'{"query": "#' + b"a" * 30_000_000 + b'"}'),
        times=3,
    ),
]
