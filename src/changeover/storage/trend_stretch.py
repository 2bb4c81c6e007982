"""A stretch of samples in the order of time, read in bounded parts.

A day's table is in the order of time more or less: a stretch of it is read at once. A day's file is sorted by
tag: each look at it reads all of it. So the stretch is as long as pays, and a big file is read in parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import numpy as np

from changeover.core.trend_records import Samples
from changeover.model.moment import DAY
from changeover.storage.trend_catalogue import Column, registered, table_of
from changeover.storage.trend_database import TrendDatabase
from changeover.storage.trend_days import TICK

Place: TypeAlias = tuple[int, int]
"""Up to where samples were given: microseconds, and the last tag's position among those asked for, or -1."""

READ_AHEAD = 100_000
"""About so many samples a stretch has that comes from a table, and at most twice as many."""
READ_AHEAD_OF_FILE = 1 / 64
"""Of a file's samples a stretch has about this share, so that the file is read so many times at most."""
READ_AHEAD_MAX = 1_000_000
PART_ROWS = 4_000_000
"""So many samples of a file are looked at in one part."""

_DAY_TICKS = DAY // TICK
_FROM_TABLE = """
SELECT s.utc, w.position, s.value, s.quality, 0 AS source
FROM {table} s JOIN wanted w ON w.tag = s.tag
WHERE s.utc BETWEEN $first AND $last AND (s.utc > $first OR w.position > $position)
ORDER BY s.utc, w.position LIMIT $limit
"""
_FROM_FILE = """
SELECT epoch_us(f.utc) AS utc, w.position, f.value, f.quality, 1 AS source
FROM read_parquet($path, file_row_number = true) f JOIN tags t ON t.name = f.tag JOIN wanted w ON w.tag = t.id
WHERE f.file_row_number >= $row AND f.file_row_number < $row_after
AND f.utc BETWEEN make_timestamptz($first) AND make_timestamptz($last)
"""
_TABLE_EXTENT = "SELECT count(*), min(utc), max(utc) FROM {table}"
_FILE_EXTENT = "SELECT count(*), epoch_us(min(utc)), epoch_us(max(utc)) FROM read_parquet($path)"
_AFTER = {"table": " WHERE utc >= $first", "file": " WHERE utc >= make_timestamptz($first)"}


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """All samples of some tags from one place to another, in order.

    Attributes:
        day: The day that it lies in.
        begin: The place after which it begins.
        end: The place up to which it goes.
        utc: When each of n samples was taken, microseconds.
        positions: The tag of each, by its position among those asked for.
        values: Engineering values.
        qualities: `GOOD` or `BAD`.
    """

    day: int
    begin: Place
    end: Place
    utc: Column
    positions: Column
    values: Column
    qualities: Column

    def row_after(self, place: Place) -> int:
        """The first row after a place that lies in it."""
        first, after = np.searchsorted(self.utc, place[0]), np.searchsorted(self.utc, place[0], "right")
        return int(first + np.searchsorted(self.positions[first:after], place[1], "right"))

    def samples(self, names: list[str], rows: slice) -> Samples:
        """Some of its rows as a batch; `names` are those of the tags asked for."""
        used, positions = np.unique(self.positions[rows], return_inverse=True)
        return Samples(
            tuple(names[position] for position in used),
            positions.astype("<i4").tobytes(),
            (self.utc[rows] * TICK).astype("<i8").tobytes(),
            self.values[rows].astype("<f8").tobytes(),
            self.qualities[rows].astype(np.uint8).tobytes(),
        )


@dataclass(frozen=True, slots=True)
class _Extent:
    """How many samples a table or a file has, from when to when."""

    rows: int = 0
    first: int = 0
    last: int = 0

    def width(self, rows: float) -> int:
        """How many microseconds are likely to hold so many rows."""
        return max(int((self.last - self.first + 1) * rows / max(self.rows, 1)), 1)


