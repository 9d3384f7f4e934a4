"""Parsed documents, kept: a client sends the same few texts again and again.

Owns how a document is judged, and the memory of what was found valid. Owns neither when that is
done (`judging`) nor the bounds (`limits`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, cast

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Location,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    Source,
    Token,
    specified_rules,
)
from graphql.language.parser import Parser, nested_too_deeply_error
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.execution import ParseOptions

from schema import errors, limits, rules

_REMEMBERED_MAX = 500
_REMEMBERED_LETTERS_MAX = 524_288
"""Of all of them together: a document takes up to 250 bytes a letter."""
_TOLD_MAX = 5


class Documents(SchemaExtension):
    """Hands over what is known, and looks at anything else as it comes: a text is parsed within
    limits and validated once.
    """

    _valid: OrderedDict[str, DocumentNode]
    _rules: tuple[type[ASTValidationRule], ...]
    _hides: bool
    """Whether errors name nothing that the document did not."""

    @classmethod
    def remembering(cls, *, introspection: bool) -> type[Documents]:
        """The extension with a memory of its own, for one schema, which may be asked about."""
        kept = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
        if not introspection:
            kept += (NoSchemaIntrospectionCustomRule,)
        own = {"_valid": OrderedDict[str, DocumentNode](), "_rules": kept}
        return type(cls.__name__, (cls,), own | {"_hides": not introspection})

    @classmethod
    def known(cls, text: str) -> DocumentNode | None:
        """The valid document that this text was found to be, if it is remembered."""
        return cls._valid.get(text)

    @classmethod
    def judged(cls, schema: GraphQLSchema, text: str) -> DocumentNode | list[GraphQLError]:
        """The document that a text is, or what is wrong with it. Any thread may ask."""
        if (known := cls.known(text)) is not None:
            return known
        try:
            document = _parsed(text)
        except GraphQLError as error:
            return [error.with_traceback(None)]  # which would keep the parser, and all its tokens
        if not any(isinstance(node, OperationDefinitionNode) for node in document.definitions):
            nothing = CannotGetOperationTypeError(None)
            return [GraphQLError(nothing.as_http_error_reason(), original_error=nothing)]
        if found := cls._problems(schema, document):
            return found
        return document

    @classmethod
    def measured(cls, text: str, operation_name: str | None) -> limits.Measure | None:
        """What one operation of a text asks for; None where there is none. Any thread may ask."""
        try:
            return limits.measure(cls.known(text) or _parsed(text), operation_name)
        except GraphQLError:
            return None

    @classmethod
    def remember(cls, text: str, document: DocumentNode) -> None:
        """Know a valid document from now on."""
        cls._valid[text] = document
        while len(cls._valid) > _REMEMBERED_MAX or (
            sum(map(len, cls._valid)) > _REMEMBERED_LETTERS_MAX
        ):
            cls._valid.popitem(last=False)

    @classmethod
    def _problems(cls, schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
        """What exceeds its bounds, or what the specification's rules find, as far as it is worth
        telling: looking for similar names is most of what a long list of errors costs.
        """
        found = limits.problems(document) or rules.broken(
            schema, document, cls._rules, most=_TOLD_MAX, hides=cls._hides
        )
        return errors.invalid(found)

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        known = self._valid.get(context.query or "")
        if known is not None:
            self._valid.move_to_end(context.query or "")
            context.graphql_document = known
        else:
            context.parse_options = cast("ParseOptions", limits.PARSER_OPTIONS)
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document, found = context.graphql_document, self._ambiguity()
        if not found and document is not None and document is not self.known(context.query or ""):
            found = self._problems(context.schema._schema, document)  # pyright: ignore[reportPrivateUsage]
        context.pre_execution_errors = found
        yield

    def _ambiguity(self) -> list[GraphQLError]:
        """Strawberry runs the first of several operations; the specification wants one named."""
        context = self.execution_context
        definitions = context.graphql_document.definitions if context.graphql_document else ()
        operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
        named = context._provided_operation_name  # pyright: ignore[reportPrivateUsage]
        if named or len(operations) < 2:
            return []
        message = "operationName must say which of the document's operations to run."
        return errors.invalid([GraphQLError(message, operations)])


def _parsed(text: str) -> DocumentNode:
    """As graphql-core's `parse`, but for what it leaves behind. Raises: GraphQLError."""
    parser = _Parser(text, **limits.PARSER_OPTIONS)
    try:
        return parser.parse_document()
    except RecursionError:
        pass
    finally:
        _unchain(parser._lexer.token)  # pyright: ignore[reportPrivateUsage]
    raise nested_too_deeply_error(parser)


class _Parser(Parser):
    """A parser whose nodes know where they stand and not by which tokens they were made; what
    stands at the same place shares it. So a document is half as many objects, which the garbage
    collector looks at for as long as it is remembered.
    """

    def __init__(self, text: str, **options: Any) -> None:
        super().__init__(text, **options)
        self._places: dict[tuple[int, int], Location] = {}

    def loc(self, start_token: Token) -> Location:
        lexer = self._lexer
        start, end = start_token.start, lexer.last_token.end
        place = self._places.get((start, end))
        if place is None:
            place = self._places[start, end] = _Place(start, end, lexer.source)
        return place


class _Place(Location):
    __slots__ = ()

    def __init__(self, start: int, end: int, source: Source) -> None:
        self.start = start
        self.end = end
        self.source = source


def _unchain(last: Token) -> None:
    """Take apart the chain of tokens, linked to each other both ways: it would wait for the
    collector, which hardly ever comes to what has lived long.
    """
    token: Token | None = last
    while last.prev is not None:
        token = last = last.prev
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following
