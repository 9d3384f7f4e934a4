"""What an operation carries: who asks, what answers, and the loaders that batch its reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Protocol

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
from schema.pages import Pages
from subscriptions.bell import Bell


@dataclass(frozen=True, slots=True)
class Services:
    """What lives as long as the process."""

    db: Database
    fence: Fence
    catalogue: Catalogue
    writer: Writer
    customers_writer: Writer
    """Acts in the customers' role, which may not write: should a check above ever be forgotten."""
    bell: Bell
    pages: Pages = field(default_factory=Pages)


class Loaders:
    """One query per kind and tick. Nothing is remembered: a line read later in an operation is read
    anew.
    """

    def __init__(self, db: Reads) -> None:
        self._db = db

    @cached_property
    def accounts(self) -> DataLoader[int, Account | None]:
        return DataLoader(partial(loaders.accounts_by_id, self._db), cache=False)

    @cached_property
    def entries(self) -> DataLoader[Ref, Entry | None]:
        return DataLoader(partial(loaders.entries_by_ref, self._db), cache=False)

    @cached_property
    def refunds(self) -> DataLoader[Ref, list[Entry]]:
        return DataLoader(partial(loaders.refunds_by_charge, self._db), cache=False)

    @cached_property
    def jobs(self) -> DataLoader[Ref, Job | None]:
        return DataLoader(partial(loaders.jobs_by_charge, self._db), cache=False)


class Notice(Protocol):
    """Whoever waits to be told, such as an event."""

    def set(self) -> None: ...


@dataclass(slots=True)
class Context:
    """One operation's. What a customer reads, it reads behind the fence around its own account,
    whatever the operation's arguments name.
    """

    viewer: Viewer
    services: Services
    db: Reads = field(init=False)
    loaders: Loaders = field(init=False)
    accepted: Notice = field(default_factory=asyncio.Event)
    """Set once a subscription has its place in the feed: every later line will be delivered."""

    def __post_init__(self) -> None:
        self.db = reads_of(self.viewer, self.services)
        self.loaders = Loaders(self.db)


def reads_of(viewer: Viewer, services: Services) -> Reads:
    """What there is to read for this viewer."""
    if viewer.kind is ViewerKind.CUSTOMER:
        return services.fence.around(viewer.account_id)
    return services.db


def writer_of(viewer: Viewer, services: Services) -> Writer:
    """What books for this viewer."""
    if viewer.kind is ViewerKind.CUSTOMER:
        return services.customers_writer
    return services.writer


Info = strawberry.Info[Context, None]
