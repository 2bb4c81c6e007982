"""What a trend archive's DuckDB file holds besides samples: tags, how they were recorded, coverage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt

from changeover.core.intervals import Intervals
from changeover.model.moment import DAY
from changeover.storage.trend_days import DayFiles, day_from_text, day_text
from changeover.storage.trend_series import Definition

Column: TypeAlias = npt.NDArray[Any]

FORMAT = 1
"""Of the tables below; a file of another one is not touched."""

TABLES = """
CREATE TABLE archive (format INTEGER);
CREATE TABLE tags (id INTEGER, name VARCHAR);
CREATE TABLE definitions (tag INTEGER, since_utc BIGINT, device VARCHAR, event BOOLEAN, period BIGINT);
CREATE TABLE coverage (device VARCHAR, start_utc BIGINT, end_utc BIGINT);
CREATE TABLE compacted (day INTEGER);
"""

_TABLE_PREFIX = "samples_"


@dataclass(slots=True)
class Catalogue:
    """What a process knows by heart of the archive that it has open.

    Attributes:
        ids: The tags that ever had a sample or a trend, by name in lower case.
        names: Their names as first written, by id.
        definitions: How each was recorded, by id, oldest first; tags that only a partner knows have none.
        coverage: What was recorded, by I/O device.
        coverage_rows: In how many rows the file holds that.
        tables: Days of which the DuckDB file has samples.
        files: Days of which a Parquet file has samples.
    """

    ids: dict[str, int]
    names: dict[int, str]
    definitions: dict[int, list[Definition]]
    coverage: dict[str, Intervals]
    coverage_rows: int
    tables: set[int]
    files: DayFiles

    def id_of(self, tag: str) -> int | None:
        """A tag's number, None for one that is not known."""
        return self.ids.get(tag.lower())

    def days(self, start_utc: int, end_utc: int) -> list[int]:
        """Days that have samples and overlap a span of time, ascending."""
        if end_utc <= start_utc:
            return []
        days = sorted({*self.tables, *self.files})
        return [day for day in days if day * DAY < end_utc and (day + 1) * DAY > start_utc]


def read_catalogue(connection: duckdb.DuckDBPyConnection, folder: Path) -> Catalogue:
    """Read what the file, and the folder beside it, hold."""
    names = dict(connection.execute("SELECT id, name FROM tags ORDER BY id").fetchall())
    definitions: dict[int, list[Definition]] = {}
    for tag, *fields in connection.execute("SELECT * FROM definitions ORDER BY since_utc, rowid").fetchall():
        definitions.setdefault(tag, []).append(Definition(*fields))
    spans: dict[str, list[tuple[int, int]]] = {}
    coverage = connection.execute("SELECT device, start_utc, end_utc FROM coverage").fetchall()
    for device, start, end in coverage:
        spans.setdefault(device, []).append((start, end))
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, ?)", [_TABLE_PREFIX]
    ).fetchall()
    return Catalogue(
        {name.lower(): tag for tag, name in names.items()},
        names,
        definitions,
        {device: Intervals(tuple(of_device)) for device, of_device in spans.items()},
        len(coverage),
        {day_from_text(name.removeprefix(_TABLE_PREFIX).replace("_", "-")) for (name,) in tables},
        DayFiles(folder),
    )


def write_coverage(connection: duckdb.DuckDBPyConnection, coverage: Mapping[str, Intervals]) -> None:
    """Replace all rows of coverage by as few as hold it."""
    connection.execute("DELETE FROM coverage")
    rows = [(device, *span) for device, spans in coverage.items() for span in spans]
    insert(connection, "coverage", ("device", "start_utc", "end_utc"), rows)


def table_of(day: int) -> str:
    """The table that holds a day's samples."""
    return f"{_TABLE_PREFIX}{day_text(day).replace('-', '_')}"


@contextlib.contextmanager
def registered(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Column]
) -> Iterator[None]:
    """Make numpy columns readable as a table, for the length of a block."""
    connection.register(name, dict(columns))
    try:
        yield
    finally:
        # After a fatal error nothing more can be said to the connection.
        with contextlib.suppress(duckdb.Error):
            connection.unregister(name)


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows into a table; none are fine."""
    if not rows:
        return
    by_name = {name: np.array(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    by_name = {
        name: column.astype(object) if column.dtype.kind == "U" else column
        for name, column in by_name.items()
    }
    with registered(connection, "new_rows", by_name):
        connection.execute(f"INSERT INTO {table} SELECT {', '.join(columns)} FROM new_rows")
