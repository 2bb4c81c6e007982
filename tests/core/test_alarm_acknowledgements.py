"""Acknowledgements over a changeover: what an operator was shown, and what its server knows."""

from __future__ import annotations

from changeover.core.alarm_records import JournalRecord, Shown
from changeover.core.alarm_states import SHELVING_MAX
from core.test_alarm_states import (
    ACKNOWLEDGED,
    ACTIVE,
    HIGH,
    HIGH_HIGH,
    NORMAL,
    RETURNED,
    SHELVED,
    do,
    one,
    refused,
    seen,
)


def test_an_acknowledgement_acknowledges_no_other_condition_than_its_operator_was_shown() -> None:
    """HIGH was acknowledged at the partner; HIGH_HIGH was seen a moment before here, a moment after there."""
    states = one()
    states.apply_record(JournalRecord("Two", 1, 10, "A", ACTIVE, HIGH))
    (own,) = filter(None, [states.apply_seen(seen(HIGH_HIGH, 19))])
    states.apply_record(JournalRecord("Two", 2, 20, "A", ACKNOWLEDGED, HIGH, action="x", who="Bob"))
    assert states.get("A").words == "active unacknowledged"
    states.apply_record(JournalRecord("Two", 3, 21, "A", ACTIVE, HIGH_HIGH), own.record)
    assert (states.get("A").words, states.get("A").active_utc) == ("active unacknowledged", 21)
    do(states, ACKNOWLEDGED, 22, "A")
    assert states.get("A").words == "active acknowledged"


def test_an_acknowledgement_of_what_had_returned_leaves_what_came_after_it() -> None:
    states = one()
    states.apply_record(JournalRecord("Two", 1, 10, "A", ACTIVE, HIGH))
    states.apply_record(JournalRecord("Two", 2, 15, "A", RETURNED, HIGH))
    states.apply_seen(seen(HIGH, 19))
    states.apply_record(JournalRecord("Two", 3, 20, "A", ACKNOWLEDGED, NORMAL, action="x", who="Bob"))
    assert states.get("A").words == "active unacknowledged"


def test_an_occurrence_that_was_not_heard_of_yet_is_acknowledged_when_it_is() -> None:
    """The partner showed it, and was lost before it could tell."""
    states = one()
    (change,) = do(states, ACKNOWLEDGED, 20, "A", shown=(Shown(HIGH, 15),))
    assert (change.record.event, change.record.condition) == (ACKNOWLEDGED, HIGH)
    assert states.get("A").words == "normal"
    states.apply_record(JournalRecord("Two", 1, 15, "A", ACTIVE, HIGH))
    assert states.get("A").words == "active acknowledged"
    assert states.get("A").acknowledged_by == "Ann"


def test_what_is_shown_is_acknowledged_and_not_what_came_before_or_after_it() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    do(states, ACKNOWLEDGED, 20, "A", shown=(Shown(HIGH_HIGH, 15),))
    assert states.get("A").words == "active unacknowledged", "HIGH is not what was shown"
    states.apply_record(JournalRecord("Two", 1, 15, "A", ACTIVE, HIGH_HIGH))
    assert states.get("A").words == "active acknowledged"
    states.apply_seen(seen(HIGH, 30))
    assert states.get("A").words == "active unacknowledged"


def test_no_shelving_is_longer_than_a_year() -> None:
    """A time out of all bounds could be kept by no archive."""
    states = one()
    assert "at most" in refused(states, SHELVED, 10, "A", until_utc=10 + SHELVING_MAX + 1)
    assert "at most" in refused(states, SHELVED, 10, "A", until_utc=2**64 - 1)
    do(states, SHELVED, 10, "A", until_utc=10 + SHELVING_MAX)
    assert states.get("A").words == "shelved"


def test_what_was_shown_long_ago_changes_nothing() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    do(states, ACKNOWLEDGED, 20, "A")
    assert do(states, ACKNOWLEDGED, 21, "A", shown=(Shown(HIGH, 10),)) == ()


def test_a_transition_that_both_saw_is_remembered_as_the_journal_has_it() -> None:
    states = one()
    (own,) = filter(None, [states.apply_seen(seen(HIGH, 12))])
    state = states.apply_record(JournalRecord("Two", 1, 10, "A", ACTIVE, HIGH, 7.0), own.record)
    assert state is not None
    assert (state.active_utc, state.value) == (10, 7.0)
    assert states.apply_seen(seen(HIGH, 13)) is None
