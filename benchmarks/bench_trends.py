"""The trend archive beside rows in SQLite: recording, queries, size and back-fill, on one disk in one run.

SQLite is driven through APSW, in WAL mode with synchronous=FULL: table (tag, utc, value, quality) and a
unique index (tag, utc). Both hold one hour of 10,000 tags at 1 s, 36 million samples, then a month of 500
tags at 60 s. Values are random walks of 16-bit raw values that change every other second, scaled to 0 … 100;
SQLite's own generator makes its rows where that is not measured. All lies in the system's page cache.

`recorded` is on top of that hour: batches of one second, each durable before the next, as quickly as they
go. `meanwhile` shows how long batches wait while the hour becomes a Parquet file, and what the recording
thread does for it. `back-fill` is merging what another archive exported, in batches.

    python benchmarks/bench_trends.py [--rounds 3] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import apsw
import duckdb
import numpy as np

from changeover.core.trend_records import Covered, Samples
from changeover.model.moment import SECOND
from changeover.model.trend import Trend, TrendType
from changeover.storage.trend_archive import TrendArchive
from changeover.storage.trend_days import DAY

MIDNIGHT = 20_413 * DAY
HOUR = 3600 * SECOND
DEVICES = 10
PAUSE_S = 0.05
"""Between the batches beside a compaction: twenty times as many as a recorder writes."""
TABLE = """
CREATE TABLE samples (tag INTEGER, utc INTEGER, value REAL, quality INTEGER)
"""
INDEX = "CREATE UNIQUE INDEX samples_by_tag ON samples (tag, utc)"
GENERATE = """
WITH RECURSIVE
    t(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM t WHERE n + 1 < ?1),
    i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < ?2)
INSERT INTO samples SELECT t.n, ?3 + i.n * ?4, abs(random() % 32000) / 320.0, 0 FROM i CROSS JOIN t
"""
ADD = "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        tags: Tags of the hour.
        seconds: How long the hour is.
        round_s: How long a round of recording takes.
        filled: Samples of a back-fill.
        batch: Samples of one of its batches.
        month_tags: Tags of the month.
        days: How long the month is.
        queries: Queries of each kind.
    """

    tags: int = 10_000
    seconds: int = 3600
    round_s: float = 4.0
    filled: int = 1_000_000
    batch: int = 50_000
    month_tags: int = 500
    days: int = 30
    queries: int = 20


QUICK = Scale(1_000, 600, 0.5, 100_000, 20_000, 50, 4, 5)


@dataclass
class Row:
    """One line of the report: the figures of its rounds, ours and SQLite's."""

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    sqlite: list[float] = field(default_factory=list)

    def result(self) -> dict[str, object]:
        """Medians and spread."""
        figures: dict[str, object] = {"name": self.name, "unit": self.unit}
        for who, values in (("archive", self.ours), ("sqlite", self.sqlite)):
            if values:
                figures[who] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
        return figures


class Walk:
    """Random walks of several tags; makes batches of some instants each."""

    def __init__(self, count: int) -> None:
        self.tags = tuple(f"Area{n % 7}\\Pump_{n:05}.PV" for n in range(count))
        self._random = np.random.default_rng(1)
        self._raw = self._random.integers(4_000, 28_000, count).astype(float)

    def batch(self, at: int, instants: int = 1, step: int = SECOND) -> Samples:
        """The next samples of all tags."""
        count = len(self.tags)
        moved = self._random.random((instants, count)) < 0.5
        steps = self._random.integers(-3, 4, (instants, count)) * moved
        raw = np.clip(self._raw + np.cumsum(steps, axis=0), 0, 32_000)
        self._raw = raw[-1]
        return Samples(
            self.tags,
            np.arange(count, dtype="<i4").tobytes() * instants,
            np.repeat(at + np.arange(instants) * step, count).astype("<i8").tobytes(),
            (raw / 320).astype("<f8").tobytes(),
            bytes(count * instants),
        )


def covered(at: int, length: int) -> list[Covered]:
    return [Covered(f"PLC{n}", at, at + length) for n in range(DEVICES)]


