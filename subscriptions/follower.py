"""The follower: every line of an account after a cursor, each once, in order, for as long as
somebody listens.

Owns promise 9 for one subscriber. Owns no access: who may follow is decided before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from models import feed
from models.records import Entry, EntryKind
from subscriptions.bell import Bell


async def follow(
    bell: Bell, account_id: int, since: int, kinds: frozenset[EntryKind] | None = None
) -> AsyncGenerator[Entry, None]:
    """Yield each line with `seq > since` in order, waiting for those not yet booked; ends when the
    bell stops.

    `since` beyond the last line is taken at its word: the first line yielded is the first one after
    it. Only lines of `kinds` are yielded, where given.

    Guarantees: no gap and no double across lost messages, a broker or database that is away, and a
    consumer of any slowness; holds one page of lines at most, no connection while the consumer has
    the line, and the loop for no more than a line.
    """
    with bell.attached(account_id) as slot:  # before the first read: what lands after it rings
        slot.seq = min(since, feed.SEQ_MAX)
        while not bell.stopping:
            lines = await slot.lines()
            for line in lines:
                if line is not lines[0]:
                    await asyncio.sleep(0)  # one at a turn: a thousand pages at once take seconds
                if kinds is None or line.kind in kinds:
                    yield line
                if bell.stopping:
                    return
                slot.seq = line.seq
