"""How days that are over become Parquet files, and how what has been kept long enough leaves them.

A day's file is written whole, by one statement, from its table and from the file that is there already:

1. the statement writes `samples-….parquet.part`, which is then brought to disk; all on a thread of its own
2. the file gets its name, in one step also where it replaces an earlier one
3. one transaction drops the table and lists the file

Between 2 and 3 samples are in both: readers take each (tag, utc) once, and the next compaction does the day
again. A batch that comes for the day during 1 makes the new file worthless: it is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable

import duckdb

from changeover.model.moment import DAY, SECOND, Duration
from changeover.model.trend import Trend
from changeover.storage.trend_catalogue import table_of
from changeover.storage.trend_database import TrendArchiveError, TrendDatabase
from changeover.storage.trend_days import sync_file

SETTLING: Duration = 600 * SECOND
"""A day is compacted so long after its end: its last samples come late."""

ROW_GROUP_ROWS = 122_880

_NICENESS = 10

_TAG_ORDER = (
    "CREATE TEMP TYPE tag_name AS ENUM (SELECT name FROM tags ORDER BY name)",
    "CREATE TEMP TABLE tag_names AS SELECT id, CAST(name AS tag_name) AS name FROM tags",
)
"""Sorting by an enumeration's numbers takes a quarter of the time that sorting by texts takes.

The file gets texts: with an enumeration each row group would list, and claim to have, all tags."""

_COPY = """
COPY (
    SELECT CAST(name AS VARCHAR) AS tag, make_timestamptz(utc) AS utc, value, quality
    FROM (
        SELECT n.name, s.utc, s.value, s.quality FROM ({rows}) s JOIN tag_names n ON n.id = s.tag
        ORDER BY n.name, s.utc
    )
) TO '{path}' (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, ROW_GROUP_SIZE {row_group})
"""
_FROM_TABLE = "SELECT tag, utc, value, quality FROM {table} WHERE tag NOT IN {gone}"
_FROM_FILE = """
SELECT t.id AS tag, epoch_us(f.utc) AS utc, f.value, f.quality
FROM read_parquet('{path}') f JOIN tags t ON t.name = f.tag WHERE t.id NOT IN {gone}
"""
_BUT_TABLE = " AND NOT EXISTS (SELECT 1 FROM {table} o WHERE o.tag = t.id AND o.utc = epoch_us(f.utc))"
_ANY_GONE = (
    "SELECT 1 FROM read_parquet($path) WHERE tag IN (SELECT name FROM tags WHERE id IN {gone}) LIMIT 1"
)


class _Rewriting:
    """One day's new file while it is written."""

    def __init__(self, database: TrendDatabase, day: int, gone: Iterable[int]) -> None:
        self.day = day
        self.is_spoilt = False
        self.rows = 0
        self._error: duckdb.Error | OSError | None = None
        self._path = database.catalogue.files.unfinished(day)
        self._cursor = database.cursor()
        statement = _statement(database, day, gone)
        # A process that ends without close() does not wait for it.
        self._thread = threading.Thread(target=self._copy, args=(statement,), name="compaction", daemon=True)
        self._thread.start()

    def _copy(self, statement: str) -> None:
        # Recording goes first: on a busy computer it waits half as long with this.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            # One snapshot: a tag that is new in the middle would be none of the enumeration's.
            self._cursor.begin()
            for each in _TAG_ORDER:
                self._cursor.execute(each)
            (self.rows,) = self._cursor.execute(statement).fetchall()[0]
            sync_file(self._path)
        except (duckdb.Error, OSError) as error:
            self._error = error
        finally:
            self._cursor.close()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join()

    def raise_error(self, database: TrendDatabase) -> None:
        if isinstance(self._error, duckdb.Error):
            raise database.explained(self._error) from self._error
        if self._error is not None:
            raise self._error

    def discard(self) -> None:
        """End it, and leave nothing behind."""
        while self._thread.is_alive():
            with contextlib.suppress(duckdb.Error):
                self._cursor.interrupt()
            self._thread.join(0.05)
        self._path.unlink(missing_ok=True)