def archive_of(folder: Path, walk: Walk, period: int) -> TrendArchive:
    trends = [Trend(tag, TrendType.PERIODIC, period) for tag in walk.tags]
    devices = {tag: f"PLC{n % DEVICES}" for n, tag in enumerate(walk.tags)}
    return TrendArchive(folder, trends, devices, MIDNIGHT)


def sqlite_of(path: Path, tags: int = 0, instants: int = 0, step: int = SECOND) -> apsw.Connection:
    """A database with so many instants of so many tags from midnight on, written in the order of time."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    connection.execute(TABLE)
    if instants:
        connection.execute(GENERATE, (tags, instants, MIDNIGHT, step))
    connection.execute(INDEX)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = FULL")
    return connection


def rows_of(samples: Samples) -> Iterator[tuple[int, int, float, int]]:
    """A batch as SQLite takes it; positions serve as the tags' numbers."""
    return zip(
        np.frombuffer(samples.positions, "<i4").tolist(),
        np.frombuffer(samples.utc, "<i8").tolist(),
        np.frombuffer(samples.values, "<f8").tolist(),
        samples.qualities,
        strict=True,
    )


def add_rows(connection: apsw.Connection, samples: Samples) -> None:
    with connection:
        connection.executemany(ADD, rows_of(samples))


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


class Hour:
    """The hour of both, and what comes after it."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.scale = scale
        self.folder = folder / "hour"
        self.walk = Walk(scale.tags)
        self.archive = archive_of(self.folder, self.walk, SECOND)
        for at in range(0, scale.seconds, 10):
            self.archive.append(
                self.walk.batch(MIDNIGHT + at * SECOND, 10), covered(MIDNIGHT + at * SECOND, 10 * SECOND)
            )
        self.path = folder / "hour.sqlite"
        self.sqlite = sqlite_of(self.path, scale.tags, scale.seconds)
        self.samples = scale.tags * scale.seconds
        self._next = MIDNIGHT + scale.seconds * SECOND

    def record(self, write: Callable[[Samples, list[Covered]], object]) -> tuple[float, list[float]]:
        """Samples a second of one round, and the milliseconds of each batch."""
        waits: list[float] = []
        while sum(waits) < self.scale.round_s * 1e3:
            batch, spans = self.walk.batch(self._next), covered(self._next, SECOND)
            waits.append(timed(lambda batch=batch, spans=spans: write(batch, spans)))
            self._next += SECOND
        return len(waits) * self.scale.tags / sum(waits) * 1e3, waits

    def recording(self, rounds: int) -> list[Row]:
        """Batches of one second, in turns."""
        rate, typical, longest = (
            Row("recorded, durable 1 s batches", "samples/s"),
            Row("  one batch", "ms"),
            Row("  longest batch of a round", "ms"),
        )
        for _ in range(rounds):
            for figures, write in (
                ("ours", self.archive.append),
                ("sqlite", lambda samples, spans: add_rows(self.sqlite, samples)),
            ):
                per_second, waits = self.record(write)
                getattr(rate, figures).append(per_second)
                getattr(typical, figures).append(statistics.median(waits))
                getattr(longest, figures).append(max(waits))
        return [rate, typical, longest]

    def queries(self, name: str) -> Row:
        """The hour of some tags, in turns."""
        row = Row(name, "ms")
        end = MIDNIGHT + self.scale.seconds * SECOND
        select = "SELECT utc, value, quality FROM samples WHERE tag = ? AND utc >= ? AND utc < ? ORDER BY utc"
        for n in range(self.scale.queries):
            number = n * 977 % self.scale.tags
            tag = self.walk.tags[number]
            row.ours.append(timed(lambda tag=tag: self.archive.raw(tag, MIDNIGHT, end, 1_000_000)))
            asked = (number, MIDNIGHT, end)
            row.sqlite.append(
                timed(lambda asked=asked: np.array(self.sqlite.execute(select, asked).fetchall()))
            )
        return row

    def beside_a_compaction(self) -> list[Row]:
        """Batches while the day is compacted: how long each takes, and each piece of the compaction."""
        piece, batch = (
            Row("  longest piece of the recording thread", "ms"),
            Row("  one batch meanwhile", "ms"),
        )
        longest = Row("  longest batch meanwhile", "ms")
        now = MIDNIGHT + DAY + HOUR
        self._next = now
        pieces: list[float] = []
        waits: list[float] = []
        more = True

        def advance() -> None:
            nonlocal more
            more = self.archive.compact(now)

        started = time.perf_counter()
        while more:
            pieces.append(timed(advance))
            samples, spans = self.walk.batch(self._next), covered(self._next, SECOND)
            waits.append(timed(lambda samples=samples, spans=spans: self.archive.append(samples, spans)))
            self._next += SECOND
            time.sleep(PAUSE_S)
        whole = Row("compaction of the hour", "s", [time.perf_counter() - started])
        piece.ours.append(max(pieces))
        batch.ours.append(statistics.median(waits))
        longest.ours.append(max(waits))
        return [whole, piece, batch, longest]

    def sizes(self) -> tuple[float, float]:
        """Bytes a sample, as far as written: the archive's DuckDB file and SQLite."""
        with duckdb.connect(self.folder / "trends.duckdb") as connection:
            connection.execute("CHECKPOINT")
        self.sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (rows,) = self.sqlite.execute("SELECT count(*) FROM samples").fetchall()[0]
        ours = (self.folder / "trends.duckdb").stat().st_size
        return ours / self.samples, self.path.stat().st_size / rows


