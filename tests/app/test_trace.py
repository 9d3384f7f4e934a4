"""Promises of the trace's arithmetic: prices, order and sums, each worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.replay.trace import Finish, Grant, Open, Start, TraceError, read_trace
from tests.app.traces import REAL_TRACE, row, write


def test_a_price_is_images_times_started_tens_of_steps_and_one_per_lora(tmp_path: Path) -> None:
    path = write(
        tmp_path / "trace.csv",
        [
            row("10:00:00", "A", images="1.0", steps="30.0", loras="0"),  # 1 x 3
            row("10:01:00", "A", images="4.0", steps="31.0", loras="2"),  # 4 x 4 + 2
            row("10:02:00", "A", images="", steps="", loras="1"),  # 1 x 3 + 1
            row("10:03:00", "A", images="8.0", steps="1.0", loras="0"),  # 8 x 1
        ],
    )
    (account,) = read_trace(path)
    assert [s.credits for s in account.steps if isinstance(s, Start)] == [3, 18, 4, 8]


def test_an_accounts_steps_go_by_event_time_and_ties_by_row(tmp_path: Path) -> None:
    path = write(
        tmp_path / "trace.csv",
        [
            row("10:00:00", "A", seconds="60.0"),
            row("10:00:30", "B"),
            row("10:00:30", "A", seconds="0.0"),
            row("10:01:00", "A", "PENDING", ""),
            row("10:01:00", "A", "FAILED"),
        ],
    )
    a, b = read_trace(path)
    assert [(type(s), s.row) for s in a.steps] == [
        (Open, 1),
        (Grant, 1),
        (Start, 1),
        (Start, 3),
        (Finish, 3),
        (Finish, 1),  # at 10:01:00, like the two starts below: row 1 comes first
        (Start, 4),
        (Start, 5),
        (Finish, 5),
    ]
    assert a.steps[1].at == datetime(2024, 11, 14, 10, tzinfo=UTC)
    assert [(type(s), s.row) for s in b.steps] == [(Open, 2), (Grant, 2), (Start, 2), (Finish, 2)]


def test_the_sums_are_what_the_rows_say(tmp_path: Path) -> None:
    path = write(
        tmp_path / "trace.csv",
        [
            row("10:00:00", "A", images="2.0"),  # 6, kept
            row("10:01:00", "A", "FAILED", images="4.0"),  # 12, back
            row("10:02:00", "A", "PENDING", "", loras="1"),  # 4, back by the sweep
            row("10:03:00", "A", "PROCESSING", ""),  # 3, back by the sweep
        ],
    )
    expected = read_trace(path)[0].expected
    assert (expected.granted, expected.charged, expected.refunded) == (50_000, 25, 19)
    assert expected.balance == 49_994
    assert expected.lines == 1 + 4 + 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "it lacks the column gmt_create"),
        ("", "it lacks the column"),
        (None, "data row 2"),
    ],
)
def test_a_file_that_is_no_trace_is_named_with_the_place(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    path = tmp_path / "trace.csv"
    if text is None:
        write(path, [row("10:00:00", "A"), row("10:00:00", "A", "LOST")])
    else:
        path.write_text(text)
    with pytest.raises(TraceError, match=sentence):
        read_trace(path)


def test_the_real_trace_comes_to_its_known_sums() -> None:
    if not REAL_TRACE.exists():
        pytest.skip("The shared trace gentd26_requests.csv is not beside the checkout.")
    accounts = read_trace(REAL_TRACE)
    assert len(accounts) == 4_247
    assert sum(isinstance(s, Start) for a in accounts for s in a.steps) == 26_823
    assert sum(isinstance(s, Finish) for a in accounts for s in a.steps) == 26_823 - 33
    assert sum(isinstance(s, Finish) and s.failed for a in accounts for s in a.steps) == 398
    assert sum(a.expected.lines for a in accounts) == 4_247 + 26_823 + 398 + 33
