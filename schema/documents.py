"""Parsed documents, kept: a client sends the same few texts again and again.

Owns the memory of what was parsed and found valid. Owns no parsing: graphql-core raises its own
errors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import cast

from graphql import DocumentNode
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ParseOptions

from schema import limits

_REMEMBERED_MAX = 500
_REMEMBERED_LENGTH_MAX = 8_192


class Documents(SchemaExtension):
    """Parses within limits and validates, once per document."""

    _valid: OrderedDict[str, DocumentNode]

    @classmethod
    def remembering(cls) -> type[Documents]:
        """The extension with a memory of its own, for one schema."""
        return type(cls.__name__, (cls,), {"_valid": OrderedDict()})

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
            context.pre_execution_errors = []
            yield
            return
        context.pre_execution_errors = limits.problems(document) or None
        yield
        if not context.pre_execution_errors and len(text) <= _REMEMBERED_LENGTH_MAX:
            self._valid[text] = document
            if len(self._valid) > _REMEMBERED_MAX:
                self._valid.popitem(last=False)


_PARSE_OPTIONS = {
    "max_lexical_tokens": limits.TOKENS_MAX,
    "max_comments": limits.COMMENTS_MAX,
    "max_source_length": limits.SOURCE_LENGTH_MAX,
}