def exported(hour: Hour, start: int, given: Row, longest: Row) -> list[Samples]:
    """Batches for a back-fill; notes how many samples a second that was, and the longest call."""
    batches: list[Samples] = []
    waits: list[float] = []
    after = None
    while sum(map(len, batches)) < hour.scale.filled:
        started = time.perf_counter()
        samples, after = hour.archive.export(hour.walk.tags, start, MIDNIGHT + DAY, hour.scale.batch, after)
        waits.append((time.perf_counter() - started) * 1e3)
        batches.append(samples)
    given.ours.append(sum(map(len, batches)) / sum(waits) * 1e3)
    longest.ours.append(max(waits))
    return batches


def written(batches: list[Samples], write: Callable[[Samples], object]) -> tuple[float, float]:
    """Samples a second, and the milliseconds of the longest batch."""
    waits = [timed(lambda batch=batch: write(batch)) for batch in batches]
    return sum(map(len, batches)) / sum(waits) * 1e3, max(waits)


def back_fill(folder: Path, hour: Hour, rounds: int) -> list[Row]:
    """What the hour's archive exports, merged into empty ones, then once more."""
    given, piece = Row("exported, as recorded", "samples/s"), Row("  longest piece of a round", "ms")
    merged = Row("back-fill: merged, all of it new", "samples/s")
    again, longest = (
        Row("back-fill: merged, all of it there", "samples/s"),
        Row("  longest batch of a round", "ms"),
    )
    for number in range(rounds):
        # Another part each time: the archive keeps what it read last.
        start = MIDNIGHT + number * hour.scale.filled // hour.scale.tags * SECOND
        batches = exported(hour, start, given, piece)
        archive = archive_of(folder / f"filled{number}", hour.walk, SECOND)
        sqlite = sqlite_of(folder / f"filled{number}.sqlite")
        for figures, write in (
            ("ours", partial(archive.merge, covered=())),
            ("sqlite", partial(add_rows, sqlite)),
        ):
            rate, wait = written(batches, write)
            getattr(merged, figures).append(rate)
            getattr(longest, figures).append(wait)
            getattr(again, figures).append(written(batches, write)[0])
        archive.close()
        sqlite.close()
    return [given, piece, merged, longest, again]


