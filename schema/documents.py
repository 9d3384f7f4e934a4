"""Parsed documents, kept: a client sends the same few texts again and again.

Owns the memory of what was parsed and found valid. Owns no parsing: graphql-core raises its own
errors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import cast

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.execution import ParseOptions

from schema import errors, limits

_REMEMBERED_MAX = 500
_REMEMBERED_LENGTH_MAX = 8_192
_TOLD_MAX = 5


class Documents(SchemaExtension):
    """Parses within limits and validates, once per document."""

    _valid: OrderedDict[str, DocumentNode]
    _rules: tuple[type[ASTValidationRule], ...]
    _hides: bool
    """Whether errors name nothing that the document did not."""

    @classmethod
    def remembering(cls, *, introspection: bool) -> type[Documents]:
        """The extension with a memory of its own, for one schema, which may be asked about."""
        rules = (MaybeNullValidationRule, OneOfInputValidationRule)
        if not introspection:
            rules += (NoSchemaIntrospectionCustomRule,)
        own = {"_valid": OrderedDict[str, DocumentNode](), "_rules": rules}
        return type(cls.__name__, (cls,), own | {"_hides": not introspection})

    @classmethod
    def known(cls, text: str) -> DocumentNode | None:
        """The valid document that this text was found to be, if it is remembered."""
        return cls._valid.get(text)

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
        text, document = context.query or "", context.graphql_document
        if document is None or self._valid.get(text) is document:
            context.pre_execution_errors = self._ambiguity()
            yield
            return
        found = self._ambiguity() or limits.problems(document) or self._problems(document)
        context.pre_execution_errors = errors.invalid(found)
        yield
        if not context.pre_execution_errors and len(text) <= _REMEMBERED_LENGTH_MAX:
            self._valid[text] = _unchained(document)
            if len(self._valid) > _REMEMBERED_MAX:
                self._valid.popitem(last=False)

    def _problems(self, document: DocumentNode) -> list[GraphQLError]:
        """What the specification's rules find, as far as it is worth telling: looking for similar
        names is most of what a long list of errors costs.
        """
        context = self.execution_context
        return validate(
            context.schema._schema,  # pyright: ignore[reportPrivateUsage]
            document,
            (*context.validation_rules, *self._rules),
            max_errors=_TOLD_MAX,
            hide_suggestions=self._hides,
        )

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


def _unchained(document: DocumentNode) -> DocumentNode:
    """The document, its tokens no longer linked to each other both ways: once forgotten, they would
    wait for the collector, which comes to what has lived long but once in ten thousand documents.
    """
    token = document.loc.start_token if document.loc else None
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following
    return document


_PARSE_OPTIONS = {
    "max_lexical_tokens": limits.TOKENS_MAX,
    "max_comments": limits.COMMENTS_MAX,
    "max_source_length": limits.SOURCE_LENGTH_MAX,
}
