"""The refund rule as the table of the design has it, and what holds of it for any outcome."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.records import EntryKind, Fault, JobStatus, Reason
from models.refund_rule import RULE, Ruling, default_code, rule
from tests.ledger.support import Ledger

ALL = (1, 1)
NONE = (0, 1)
ENDS = [status for status in JobStatus if status is not JobStatus.RUNNING]

# status, reason (None: not given), done, total -> the share owed, and the reason of the decision.
TABLE: list[tuple[JobStatus, str | None, int | None, int | None, tuple[int, int], str]] = [
    (JobStatus.FAILED, None, None, None, ALL, "PLATFORM_ERROR"),
    (JobStatus.FAILED, "PLATFORM_ERROR", None, None, ALL, "PLATFORM_ERROR"),
    (JobStatus.FAILED, "PROVIDER_ERROR", None, None, ALL, "PROVIDER_ERROR"),
    (JobStatus.FAILED, "PROVIDER_TIMEOUT", None, None, ALL, "PROVIDER_TIMEOUT"),
    (JobStatus.FAILED, "WORKER_LOST", None, None, ALL, "WORKER_LOST"),
    (JobStatus.FAILED, "OUTPUT_EMPTY", None, None, ALL, "OUTPUT_EMPTY"),
    (JobStatus.FAILED, "OUTPUT_INVALID", None, None, ALL, "OUTPUT_INVALID"),
    (JobStatus.FAILED, "OUTPUT_BLOCKED", None, None, ALL, "OUTPUT_BLOCKED"),
    (JobStatus.FAILED, "INPUT_POLICY", None, None, NONE, "INPUT_POLICY"),
    (JobStatus.FAILED, "INVALID_INPUT", None, None, NONE, "INVALID_INPUT"),
    (JobStatus.EXPIRED, None, None, None, ALL, "WORKER_LOST"),
    (JobStatus.PARTIAL, None, 1, 4, (3, 4), "PARTIAL_OUTPUT"),
    (JobStatus.PARTIAL, None, 0, 4, (4, 4), "PARTIAL_OUTPUT"),
    (JobStatus.PARTIAL, None, 4, 4, NONE, "NOTHING_OWED"),
    (JobStatus.PARTIAL, "OUTPUT_INVALID", 3, 4, (1, 4), "OUTPUT_INVALID"),
    (JobStatus.CANCELLED, None, 1, 4, (3, 4), "CANCELLED_RUNNING"),
    (JobStatus.CANCELLED, None, 4, 4, NONE, "NOTHING_OWED"),
    (JobStatus.CANCELLED, None, None, None, ALL, "CANCELLED_QUEUED"),
    (JobStatus.SUCCEEDED, None, None, None, NONE, "COMPLETED"),
]

IMPOSSIBLE = [
    (JobStatus.SUCCEEDED, "PLATFORM_ERROR"),
    (JobStatus.SUCCEEDED, "INPUT_POLICY"),
    (JobStatus.FAILED, "COMPLETED"),
    (JobStatus.FAILED, "NOTHING_OWED"),
    (JobStatus.FAILED, "ALREADY_REFUNDED"),
    (JobStatus.FAILED, "USAGE_CHARGE"),
    (JobStatus.FAILED, "GRANT_PROMO"),
    (JobStatus.PARTIAL, "INPUT_POLICY"),
    (JobStatus.PARTIAL, "COMPLETED"),
    (JobStatus.CANCELLED, "INVALID_INPUT"),
    (JobStatus.EXPIRED, "COMPLETED"),
]


@pytest.fixture
async def catalogue(ledger: Ledger) -> dict[str, Reason]:
    return {reason.code: reason for reason in await ledger.catalogue.all()}


async def test_the_rule_is_the_table_of_the_design(catalogue: dict[str, Reason]) -> None:
    for status, code, done, total, share, decided in TABLE:
        reason = catalogue[code or default_code(status, done)]
        assert rule(status, reason, done, total) == Ruling(*share, decided, RULE), (status, code)


async def test_a_reason_that_cannot_be_the_reason_of_an_outcome_is_ruled_out(
    catalogue: dict[str, Reason],
) -> None:
    for status, code in IMPOSSIBLE:
        assert rule(status, catalogue[code], 1, 4) is None, (status, code)


async def test_whatever_the_catalogue_holds_a_ruling_owes_a_share_for_a_reason_of_its_kind(
    catalogue: dict[str, Reason],
) -> None:
    parts = [(None, None), *itertools.product(range(4), (3,))]
    ruled = 0
    for status, reason, (done, total) in itertools.product(ENDS, catalogue.values(), parts):
        ruling = rule(status, reason, done, total)
        if ruling is None:
            continue
        ruled += 1
        assert 0 <= ruling.owed_parts <= ruling.parts
        kind = catalogue[ruling.code].kind
        assert kind == (EntryKind.REFUND if ruling.owed_parts else "JOB"), (status, reason, done)
    assert ruled > 150


REFUNDABLE = Reason("PARTIAL_OUTPUT", EntryKind.REFUND, "Only a part", Fault.PLATFORM)


@given(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_the_share_owed_is_what_was_not_delivered(done: int, total: int) -> None:
    done = min(done, total)
    ruling = rule(JobStatus.PARTIAL, REFUNDABLE, done, total)
    assert ruling is not None
    assert ruling.owed_parts * total == (total - done) * ruling.parts
