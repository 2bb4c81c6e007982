"""What an alarm server keeps on disk: states and journal, in one SQLite file, keyed by tag name.

The summary, one row for every occurrence of an alarm, is the journal told in another way. The file is made to
be read with any SQLite tool: columns and words, no blobs; `journal_readable` and `summary_readable` show the
times as ISO text. A tag whose spelling changes in ASCII case is the same alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from changeover.core.alarm_records import AlarmState, JournalRecord
from changeover.storage.alarm_lists import AlarmLists
from changeover.storage.alarm_tables import (
    LAYOUT,
    record_of,
    record_row,
    state_of,
    state_row,
)
from changeover.storage.sqlite_file import SqliteFile, fresh

_PUT_STATE = "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_RECORD = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class AlarmStore(AlarmLists):
    """One server's alarms on disk. One process may have it open; its methods are called one at a time.

    Every method may raise StoreError; what it names as FULL may be tried again.

    Args:
        path: The file; begun where there is none. Its folder must exist.

    Raises:
        StoreError: The file is in use, foreign, newer or damaged, or cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, LAYOUT)
        super().__init__(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- what was kept ---

    def restore(self) -> tuple[AlarmState, ...]:
        """Every state, by tag."""
        with self._file.reading() as connection:
            return tuple(state_of(*row) for row in connection.execute("SELECT * FROM state ORDER BY tag"))

    def has_state_utc(self) -> int:
        """When any state changed last, UTC nanoseconds since 1970; 0 where there is none."""
        with self._file.reading() as connection:
            newest: int = connection.execute("SELECT coalesce(max(changed_utc), 0) FROM state").get
            return newest

    def origin(self, proposed: str) -> str:
        """Under which name this archive numbers its records: what was proposed first, for ever.

        An archive that was lost must not give its numbers a second time, so let the proposal be unique.
        """
        return self._file.origin(proposed)

    def numbers(self) -> dict[str, int]:
        """The highest number by origin; those before it are there, or were before they were pruned."""
        return self._file.numbers()

    def pruned(self) -> dict[str, int]:
        """By origin the number up to which records are gone, 0 where all are there."""
        return self._file.pruned()

    # --- writing ---

    def write(self, states: Sequence[AlarmState], records: Sequence[JournalRecord]) -> None:
        """Keep states and records, in one durable transaction.

        Args:
            states: Each replaces that of its tag; of several of one tag the last stays.
            records: Of every origin in the order of their numbers, without gaps after `numbers()`. Those that
                are there, or were before they were pruned, change nothing.
        """
        with self._file.transaction() as connection:
            connection.executemany(_PUT_RECORD, map(record_row, fresh(connection, records)))
            connection.executemany(_PUT_STATE, map(state_row, states))

    def skip(self, origin: str, number: int) -> None:
        """Do without an origin's records up to a number, because the partner has pruned them: its `pruned()`.

        Without effect on numbers that are there already.
        """
        self._file.skip(origin, number)

    def prune(self, before_utc: int, limit: int = 2000) -> int:
        """Forget old records, a bounded number at a time, in journal and summary. Numbers stay taken.

        Of each origin the records go in the order of their numbers, up to the first that is not old: what is
        left has no gaps, and a clock that was wrong can only keep too much.

        Args:
            before_utc: What is older goes, UTC nanoseconds since 1970.
            limit: At most so many records of each origin.

        Returns:
            How many records went; 0 when none is left to go.
        """
        with self._file.transaction() as connection:
            last = self._file.numbers()
            return sum(
                _prune_origin(connection, origin, min(last[origin], pruned + limit), before_utc)
                for origin, pruned in self._file.pruned().items()
            )

    # --- catching up ---

    def records(self, origin: str, after: int, limit: int) -> tuple[JournalRecord, ...]:
        """Records of an origin in the order of their numbers, for the partner that lacks them.

        Args:
            origin: The server that wrote them.
            after: The number before the first.
            limit: At most so many.

        Returns:
            Without gaps; the first is `after` + 1, or the first that was not pruned.
        """
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM journal WHERE origin = ? AND number > ? ORDER BY number LIMIT ?",
                (origin, max(after, self.pruned().get(origin, 0)), limit),
            )
            return tuple(record_of(*row) for row in rows)

    def knows_action(self, action: str) -> bool:
        """Whether a record of an operator's action is there, whichever server wrote it."""
        assert action, "transitions have no action"
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT 1 FROM journal WHERE action = ? AND action <> '' LIMIT 1", (action,)
            )
            return found.get is not None

    def actions(self, limit: int) -> tuple[str, ...]:
        """Identities of the last operators' actions that records tell of, the oldest first.

        Args:
            limit: At most so many.
        """
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT action FROM journal WHERE action <> '' GROUP BY action"
                " ORDER BY max(utc) DESC, action DESC LIMIT ?",
                (limit,),
            )
            return tuple(action for (action,) in rows)[::-1]


def _prune_origin(connection: apsw.Connection, origin: str, until: int, before_utc: int) -> int:
    """Remove old records of an origin up to a number; how many went."""
    first_kept: int | None = connection.execute(
        "SELECT min(number) FROM journal WHERE origin = ? AND number <= ? AND utc >= ?",
        (origin, until, before_utc),
    ).get
    if first_kept is not None:
        until = first_kept - 1
    connection.execute("UPDATE origins SET pruned = ? WHERE origin = ?", (until, origin))
    connection.execute("DELETE FROM journal WHERE origin = ? AND number <= ?", (origin, until))
    return connection.changes()
