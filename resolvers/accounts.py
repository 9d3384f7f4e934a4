"""Finding an account: what is foreign and what is missing look the same."""

from __future__ import annotations

from models import accounts, feed
from models.database import Reads
from models.intents import KEY_LENGTH_MAX
from models.records import Account
from models.validation import check_text
from resolvers.access import Scope, Viewer, admit
from resolvers.errors import NotFound


async def by_id(db: Reads, viewer: Viewer, account_id: int | None) -> Account | None:
    """The account, or None. Raises: Forbidden."""
    if not admit(viewer, Scope.READ, account_id) or account_id is None:
        return None
    return await accounts.by_id(db, account_id)


async def with_page(
    db: Reads, viewer: Viewer, account_id: int, piece: feed.Slice
) -> tuple[Account, feed.Page] | None:
    """The account with a page of its newest lines, or None. Raises: Forbidden."""
    if not admit(viewer, Scope.READ, account_id):
        return None
    return await feed.account_and_page(db, account_id, piece)


async def by_key(db: Reads, viewer: Viewer, key: str) -> Account | None:
    """The account, or None. Raises: Forbidden."""
    own = admit(viewer, Scope.READ, viewer.account_id)
    if not own or check_text("key", key, KEY_LENGTH_MAX):
        return None
    account = await accounts.by_key(db, key)
    return account if account and admit(viewer, Scope.READ, account.id) else None


async def to_follow(db: Reads, viewer: Viewer, account_id: int | None) -> tuple[Account, int]:
    """An account to follow and the seq of its newest line now.

    Raises: NotFound, Forbidden.
    """
    account = await by_id(db, viewer, account_id)
    if account is None:
        raise NotFound
    return account, (await feed.heads(db, [account.id])).get(account.id, account.last_seq)
