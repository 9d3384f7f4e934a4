"""What a result looks like on any wire."""

from __future__ import annotations

from typing import Any

from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from app.process import Process
from schema import errors


def is_request_error(result: ExecutionResult) -> bool:
    """Whether nothing was executed: the document or its variables are at fault."""
    if isinstance(result, PreExecutionError):
        return True
    return result.data is None and all(error.path is None for error in result.errors or ())


def body_of(result: ExecutionResult, request_id: str, process: Process) -> dict[str, Any]:
    """The result as the specification says; without data where nothing was executed."""
    body: dict[str, Any] = {}
    if result.errors:
        hints = process.settings.introspection
        body["errors"] = errors.presented(result, request_id, hints=hints)
        process.metrics.told(body["errors"])
    if not is_request_error(result):
        body["data"] = result.data
    return body
