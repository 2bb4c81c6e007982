"""What a partner is given: all samples of some tags in a span, in batches, in the order of time.

A batch is cut where it is full; the cursor says up to where everything was given, so that whoever gets it
can count that as recorded. A day's file is sorted by tag: each look at it reads all its times. So some more
samples than asked for are read in one go, and kept for the next batch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import numpy as np

from changeover.core.trend_records import Samples
from changeover.storage.trend_catalogue import Column, registered, table_of
from changeover.storage.trend_database import TrendDatabase
from changeover.storage.trend_days import DAY, TICK

READ_AHEAD = 100_000
"""About so many samples are read in one go."""

_ROWS_MAX = 2 * READ_AHEAD
_DAY_TICKS = DAY // TICK
_TABLE_ROWS = "SELECT estimated_size FROM duckdb_tables() WHERE table_name = ?"
_FILE_ROWS = "SELECT num_rows FROM parquet_file_metadata(?)"

_FROM_TABLE = """
SELECT s.utc, w.position, s.value, s.quality, 0 AS source
FROM {table} s JOIN wanted w ON w.tag = s.tag WHERE s.utc BETWEEN $first AND $last
"""
_FROM_FILE = """
SELECT epoch_us(f.utc) AS utc, w.position, f.value, f.quality, 1 AS source
FROM read_parquet($path) f JOIN tags t ON t.name = f.tag JOIN wanted w ON w.tag = t.id
WHERE f.utc BETWEEN make_timestamptz($first) AND make_timestamptz($last)
"""
_IN_ORDER = """
SELECT utc, position, value, quality FROM ({sources})
WHERE utc > $first OR position > $position ORDER BY utc, position, source LIMIT $limit
"""


Cursor: TypeAlias = tuple[int, str]
"""Up to where an export has come: UTC nanoseconds and the last tag given of that instant, empty for none."""

_Place: TypeAlias = tuple[int, int]
"""The same in microseconds, and the tag's position among those asked for, -1 for none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """All samples of some tags from one place to another, in order.

    Attributes:
        tags: The tags, in lower case, ascending.
        day: The day that it lies in.
        begin: The place after which it begins.
        end: The place up to which it goes.
        utc: Microseconds.
        positions: Of the tags.
        values: Engineering values.
        qualities: `GOOD` or `BAD`.
    """

    tags: tuple[str, ...]
    day: int
    begin: _Place
    end: _Place
    utc: Column
    positions: Column
    values: Column
    qualities: Column

    def row_after(self, place: _Place) -> int:
        """The first row after a place that lies in it."""
        first, after = np.searchsorted(self.utc, place[0]), np.searchsorted(self.utc, place[0], "right")
        return int(first + np.searchsorted(self.positions[first:after], place[1], "right"))

    def samples(self, names: Sequence[str], rows: slice) -> Samples:
        """Some of its rows as a batch."""
        used, positions = np.unique(self.positions[rows], return_inverse=True)
        return Samples(
            tuple(names[position] for position in used),
            positions.astype("<i4").tobytes(),
            (self.utc[rows] * TICK).astype("<i8").tobytes(),
            self.values[rows].astype("<f8").tobytes(),
            self.qualities[rows].astype(np.uint8).tobytes(),
        )


class TrendExport:
    """Gives samples away.

    Args:
        database: Where from.
    """

    def __init__(self, database: TrendDatabase) -> None:
        self._database = database
        self._kept: _Stretch | None = None

    def note_changed(self, days: Iterable[int]) -> None:
        """Samples of some days came or went: what was kept of them is not right any more."""
        if self._kept is not None and self._kept.day in days:
            self._kept = None

    def batch(
        self, tags: Iterable[str], start_utc: int, end_utc: int, limit: int, after: Cursor | None
    ) -> tuple[Samples, Cursor | None]:
        """The next samples; see `TrendArchive.export`."""
        by_lower = {tag.lower(): tag for tag in tags if self._database.catalogue.id_of(tag) is not None}
        lower = tuple(sorted(by_lower))
        names = [by_lower[each] for each in lower]
        place = (-(-start_utc // TICK), -1)
        if after is not None:
            place = max(place, (-(-after[0] // TICK), bisect_right(lower, after[1].lower()) - 1))
        end = -(-end_utc // TICK)
        kept = self._kept
        if kept is None or kept.tags != lower or not kept.begin <= place < kept.end:
            kept = self._read(lower, place, end)
        if kept is None:
            return Samples((), b"", b"", b"", b""), None
        self._kept = kept
        row = kept.row_after(place)
        last = int(np.searchsorted(kept.utc, end))
        if row + limit < last:
            stop = row + limit
            cursor = int(kept.utc[stop - 1]) * TICK, names[kept.positions[stop - 1]]
            return kept.samples(names, slice(row, stop)), cursor
        samples = kept.samples(names, slice(row, last))
        if not self._database.catalogue.days(kept.end[0] * TICK, end * TICK):
            return samples, None
        utc, position = kept.end
        return samples, (utc * TICK, names[position] if position >= 0 else "")

    def _read(self, tags: tuple[str, ...], place: _Place, end: int) -> _Stretch | None:
        """The samples after a place, as many as are worth keeping; None where there are none."""
        catalogue = self._database.catalogue
        days = catalogue.days(place[0] * TICK, end * TICK)
        if not days or not tags:
            return None
        day = days[0]
        first = max(place, (day * _DAY_TICKS, -1))
        stop = min(first[0] + self._width(day, len(tags)), (day + 1) * _DAY_TICKS, end)
        rows = self._select(tags, day, first, stop)
        reached = stop, -1
        if len(rows["utc"]) == _ROWS_MAX:
            # More than expected lie so close to each other: the rest is another stretch.
            reached = int(rows["utc"][-1]), int(rows["position"][-1])
        # Of a sample that table and file have the table's comes first.
        once = np.append(True, (np.diff(rows["utc"]) != 0) | (np.diff(rows["position"]) != 0))[
            : len(rows["utc"])
        ]
        values = np.ma.filled(rows["value"], np.nan)
        return _Stretch(
            tags, day, place, reached,
            rows["utc"][once], rows["position"][once], values[once], rows["quality"][once],
        )  # fmt: skip

    def _select(self, tags: tuple[str, ...], day: int, first: _Place, stop: int) -> Mapping[str, Column]:
        catalogue = self._database.catalogue
        wanted = {
            "tag": np.array([catalogue.ids[tag] for tag in tags], np.int32),
            "position": np.arange(len(tags), dtype=np.int32),
        }
        parameters: dict[str, int | str] = {
            "first": first[0], "position": first[1], "last": stop - 1, "limit": _ROWS_MAX
        }  # fmt: skip
        sources = [_FROM_TABLE.format(table=table_of(day))] if day in catalogue.tables else []
        if day in catalogue.files:
            sources.append(_FROM_FILE)
            parameters["path"] = str(catalogue.files.path(day))
        statement = _IN_ORDER.format(sources=" UNION ALL ".join(sources))
        with self._database.reading() as connection, registered(connection, "wanted", wanted):
            return connection.execute(statement, parameters).fetchnumpy()

    def _width(self, day: int, tags: int) -> int:
        """How many microseconds of a day are likely to hold as many samples as are to be read in one go."""
        catalogue = self._database.catalogue
        rows = 0
        with self._database.reading() as connection:
            if day in catalogue.tables:
                rows += _number(connection.execute(_TABLE_ROWS, [table_of(day)]))
            if day in catalogue.files:
                rows += _number(connection.execute(_FILE_ROWS, [str(catalogue.files.path(day))]))
        expected = rows * tags / len(catalogue.ids)
        return max(int(_DAY_TICKS * READ_AHEAD / max(expected, 1)), 1)


def _number(result: duckdb.DuckDBPyConnection) -> int:
    return sum(int(number) for (number,) in result.fetchall())
