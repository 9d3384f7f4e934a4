"""The follower: every line of an account after a cursor, each once, in order, for as long as
somebody listens.

Owns promise 9 for one subscriber. Owns no access: who may follow is decided before.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from models import feed
from models.records import Entry, EntryKind
from subscriptions.bell import Bell
from subscriptions.watch import LINES_PER_READ, Stopped


async def follow(
    bell: Bell, account_id: int, since: int | None, kinds: frozenset[EntryKind] | None = None
) -> AsyncGenerator[Entry, None]:
    """Yield each line with `seq > since` in order, waiting for those not yet booked; ends when the
    bell stops.

    `since` None: lines that land from now on. `since` beyond the last line is taken at its word:
    the first line yielded is the first one after it. Only lines of `kinds` are yielded, where
    given.

    Guarantees: no gap and no double across lost messages, a broker or database that is away, and a
    consumer of any slowness; holds one page of lines at most, and no connection while the consumer
    has the line.
    """
    with bell.attached(account_id) as (watch, slot):  # before the read: what lands between rings
        try:
            slot.seq = await watch.head() if since is None else min(since, feed.SEQ_MAX)
            while not bell.stopping:
                slot.look()
                lines = await watch.later(slot.seq)
                for line in lines:
                    if kinds is None or line.kind in kinds:
                        yield line
                    if bell.stopping:
                        return
                    slot.seq = line.seq
                if len(lines) < LINES_PER_READ:
                    await slot.rung()
        except Stopped:
            return
