"""The specification's rules, held against a document.

Owns the walk, which is graphql-core's `validate` but for what that leaves behind: visitors know
their own methods, so that each document would leave thousands of objects to the garbage collector,
which holds all threads for as long as it takes. Owns no rule.
"""

from __future__ import annotations

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    ParallelVisitor,
    TypeInfo,
    TypeInfoVisitor,
    ValidationContext,
    Visitor,
    visit,
)
from graphql.validation.validate import (
    FragmentNestingVisitor,
    ValidationAbortedError,
    query_document_keys_to_validate,
)


def broken(
    schema: GraphQLSchema,
    document: DocumentNode,
    rules: tuple[type[ASTValidationRule], ...],
    *,
    most: int,
    hides: bool,
) -> list[GraphQLError]:
    """The first `most` errors; `hides` keeps from them what the document did not name."""
    errors: list[GraphQLError] = []

    def report(error: GraphQLError) -> None:
        if len(errors) >= most:
            raise ValidationAbortedError(
                "Too many validation errors, error limit reached. Validation aborted."
            )
        errors.append(error)

    types = TypeInfo(schema)
    context = ValidationContext(schema, document, types, report, hides)
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    visitors: list[Visitor] = [FragmentNestingVisitor(fragments)] if fragments else []
    visitors += [rule(context) for rule in rules]
    together = ParallelVisitor(visitors)
    typed = TypeInfoVisitor(types, together)
    try:
        visit(document, typed, query_document_keys_to_validate)
    except ValidationAbortedError as aborted:
        aborted.__context__ = None
        errors.append(aborted.with_traceback(None))
    except RecursionError:
        errors.append(ValidationAbortedError("Validation aborted."))
    for visitor in (*visitors, together, typed):
        vars(visitor).clear()
    return errors
