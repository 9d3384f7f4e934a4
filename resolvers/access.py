"""Who may do what: the viewer behind a credential, and the one function that admits it.

Owns every access decision. Owns no reading of credentials (`identity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resolvers.errors import Forbidden


class ViewerKind(StrEnum):
    CUSTOMER = "CUSTOMER"
    SERVICE = "SERVICE"


class Scope(StrEnum):
    READ = "read"
    ACCOUNTS_WRITE = "accounts:write"
    GRANTS_WRITE = "grants:write"
    CHARGES_WRITE = "charges:write"
    REFUNDS_WRITE = "refunds:write"
    ADJUSTMENTS_WRITE = "adjustments:write"
    IMPORT = "import"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. A customer speaks for `account_id` (None: its account is not open yet), a service
    has scopes.
    """

    kind: ViewerKind
    name: str
    account_id: int | None = None
    scopes: frozenset[str] = frozenset()
    expires_at: float | None = None
    """When its token does, in seconds since 1970; None for a service."""


def admit(viewer: Viewer, scope: Scope, account_id: int | None = None) -> bool:
    """Decide whether `viewer` may do what `scope` names, to the account where one is named.

    Returns: False for an account that the viewer must not know of.
    Raises: Forbidden where the viewer may not do this to any account.
    """
    if viewer.kind is ViewerKind.CUSTOMER:
        if scope is not Scope.READ:
            raise Forbidden("A customer's token can only read.")
        return account_id is not None and account_id == viewer.account_id
    if scope not in viewer.scopes:
        raise Forbidden(f"This needs a key with the scope {scope}.")
    return True
