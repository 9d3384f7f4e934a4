"""What an operation carries: who asks, what answers, and the loaders that batch its reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import strawberry
from strawberry.dataloader import DataLoader

from models.database import Database
from models.reasons import Catalogue
from models.records import Account, Entry, Job
from models.rows import Ref
from models.writer import Writer
from resolvers import loaders
from resolvers.access import Viewer
from subscriptions.bell import Bell


@dataclass(frozen=True, slots=True)
class Services:
    """What lives as long as the process."""

    db: Database
    catalogue: Catalogue
    writer: Writer
    bell: Bell


class Loaders:
    """One query per kind and tick. Nothing is remembered: a line read later in an operation is
    read anew.
    """

    def __init__(self, db: Database) -> None:
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
    viewer: Viewer
    services: Services
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.services.db)

    @property
    def db(self) -> Database:
        return self.services.db


Info = strawberry.Info[Context, None]
