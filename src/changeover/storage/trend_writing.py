"""How batches of samples get into the archive: each sample once, the better one of two.

A sample's identity is (tag, utc). Of one that a day's file has, a better one goes to the day's table: readers
take the table's. The table and the file have no key; what is there already is looked up in the batch's range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from changeover.core.intervals import Intervals
from changeover.core.trend_records import Covered, Samples
from changeover.model.moment import DAY
from changeover.storage.trend_catalogue import insert, registered, table_of, write_coverage
from changeover.storage.trend_database import TrendArchiveError, TrendDatabase
from changeover.storage.trend_days import TICK
from changeover.storage.trend_series import Moments, Qualities, Values

_COVERAGE_ROWS_MAX = 10_000
"""So many rows more than spans are coverage allowed on disk before they are written anew."""

_DAY_TABLE = "CREATE TABLE {table} (tag INTEGER, utc BIGINT, value DOUBLE, quality UTINYINT)"
_IN_TABLE = "SELECT tag, utc, quality FROM {table} WHERE utc BETWEEN $first AND $last"
_IN_FILE = """
SELECT t.id AS tag, epoch_us(f.utc) AS utc, f.quality
FROM read_parquet($path) f JOIN tags t ON t.name = f.tag
WHERE f.utc BETWEEN make_timestamptz($first) AND make_timestamptz($last)
"""
_WANTED = """
SELECT b.row, o.quality IS NOT NULL AS worse
FROM batch b LEFT JOIN ({there}) o ON o.tag = b.tag AND o.utc = b.utc
WHERE o.quality IS NULL OR o.quality > b.quality
ORDER BY b.row
"""
_DROP_WORSE = """
DELETE FROM {table} o USING batch b WHERE o.tag = b.tag AND o.utc = b.utc AND o.utc BETWEEN $first AND $last
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """n samples of one day, each (tag, utc) once."""

    tag: npt.NDArray[np.int32]
    utc: Moments
    value: Values
    quality: Qualities

    def __len__(self) -> int:
        return len(self.tag)

    def part(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> _Batch:
        return _Batch(self.tag[rows], self.utc[rows], self.value[rows], self.quality[rows])

    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"tag": self.tag, "utc": self.utc, "value": self.value, "quality": self.quality}


class TrendWriter:
    """Writes batches.

    Args:
        database: Where to.
    """

    def __init__(self, database: TrendDatabase) -> None:
        self._database = database
        # A recorder's batches have the same tags each time; numbers that were written stay.
        self._tags: tuple[str, ...] = ()
        self._numbers = np.empty(0, np.int32)

    def write(self, samples: Samples, covered: Sequence[Covered]) -> dict[int, int]:
        """Write what is not there yet, or there with a worse quality, in one durable transaction.

        Args:
            samples: Of any tags and days.
            covered: What the samples are all of.

        Returns:
            How many samples were new or better, by day; days without any are left out.

        Raises:
            TrendArchiveError: It was not written.
        """
        catalogue = self._database.catalogue
        numbers, new_names = self._numbered(samples.tags)
        batches = _by_day(_columns(samples, numbers))
        coverage = dict(catalogue.coverage)
        for span in covered:
            coverage[span.device] = coverage.get(span.device, Intervals()).add(span.start_utc, span.end_utc)
        with self._database.transaction() as connection:
            insert(connection, "tags", ("id", "name"), list(new_names.items()))
            written = {day: self._write_day(connection, day, batch) for day, batch in batches}
            coverage_rows = self._write_coverage(connection, covered, coverage)
        written = {day: count for day, count in written.items() if count}
        self._tags, self._numbers = samples.tags, numbers
        catalogue.names.update(new_names)
        catalogue.ids.update((name.lower(), number) for number, name in new_names.items())
        catalogue.coverage, catalogue.coverage_rows = coverage, coverage_rows
        catalogue.tables.update(written)
        return written

    def _numbered(self, tags: tuple[str, ...]) -> tuple[npt.NDArray[np.int32], dict[int, str]]:
        """The number of each tag, and the names of those that are new by the numbers they get."""
        if tags == self._tags:
            return self._numbers, {}
        ids = self._database.catalogue.ids
        new_ids: dict[str, int] = {}
        new_names: dict[int, str] = {}
        numbers = np.empty(len(tags), np.int32)
        for position, name in enumerate(tags):
            lower = name.lower()
            number = ids.get(lower)
            if number is None:
                number = new_ids.setdefault(lower, len(ids) + len(new_ids))
                new_names.setdefault(number, name)
            numbers[position] = number
        return numbers, new_names

    def _write_day(self, connection: duckdb.DuckDBPyConnection, day: int, batch: _Batch) -> int:
        catalogue = self._database.catalogue
        table = table_of(day)
        replaces = False
        if day in catalogue.tables:
            batch, replaces = _wanted(connection, batch, _IN_TABLE.format(table=table), {})
        if day in catalogue.files:
            batch, _ = _wanted(connection, batch, _IN_FILE, {"path": str(catalogue.files.path(day))})
        if not len(batch):
            return 0
        if day not in catalogue.tables:
            connection.execute(_DAY_TABLE.format(table=table))
        with registered(connection, "batch", batch.columns()):
            if replaces:
                connection.execute(_DROP_WORSE.format(table=table), _range(batch))
            connection.execute(f"INSERT INTO {table} SELECT tag, utc, value, quality FROM batch")
        return len(batch)

    def _write_coverage(
        self,
        connection: duckdb.DuckDBPyConnection,
        covered: Sequence[Covered],
        coverage: Mapping[str, Intervals],
    ) -> int:
        """Add spans, or write all anew when the rows are many more; how many rows there are then."""
        spans = sum(len(of_device.spans) for of_device in coverage.values())
        rows = self._database.catalogue.coverage_rows + len(covered)
        if rows > spans + _COVERAGE_ROWS_MAX:
            write_coverage(connection, coverage)
            return spans
        new = [(span.device, span.start_utc, span.end_utc) for span in covered]
        insert(connection, "coverage", ("device", "start_utc", "end_utc"), new)
        return rows