def month(folder: Path, scale: Scale) -> list[Row]:
    """One tag's last month: all of its samples, and hourly buckets."""
    walk, minute = Walk(scale.month_tags), 60 * SECOND
    archive = archive_of(folder / "month", walk, minute)
    end = MIDNIGHT + scale.days * DAY
    for at in range(MIDNIGHT, end, 6 * HOUR):
        archive.append(walk.batch(at, 360, minute), covered(at, 6 * HOUR))
    while archive.compact(end + HOUR):
        archive.wait()
    count = scale.days * 1440
    path = folder / "month.sqlite"
    sqlite = sqlite_of(path, scale.month_tags, count, minute)
    raw, hourly = Row(f"one tag's month, {count:,} samples", "ms"), Row("  as hourly buckets", "ms")
    select = "SELECT utc, value, quality FROM samples WHERE tag = ? AND utc >= ? AND utc < ?"
    group = (
        "SELECT utc / ?4, min(value), max(value), avg(value), count(*) FROM samples "
        "WHERE tag = ?1 AND utc >= ?2 AND utc < ?3 GROUP BY 1"
    )
    for n in range(scale.queries):
        number = n * 977 % scale.month_tags
        tag, asked = walk.tags[number], (number, MIDNIGHT, end)
        raw.ours.append(timed(lambda tag=tag: archive.raw(tag, MIDNIGHT, end, 1_000_000)))
        hourly.ours.append(timed(lambda tag=tag: archive.buckets(tag, MIDNIGHT, end, HOUR)))
        raw.sqlite.append(timed(lambda asked=asked: np.array(sqlite.execute(select, asked).fetchall())))
        hourly.sqlite.append(
            timed(lambda asked=asked: np.array(sqlite.execute(group, (*asked, HOUR)).fetchall()))
        )
    written = sum(file.stat().st_size for file in (folder / "month").glob("*.parquet"))
    size = Row("size of the month, compacted", "bytes/sample", [written / count / scale.month_tags])
    size.sqlite.append(path.stat().st_size / count / scale.month_tags)
    archive.close()
    sqlite.close()
    return [raw, hourly, size]


def compare(rounds: int, scale: Scale) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hour = Hour(folder, scale)
        fresh = Row("size of the hour, as recorded", "bytes/sample")
        packed = Row("size of the hour, compacted", "bytes/sample")
        hour.archive.close()
        before, theirs = hour.sizes()
        fresh.ours.append(before)
        fresh.sqlite.append(theirs)
        hour.archive = archive_of(hour.folder, hour.walk, SECOND)
        rows = hour.recording(rounds)
        rows.append(hour.queries("one tag's hour, as recorded"))
        rows += back_fill(folder, hour, rounds)
        rows += hour.beside_a_compaction()
        rows.append(hour.queries("one tag's hour, compacted"))
        given, piece = Row("exported, compacted", "samples/s"), Row("  longest piece of a round", "ms")
        for number in range(rounds):
            exported(hour, MIDNIGHT + number * scale.filled // scale.tags * SECOND, given, piece)
        rows += [given, piece]
        hour.archive.close()
        hour.sqlite.close()
        with duckdb.connect() as tool:
            path = next(hour.folder.glob("*.parquet"))
            recorded = tool.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()[0][0]
            packed.ours.append(path.stat().st_size / recorded)
        packed.sqlite.append(theirs)
        rows += month(folder, scale)
        rows += [fresh, packed]
    return {
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "sqlite": apsw.sqlite_lib_version(),
        "hour_samples": scale.tags * scale.seconds,
        "rounds": rounds,
        "rows": [row.result() for row in rows],
    }


def print_table(report: dict[str, object]) -> None:
    print(f"{'':42}{'archive':>12}{'min':>12}{'max':>12}{'SQLite':>12}{'min':>12}{'max':>12}{'better':>9}")
    for row in report["rows"]:
        line = f"{row['name']:42}"
        for who in ("archive", "sqlite"):
            figures = row.get(who)
            values = [figures[key] for key in ("median", "min", "max")] if figures else []
            line += "".join(f"{value:>12,.{0 if value >= 1000 else 2}f}" for value in values).rjust(36)
        if "sqlite" in row:
            ratio = row["archive"]["median"] / row["sqlite"]["median"]
            line += f"{ratio if row['unit'] == 'samples/s' else 1 / ratio:>8.1f}x"
        print(f"{line}  {row['unit']}")
    print(f"{report['hour_samples']:,} samples in the hour, {report['rounds']} rounds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the samples")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = compare(options.rounds, QUICK if options.quick else Scale())
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_table(report)


if __name__ == "__main__":
    main()
