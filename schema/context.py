"""What an operation carries: who asks, what answers, and the loaders that batch its reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

import strawberry
from strawberry.dataloader import DataLoader

from models.database import Database, Reads
from models.fence import Fence
from models.reasons import Catalogue
from models.records import Account, Entry, Job
from models.rows import Ref
from models.writer import Writer
from resolvers import loaders
from resolvers.access import Viewer, ViewerKind
from subscriptions.bell import Bell


@dataclass(frozen=True, slots=True)
class Services:
    """What lives as long as the process."""

    db: Database
    fence: Fence
    catalogue: Catalogue
    writer: Writer
    bell: Bell


class Loaders:
    """One query per kind and tick. Nothing is remembered: a line read later in an operation is read
    anew.
    """

    def __init__(self, db: Reads) -> None:
        self.accounts: DataLoader[int, Account | None] = DataLoader(
            partial(loaders.accounts_by_id, db), cache=False
        )
        self.entries: DataLoader[Ref, Entry | None] = DataLoader(
            partial(loaders.entries_by_ref, db), cache=False
        )
        self.refunds: DataLoader[Ref, list[Entry]] = DataLoader(
            partial(loaders.refunds_by_charge, db), cache=False
        )
        self.jobs: DataLoader[Ref, Job | None] = DataLoader(
            partial(loaders.jobs_by_charge, db), cache=False
        )


@dataclass(slots=True)
class Context:
    """One operation's. What a customer reads, it reads behind the fence around its own account,
    whatever the operation's arguments name.
    """

    viewer: Viewer
    services: Services
    db: Reads = field(init=False)
    loaders: Loaders = field(init=False)
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a subscription has its place in the feed: every later line will be delivered."""

    def __post_init__(self) -> None:
        self.db = reads_of(self.viewer, self.services)
        self.loaders = Loaders(self.db)


def reads_of(viewer: Viewer, services: Services) -> Reads:
    """What there is to read for this viewer."""
    if viewer.kind is ViewerKind.CUSTOMER:
        return services.fence.around(viewer.account_id)
    return services.db


Info = strawberry.Info[Context, None]
