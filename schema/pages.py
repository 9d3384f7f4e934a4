"""Pages of the feed, remembered for as long as their account stands still.

Owns the memory and its bound. A line never changes, nor do its reason and a job that has ended: so
a page is known by the account's last line and by what was asked. Who asks is no part of it: access
is checked, and the account read behind the viewer's fence, before a page is looked up.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from resolvers.usage import Question

if TYPE_CHECKING:
    from schema.connections import UsageConnection

LINES_MAX = 10_000
"""A line takes about 2 KB with what is made of it; one that was asked for all there is, 10."""

ASKED_MAX = 200
"""Questions that were asked once. As many as there is room for their pages: who comes back after
more would not find his page any more.
"""


class Pages:
    """The pages of one process, those used last."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Question, None] = OrderedDict()
        self._pages: OrderedDict[Question, UsageConnection] = OrderedDict()
        self.lines = 0
        """How many are in them."""

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, question: Question) -> UsageConnection | None:
        """The page, if it is remembered."""
        page = self._pages.get(question)
        if page is not None:
            self._pages.move_to_end(question)
        return page

    def remember(self, question: Question, page: UsageConnection) -> None:
        """Keep a page that was asked for before, and is shown again: to keep each costs those that
        are not a third of their time. One with a job under way may change.
        """
        if not page.known.is_settled or self._is_asked_first(question):
            return
        page.kept_selections = {}
        self._forget(question)  # two who asked at once both read it
        self._pages[question] = page
        self.lines += _size(page)
        while self.lines > LINES_MAX:
            self._forget(next(iter(self._pages)))

    def _is_asked_first(self, question: Question) -> bool:
        if question in self._asked:
            del self._asked[question]
            return False
        self._asked[question] = None
        if len(self._asked) > ASKED_MAX:
            self._asked.popitem(last=False)
        return True

    def _forget(self, question: Question) -> None:
        page = self._pages.pop(question, None)
        if page is not None:
            self.lines -= _size(page)


def _size(page: UsageConnection) -> int:
    """An empty page is not free either."""
    return 1 + len(page.page.entries)
