"""Compiled execution: an operation that comes back is turned into plain Python once.

Owns how a valid operation is executed, and that the answer is graphql-core's own to the letter.
Owns no schema, no parsing and no validation, and never who asks: a plan knows only a text.
See README.md.
"""

from .executor import CompiledExecutor
from .keeping import Place, Ready, ToKeep, place_of
from .schema import CompiledSchema

__all__ = ["CompiledExecutor", "CompiledSchema", "Place", "Ready", "ToKeep", "place_of"]