class TrendCompaction:
    """Compacts and expires days, one at a time; each call does a bounded piece.

    Args:
        database: The archive's file.
        trends: Those of trends.csv: how long samples are kept.
    """

    def __init__(self, database: TrendDatabase, trends: Iterable[Trend]) -> None:
        self._database = database
        ids = database.catalogue.ids
        self._retention = {ids[trend.tag.lower()]: trend.retention for trend in trends if trend.retention}
        self._expired: dict[int, frozenset[int]] = {}
        self._still_coming: set[int] = set()
        self._rewriting: _Rewriting | None = None

    def note_written(self, days: Iterable[int]) -> None:
        """Samples came for some days."""
        self._still_coming.update(days)
        if self._rewriting is not None and self._rewriting.day in days:
            self._rewriting.is_spoilt = True

    def compact(self, now_utc: int) -> bool:
        """Do the next piece of making files of days that are over.

        Args:
            now_utc: The time.

        Returns:
            Whether there is more to do, or under way.

        Raises:
            TrendArchiveError: The day could not be written (no room); the next call tries again.
        """
        if self._rewriting is not None:
            return self._advance()
        tables = self._database.catalogue.tables
        due = [day for day in sorted(tables) if (day + 1) * DAY + SETTLING <= now_utc]
        # While a back-fill brings samples of a day, its file would be worthless before it is written.
        quiet = [day for day in due if day not in self._still_coming]
        self._still_coming.clear()
        if quiet:
            self._begin(quiet[0], self._gone(quiet[0], now_utc))
        return bool(due)

    def expire(self, now_utc: int) -> bool:
        """Do the next piece of removing samples that were kept long enough: days all of which are that old.

        Args:
            now_utc: The time.

        Returns:
            Whether there is more to do, or under way.

        Raises:
            TrendArchiveError: It could not be done (no room); the next call tries again.
        """
        if self._rewriting is not None:
            return self._advance()
        for day in self._database.catalogue.days(0, now_utc):
            gone = self._gone(day, now_utc)
            if gone and gone != self._expired.get(day):
                self._expire_day(day, gone)
                return True
        return False

    def wait(self) -> None:
        """Wait until the file under way is written; the next call puts it into its place."""
        if self._rewriting is not None:
            self._rewriting.wait()

    def cancel(self) -> None:
        """Give up the file under way, if any."""
        if self._rewriting is not None:
            self._rewriting.discard()
            self._rewriting = None

    def _gone(self, day: int, now_utc: int) -> frozenset[int]:
        return frozenset(tag for tag, kept in self._retention.items() if (day + 1) * DAY + kept <= now_utc)

    def _begin(self, day: int, gone: frozenset[int]) -> None:
        self._rewriting = _Rewriting(self._database, day, gone)
        self._expired[day] = gone

    def _advance(self) -> bool:
        rewriting = self._rewriting
        assert rewriting is not None
        if rewriting.is_running:
            return True
        self._rewriting = None
        gone = self._expired.pop(rewriting.day)
        try:
            rewriting.raise_error(self._database)
            if not rewriting.is_spoilt:
                self._take_over(rewriting.day, rewriting.rows)
                self._expired[rewriting.day] = gone
        except OSError as error:
            raise TrendArchiveError(f"{self._database.folder}: {error.strerror}") from error
        finally:
            rewriting.discard()
        return True

    def _take_over(self, day: int, rows: int) -> None:
        files = self._database.catalogue.files
        if rows:
            files.publish(day)
        self._forget_table(day, listed=bool(rows))
        if not rows:
            files.remove(day)

    def _forget_table(self, day: int, listed: bool) -> None:
        with self._database.transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {table_of(day)}")
            connection.execute("DELETE FROM compacted WHERE day = ?", [day])
            if listed:
                connection.execute("INSERT INTO compacted VALUES (?)", [day])
        self._database.catalogue.tables.discard(day)

    def _expire_day(self, day: int, gone: frozenset[int]) -> None:
        """Take some tags out of a day's table at once, and begin with its file if that has any of them."""
        catalogue = self._database.catalogue
        if day in catalogue.tables:
            with self._database.transaction() as connection:
                connection.execute(f"DELETE FROM {table_of(day)} WHERE tag IN {_list(gone)}")
        self._expired[day] = gone
        if day in catalogue.files:
            with self._database.reading() as connection:
                path = str(catalogue.files.path(day))
                found = connection.execute(_ANY_GONE.format(gone=_list(gone)), {"path": path}).fetchall()
            if found:
                self._begin(day, gone)


def _statement(database: TrendDatabase, day: int, gone: Iterable[int]) -> str:
    """The statement that writes a day's file: its table, and what else its file has."""
    catalogue, table = database.catalogue, table_of(day)
    rows = []
    if day in catalogue.tables:
        rows.append(_FROM_TABLE.format(table=table, gone=_list(gone)))
    if day in catalogue.files:
        from_file = _FROM_FILE.format(path=_quoted(str(catalogue.files.path(day))), gone=_list(gone))
        rows.append(from_file + _BUT_TABLE.format(table=table) if day in catalogue.tables else from_file)
    path = _quoted(str(catalogue.files.unfinished(day)))
    return _COPY.format(rows=" UNION ALL ".join(rows), path=path, row_group=ROW_GROUP_ROWS)


def _list(ids: Iterable[int]) -> str:
    # -1 is no tag: a list may not be empty.
    return f"({', '.join(str(tag) for tag in (-1, *sorted(ids)))})"


def _quoted(path: str) -> str:
    return path.replace("'", "''")
