"""What is asked of one tag: its samples, its values on a grid, its buckets; gaps stay gaps.

A range is read some days at a time, so that a month of a quick trend needs no more memory than a week.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from changeover.core.intervals import Intervals
from changeover.model.moment import DAY, SECOND, Duration
from changeover.storage.trend_catalogue import table_of
from changeover.storage.trend_database import TrendArchiveError, TrendDatabase
from changeover.storage.trend_days import TICK
from changeover.storage.trend_series import (
    Buckets,
    BucketSums,
    Definition,
    Grid,
    Moments,
    Qualities,
    Series,
    Values,
    held_until,
    interpolate,
    is_event,
)

ROWS_MAX = 1_000_000
"""So many rows a grid or a row of buckets has at most."""
LOOK_BACK_DAYS_MAX = 31
"""So far back is a value looked for that an event trend may still hold."""

_DAYS_AT_ONCE = 7
_FROM_FILES = """
SELECT epoch_us(utc) AS utc, value, quality, 1 AS source FROM read_parquet($paths)
WHERE tag = $name AND utc >= make_timestamptz($start) AND utc < make_timestamptz($end)
"""
_FROM_TABLE = """
SELECT utc, value, quality, 0 AS source FROM {table} WHERE tag = {tag} AND utc >= $start AND utc < $end
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Samples of one tag as they are stored, each instant once, ascending."""

    utc: Moments
    values: Values
    qualities: Qualities

    def __len__(self) -> int:
        return len(self.utc)

    def part(self, rows: slice) -> _Rows:
        return _Rows(self.utc[rows], self.values[rows], self.qualities[rows])

    def then(self, later: _Rows) -> _Rows:
        return _Rows(
            np.concatenate((self.utc, later.utc)),
            np.concatenate((self.values, later.values)),
            np.concatenate((self.qualities, later.qualities)),
        )


_NO_ROWS = _Rows(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8))


class TrendQueries:
    """Answers queries.

    Args:
        database: What is asked.
    """

    def __init__(self, database: TrendDatabase) -> None:
        self._database = database

    def raw(self, tag: str, start_utc: int, end_utc: int, limit: int) -> Series:
        """The first samples of a span; see `TrendArchive.raw`."""
        rows = _NO_ROWS
        for more in self._rows(tag, start_utc, end_utc):
            rows = rows.then(more)
            if len(rows) > limit:
                break
        until = np.minimum(self._held_until(tag, rows.utc), end_utc)[:limit]
        first = rows.part(slice(limit))
        return Series(first.utc, first.values, first.qualities, until)

    def interpolated(self, tag: str, start_utc: int, end_utc: int, step: Duration) -> Grid:
        """Values on a grid; see `TrendArchive.interpolated`."""
        _check(start_utc, end_utc, step)
        utc = np.arange(start_utc, end_utc, step, dtype=np.int64)
        values = np.full(len(utc), np.nan)
        definitions = self._definitions(tag)
        # The line to the first sample after the end is drawn too.
        for piece in self._pieces(tag, self._held_from(tag, start_utc), end_utc + self._longest_period(tag)):
            events = is_event(piece.utc, definitions)
            asked = slice(*np.searchsorted(utc, (piece.utc[0], piece.until[-1])))
            values[asked] = interpolate(piece, events, utc[asked])
        return Grid(utc, values)

    def buckets(self, tag: str, start_utc: int, end_utc: int, width: Duration) -> Buckets:
        """Values in buckets; see `TrendArchive.buckets`."""
        _check(start_utc, end_utc, width)
        sums = BucketSums(start_utc, end_utc, width)
        for piece in self._pieces(tag, self._held_from(tag, start_utc), end_utc):
            sums.take(piece)
        return sums.result()

    def _pieces(self, tag: str, start_utc: int, end_utc: int) -> Iterator[Series]:
        """A tag's samples, some days at a time.

        Each piece but the last ends with the sample that the next one begins with; there it holds no time.
        """
        held = _NO_ROWS
        for rows in self._rows(tag, start_utc, end_utc):
            if len(held):
                piece = held.then(rows.part(slice(1)))
                until = self._held_until(tag, piece.utc)
                until[-1] = piece.utc[-1]
                yield Series(piece.utc, piece.values, piece.qualities, until)
            held = rows
        if len(held):
            yield Series(held.utc, held.values, held.qualities, self._held_until(tag, held.utc))

    def _rows(self, tag: str, start_utc: int, end_utc: int) -> Iterator[_Rows]:
        """A tag's samples as stored, some days at a time; what has none is left out."""
        days = self._database.catalogue.days(start_utc, end_utc)
        # Whoever wants only the first samples does not wait for a week.
        for group in (days[:1], *(days[i : i + _DAYS_AT_ONCE] for i in range(1, len(days), _DAYS_AT_ONCE))):
            rows = self._read(tag, group, start_utc, end_utc)
            if len(rows):
                yield rows

    def _read(self, tag: str, days: Sequence[int], start_utc: int, end_utc: int, last: bool = False) -> _Rows:
        """A tag's samples of some days, or the last of them alone."""
        catalogue = self._database.catalogue
        number = catalogue.id_of(tag)
        if number is None:
            return _NO_ROWS
        # The whole microsecond belongs to a span that begins inside it no more.
        parameters: dict[str, int | str | list[str]] = {
            "start": -(-start_utc // TICK),
            "end": -(-end_utc // TICK),
        }
        sources = [_FROM_TABLE.format(table=table_of(d), tag=number) for d in days if d in catalogue.tables]
        paths = [str(catalogue.files.path(day)) for day in days if day in catalogue.files]
        if paths:
            sources.append(_FROM_FILES)
            parameters |= {"paths": paths, "name": catalogue.names[number]}
        if not sources:
            return _NO_ROWS
        statement = " UNION ALL ".join(sources) + (" ORDER BY utc DESC, source LIMIT 1" if last else "")
        with self._database.reading() as connection:
            found = connection.execute(statement, parameters).fetchnumpy()
        return _ascending(found)

    def _held_from(self, tag: str, utc: int) -> int:
        """From when on samples matter to the value at an instant."""
        definitions = self._definitions(tag)
        in_force = [each for each in definitions if each.since_utc <= utc][-1:] or definitions[:1]
        if not in_force or not in_force[0].event:
            return utc - self._longest_period(tag)
        recorded = self._database.catalogue.coverage.get(in_force[0].device, Intervals()).clip(0, utc + 1)
        if not recorded or recorded.spans[-1][1] <= utc:
            return utc
        earliest = max(recorded.spans[-1][0], utc - LOOK_BACK_DAYS_MAX * DAY)
        for day in reversed(self._database.catalogue.days(earliest, utc)):
            found = self._read(tag, [day], earliest, utc, last=True)
            if len(found):
                return int(found.utc[0])
        return utc

    def _definitions(self, tag: str) -> list[Definition]:
        catalogue = self._database.catalogue
        number = catalogue.id_of(tag)
        return [] if number is None else catalogue.definitions.get(number, [])

    def _longest_period(self, tag: str) -> Duration:
        return max((each.period + TICK for each in self._definitions(tag) if not each.event), default=0)

    def _held_until(self, tag: str, utc: Moments) -> Moments:
        return held_until(utc, self._definitions(tag), self._database.catalogue.coverage)


def _ascending(found: Mapping[str, npt.NDArray[Any]]) -> _Rows:
    """Rows in order; of an instant that a table and a file have, the table's."""
    utc, source = found["utc"].astype(np.int64) * TICK, found["source"]
    rows = _Rows(utc, np.ma.filled(found["value"], np.nan), found["quality"])
    if np.all(np.diff(utc) > 0):
        return rows
    order = np.lexsort((source, utc))
    order = order[np.append(True, np.diff(utc[order]) > 0)]
    return _Rows(rows.utc[order], rows.values[order], rows.qualities[order])


def _check(start_utc: int, end_utc: int, width: Duration) -> None:
    count = -(-(end_utc - start_utc) // max(width, 1))
    if width <= 0 or count > ROWS_MAX:
        raise TrendArchiveError(
            f"{max(end_utc - start_utc, 0) / SECOND:g} s in steps of {width / SECOND:g} s: "
            f"at most {ROWS_MAX:,} steps are allowed, each longer than nothing"
        )
