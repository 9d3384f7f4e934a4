"""What a client takes for an answer: its header `Accept`.

Owns preferences among media types. Owns no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from strawberry.http.streaming import (
    HTTPStreamTransport,
    MultipartSubscriptionTransport,
    SSETransport,
)

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

_TRANSPORTS: tuple[HTTPStreamTransport, ...] = (SSETransport(), MultipartSubscriptionTransport())


@dataclass(frozen=True, slots=True)
class Accepted:
    """How a client wants to be answered."""

    media_type: str = JSON
    """Of a plain answer: GraphQL's own where it is wanted at least as much as plain JSON."""
    stream: HTTPStreamTransport | None = None
    """How it takes a subscription, if it does."""
    is_stream_only: bool = False
    """Whether a plain answer is not named beside the stream."""
    is_page: bool = False
    """Whether it is a browser that would rather see a page."""


@lru_cache(maxsize=128)  # clients send few texts, and each with every request
def accepted(header: str | None) -> Accepted:
    """What the header's text says."""
    if not header:
        return Accepted()
    wanted = _qualities(header)
    named, own = wanted.get(JSON, 0.0), wanted.get(GRAPHQL_JSON, 0.0)
    plain = max(named, wanted.get("application/*", 0.0), wanted.get("*/*", 0.0))
    stream = next((transport for transport in _TRANSPORTS if transport.accepts(header)), None)
    return Accepted(
        media_type=GRAPHQL_JSON if own > 0 and own >= plain else JSON,
        stream=stream,
        is_stream_only=stream is not None and max(named, own) == 0,
        is_page=wanted.get("text/html", 0.0) > max(named, own),
    )


def _qualities(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in header.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        found[media_type] = max(found.get(media_type, 0.0), quality)
    return found
