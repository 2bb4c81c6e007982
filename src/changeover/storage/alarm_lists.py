"""Lists of what an alarm server has kept: the journal, and the summary of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import apsw
import msgspec

from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.storage.alarm_tables import EVENT_NAMES, Occurrence, occurrence_of, record_of
from changeover.storage.sqlite_file import SqliteReader

JournalPlace = tuple[int, str, int]
"""Where a record stands in the journal: utc, origin, number."""

# With more words than these, reading a span in its order beats looking up one after the other.
_LOOKED_UP_MAX = 50


class Readable(Protocol):
    """A file, open for reading at least."""

    def reading(self) -> AbstractContextManager[apsw.Connection]:
        """Queries, and making values of their rows."""


class AlarmLists:
    """Pages of the journal and of the summary. Every method may raise StoreError.

    Args:
        source: The file.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source

    def journal(
        self,
        start_utc: int,
        end_utc: int,
        tags: Collection[str] | None = None,
        events: Collection[AlarmEvent] | None = None,
        limit: int = 1000,
        newest_first: bool = False,
        after: JournalPlace | None = None,
    ) -> tuple[JournalRecord, ...]:
        """The journal as both servers wrote it, in the order (utc, origin, number).

        Args:
            start_utc: From this instant on, UTC nanoseconds since 1970.
            end_utc: Up to before this one.
            tags: Of these alarms, None for all.
            events: Of these kinds, None for all.
            limit: At most so many.
            newest_first: In the opposite order.
            after: The place of the last record of the page before.
        """
        span = _Span("utc, origin, number", start_utc, end_utc, newest_first, after)
        names = None if events is None else [EVENT_NAMES[event] for event in events]
        with self._source.reading() as connection:
            rows = span.rows(connection, "journal", {"tag": tags, "event": names}, limit)
            return tuple(record_of(*row) for row in rows)

    def summary(
        self,
        start_utc: int,
        end_utc: int,
        tags: Collection[str] | None = None,
        limit: int = 1000,
        newest_first: bool = False,
        after: JournalPlace | None = None,
    ) -> tuple[Occurrence, ...]:
        """Occurrences that began in a span, in the order (active_utc, origin, number).

        The journal tells of them, so both servers list the same, and a transition that both logged is one. Of
        alarms whose category is not logged nothing is listed.

        Args:
            start_utc: From this instant on, UTC nanoseconds since 1970.
            end_utc: Up to before this one.
            tags: Of these alarms, None for all.
            limit: At most so many.
            newest_first: In the opposite order.
            after: The place of the last occurrence of the page before.
        """
        span = _Span("active_utc, origin, number", start_utc, end_utc, newest_first, after)
        with self._source.reading() as connection:
            rows = span.rows(connection, "summary", {"tag": tags}, limit)
            return tuple(occurrence_of(*row) for row in rows)


class AlarmReader(AlarmLists):
    """One server's lists beside the server that writes them, for a thread of its own.

    Args:
        path: The file, which a store has opened.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._reader = SqliteReader(path)
        super().__init__(self._reader)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


@dataclass(frozen=True, slots=True)
class _Span:
    """One page of a list: between two instants, or from the end of the page before on."""

    order: str
    start_utc: int
    end_utc: int
    newest_first: bool
    after: JournalPlace | None

    def rows(
        self,
        connection: apsw.Connection,
        table: str,
        chosen: Mapping[str, Collection[str] | None],
        limit: int,
    ) -> apsw.Cursor:
        """Rows of a table whose columns have one of the chosen words, None for any."""
        # Places compare as rows of their columns do; no name is empty: these stand before all of an instant.
        start: JournalPlace = (self.start_utc, "", 0)
        end: JournalPlace = (self.end_utc, "", 0)
        if self.after is not None:
            start, end = (start, self.after) if self.newest_first else (self.after, end)
        conditions = [f"({self.order}) > (?, ?, ?)", f"({self.order}) < (?, ?, ?)"]
        bindings: list[int | str] = [*start, *end]
        for column, words in chosen.items():
            if words is not None:
                looked_up = column if len(words) <= _LOOKED_UP_MAX else f"+{column}"
                conditions.append(f"{looked_up} IN (SELECT value FROM json_each(?))")
                bindings.append(msgspec.json.encode(list(words)).decode())
        order = self.order.replace(",", " DESC,") + " DESC" if self.newest_first else self.order
        return connection.execute(
            f"SELECT * FROM {table} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?",
            (*bindings, limit),
        )
