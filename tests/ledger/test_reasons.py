"""The catalogue only grows, and what was added is a reason at once, for every process."""

from __future__ import annotations

import asyncio

import pytest

from models.intents import GrantCredits
from models.outcomes import InvalidInput
from models.reasons import Catalogue, ReasonExists
from models.records import Fault, Reason
from tests.ledger.support import Ledger, entry

ADDED = Reason("REFERRAL", "GRANT", "Credits for a friend you brought", Fault.NONE)


async def test_an_added_reason_explains_lines_at_once_in_every_process(ledger: Ledger) -> None:
    account_id = await ledger.open()
    other = await ledger.another_writer()
    grant = GrantCredits(
        account_id=account_id, idempotency_key="early", amount=1, reason_code="GRANT_PLAN"
    )
    entry(await other.book(grant))  # the other process has read the catalogue as it was
    assert await ledger.catalogue.add("REFERRAL", "GRANT", ADDED.title, "NONE") is None
    grant = GrantCredits(
        account_id=account_id, idempotency_key="new", amount=5, reason_code="REFERRAL"
    )
    assert entry(await other.book(grant)).reason == ADDED
    assert ADDED in await Catalogue(ledger.db).all()


async def test_a_code_is_added_once_however_many_add_it_at_once(ledger: Ledger) -> None:
    catalogues = [Catalogue(ledger.db) for _ in range(8)]
    outcomes = await asyncio.gather(
        *[one.add("REFERRAL", "GRANT", f"Title {n}", "NONE") for n, one in enumerate(catalogues)],
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, ReasonExists) for outcome in outcomes) == 7
    with pytest.raises(ReasonExists):
        await ledger.catalogue.add("GOODWILL", "REFUND", "Goodwill", "NONE")


async def test_a_reason_that_cannot_be_is_refused_by_field(ledger: Ledger) -> None:
    for field, given in [
        ("code", ("", "GRANT", "Title", "NONE")),
        ("code", ("x" * 101, "GRANT", "Title", "NONE")),
        ("kind", ("X", "JOB", "Title", "NONE")),
        ("kind", ("X", "BONUS", "Title", "NONE")),
        ("title", ("X", "GRANT", " ", "NONE")),
        ("title", ("X", "GRANT", "x" * 201, "NONE")),
        ("fault", ("X", "GRANT", "Title", "NOBODY")),
    ]:
        problem = await ledger.catalogue.add(*given)
        assert isinstance(problem, InvalidInput)
        assert problem.field == field
    assert len(await Catalogue(ledger.db).all()) == 27