class StretchReading:
    """Reads the next stretch of some tags.

    Args:
        database: Where from.
        tags: The tags' numbers, in the order of positions.
        begin: The place after which it begins.
        day: A day that has samples, and ends after that place.
        end: Where it ends at the latest, microseconds.
        jumps: Whether to look for the first sample after `begin`: worth it where the last stretch was empty.
    """

    def __init__(
        self, database: TrendDatabase, tags: list[int], begin: Place, day: int, end: int, jumps: bool
    ) -> None:
        self._database = database
        self._wanted = {"tag": np.array(tags, np.int32), "position": np.arange(len(tags), dtype=np.int32)}
        self.begin = begin
        self.day = day
        catalogue = database.catalogue
        self._path = str(catalogue.files.path(day)) if day in catalogue.files else None
        self._table = table_of(day) if day in catalogue.tables else None
        table, file = self._extents()
        self._file_rows = file.rows
        self._first = max(begin, (day * _DAY_TICKS, -1))
        if jumps:
            after = [extent.first for extent in self._extents(self._first[0]) if extent.rows]
            self._first = max(self._first, (min(after, default=(day + 1) * _DAY_TICKS), -1))
        share = len(tags) / len(catalogue.ids)
        ahead = min(max(READ_AHEAD, file.rows * READ_AHEAD_OF_FILE), READ_AHEAD_MAX) / share
        widths = [extent.width(ahead) for extent in (table, file) if extent.rows]
        self._stop = min(self._first[0] + min(widths, default=_DAY_TICKS), (day + 1) * _DAY_TICKS, end)
        self._next_row = 0
        self._parts: list[dict[str, Column]] = []

    def step(self) -> Stretch | None:
        """Read the next part; the stretch, once that was the last."""
        if self._path is not None and self._next_row < self._file_rows:
            rows: dict[str, int | str] = {
                "path": self._path,
                "row": self._next_row,
                "row_after": self._next_row + PART_ROWS,
            }
            self._parts.append(self._select(_FROM_FILE, rows))
            self._next_row += PART_ROWS
        if self._path is not None and self._next_row < self._file_rows:
            return None
        reached = (self._stop, -1)
        if self._table is not None:
            limit = {"position": self._first[1], "limit": 2 * READ_AHEAD}
            rows_of_table = self._select(_FROM_TABLE.format(table=self._table), limit)
            self._parts.append(rows_of_table)
            if len(rows_of_table["utc"]) == 2 * READ_AHEAD:
                # More than expected lie so close to each other: the rest is another stretch.
                reached = int(rows_of_table["utc"][-1]), int(rows_of_table["position"][-1])
        return self._joined(reached)

    def _extents(self, first: int | None = None) -> tuple[_Extent, _Extent]:
        """Those of the day's table and file, of all their samples or from some instant on."""
        table = file = _Extent()
        after, parameters = ({}, {}) if first is None else (_AFTER, {"first": first})
        with self._database.reading() as connection:
            if self._table is not None:
                statement = _TABLE_EXTENT.format(table=self._table) + after.get("table", "")
                table = _extent(connection.execute(statement, parameters))
            if self._path is not None:
                statement = _FILE_EXTENT + after.get("file", "")
                file = _extent(connection.execute(statement, {**parameters, "path": self._path}))
        return table, file

    def _select(self, statement: str, parameters: Mapping[str, int | str]) -> dict[str, Column]:
        span = {"first": self._first[0], "last": self._stop - 1}
        with self._database.reading() as connection, registered(connection, "wanted", self._wanted):
            return connection.execute(statement, {**parameters, **span}).fetchnumpy()

    def _joined(self, reached: Place) -> Stretch:
        utc, positions, source, values, qualities = (
            np.concatenate([np.ma.filled(part[name], np.nan) for part in self._parts])
            for name in ("utc", "position", "source", "value", "quality")
        )
        order = np.lexsort((source, positions, utc))
        utc, positions = utc[order], positions[order]
        # Of a sample that table and file have the table's comes first.
        once = np.append(True, (np.diff(utc) != 0) | (np.diff(positions) != 0))[: len(utc)]
        once &= (utc < reached[0]) | ((utc == reached[0]) & (positions <= reached[1]))
        once &= (utc > self._first[0]) | (positions > self._first[1])
        kept = order[once]
        return Stretch(
            self.day, self.begin, reached, utc[once], positions[once], values[kept], qualities[kept]
        )  # fmt: skip


def _extent(result: duckdb.DuckDBPyConnection) -> _Extent:
    rows, first, last = result.fetchall()[0]
    return _Extent(rows, first, last) if rows else _Extent()
