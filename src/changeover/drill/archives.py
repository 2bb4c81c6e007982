"""What servers under drill have kept: their archives, read along while they run, or when they have ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import numpy as np

from changeover.core.alarm_records import JournalRecord
from changeover.core.intervals import Intervals
from changeover.core.report_records import RunEvent, RunRecord
from changeover.model.moment import Instant
from changeover.model.plant import Plant
from changeover.model.server import TaskServer
from changeover.model.trend import TrendType
from changeover.runtime.alarm_server import ARCHIVE
from changeover.runtime.report_server import LEDGER
from changeover.storage.alarm_tables import record_of
from changeover.storage.trend_archive import TrendArchive

BUSY_MS = 2000
SAMPLES_PER_BATCH = 100_000


def journal(data: Path, server: TaskServer, since_utc: int) -> tuple[JournalRecord, ...]:
    """An alarm server's journal, both servers' records in it, from an instant on.

    Args:
        data: Folder of the archives.
        server: The alarm server; it may be running.
        since_utc: UTC nanoseconds since 1970.
    """
    with _reading(data / server.name / ARCHIVE) as connection:
        rows = connection.execute("SELECT * FROM journal WHERE utc >= ? ORDER BY utc", (since_utc,))
        return tuple(record_of(*row) for row in rows)


def runs(data: Path, server: TaskServer, since_utc: int) -> tuple[RunRecord, ...]:
    """A report server's log, both servers' records in it, of runs scheduled from an instant on.

    Args:
        data: Folder of the archives.
        server: The report server; it may be running.
        since_utc: UTC nanoseconds since 1970.
    """
    with _reading(data / server.name / LEDGER) as connection:
        rows = connection.execute(
            "SELECT origin, number, utc, report, scheduled_utc, event, detail FROM ledger"
            " WHERE scheduled_utc >= ? ORDER BY utc",
            (since_utc,),
        )
        return tuple(_run_record(*row) for row in rows)


def samples(
    data: Path, server: TaskServer, plant: Plant, start_utc: int, end_utc: int
) -> tuple[set[tuple[int, str]], dict[str, Intervals]]:
    """What a trend server recorded in a span; its process has ended.

    Args:
        data: Folder of the archives.
        server: The trend server.
        plant: The plant.
        start_utc: First nanosecond of the span, UTC since 1970.
        end_utc: First nanosecond after it.

    Returns:
        (UTC, tag) of the samples of periodic trends that are always recorded; by I/O device what is covered.

    Raises:
        TrendArchiveError: The archive cannot be read.
    """
    device_of = {tag.name: tag.device for tag in plant.tags}
    devices = {trend.tag: device_of[trend.tag] for trend in plant.trends}
    archive = TrendArchive(data / server.name, plant.trends, devices, time.time_ns())
    found: set[tuple[int, str]] = set()
    try:
        covered = {device: spans.clip(start_utc, end_utc) for device, spans in archive.coverage().items()}
        batch, after = archive.export(compared(plant), start_utc, end_utc, SAMPLES_PER_BATCH)
        while True:
            utc = np.frombuffer(batch.utc, dtype="<i8").tolist()
            places: list[Instant] = np.frombuffer(batch.positions, dtype="<i4").tolist()
            found.update((at, batch.tags[place]) for at, place in zip(utc, places, strict=True))
            if after is None:
                return found, covered
            batch, after = archive.export(compared(plant), start_utc, end_utc, SAMPLES_PER_BATCH, after)
    finally:
        archive.close()


def compared(plant: Plant) -> dict[str, int]:
    """Tags whose samples both servers take at the same instants, and their periods, nanoseconds.

    Samples of event trends, and of those with a trigger, depend on when a server saw the change.
    """
    return {
        trend.tag: trend.period
        for trend in plant.trends
        if trend.type is TrendType.PERIODIC and not trend.trigger
    }


def _run_record(
    origin: str, number: int, utc: int, report: str, scheduled_utc: int, event: str, detail: str
) -> RunRecord:
    files = tuple(json.loads(detail))
    return RunRecord(origin, number, utc, report, scheduled_utc, RunEvent[event.upper()], files)


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(BUSY_MS)
        yield connection
    finally:
        connection.close()
