"""Alarm states, journal and summary on disk: what is kept, and what is found again."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition
from changeover.storage.alarm_store import AlarmStore
from changeover.storage.alarm_tables import Occurrence

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_alarm_store.py"
SECOND = 1_000_000_000
AT = 1_795_000_000 * SECOND
EVER = 2**62
HIGH, HIGH_HIGH, NORMAL = Condition.HIGH, Condition.HIGH_HIGH, Condition.NORMAL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alarms.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[AlarmStore]:
    with closing(AlarmStore(path)) as opened:
        yield opened


def record(number: int, utc: int = AT, tag: str = "Pump", origin: str = "A", **rest: object) -> JournalRecord:
    event = rest.pop("event", AlarmEvent.ACTIVE)
    return JournalRecord(origin, number, utc, tag, event, **rest)


def numbered(count: int, origin: str = "A", first: int = 1) -> list[JournalRecord]:
    return [record(n, AT + n * SECOND, f"T{n % 7}", origin) for n in range(first, first + count)]


def everything(store: AlarmStore) -> tuple[JournalRecord, ...]:
    return store.journal(0, EVER, limit=10**9)


def occurrences(store: AlarmStore) -> tuple[Occurrence, ...]:
    return store.summary(0, EVER, limit=10**9)


# --- states ---

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.integers(0, 2**63 - 1)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
STATES = st.builds(
    AlarmState,
    st.text(st.characters(exclude_categories=["Cs", "Lu", "Lt", "Ll"]), min_size=1, max_size=10),
    st.sampled_from(Condition),
    st.booleans(),
    *(TIMES, TIMES, TIMES, TEXTS, NUMBERS, st.booleans(), TIMES, TEXTS, TIMES),
)
RECORDS = st.builds(
    JournalRecord,
    *(st.just("A"), st.just(1), TIMES, TEXTS, st.sampled_from(AlarmEvent), st.sampled_from(Condition)),
    *(NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS, TIMES),
)


def alike(left: object, right: object) -> bool:
    """Equal, and NaN is NaN."""
    return all(
        a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(msgspec.structs.astuple(left), msgspec.structs.astuple(right), strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(STATES, unique_by=lambda state: state.tag), RECORDS)
@example([AlarmState("T", value=math.nan)], record(1, value=math.nan))
@example([AlarmState("T", value=math.inf)], record(1, value=-math.inf))
def test_what_is_written_is_found_again(states: Sequence[AlarmState], written: JournalRecord) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alarms.sqlite"
        with closing(AlarmStore(path)) as store:
            store.write(states, [written])
        with closing(AlarmStore(path)) as store:
            found = {state.tag: state for state in store.restore()}
            (kept,) = store.records("A", 0, 10)
            newest = store.has_state_utc()
    assert found.keys() == {state.tag for state in states}
    assert all(alike(found[state.tag], state) for state in states)
    assert alike(kept, written)
    assert newest == max((state.changed_utc for state in states), default=0)


def test_a_state_replaces_that_of_its_tag_in_any_case(store: AlarmStore) -> None:
    store.write([AlarmState("Pump", HIGH, changed_utc=1), AlarmState("Valve", changed_utc=2)], [])
    store.write([AlarmState("PUMP", changed_utc=7)], [])
    assert store.restore() == (AlarmState("PUMP", changed_utc=7), AlarmState("Valve", changed_utc=2))
    assert store.has_state_utc() == 7


def test_of_several_states_of_a_tag_the_last_stays(store: AlarmStore) -> None:
    store.write([AlarmState("Pump", HIGH, False, AT), AlarmState("Pump", NORMAL, False, AT, AT + 5)], [])
    assert store.restore() == (AlarmState("Pump", NORMAL, False, AT, AT + 5),)


# --- numbers ---


def test_an_empty_store_knows_nothing(store: AlarmStore) -> None:
    assert (store.restore(), store.numbers(), store.pruned(), store.has_state_utc()) == ((), {}, {}, 0)
    assert (everything(store), occurrences(store), store.actions(9)) == ((), (), ())
    assert not store.knows_action("a")
    assert store.prune(EVER) == 0


def test_records_that_are_there_change_nothing(store: AlarmStore) -> None:
    first = numbered(5)
    store.write([], first)
    other = [msgspec.structs.replace(known, comment="told otherwise") for known in first]
    store.write([], [*other[2:], *numbered(2, first=6)])
    store.write([], numbered(7))
    assert store.records("A", 0, 100) == tuple(numbered(7))
    assert store.numbers() == {"A": 7}


def test_a_gap_is_a_programmers_error_and_leaves_nothing_behind(store: AlarmStore) -> None:
    store.write([], numbered(3))
    for wrong in (numbered(1, first=5), [*numbered(1, first=4), *numbered(1, first=6)], numbered(1, "B", 2)):
        with pytest.raises(AssertionError):
            store.write([AlarmState("Pump")], wrong)
    with pytest.raises(AssertionError):
        store.write([AlarmState("Pump")], [record(0)])
    assert (store.restore(), store.numbers()) == ((), {"A": 3})
    store.write([AlarmState("Pump")], numbered(1, first=4))
    assert store.numbers() == {"A": 4}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 6), st.integers(1, 9)), max_size=12))
def test_batches_that_overlap_give_each_log_once(batches: Sequence[tuple[str, int, int]]) -> None:
    truth = {"A": 0, "B": 0}
    with tempfile.TemporaryDirectory() as folder, closing(AlarmStore(Path(folder) / "a.sqlite")) as store:
        for origin, back, count in batches:
            first = max(1, truth[origin] + 1 - back)
            store.write([], numbered(count, origin, first))
            truth[origin] = max(truth[origin], first + count - 1)
        assert store.numbers() == {origin: last for origin, last in truth.items() if last}
        for origin, last in truth.items():
            pages: list[JournalRecord] = []
            while page := store.records(origin, len(pages), 4):
                pages += page
            assert pages == numbered(last, origin)


def test_an_action_is_known_once_any_server_logged_it(store: AlarmStore) -> None:
    by_hand = {"event": AlarmEvent.ACKNOWLEDGED, "action": "HMI1-7", "who": "anna", "where": "HMI1"}
    store.write([], [record(1, origin="B", tag="T1", **by_hand), record(2, origin="B", tag="T2", **by_hand)])
    store.write([], numbered(3))
    assert store.knows_action("HMI1-7")
    assert not store.knows_action("HMI1-70")
    with pytest.raises(AssertionError):
        store.knows_action("")


def test_the_last_actions_are_told_oldest_first(store: AlarmStore) -> None:
    by_hand = {"event": AlarmEvent.COMMENT, "comment": "x"}
    given_at = {"c": 3, "a": 5, "d": 1, "b": 5, "e": 2}
    lines = [*given_at.items(), ("c", 9)]
    store.write([], [record(n, AT + utc, action=name, **by_hand) for n, (name, utc) in enumerate(lines, 1)])
    store.write([], numbered(2, "B"))
    assert store.actions(9) == ("d", "e", "a", "b", "c")
    assert store.actions(2) == ("b", "c")


def test_an_archive_numbers_its_records_under_one_name_for_ever(path: Path) -> None:
    with closing(AlarmStore(path)) as store:
        assert store.origin("AlarmServer1~18") == "AlarmServer1~18"
    with closing(AlarmStore(path)) as store:
        assert store.origin("AlarmServer1~19") == "AlarmServer1~18"
        assert store.numbers() == {}


def test_an_archive_that_was_copied_from_another_server_gets_a_name_of_its_own(path: Path) -> None:
    """Else both servers of a pair would give the same numbers to different records."""
    with closing(AlarmStore(path)) as store:
        store.origin("Alarm1~18")
        store.write([], numbered(3, "Alarm1~18"))
    with closing(AlarmStore(path)) as store:
        assert store.origin("Alarm2~19") == "Alarm2~19"
        assert store.numbers() == {"Alarm1~18": 3}
    with closing(AlarmStore(path)) as store:
        assert store.origin("Alarm2~20") == "Alarm2~19"


# --- the journal as a list ---


@dataclass(frozen=True)
class Asked:
    """One question to the journal, and what it should find."""

    start: int
    end: int
    tags: Sequence[str] | None
    events: Sequence[AlarmEvent] | None
    newest_first: bool

    def answer(self, records: Sequence[JournalRecord]) -> list[JournalRecord]:
        tags = None if self.tags is None else {tag.lower() for tag in self.tags}
        found = [
            r
            for r in records
            if self.start <= r.utc < self.end
            and (tags is None or r.tag.lower() in tags)
            and (self.events is None or r.event in self.events)
        ]
        return sorted(found, key=lambda r: (r.utc, r.origin, r.number), reverse=self.newest_first)


TAGS = [f"T{n}" for n in range(60)]
QUESTIONS = st.builds(
    Asked,
    st.integers(0, 12),
    st.integers(0, 12),
    st.none() | st.lists(st.sampled_from([*TAGS, "t3", "gone"]), max_size=4) | st.just(TAGS),
    st.none() | st.lists(st.sampled_from(AlarmEvent), max_size=3),
    st.booleans(),
)
LINES = st.tuples(
    st.sampled_from("AB"), st.integers(1, 10), st.sampled_from(TAGS[:6]), st.sampled_from(AlarmEvent)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=40), st.lists(QUESTIONS, min_size=5, max_size=5), st.integers(1, 7))
def test_the_journal_lists_what_was_asked_for_page_by_page(
    lines: Sequence[tuple[str, int, str, AlarmEvent]], questions: Sequence[Asked], page_length: int
) -> None:
    count = {"A": 0, "B": 0}
    records = []
    for origin, utc, tag, event in lines:
        count[origin] += 1
        records.append(JournalRecord(origin, count[origin], utc, tag, event))
    with tempfile.TemporaryDirectory() as folder, closing(AlarmStore(Path(folder) / "a.sqlite")) as store:
        store.write([], records)
        for asked in questions:
            found: list[JournalRecord] = []
            after = None
            while page := store.journal(*_arguments(asked), page_length, asked.newest_first, after):
                assert len(page) <= page_length
                found += page
                after = (page[-1].utc, page[-1].origin, page[-1].number)
            assert found == asked.answer(records)


def _arguments(asked: Asked) -> tuple[int, int, Sequence[str] | None, Sequence[AlarmEvent] | None]:
    return asked.start, asked.end, asked.tags, asked.events


# --- the summary ---

ACTIVE, RETURNED, ACKNOWLEDGED = AlarmEvent.ACTIVE, AlarmEvent.RETURNED, AlarmEvent.ACKNOWLEDGED
DISABLED, ENABLED, COMMENT = AlarmEvent.DISABLED, AlarmEvent.ENABLED, AlarmEvent.COMMENT


def test_an_occurrence_is_one_row_from_active_to_acknowledged(store: AlarmStore) -> None:
    store.write([], [record(1, AT, condition=HIGH, value=9.5)])
    assert occurrences(store) == (Occurrence("Pump", HIGH, AT, 0, 0, "", "", "A", 1),)
    store.write([], [record(2, AT + 5, event=RETURNED)])
    assert occurrences(store) == (Occurrence("Pump", HIGH, AT, AT + 5, 0, "", "", "A", 1),)
    store.write(
        [],
        [
            record(1, AT + 9, origin="B", event=ACKNOWLEDGED, action="HMI1-1", who="anna"),
            record(2, AT + 10, origin="B", event=ACKNOWLEDGED, action="HMI2-1", who="bert"),
            record(3, AT + 11, origin="B", event=COMMENT, action="HMI1-2", who="anna", comment="seal"),
        ],
    )
    assert occurrences(store) == (Occurrence("Pump", HIGH, AT, AT + 5, AT + 9, "anna", "seal", "A", 1),)


def test_a_next_condition_ends_the_occurrence_before(store: AlarmStore) -> None:
    store.write([], [record(1, AT, condition=HIGH), record(2, AT + 3, condition=HIGH_HIGH)])
    assert occurrences(store) == (
        Occurrence("Pump", HIGH, AT, AT + 3, 0, "", "", "A", 1),
        Occurrence("Pump", HIGH_HIGH, AT + 3, 0, 0, "", "", "A", 2),
    )


@pytest.mark.parametrize("late", ["A", "B"])
def test_a_transition_that_both_servers_logged_is_one_occurrence(store: AlarmStore, late: str) -> None:
    first = "AB"[late == "A"]
    logs = {
        first: [
            record(1, AT, origin=first, condition=HIGH),
            record(2, AT + 50, origin=first, event=RETURNED),
        ],
        late: [
            record(1, AT + 9, origin=late, condition=HIGH),
            record(2, AT + 59, origin=late, event=RETURNED),
        ],
    }
    for log in logs.values():
        store.write([], log)
    assert occurrences(store) == (Occurrence("Pump", HIGH, AT, AT + 50, 0, "", "", first, 1),)


def test_an_alarm_that_was_out_of_service_begins_anew(store: AlarmStore) -> None:
    events = [ACTIVE, DISABLED, ACTIVE, RETURNED, ACTIVE, ENABLED, ACTIVE]
    store.write([], [record(n, AT + n, event=event, condition=HIGH) for n, event in enumerate(events, 1)])
    rows = [(row.active_utc - AT, row.returned_utc - AT) for row in occurrences(store)]
    assert rows == [(1, 2), (7, -AT)], "it was disabled at 2, and lasts since 7"


def told(records: Sequence[JournalRecord]) -> list[Occurrence]:
    """The summary by another way: the journal of every alarm, read from its beginning."""
    found = []
    for tag in {r.tag.lower() for r in records}:
        lines = sorted(
            (r for r in records if r.tag.lower() == tag), key=lambda r: (r.utc, r.origin, r.number)
        )
        condition, disabled = NORMAL, False
        starts: list[tuple[JournalRecord, int]] = []
        for line in lines:
            was = condition
            if line.event in (DISABLED, ENABLED):
                condition, disabled = NORMAL, line.event is DISABLED
            elif line.event is RETURNED:
                condition = NORMAL
            elif line.event is ACTIVE and not disabled:
                condition = line.condition
            if condition is not was and was is not NORMAL:
                starts[-1] = (starts[-1][0], line.utc)
            if condition is not was and condition is not NORMAL:
                starts.append((line, 0))
        ends = [*(start.utc for start, _ in starts), EVER][1:]
        for (start, returned), end in zip(starts, ends, strict=True):
            during = [line for line in lines if start.utc <= line.utc < end]
            by = next((line for line in during if line.event is ACKNOWLEDGED), None)
            comments = [line.comment for line in during if line.comment] or [""]
            found.append(
                Occurrence(
                    start.tag,
                    start.condition,
                    start.utc,
                    returned,
                    by.utc if by else 0,
                    by.who if by else "",
                    comments[-1],
                    start.origin,
                    start.number,
                )
            )
    return sorted(found, key=lambda row: (row.active_utc, row.origin, row.number))


STORIES = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(1, 30),
        st.sampled_from(["Pump", "PUMP", "Valve"]),
        st.sampled_from(
            [ACTIVE, ACTIVE, ACTIVE, RETURNED, RETURNED, ACKNOWLEDGED, DISABLED, ENABLED, COMMENT]
        ),
        st.sampled_from([HIGH, HIGH_HIGH]),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(STORIES, st.integers(1, 5))
def test_the_summary_is_what_reading_the_journal_tells(
    story: Sequence[tuple[str, int, str, AlarmEvent, Condition]], page_length: int
) -> None:
    records: list[JournalRecord] = []
    for origin, utc, tag, event, condition in story:
        number = sum(r.origin == origin for r in records) + 1
        comment = f"{origin}{number}" if event is COMMENT or (event is DISABLED and number % 2) else ""
        line = record(number, utc, tag, origin, event=event, condition=condition, comment=comment)
        records.append(msgspec.structs.replace(line, who=f"who{number}"))
    with tempfile.TemporaryDirectory() as folder, closing(AlarmStore(Path(folder) / "a.sqlite")) as store:
        store.write([], records)
        for newest_first in (False, True):
            found: list[Occurrence] = []
            after = None
            while page := store.summary(0, EVER, None, page_length, newest_first, after):
                found += page
                after = (page[-1].active_utc, page[-1].origin, page[-1].number)
            assert (found[::-1] if newest_first else found) == told(records)
        valve = [row for row in told(records) if row.tag == "Valve" and 10 <= row.active_utc < 20]
        assert list(store.summary(10, 20, ["vaLve", "gone"])) == valve


def test_two_servers_that_have_both_logs_have_one_summary(tmp_path: Path) -> None:
    logs = {
        "A": [record(n, AT + 10 * n, f"T{n % 3}", "A", condition=HIGH) for n in range(1, 9)],
        "B": [record(n, AT + 10 * n + 5, f"T{n % 3}", "B", event=RETURNED) for n in range(1, 7)],
    }
    with closing(AlarmStore(tmp_path / "a")) as one, closing(AlarmStore(tmp_path / "b")) as other:
        one.write([], logs["A"])
        one.write([], logs["B"])
        for origin in ("B", "A"):
            for line in logs[origin]:
                other.write([], [line])
        assert occurrences(one) == occurrences(other) != ()


# --- forgetting ---


def test_numbers_outlive_what_is_pruned(path: Path) -> None:
    with closing(AlarmStore(path)) as store:
        store.write([], [*numbered(10), *numbered(4, "B")])
        assert store.prune(AT + 7 * SECOND) == 6 + 4
        assert store.prune(AT + 7 * SECOND) == 0
        store.write([], numbered(10))
        assert everything(store) == tuple(numbered(4, first=7))
        assert (store.numbers(), store.pruned()) == ({"A": 10, "B": 4}, {"A": 6, "B": 4})
        store.prune(EVER)
    with closing(AlarmStore(path)) as store:
        assert (everything(store), store.numbers(), store.pruned()) == (
            (),
            {"A": 10, "B": 4},
            {"A": 10, "B": 4},
        )
        store.write([], numbered(2, first=11))
        assert store.records("A", 0, 9) == tuple(numbered(2, first=11))


def test_a_bounded_number_goes_at_a_time(store: AlarmStore) -> None:
    store.write([], [*numbered(25), *numbered(8, "B")])
    assert [store.prune(AT + 22 * SECOND, 10) for _ in range(4)] == [10 + 8, 10, 1, 0]
    assert everything(store) == tuple(numbered(4, first=22))


def test_a_record_of_a_clock_that_was_wrong_keeps_those_after_it(store: AlarmStore) -> None:
    store.write([], [record(1, AT), record(2, AT + 10**6 * SECOND), record(3, AT)])
    assert store.prune(AT + SECOND) == 1
    assert [kept.number for kept in store.records("A", 0, 9)] == [2, 3]


def test_a_partner_does_without_what_was_pruned(tmp_path: Path) -> None:
    with closing(AlarmStore(tmp_path / "a")) as running, closing(AlarmStore(tmp_path / "b")) as returning:
        running.write([], numbered(20))
        returning.write([], numbered(3))
        running.prune(AT + 13 * SECOND)
        for origin, number in running.pruned().items():
            returning.skip(origin, number)
            returning.skip(origin, number - 1)
        assert returning.numbers() == {"A": 12}
        while page := running.records("A", returning.numbers()["A"], 3):
            returning.write([], page)
        assert returning.records("A", 0, 99) == running.records("A", 0, 99) == tuple(numbered(8, first=13))
        assert (returning.numbers(), returning.pruned()) == (running.numbers(), running.pruned())
        assert everything(returning)[:3] == tuple(numbered(3)), "what it had it still lists"
        returning.prune(AT + 13 * SECOND)
        assert everything(returning) == everything(running)


# --- the benchmark ---


def test_the_quick_benchmark_measures_what_it_says(tmp_path: Path) -> None:
    words = [sys.executable, str(BENCHMARK), "--quick", "--json", "--folder", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rounds"] >= 2
    assert {"transactions", "write all", "restore", "journal page"} <= report["figures"].keys()
    for figure in report["figures"].values():
        assert 0 < figure["lowest"] <= figure["median"] <= figure["highest"]
    assert list(tmp_path.iterdir()) == []
