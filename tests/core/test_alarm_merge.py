"""The journals of a pair as one: nothing lost that one alone saw, nothing told twice."""

from __future__ import annotations

from collections import Counter
from itertools import count, pairwise, product
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.core.alarm_merge import Merged, _pair_up, merge
from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.model.alarm import Condition

ACTIVE, RETURNED, UNSHELVED = AlarmEvent.ACTIVE, AlarmEvent.RETURNED, AlarmEvent.UNSHELVED
HIGH, HIGH_HIGH = Condition.HIGH, Condition.HIGH_HIGH
WINDOW = 10


def log(origin: str, *entries: tuple[int, AlarmEvent], tag: str = "A", start: int = 1) -> list[JournalRecord]:
    return [
        JournalRecord(origin, number, utc, tag, event, HIGH)
        for number, (utc, event) in enumerate(entries, start=start)
    ]


def told(merged: Merged) -> list[str]:
    return [f"{record.utc} {record.origin} {record.event.name}" for record in merged.records]


def test_a_transition_that_both_logged_is_told_once_by_who_saw_it_first() -> None:
    ours = log("One", (100, ACTIVE), (200, RETURNED))
    theirs = log("Two", (103, ACTIVE), (195, RETURNED))
    merged = merge([*theirs, *ours], WINDOW)
    assert told(merged) == ["100 One ACTIVE", "195 Two RETURNED"]
    assert merged.folded == 2


def test_the_window_ends_where_it_says() -> None:
    ours = log("One", (100, ACTIVE), (105, RETURNED))
    assert merge([*ours, *log("Two", (110, ACTIVE))], WINDOW).folded == 1
    assert merge([*ours, *log("Two", (111, ACTIVE))], WINDOW).folded == 0


def test_what_repeats_the_state_is_folded_however_late() -> None:
    """A server that was blind tells what it sees when it sees again."""
    merged = merge([*log("One", (100, ACTIVE)), *log("Two", (9000, ACTIVE))], WINDOW)
    assert (told(merged), merged.folded) == (["100 One ACTIVE"], 1)


def test_what_was_disabled_in_between_is_active_anew() -> None:
    disabled = JournalRecord("One", 2, 500, "A", AlarmEvent.DISABLED, action="x")
    merged = merge([*log("One", (100, ACTIVE)), disabled, *log("Two", (9000, ACTIVE))], WINDOW)
    assert merged.folded == 0


def test_only_the_like_is_folded() -> None:
    ours = JournalRecord("One", 1, 100, "A", ACTIVE, HIGH)
    for other in (
        JournalRecord("Two", 1, 100, "B", ACTIVE, HIGH),
        JournalRecord("Two", 1, 100, "A", RETURNED, HIGH),
        JournalRecord("Two", 1, 100, "A", ACTIVE, HIGH_HIGH),
        JournalRecord("One", 2, 100, "A", ACTIVE, HIGH),
    ):
        assert merge([ours, other], WINDOW) == Merged((ours, other), 0)


def test_one_that_two_could_be_is_the_nearest() -> None:
    ours = log("One", (100, ACTIVE))
    merged = merge([*ours, *log("Two", (92, ACTIVE), (103, ACTIVE))], WINDOW)
    assert told(merged) == ["92 Two ACTIVE", "100 One ACTIVE"]


def test_pulses_that_one_server_saw_after_the_other_saw_them_end_are_still_paired() -> None:
    ours = log("One", (0, ACTIVE), (5, RETURNED), (10, ACTIVE), (15, RETURNED))
    theirs = log("Two", (6, ACTIVE), (7, RETURNED), (12, ACTIVE), (20, RETURNED))
    merged = merge([*ours, *theirs], WINDOW)
    assert (list(merged.records), merged.folded) == (ours, 4)


def test_who_takes_over_goes_on_where_the_other_ended() -> None:
    ours = log("One", (0, ACTIVE), (50, RETURNED), (100, ACTIVE))
    theirs = log("Two", (104, ACTIVE), (150, RETURNED))
    assert told(merge([*ours, *theirs], WINDOW)) == [
        "0 One ACTIVE",
        "50 One RETURNED",
        "100 One ACTIVE",
        "150 Two RETURNED",
    ]


