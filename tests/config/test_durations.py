from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.config.durations import DAY, HOUR, MINUTE, duration_text, parse_duration
from changeover.model.moment import MILLISECOND, SECOND


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0", 0),
        ("5", 5 * SECOND),
        ("0.1", 100 * MILLISECOND),
        ("2.5s", 2500 * MILLISECOND),
        ("250ms", 250 * MILLISECOND),
        ("250 MS", 250 * MILLISECOND),
        ("15m", 15 * MINUTE),
        ("12h", 12 * HOUR),
        ("90d", 90 * DAY),
        ("2w", 14 * DAY),
        ("00:00:05", 5 * SECOND),
        ("1:2:3", HOUR + 2 * MINUTE + 3 * SECOND),
        ("00:00:00.25", 250 * MILLISECOND),
        ("72:00:00", 72 * HOUR),
        ("-5", -5 * SECOND),
        ("-00:00:05", -5 * SECOND),
        ("0.000000001", 1),
    ],
)
def test_spans_as_written(text: str, span: int) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text",
    ["", " ", "5 min", "1:30", "00:60:00", "00:00:60", "1e3", "1_000", "٣", "0x10", "nan", "inf", "5s5", "::",
     "1,5", "+5", "--5", "5" * 10**6, "1:2:3:4", "ms"],
)  # fmt: skip
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_duration(text)


@given(st.integers(0, 10**6), st.sampled_from([1, 1000, MILLISECOND, 10 * MILLISECOND, SECOND, MINUTE, DAY]))
def test_a_span_is_read_back_as_it_is_shown(amount: int, unit: int) -> None:
    assert parse_duration(duration_text(amount * unit)) == amount * unit


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0"),
        (DAY, "24h"),
        (2 * DAY, "2d"),
        (10 * MILLISECOND, "10ms"),
        (90 * SECOND, "90s"),
        (MINUTE, "1m"),
    ],
)
def test_a_span_is_shown_in_its_largest_unit(span: int, text: str) -> None:
    assert duration_text(span) == text