def _columns(samples: Samples, numbers: npt.NDArray[np.int32]) -> _Batch:
    """A batch as numpy columns, each (tag, utc) once, the better quality of two.

    Raises:
        TrendArchiveError: The columns do not fit each other.
    """
    try:
        # Unsigned: a negative position is refused, not counted from the end.
        position = np.frombuffer(samples.positions, "<u4")
        tag = numbers[position]
        utc = np.frombuffer(samples.utc, "<i8") // TICK
        batch = _Batch(
            tag, utc, np.frombuffer(samples.values, "<f8"), np.frombuffer(samples.qualities, np.uint8)
        )
    except (ValueError, IndexError) as error:
        raise TrendArchiveError(f"a batch of samples is damaged: {error}") from error
    if not len(batch.tag) == len(batch.utc) == len(batch.value) == len(batch.quality):
        raise TrendArchiveError("a batch of samples is damaged: its columns are not equally long")
    if _ascends(batch.utc, batch.tag) or _ascends(batch.tag, batch.utc):
        return batch
    batch = batch.part(np.lexsort((batch.quality, batch.tag, batch.utc)))
    again = (np.diff(batch.utc) == 0) & (np.diff(batch.tag) == 0)
    return batch.part(np.flatnonzero(np.append(True, ~again)))


def _ascends(major: npt.NDArray[np.integer], minor: npt.NDArray[np.integer]) -> bool:
    """Whether pairs ascend strictly, as those of a recorder or a partner do: then none is there twice."""
    step = np.diff(major)
    return bool(np.all((step > 0) | ((step == 0) & (np.diff(minor) > 0))))


def _by_day(batch: _Batch) -> list[tuple[int, _Batch]]:
    if not len(batch):
        return []
    day = batch.utc // (DAY // TICK)
    days = np.unique(day)
    if len(days) == 1:
        return [(int(days[0]), batch)]
    return [(int(each), batch.part(day == each)) for each in days]


def _range(batch: _Batch) -> dict[str, int]:
    return {"first": int(batch.utc.min()), "last": int(batch.utc.max())}


def _wanted(
    connection: duckdb.DuckDBPyConnection, batch: _Batch, there: str, parameters: Mapping[str, str]
) -> tuple[_Batch, bool]:
    """What of a batch is not there, or worse; and whether any of that is there."""
    if not len(batch):
        return batch, False
    columns = {**batch.columns(), "row": np.arange(len(batch))}
    with registered(connection, "batch", columns):
        found = connection.execute(_WANTED.format(there=there), {**_range(batch), **parameters}).fetchnumpy()
    rows = found["row"]
    return batch if len(rows) == len(batch) else batch.part(rows), bool(found["worse"].any())
