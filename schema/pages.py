"""Pages of the feed, remembered for as long as their account stands still.

Owns the memory and its bound. A line never changes, nor do its reason and a job that has ended: so
what is shown of a page is known by the account's last line and by what was asked. Who asks is no
part of it: access is checked, and the account read behind the viewer's fence, before a page is
looked up.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import orjson

from resolvers.usage import Question
from schema.compiled import Place

BYTES_MAX = 64 * 2**20
"""Of a page of 50 lines as the usage page shows it, 1,500 to 3,000 fit in."""

OVERHEAD_BYTES = 1_000
"""What a page takes beside its text."""

PLACES_MAX = 4
"""Documents that show one page, each in its own way."""

ASKED_MAX = 10_000
"""Questions that were asked once."""


@dataclass(slots=True)
class _Page:
    """What is shown of a page, as JSON and by its place in a plan, as of an account's last line."""

    last_seq: int
    shown: dict[Place, bytes]

    @property
    def bytes(self) -> int:
        return OVERHEAD_BYTES + sum(map(len, self.shown.values()))


class Pages:
    """The pages of one process, those used last."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Question, _Page] = OrderedDict()
        self._asked: OrderedDict[int, None] = OrderedDict()
        """By their hashes: what is taken for another is remembered too soon, and no more."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._pages)

    def __contains__(self, question: Question) -> bool:
        """Whether something is remembered of the page, as of whichever line."""
        return question in self._pages

    def get(self, question: Question, last_seq: int, place: Place) -> orjson.Fragment | None:
        """What is shown of the page at this place, if it is remembered."""
        page = self._pages.get(question)
        if page is None or page.last_seq != last_seq:
            return None
        self._pages.move_to_end(question)
        shown = page.shown.get(place)
        return None if shown is None else orjson.Fragment(shown)

    def keep(self, question: Question, last_seq: int, place: Place, made: object) -> object:
        """Remember what was made of a page that will not change, if it was asked for before: to
        keep every page costs those that nobody asks for again a fifth of their time. Returns it as
        it is to be shown.
        """
        if question not in self._pages and self._is_asked_first(hash(question)):
            return made
        # A copy takes what it holds; orjson's own bytes lie in half as much again, or far more.
        shown = bytes(memoryview(orjson.dumps(made)))
        known = self._forgotten(question)
        others = known.shown if known is not None and known.last_seq == last_seq else {}
        if len(others) >= PLACES_MAX:
            others = {}
        page = self._pages[question] = _Page(last_seq, others | {place: shown})
        self.bytes += page.bytes
        while self.bytes > BYTES_MAX:
            self._forgotten(next(iter(self._pages)))
        return orjson.Fragment(shown)

    def _is_asked_first(self, question: int) -> bool:
        if question in self._asked:
            del self._asked[question]
            return False
        self._asked[question] = None
        if len(self._asked) > ASKED_MAX:
            self._asked.popitem(last=False)
        return True

    def _forgotten(self, question: Question) -> _Page | None:
        page = self._pages.pop(question, None)
        if page is not None:
            self.bytes -= page.bytes
        return page
