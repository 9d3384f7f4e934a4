"""What a caller did that cannot be answered, as exceptions with a code a program can act on.

The docstring of an error is its default sentence.
"""

from __future__ import annotations

from typing import ClassVar


class RequestError(Exception):
    """The request cannot be answered."""

    code: ClassVar[str]

    def __init__(self, message: str = "") -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))


class Unauthenticated(RequestError):
    """A valid bearer token is needed: a customer's JWT or a service's key."""

    code = "UNAUTHENTICATED"


class Forbidden(RequestError):
    """The credential lacks the scope that this needs."""

    code = "FORBIDDEN"


class NotFound(RequestError):
    """There is no such account, or it is not yours."""

    code = "NOT_FOUND"


class BadInput(RequestError):
    """The input is not valid."""

    code = "BAD_USER_INPUT"
