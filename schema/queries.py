"""Everything that can be asked at the root."""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry

from models import records
from resolvers import access, accounts
from resolvers.access import Scope, admit
from resolvers.errors import BadInput
from schema import ids
from schema.context import Context, Info
from schema.described import argument, field, output
from schema.types.account import Account, account_read
from schema.types.entries import entry_of
from schema.types.jobs import Job
from schema.types.node import Node
from schema.types.reasons import Reason

NODES_MAX = 100


@output
class Viewer:
    """Whoever the token speaks for. A CUSTOMER has an account; a SERVICE has scopes."""

    viewer: strawberry.Private[access.Viewer]

    @field
    def kind(self) -> str:
        """CUSTOMER or SERVICE."""
        return str(self.viewer.kind)

    @field
    async def account(self, info: Info) -> Account | None:
        """The account that a customer's token speaks for. Null for a service, and until the account
        is open.
        """
        own = self.viewer.account_id
        return None if own is None else await account_read(info, own)

    @field
    def scopes(self) -> list[str]:
        """What a service's key may do, sorted. Empty for a customer, who reads its own account."""
        return sorted(self.viewer.scopes)


@output
class Query:
    """Reading. A customer sees its own account; what is foreign looks like what is missing."""

    @field
    def viewer(self, info: Info) -> Viewer:
        """Who asks."""
        return Viewer(viewer=info.context.viewer)

    @field
    async def account(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, argument("Its global id.")] = None,  # noqa: A002
        key: Annotated[str | None, argument("The product's own name for it.")] = None,
    ) -> Account | None:
        """An account by its id or its key: exactly one of them, else BAD_USER_INPUT. Null where
        there is none.
        """
        context = info.context
        if id is not None and key is None:
            return await account_read(info, ids.to_account(id))
        if key is not None and id is None:
            return _shown(await accounts.by_key(context.db, context.viewer, key))
        raise BadInput("Give either id or key.")

    @field
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, argument("A global id of any type.")],  # noqa: A002
    ) -> Node | None:
        """Any object by its global id. Null where there is none."""
        return await _node(info.context, id)

    @field
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            argument("Global ids of any types. At most 100, else BAD_USER_INPUT."),
        ],
    ) -> list[Node | None]:
        """Objects by their global ids, in that order, null where there is none."""
        if len(ids) > NODES_MAX:
            raise BadInput(f"nodes takes at most {NODES_MAX} ids.")
        return list(await asyncio.gather(*(_node(info.context, global_id) for global_id in ids)))

    @field
    async def reasons(self, info: Info) -> list[Reason]:
        """The whole catalogue, by kind and code."""
        return [Reason.of(reason) for reason in await info.context.services.catalogue.all()]


async def _node(context: Context, global_id: str) -> Node | None:
    account_id = ids.to_account(global_id)
    entry, job = ids.to_entry(global_id), ids.to_job(global_id)
    owner = account_id or (entry or job or (0, 0))[0]
    if not admit(context.viewer, Scope.READ, owner):
        return None
    if account_id is not None:
        return _shown(await context.loaders.accounts.load(account_id))
    if entry is not None:
        line = await context.loaders.entries.load(entry)
        return None if line is None else entry_of(line)
    if job is not None:
        found = await context.loaders.jobs.load(job)
        return None if found is None else Job(record=found)
    return None


def _shown(account: records.Account | None) -> Account | None:
    return None if account is None else Account(record=account)
