"""What a report server keeps on disk: the log of runs, in one SQLite file that any SQLite tool can read.

`ledger_readable` shows the times as ISO text; the files of a run stand in `detail` as a JSON list.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from changeover.core.report_records import RunEvent, RunRecord
from changeover.storage.sqlite_file import ORIGINS, Layout, SqliteFile, fresh, iso_utc

_EVENTS = {event.name.lower(): event for event in RunEvent}
_EVENT_NAMES = {event: name for name, event in _EVENTS.items()}
_DETAIL = msgspec.json.Decoder(tuple[str, ...])

_LAYOUT = Layout(
    application_id=0x436F5275,
    version=1,
    statements=f"""{ORIGINS}
    CREATE TABLE ledger (
        origin TEXT NOT NULL,
        number INTEGER NOT NULL,
        utc INTEGER NOT NULL,
        report TEXT NOT NULL,
        scheduled_utc INTEGER NOT NULL,
        event TEXT NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (origin, number)
    ) WITHOUT ROWID;
    CREATE INDEX ledger_by_run ON ledger (report, scheduled_utc, event);
    CREATE INDEX ledger_by_schedule ON ledger (scheduled_utc DESC, report);

    CREATE VIEW ledger_readable AS
        SELECT {iso_utc("utc")} AS utc, report, {iso_utc("scheduled_utc")} AS scheduled_utc, event, detail,
            origin, number
        FROM ledger ORDER BY ledger.utc, origin, number
    """,
)

_RUNS = """
    SELECT ledger.* FROM (
        SELECT DISTINCT scheduled_utc, report FROM ledger
        WHERE scheduled_utc >= ?1 AND (?2 IS NULL OR report = ?2)
        ORDER BY scheduled_utc DESC, report LIMIT ?3
    ) AS run JOIN ledger ON ledger.report = run.report AND ledger.scheduled_utc = run.scheduled_utc
    ORDER BY run.scheduled_utc DESC, run.report, ledger.utc, ledger.origin, ledger.number
"""
# A server's own numbers tell what came later whatever its clock did; of two servers only the clocks can.
_OPEN_RUNS = """
    SELECT * FROM ledger AS run WHERE event IN ('started', 'prepared') AND NOT EXISTS (
        SELECT 1 FROM ledger AS later
        WHERE later.report = run.report AND later.scheduled_utc = run.scheduled_utc AND (
            later.event IN ('finished', 'skipped')
            OR later.event = 'failed' AND later.utc >= run.utc
            OR later.origin = run.origin AND later.number > run.number
        )
    ) ORDER BY scheduled_utc, report, utc, origin, number
"""


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One run of a report, as both servers' records tell it.

    Attributes:
        report: Name of the report.
        scheduled_utc: For when it was scheduled, UTC nanoseconds since 1970.
        event: FINISHED when any server finished it, else what its latest record says.
        origin: The server that wrote that record; of several that finished, the first.
        utc: When that was, UTC nanoseconds since 1970.
        detail: Of FINISHED the names of the files; of FAILED why.
        finished: How often it was finished; more than once when the servers could not see each other.
    """

    report: str
    scheduled_utc: int
    event: RunEvent
    origin: str
    utc: int
    detail: tuple[str, ...]
    finished: int


class RunLedger:
    """One server's log of runs on disk. One process may have it open; its methods are called one at a time.

    Every method may raise StoreError; what it names as FULL may be tried again.

    Args:
        path: The file; begun where there is none. Its folder must exist.

    Raises:
        StoreError: The file is in use, foreign, newer or damaged, or cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _LAYOUT)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def append(self, records: Sequence[RunRecord]) -> None:
        """Keep records, in one durable transaction.

        Args:
            records: Of every origin in the order of their numbers, without gaps after `numbers()`. Those that
                are there change nothing.
        """
        with self._file.transaction() as connection:
            connection.executemany(
                "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", map(_row, fresh(connection, records))
            )

    def origin(self, proposed: str) -> str:
        """Under which name this archive numbers its records: what was proposed first, for ever.

        An archive that was lost must not give its numbers a second time, so let the proposal be unique.
        """
        return self._file.origin(proposed)

    def numbers(self) -> dict[str, int]:
        """The highest number by origin; all before it are there."""
        return self._file.numbers()

    def records(self, origin: str, after: int, limit: int) -> tuple[RunRecord, ...]:
        """Records of an origin in the order of their numbers, for the partner that lacks them.

        Args:
            origin: The server that wrote them.
            after: The number before the first.
            limit: At most so many.
        """
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM ledger WHERE origin = ? AND number > ? ORDER BY number LIMIT ?",
                (origin, after, limit),
            )
            return tuple(_record(*row) for row in rows)

    def runs(self, report: str | None = None, since_utc: int = 0, limit: int = 1000) -> tuple[Run, ...]:
        """Runs, the latest scheduled first, of one time by report.

        Args:
            report: Of this report, None for all.
            since_utc: Scheduled from this instant on, UTC nanoseconds since 1970.
            limit: At most so many.
        """
        with self._file.reading() as connection:
            records = (_record(*row) for row in connection.execute(_RUNS, (since_utc, report, limit)))
            return tuple(_run(list(of_one)) for _, of_one in groupby(records, _identity))

    def open_runs(self) -> tuple[RunRecord, ...]:
        """What servers started or prepared, and neither finished nor gave up: their records, as scheduled.

        A run that anybody finished or skipped is not open, nor one that failed after this start of it.
        """
        with self._file.reading() as connection:
            return tuple(_record(*row) for row in connection.execute(_OPEN_RUNS))

    def last_scheduled(self, report: str) -> int:
        """For when the latest run that anything is known of was scheduled, whatever became of it.

        Returns:
            UTC nanoseconds since 1970; 0 where no run is known.
        """
        with self._file.reading() as connection:
            latest: int = connection.execute(
                "SELECT coalesce(max(scheduled_utc), 0) FROM ledger WHERE report = ?", (report,)
            ).get
            return latest


def _identity(record: RunRecord) -> tuple[str, int]:
    return record.report, record.scheduled_utc


def _run(records: Sequence[RunRecord]) -> Run:
    """The run that records tell of, which are given as they happened."""
    finished = [record for record in records if record.event is RunEvent.FINISHED]
    told = finished[0] if finished else records[-1]
    return Run(told.report, told.scheduled_utc, told.event, told.origin, told.utc, told.detail, len(finished))


def _row(record: RunRecord) -> tuple[int | str, ...]:
    return (
        record.origin,
        record.number,
        record.utc,
        record.report,
        record.scheduled_utc,
        _EVENT_NAMES[record.event],
        msgspec.json.encode(record.detail).decode(),
    )


def _record(
    origin: str, number: int, utc: int, report: str, scheduled_utc: int, event: str, detail: str
) -> RunRecord:
    return RunRecord(origin, number, utc, report, scheduled_utc, _EVENTS[event], _DETAIL.decode(detail))
