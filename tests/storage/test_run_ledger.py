"""The log of report runs on disk: what is kept, and what a restarted server finds to do."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.core.report_records import RunEvent, RunRecord
from changeover.storage.run_ledger import Run, RunLedger
from changeover.storage.sqlite_file import StoreError

STARTED, FINISHED, FAILED, SKIPPED, _ = RunEvent
HOUR = 3600 * 1_000_000_000
AT = 1_795_000_000 * 1_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[RunLedger]:
    with closing(RunLedger(path)) as opened:
        yield opened


class Log:
    """Makes the records of one server, numbered from 1."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.records: list[RunRecord] = []

    def tell(
        self, utc: int, event: RunEvent, scheduled: int = 0, report: str = "Shift", *detail: str
    ) -> RunRecord:
        number = len(self.records) + 1
        self.records.append(RunRecord(self.origin, number, AT + utc, report, AT + scheduled, event, detail))
        return self.records[-1]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            RunRecord,
            st.sampled_from(["ReportServer1", "Отчёт-2"]),
            st.just(0),
            *(st.integers(0, 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
            *(st.integers(0, 2**63 - 1), st.sampled_from(RunEvent)),
            st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=3).map(tuple),
        ),
        max_size=12,
    ),
    st.integers(0, 12),
)
def test_what_is_appended_is_found_again(drawn: Sequence[RunRecord], cut: int) -> None:
    logs: dict[str, list[RunRecord]] = {}
    records = []
    for one in drawn:
        of_origin = logs.setdefault(one.origin, [])
        record = RunRecord(
            one.origin, len(of_origin) + 1, one.utc, one.report, one.scheduled_utc, one.event, one.detail
        )
        of_origin.append(record)
        records.append(record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        with closing(RunLedger(path)) as ledger:
            ledger.append(records[:cut])
            ledger.append(records)
        with closing(RunLedger(path)) as ledger:
            assert ledger.numbers() == {origin: len(log) for origin, log in sorted(logs.items())}
            for origin, log in logs.items():
                pages: list[RunRecord] = []
                while page := ledger.records(origin, len(pages), 2):
                    pages += page
                assert pages == log
            for report in {record.report for record in records}:
                latest = max(record.scheduled_utc for record in records if record.report == report)
                assert ledger.last_scheduled(report) == latest
            runs = [(run.report, run.scheduled_utc) for run in ledger.runs()]
            assert len(set(runs)) == len(runs)
            assert set(runs) == {(record.report, record.scheduled_utc) for record in records}


def test_an_empty_ledger_knows_nothing(ledger: RunLedger) -> None:
    assert (ledger.numbers(), ledger.runs(), ledger.open_runs(), ledger.last_scheduled("Shift")) == (
        {},
        (),
        (),
        0,
    )


def test_a_gap_is_a_programmers_error(ledger: RunLedger) -> None:
    log = Log("A")
    first, _, third = (log.tell(n, STARTED, n) for n in range(3))
    ledger.append([first])
    with pytest.raises(AssertionError):
        ledger.append([third])
    ledger.append(log.records)
    assert ledger.numbers() == {"A": 3}


def test_a_run_is_what_its_latest_record_says_unless_it_was_finished(ledger: RunLedger) -> None:
    a, b = Log("A"), Log("B")
    a.tell(0, STARTED, 0)
    a.tell(5, FINISHED, 0, "Shift", "shift.html", "shift.csv")
    a.tell(HOUR, STARTED, HOUR)
    b.tell(HOUR + 3, STARTED, HOUR)
    b.tell(HOUR + 9, FAILED, HOUR, "Shift", "no room left")
    b.tell(HOUR, SKIPPED, HOUR, "Energy")
    ledger.append([*b.records, *a.records])
    assert ledger.runs() == (
        Run("Energy", AT + HOUR, SKIPPED, "B", AT + HOUR, (), 0),
        Run("Shift", AT + HOUR, FAILED, "B", AT + HOUR + 9, ("no room left",), 0),
        Run("Shift", AT, FINISHED, "A", AT + 5, ("shift.html", "shift.csv"), 1),
    )
    late = a.tell(HOUR + 20, FINISHED, HOUR)
    after = b.tell(HOUR + 30, FAILED, HOUR)
    ledger.append([late, after])
    assert [(run.event, run.origin) for run in ledger.runs("Shift", AT + 1)] == [(FINISHED, "A")]


def test_a_run_that_both_finished_is_counted(ledger: RunLedger) -> None:
    a, b = Log("A"), Log("B")
    for log, lag in ((a, 2), (b, 1)):
        log.tell(lag, STARTED)
        log.tell(5 + lag, FINISHED, 0, "Shift", f"{log.origin}.html")
        ledger.append(log.records)
    assert ledger.runs() == (Run("Shift", AT, FINISHED, "B", AT + 6, ("B.html",), 2),)


def test_runs_are_listed_latest_first_and_bounded(ledger: RunLedger) -> None:
    log = Log("A")
    for hour in range(6):
        for report in ("Shift", "Energy"):
            log.tell(hour * HOUR, STARTED, hour * HOUR, report)
            log.tell(hour * HOUR + 9, FINISHED, hour * HOUR, report)
    ledger.append(log.records)
    assert [((run.scheduled_utc - AT) // HOUR, run.report) for run in ledger.runs(limit=3)] == [
        (5, "Energy"),
        (5, "Shift"),
        (4, "Energy"),
    ]
    shifts = ledger.runs("Shift", AT + 2 * HOUR, 3)
    assert [((run.scheduled_utc - AT) // HOUR, run.report) for run in shifts] == [
        (5, "Shift"),
        (4, "Shift"),
        (3, "Shift"),
    ]
    assert len(ledger.runs(since_utc=AT + 2 * HOUR)) == 8
    assert ledger.last_scheduled("Shift") == AT + 5 * HOUR
    assert ledger.last_scheduled("shift") == 0


def opened(ledger: RunLedger) -> list[tuple[str, int]]:
    return [(record.origin, record.number) for record in ledger.open_runs()]


@pytest.mark.parametrize(
    ("told", "open_ones"),
    [
        ([("A", 0, STARTED)], [("A", 1)]),
        ([("A", 0, STARTED), ("A", 1, FINISHED)], []),
        ([("A", 0, STARTED), ("A", 1, FAILED)], []),
        ([("A", 0, SKIPPED)], []),
        # The other took over what its server did not finish.
        ([("A", 0, STARTED), ("B", 5, STARTED)], [("A", 1), ("B", 1)]),
        ([("A", 0, STARTED), ("B", 5, STARTED), ("B", 9, FINISHED)], []),
        ([("A", 0, STARTED), ("B", 5, STARTED), ("B", 9, FAILED)], []),
        ([("A", 0, STARTED), ("B", 5, SKIPPED)], []),
        # It failed there, and was begun again here.
        ([("A", 0, STARTED), ("A", 1, FAILED), ("B", 5, STARTED)], [("B", 1)]),
        ([("A", 0, STARTED), ("A", 1, FAILED), ("A", 2, STARTED)], [("A", 3)]),
        # A server that was restarted began the same run again: one start is open.
        ([("A", 0, STARTED), ("A", 7, STARTED)], [("A", 2)]),
        # Whatever the clocks say, a finished run is finished, and a server's own order holds.
        ([("A", 9, STARTED), ("B", 3, FINISHED)], []),
        ([("A", 9, STARTED), ("A", 3, FAILED)], []),
    ],
)
def test_open_runs_are_those_that_nobody_finished(
    ledger: RunLedger, told: list[tuple[str, int, RunEvent]], open_ones: list[tuple[str, int]]
) -> None:
    logs = {"A": Log("A"), "B": Log("B")}
    # Other runs of the same report and other reports of the same time say nothing about it.
    other = Log("C")
    other.tell(99, FINISHED, HOUR)
    other.tell(99, FINISHED, 0, "Energy")
    ledger.append(other.records)
    for origin, utc, event in told:
        ledger.append([logs[origin].tell(utc, event)])
    assert opened(ledger) == open_ones


def test_the_ledger_is_read_with_any_tool(path: Path) -> None:
    log = Log("A")
    log.tell(45_000_000, FINISHED, 0, "Schicht", "ü.html", "b.csv")
    with closing(RunLedger(path)) as ledger:
        ledger.append(log.records)
    with closing(sqlite3.connect(path)) as tool:
        rows = tool.execute("SELECT * FROM ledger_readable").fetchall()
    times = ("2026-11-18T11:06:40.045000000Z", "Schicht", "2026-11-18T11:06:40.000000000Z")
    assert rows == [(*times, "finished", '["ü.html","b.csv"]', "A", 1)]


@pytest.mark.parametrize("change", ["event = 'finihsed'", "detail = 'x.html'", "detail = '[1]'"])
def test_a_row_that_nobody_wrote_is_damage(path: Path, change: str) -> None:
    log = Log("A")
    log.tell(0, FINISHED)
    with closing(RunLedger(path)) as ledger:
        ledger.append(log.records)
    with closing(sqlite3.connect(path)) as tool, tool:
        tool.execute(f"UPDATE ledger SET {change}")
    with closing(RunLedger(path)) as ledger:
        with pytest.raises(StoreError, match="is damaged"):
            ledger.runs()
        with pytest.raises(StoreError, match="is damaged"):
            ledger.records("A", 0, 9)


def test_one_ledger_is_open_once(path: Path, ledger: RunLedger) -> None:
    with pytest.raises(StoreError, match="is in use"):
        RunLedger(path)
    ledger.close()
    RunLedger(path).close()
