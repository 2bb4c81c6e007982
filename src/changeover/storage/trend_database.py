"""The DuckDB file of a trend archive: opened by one process, what it holds by heart, transactions, errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from changeover.core.intervals import Intervals
from changeover.model.moment import DAY
from changeover.model.trend import Trend, TrendType
from changeover.storage.errors import ArchiveUnusableError
from changeover.storage.trend_catalogue import (
    FORMAT,
    TABLES,
    Catalogue,
    insert,
    read_catalogue,
    write_coverage,
)
from changeover.storage.trend_days import TICK, DayFiles, sync_file

FILE_NAME = "trends.duckdb"

_SETTINGS: dict[str, Any] = {
    # Each query works on the thread that asks: a compaction beside leaves the recording thread its core.
    "threads": 1,
    # Sorting a day that needs more goes through the folder's disk.
    "memory_limit": "1GB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    # Day files are replaced under their names; the system's page cache is as quick.
    "enable_external_file_cache": False,
}
_BEGINNING = 0
_SPAN_OF_FILE = """
SELECT epoch_us(min(TRY_CAST(stats_min_value AS TIMESTAMP))),
    epoch_us(max(TRY_CAST(stats_max_value AS TIMESTAMP)))
FROM parquet_metadata(?) WHERE path_in_schema = 'utc'
"""


class TrendArchiveError(ArchiveUnusableError):
    """The archive cannot do what was asked; the text names the file and says what to do about it."""


class TrendDatabase:
    """The DuckDB file and the Parquet files beside it.

    Args:
        folder: Where they are, or are made.

    Attributes:
        catalogue: What is known by heart; renewed by `reopen`.
        is_broken: Whether an operation ended so that only `reopen` tells what the file holds now.
        damaged: Day files that could not be used: under which name each is now, and why.

    Raises:
        TrendArchiveError: Another process has the file open, it is damaged, or it is no trend archive.
    """

    catalogue: Catalogue

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.is_broken = False
        self.damaged: tuple[str, ...] = ()
        self._log = (0, 0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
        except OSError as error:
            raise TrendArchiveError(
                f"{folder}: {error.strerror}; the trend archive needs a folder to write to"
            ) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, to ask it something.

        Raises:
            TrendArchiveError: Instead of what DuckDB and the system raise.
        """
        try:
            yield self._connection
        except duckdb.Error as error:
            self.is_broken |= isinstance(error, duckdb.FatalException)
            raise self.explained(error) from error
        except OSError as error:
            raise TrendArchiveError(f"{self.folder}: {error.strerror}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, in a transaction that is on disk when the block has ended, all of it or nothing.

        Raises:
            TrendArchiveError: Nothing was written, or (the disk became full in the last moment) all of it:
                `is_broken` is set, and whoever writes the same once more does no harm.
        """
        with self.reading() as connection:
            connection.begin()
            try:
                yield connection
                connection.commit()
                self._sync_names()
            except BaseException:
                self.is_broken = True
                with contextlib.suppress(duckdb.Error):
                    connection.rollback()
                raise

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection more, for another thread."""
        return self._connection.cursor()

    def reopen(self) -> None:
        """Read anew what the file holds, after an operation failed.

        Raises:
            TrendArchiveError: That does not work either; it may later.
        """
        self._connection.close()
        self._connection = self._connect()
        self._prepare()
        self.is_broken = False

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def explained(self, error: duckdb.Error) -> TrendArchiveError:
        """DuckDB's words with ours: what is to be done."""
        text = str(error).strip().splitlines()[0]
        return TrendArchiveError(f"{self.path.parent}: {text}; {_advice(str(error))}")

    def define(self, trends: Sequence[Trend], devices: Mapping[str, str], now_utc: int) -> None:
        """Note how tags are recorded from now on; of those that trends.csv no longer has all stays as it was.

        Args:
            trends: The trends of trends.csv.
            devices: The I/O device of each tag.
            now_utc: When this begins to hold.

        Raises:
            TrendArchiveError: It could not be written.
        """
        ids = {**self.catalogue.ids}
        new_tags: list[tuple[int, str]] = []
        rows: list[tuple[int, int, str, bool, int]] = []
        for trend in trends:
            tag = ids.setdefault(trend.tag.lower(), len(ids))
            if tag == len(self.catalogue.ids) + len(new_tags):
                new_tags.append((tag, trend.tag))
            earlier = self.catalogue.definitions.get(tag, [])
            now = (devices[trend.tag], trend.type is TrendType.EVENT, trend.period)
            if not earlier or (earlier[-1].device, earlier[-1].event, earlier[-1].period) != now:
                since = max(now_utc, earlier[-1].since_utc) if earlier else _BEGINNING
                rows.append((tag, since, *now))
        if rows:
            with self.transaction() as connection:
                insert(connection, "tags", ("id", "name"), new_tags)
                insert(connection, "definitions", ("tag", "since_utc", "device", "event", "period"), rows)
            self.catalogue = self._read()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self.path.exists() and self.path.stat().st_size == 0:
            # Made in the instant before the power was lost; DuckDB takes it for a foreign file.
            self.path.unlink()
        is_new = not self.path.exists()
        try:
            connection = duckdb.connect(self.path, config=_SETTINGS)
        except duckdb.Error as error:
            raise self.explained(error) from error
        if is_new:
            sync_file(self.folder)
        return connection

    def _prepare(self) -> None:
        """Make the tables, or look at those that are there."""
        with self.reading() as connection:
            tables = {
                row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            }
            if not tables:
                with self.transaction():
                    connection.execute(TABLES)
                    connection.execute("INSERT INTO archive VALUES (?)", [FORMAT])
            elif "archive" not in tables:
                raise TrendArchiveError(f"{self.path}: is a DuckDB file, but no trend archive: move it away")
            found = [row[0] for row in connection.execute("SELECT format FROM archive").fetchall()]
            if found != [FORMAT]:
                raise TrendArchiveError(
                    f"{self.path}: has format {found}, this version reads {FORMAT}: "
                    "use the version that wrote it, or move it away"
                )
        self._set_aside()
        self.catalogue = self._read()
        self._adopt_files()

    def _set_aside(self) -> None:
        """Give day files that are damaged, or hold another day, a name of their own: they count as lost."""
        found = []
        files = DayFiles(self.folder)
        for day in files:
            why = self._what_is_wrong(files.path(day), day)
            if why:
                found.append(f"{files.set_aside(day)}: {why}")
        self.damaged += tuple(found)

    def _what_is_wrong(self, path: Path, day: int) -> str:
        """Why a day's file cannot be used, by what it says of itself; empty when it can."""
        try:
            with self.reading() as connection:
                first, last = connection.execute(_SPAN_OF_FILE, [str(path)]).fetchone() or (None, None)
        except TrendArchiveError as error:
            return str(error).partition(": ")[2].partition("; ")[0]
        begin = day * DAY // TICK
        if first is not None and last is not None and not begin <= first <= last < begin + DAY // TICK:
            return "it holds another day"
        return ""

    def _read(self) -> Catalogue:
        with self.reading() as connection:
            return read_catalogue(connection, self.folder)

    def _adopt_files(self) -> None:
        """Take in day files that the tables do not know, and give up what went with those that are gone.

        A DuckDB file that was lost takes the names of the tags in the day files with it. A day file that was
        lost takes the coverage: what was in it is lacking again, so the partner is asked for it.
        """
        with self.reading() as connection:
            listed = {row[0] for row in connection.execute("SELECT day FROM compacted").fetchall()}
        files = set(self.catalogue.files)
        if listed == files:
            return
        for day in listed - files:
            lost = Intervals(((day * DAY, (day + 1) * DAY),))
            self.catalogue.coverage = {
                device: spans - lost for device, spans in self.catalogue.coverage.items()
            }
        with self.transaction() as connection:
            for day in sorted(files - listed):
                self._adopt_tags(connection, day)
            connection.execute("DELETE FROM compacted")
            insert(connection, "compacted", ("day",), [(day,) for day in sorted(files)])
            write_coverage(connection, self.catalogue.coverage)
        self.catalogue = self._read()

    def _adopt_tags(self, connection: duckdb.DuckDBPyConnection, day: int) -> None:
        names = connection.execute(
            "SELECT DISTINCT tag FROM read_parquet(?) ORDER BY tag", [str(self.catalogue.files.path(day))]
        ).fetchall()
        ids = self.catalogue.ids
        rows = [
            (len(ids) + index, name)
            for index, (name,) in enumerate(n for n in names if n[0].lower() not in ids)
        ]
        insert(connection, "tags", ("id", "name"), rows)
        ids.update((name.lower(), tag) for tag, name in rows)

    def _sync_names(self) -> None:
        """Have the name of a new write-ahead log on disk; DuckDB sees to what is in it."""
        try:
            log = self.path.with_name(f"{FILE_NAME}.wal").stat()
        except FileNotFoundError:
            return
        inode, size = self._log
        if log.st_ino != inode or log.st_size < size:
            sync_file(self.folder)
        self._log = log.st_ino, log.st_size


def _advice(text: str) -> str:
    if "Conflicting lock" in text:
        return "only one process can have the archive open: end the other one, or ask the trend server"
    if "No space left" in text:
        return "make room on the disk: recording goes on by itself"
    if ".parquet" in text:
        return "move that file away and start again: the partner is asked for the day once more"
    return (
        f"if this lasts, move {FILE_NAME} and {FILE_NAME}.wal away and start again: "
        "the Parquet files stay in use, and the partner is asked for the rest"
    )