def test_an_action_is_told_once_per_alarm_whoever_wrote_it() -> None:
    records = [
        JournalRecord(origin, number, 100, tag, AlarmEvent.ACKNOWLEDGED, HIGH, action=action, who="Ann")
        for (origin, action, tag), number in zip(product(("One", "Two"), "xy", "AB"), count(1))
    ]
    merged = merge(records, 0)
    assert [(record.origin, record.action, record.tag) for record in merged.records] == [
        ("One", "x", "A"),
        ("One", "x", "B"),
        ("One", "y", "A"),
        ("One", "y", "B"),
    ]
    assert merged.folded == 0


def test_the_end_of_a_shelving_that_both_logged_is_told_once() -> None:
    ours = log("One", (100, ACTIVE), (101, UNSHELVED))
    theirs = log("Two", (101, UNSHELVED), (102, ACTIVE))
    merged = merge([*ours, *theirs], WINDOW)
    assert (told(merged), merged.folded) == (["100 One ACTIVE", "101 One UNSHELVED"], 2)


def test_a_third_origin_is_laid_beside_the_two() -> None:
    records = [
        *log("One", (100, ACTIVE)),
        *log("Three", (99, ACTIVE)),
        *log("Two", (101, ACTIVE), (120, RETURNED)),
    ]
    merged = merge(records, WINDOW)
    assert (told(merged), merged.folded) == (["99 Three ACTIVE", "120 Two RETURNED"], 2)


def test_what_repeats_the_state_that_the_other_server_told_is_folded_where_it_is_no_pair() -> None:
    """Both pairs would cross; the one that is not taken still says nothing new."""
    ours = log("One", (1, RETURNED), (2, ACTIVE))
    theirs = log("Two", (1, ACTIVE), (2, RETURNED))
    merged = merge([*ours, *theirs], 1)
    assert (told(merged), merged.folded) == (["1 One RETURNED", "1 Two ACTIVE"], 2)


# --- properties ---

entries = st.tuples(
    st.integers(0, 60),
    st.sampled_from("AB"),
    st.sampled_from([ACTIVE, RETURNED]),
    st.sampled_from([HIGH, HIGH_HIGH]),
)


@st.composite
def logs(draw: st.DrawFn, tags: str = "AB", size: int = 12) -> list[JournalRecord]:
    """What two or three origins wrote, in the order of times, some of it actions, each written once."""
    records: list[JournalRecord] = []
    for origin in draw(st.sampled_from([("One", "Two"), ("One", "Two", "Three")])):
        drawn = sorted(draw(st.lists(entries, max_size=size)), key=lambda entry: entry[0])
        for number, (utc, tag, event, condition) in enumerate(drawn, start=1):
            action = draw(st.sampled_from(["", "", "", "x", "y"]))
            tag = tag if tag in tags else tags[0]
            if (origin, tag, action) in [(other.origin, other.tag, other.action) for other in records]:
                action = ""
            if action:
                event = AlarmEvent.DISABLED
            records.append(JournalRecord(origin, number, utc, tag, event, condition, action=action))
    return records


@given(logs(), st.integers(0, 20), st.data())
def test_the_same_records_give_the_same_in_whatever_order_and_however_often_they_come(
    records: list[JournalRecord], window: int, data: st.DataObject
) -> None:
    again = data.draw(st.permutations(records)) + data.draw(st.lists(st.sampled_from(records or [None])))
    assert merge((record for record in again if record), window) == merge(records, window)


@given(logs(), st.integers(0, 20))
def test_what_is_told_was_written_and_comes_in_order(records: list[JournalRecord], window: int) -> None:
    merged = merge(records, window)
    assert set(merged.records) <= set(records)
    places = [(record.utc, record.origin, record.number) for record in merged.records]
    assert places == sorted(set(places))
    if not merged.folded:
        assert merge(merged.records, window) == merged


def kind_of(record: JournalRecord) -> tuple[str, str]:
    """What records that can be one have in common."""
    return record.tag, record.action or f"{record.event.name} {record.condition.value}"


@given(logs(), st.integers(0, 20))
def test_no_two_records_of_one_server_are_folded(records: list[JournalRecord], window: int) -> None:
    """Of each server alone everything is told; of all, of each kind, never less than one of them wrote."""
    merged = merge(records, window)
    kinds = Counter(kind_of(record) for record in merged.records)
    for origin in {record.origin for record in records}:
        own = [record for record in records if record.origin == origin]
        alone = merge(own, window)
        assert (set(alone.records), alone.folded) == (set(own), 0)
        assert Counter(kind_of(record) for record in own) <= kinds


