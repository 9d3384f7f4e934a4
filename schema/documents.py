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
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    Token,
    specified_rules,
    validate,
)
from graphql.language.parser import Parser, nested_too_deeply_error
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.execution import ParseOptions

from schema import errors, limits

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
        rules = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
        if not introspection:
            rules += (NoSchemaIntrospectionCustomRule,)
        own = {"_valid": OrderedDict[str, DocumentNode](), "_rules": rules}
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
            for error in found:
                error.nodes = None
            _take_apart(document)
            return found
        return document

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
        found = limits.problems(document) or validate(
            schema, document, cls._rules, max_errors=_TOLD_MAX, hide_suggestions=cls._hides
        )
        return errors.invalid(found)

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        known = self._valid.get(context.query or "")
        if known is not None:
            self._valid.move_to_end(context.query or "")
            context.graphql_document = known
        else:
            context.parse_options = cast("ParseOptions", _PARSE_OPTIONS)
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
    parser = Parser(text, **_PARSE_OPTIONS)
    try:
        return parser.parse_document()
    except RecursionError:
        pass
    finally:
        _unchain(parser._lexer.token)  # pyright: ignore[reportPrivateUsage]
    raise nested_too_deeply_error(parser)


def _unchain(last: Token) -> None:
    """Take apart the chain of tokens, linked to each other both ways: once forgotten, they would
    wait for the collector, which hardly ever comes to what has lived long.
    """
    token: Token | None = last
    while last.prev is not None:
        token = last = last.prev
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def _take_apart(document: DocumentNode) -> None:
    """Leave nothing of a document to the visitors that went through it: these are cycles, and wait
    for the collector, which holds all threads for as long as it takes.
    """
    for node in limits.nodes_of(document):
        vars(node).clear()


_PARSE_OPTIONS: dict[str, Any] = {
    "max_lexical_tokens": limits.TOKENS_MAX,
    "max_comments": limits.COMMENTS_MAX,
    "max_source_length": limits.SOURCE_LENGTH_MAX,
}
