"""Documents that clients agreed on beforehand: asked for by their id, and, where a setting says so,
the only ones that are answered.

Owns the manifests. An id is looked up, never computed: what it stands for is parsed and compiled
once, like any text that was asked before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from app.pages import DIST
from app.questions import Question

THE_PAGES = DIST / "documents.json"
"""What the usage page and the element ask: trusted like any manifest, and written by the build."""

_APOLLO = "apollo-persisted-query-manifest"


class DocumentRefused(Exception):
    """The document is not answered; the docstring is its sentence."""

    code: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class NotFound(DocumentRefused):
    """PersistedQueryNotFound: no manifest has a document of this id."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class NotSupported(DocumentRefused):
    """PersistedQueryNotSupported: this server has no manifest. Send the query."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"


class Untrusted(DocumentRefused):
    """This server answers documents of its manifests only."""

    code = "DOCUMENT_NOT_TRUSTED"


class Trusted:
    """The documents of all manifests, by id."""

    def __init__(self, documents: dict[str, str], *, only: bool = False) -> None:
        """Set the documents; `only`: no others are answered."""
        self._documents = documents
        self._texts = frozenset(documents.values())
        self._only = only

    @classmethod
    def read(cls, manifests: Iterable[Path], *, only: bool) -> Self:
        """The documents of these manifests and of our own pages.

        Raises: ValueError, OSError for a file that is no manifest.
        """
        ours = [THE_PAGES] if THE_PAGES.is_file() else []
        documents: dict[str, str] = {}
        for path in (*ours, *manifests):
            documents |= _manifest(path)
        return cls(documents, only=only)

    def question(self, asked: Question) -> Question:
        """The question with its text. Raises: DocumentRefused."""
        if asked.query or asked.document_id is None:
            if self._only and asked.query not in self._texts:
                raise Untrusted
            return asked
        text = self._documents.get(asked.document_id.removeprefix("sha256:"))
        if text is None:
            raise NotFound if self._documents or self._only else NotSupported
        return replace(asked, query=text)


def _manifest(path: Path) -> dict[str, str]:
    """The texts of a manifest by id: an object of texts, or Apollo's."""
    given: Any = json.loads(path.read_bytes())
    if isinstance(given, dict):
        fields = cast("dict[str, Any]", given)
        if fields.get("format") == _APOLLO:
            operations = cast("list[dict[str, Any]]", fields.get("operations"))
            fields = {str(operation["id"]): operation["body"] for operation in operations}
        if fields and all(isinstance(text, str) and text.strip() for text in fields.values()):
            return {name.removeprefix("sha256:"): text for name, text in fields.items()}
    raise ValueError(f"{path} is no manifest: a JSON object of documents by their ids, or Apollo's")