@given(logs(), st.integers(0, 20))
def test_every_transition_that_is_not_told_has_a_like_that_is(
    records: list[JournalRecord], window: int
) -> None:
    merged = merge(records, window)
    transitions = [record for record in records if not record.action]
    left_out = [record for record in transitions if record not in merged.records]
    assert merged.folded == len(left_out)
    for record in left_out:
        assert any(
            (other.tag, other.event, other.condition) == (record.tag, record.event, record.condition)
            and other.origin != record.origin
            and other.utc <= record.utc
            for other in merged.records
        )


def nearness(ours: list[JournalRecord], theirs: list[JournalRecord], window: int) -> int:
    """The most nearness of a chain of pairs in the order of both, by trying all that a first pair leaves."""
    best = 0
    for (i, a), (j, b) in product(enumerate(ours), enumerate(theirs)):
        if (a.event, a.condition) == (b.event, b.condition) and abs(a.utc - b.utc) <= window:
            rest = nearness(ours[i + 1 :], theirs[j + 1 :], window)
            best = max(best, window + 1 - abs(a.utc - b.utc) + rest)
    return best


@settings(max_examples=300)
@given(logs("A", 5), st.integers(0, 30))
def test_pairs_are_in_order_and_have_the_most_nearness(records: list[JournalRecord], window: int) -> None:
    ours, theirs = (
        [record for record in records if record.origin == origin and not record.action]
        for origin in ("One", "Two")
    )
    chain = _pair_up(ours, theirs, window)
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(chain))
    distances = [abs(ours[i].utc - theirs[j].utc) for i, j in chain]
    assert all(distance <= window for distance in distances)
    assert sum(window + 1 - distance for distance in distances) == nearness(ours, theirs, window)


Truth: TypeAlias = list[tuple[int, str, AlarmEvent, Condition]]


@st.composite
def truths(draw: st.DrawFn, gap: int) -> Truth:
    """What really happened to two alarms: each becomes active and returns by turns, at least `gap` apart."""
    truth = []
    for tag in "AB":
        utc = 100
        for place in range(draw(st.integers(0, 12))):
            utc += gap + draw(st.integers(0, 20))
            condition = HIGH if place // 2 % 2 else HIGH_HIGH
            truth.append((utc, tag, RETURNED if place % 2 else ACTIVE, condition))
    return sorted(truth)


def seen_by(data: st.DataObject, origin: str, truth: Truth, earliest: int) -> list[JournalRecord]:
    """A server's log: each alarm in the order in which it happened, each time off by `earliest` to 9."""
    jitter = data.draw(st.lists(st.integers(earliest, 9), min_size=len(truth), max_size=len(truth)))
    # Sorted, the times of an alarm are as little off as before.
    times = {
        tag: iter(sorted(utc + off for (utc, of, *_), off in zip(truth, jitter, strict=True) if of == tag))
        for tag in "AB"
    }
    return [
        JournalRecord(origin, number, next(times[tag]), tag, event, condition)
        for number, (_, tag, event, condition) in enumerate(truth, start=1)
    ]


def first_sight(*sights: JournalRecord) -> JournalRecord:
    return min(sights, key=lambda record: (record.utc, record.origin))


@settings(max_examples=300)
@given(truths(20), st.data())
def test_one_truth_is_told_exactly_whoever_logged_what(truth: Truth, data: st.DataObject) -> None:
    """Jitter below half the window, transitions of an alarm a window apart."""
    pairs = list(zip(*(seen_by(data, origin, truth, -9) for origin in ("One", "Two")), strict=True))
    shares = data.draw(
        st.lists(st.sampled_from([(0,), (1,), (0, 1)]), min_size=len(truth), max_size=len(truth))
    )
    logged = [tuple(pair[n] for n in share) for pair, share in zip(pairs, shares, strict=True)]
    merged = merge([record for sights in logged for record in sights], 20)
    assert set(merged.records) == {first_sight(*sights) for sights in logged}
    assert merged.folded == shares.count((0, 1))


@settings(max_examples=300)
@given(truths(10), st.data())
def test_an_alarm_that_changes_with_every_scan_is_told_exactly_where_both_logged_it(
    truth: Truth, data: st.DataObject
) -> None:
    """A scan of 10, in which each server sees a change at most 9 later; a window of two scans."""
    ours, theirs = (seen_by(data, origin, truth, 0) for origin in ("One", "Two"))
    merged = merge([*ours, *theirs], 20)
    assert set(merged.records) == {first_sight(*pair) for pair in zip(ours, theirs, strict=True)}
    assert merged.folded == len(truth)
