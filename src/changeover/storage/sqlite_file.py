"""What the journals in SQLite have in common: one writer, durable transactions, numbers, clear errors.

A file is in WAL mode with synchronous=FULL: when a transaction's block is left, the disk has it. The process
that writes holds a lock on a file of its own beside it, `<name>.lock`, not a lock of SQLite's: so any SQLite
tool can read along while the server runs.

Records of a journal carry (origin, number). Of every origin a file holds the numbers from `pruned` + 1 to
`last`, without gaps; the table `origins` says which, so numbering outlives the records.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeVar

import apsw

from changeover.core.origins import server_of
from changeover.storage.errors import ArchiveUnusableError

BUSY_MS = 1000
"""How long a transaction waits for somebody else's tool that writes or recovers the file."""

WAL_BYTES_MAX = 16 * 1024 * 1024
"""To how much the -wal file shrinks again after a tool that read for long made it grow."""

ORIGINS = """
    CREATE TABLE origins (
        origin TEXT PRIMARY KEY,
        last INTEGER NOT NULL,
        pruned INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE archive (origin TEXT NOT NULL);
"""
"""The tables that every journal's layout begins with."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Trouble(Enum):
    """Why a file cannot be used, in the words of its error."""

    IN_USE = "is in use"
    FOREIGN = "is not one of ours"
    NEWER = "is of a newer version"
    DAMAGED = "is damaged"
    FULL = "has no room left on its disk"
    UNUSABLE = "cannot be used"


_REMEDIES = {
    Trouble.IN_USE: "one process may write it: end that one first, or give this server a file of its own",
    Trouble.FOREIGN: "move it away, or name another file",
    Trouble.NEWER: "run the version that wrote it, or move the file away",
    Trouble.DAMAGED: (
        "move it away, with the files of the same name and -wal and -shm: "
        "a new one is begun, and what the partner has comes back from there"
    ),
    Trouble.FULL: "nothing that was written is lost; make room, and writing goes on",
    Trouble.UNUSABLE: "it must be in a folder on a local disk that this process may write to",
}


class StoreError(ArchiveUnusableError):
    """A file that cannot be used, or not now; the text names it and says what to do.

    Attributes:
        path: The file.
        trouble: What kind of trouble; after FULL the same call may be made again.
    """

    def __init__(self, path: Path, trouble: Trouble, detail: str) -> None:
        super().__init__(f"{path}: {trouble.value} ({detail}), {_REMEDIES[trouble]}")
        self.path = path
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Layout:
    """What is in a file.

    Attributes:
        application_id: Marks files of this kind, 32 bits.
        version: Of the tables, 1 or more; goes to the file's user_version.
        statements: Create tables, indices and views in an empty file.
    """

    application_id: int
    version: int
    statements: str


class Numbered(Protocol):
    """A record of a journal."""

    @property
    def origin(self) -> str:
        """The server that wrote it."""

    @property
    def number(self) -> int:
        """1, 2, 3 … of that server."""


_R = TypeVar("_R", bound=Numbered)


class SqliteFile:
    """One file, open for writing.

    Args:
        path: The file; begun where there is none. Its folder must exist.
        layout: What is in it.

    Raises:
        StoreError: It is in use, foreign, newer or damaged, or cannot be opened or made.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = layout
        self._lock = self._take_lock()
        try:
            self._connection = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close it, and let others write it. May be called again."""
        self._connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """One durable transaction: done with all that is inside when the block is left, or with nothing.

        Raises:
            StoreError: The disk is full or refuses, the file is damaged, or another program writes it.
        """
        with _told_as_store_error(self._path, self._connection):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself, as it does on a full disk.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Queries, and making values of their rows.

        Raises:
            StoreError: The disk refuses, or the file is damaged, as it is with an unknown word in a row.
        """
        with _rows_of(self._path, self._connection) as connection:
            yield connection

    def origin(self, proposed: str) -> str:
        """Under which name this file's own records are numbered: what was proposed first, for ever.

        A file that another server has numbered until now, a copy, takes what is proposed.
        """
        with self.transaction() as connection:
            kept: str | None = connection.execute("SELECT origin FROM archive").get
            if kept is None:
                connection.execute("INSERT INTO archive VALUES (?)", (proposed,))
            elif server_of(kept) != server_of(proposed):
                connection.execute("UPDATE archive SET origin = ?", (proposed,))
            else:
                return kept
            return proposed

    def numbers(self) -> dict[str, int]:
        """The highest number by origin; those before it are there, or were before they were pruned."""
        with self.reading() as connection:
            return dict(connection.execute("SELECT origin, last FROM origins ORDER BY origin"))

    def pruned(self) -> dict[str, int]:
        """By origin the number up to which records are gone, 0 where all are there."""
        with self.reading() as connection:
            return dict(connection.execute("SELECT origin, pruned FROM origins ORDER BY origin"))

    def skip(self, origin: str, number: int) -> None:
        """Do without an origin's records up to a number: the partner, who has more, has pruned them.

        Without effect on numbers that are there already.
        """
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO origins VALUES (?1, ?2, ?2) ON CONFLICT DO UPDATE SET last = ?2, pruned = ?2"
                " WHERE last < ?2",
                (origin, number),
            )

    def _take_lock(self) -> int:
        # Never the file itself: closing any handle of it would drop SQLite's own locks (POSIX). The lock
        # ends with the process, however that ends, so what stays behind of the file does no harm.
        path = self._path.with_name(self._path.name + ".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._refused(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode("ascii", "replace").strip()
            os.close(lock)
            detail = f"by process {holder}" if holder else "by another process"
            raise StoreError(self._path, Trouble.IN_USE, detail) from None
        except OSError as error:
            os.close(lock)
            raise self._refused(error) from None
        # For the message above only: a full disk must not matter here.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode("ascii"))
        return lock

    def _refused(self, error: OSError) -> StoreError:
        trouble = Trouble.FULL if error.errno in _NO_ROOM else Trouble.UNUSABLE
        return StoreError(self._path, trouble, error.strerror or str(error))

    def _open(self) -> apsw.Connection:
        connection = None
        try:
            with _told_as_store_error(self._path, None):
                connection = apsw.Connection(str(self._path))
            with _told_as_store_error(self._path, connection):
                self._prepare(connection)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        return connection

    def _prepare(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(BUSY_MS)
        # First of all: a file of somebody else's is left as it is.
        is_new = self._check_layout(connection)
        found = connection.execute("PRAGMA quick_check(1)").get
        if found != "ok":
            raise StoreError(self._path, Trouble.DAMAGED, " ".join(str(found).split()))
        mode = connection.pragma("journal_mode", "wal")
        if mode != "wal":
            raise StoreError(self._path, Trouble.UNUSABLE, f"its journal mode stays {mode}")
        connection.pragma("synchronous", "FULL")
        connection.pragma("temp_store", "MEMORY")
        connection.pragma("journal_size_limit", WAL_BYTES_MAX)
        if is_new:
            self._create(connection)

    def _check_layout(self, connection: apsw.Connection) -> bool:
        """Whether the file is new."""
        application_id = connection.pragma("application_id")
        version = connection.pragma("user_version")
        if application_id == version == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").get:
            return True
        if application_id != self._layout.application_id:
            raise StoreError(self._path, Trouble.FOREIGN, f"its application_id is {application_id}")
        if version > self._layout.version:
            detail = f"its layout is {version}, {self._layout.version} is known here"
            raise StoreError(self._path, Trouble.NEWER, detail)
        return False

    def _create(self, connection: apsw.Connection) -> None:
        # In one transaction: a server that dies here leaves an empty file, not half a layout.
        connection.execute(
            f"BEGIN IMMEDIATE; {self._layout.statements};"
            f"PRAGMA application_id = {self._layout.application_id};"
            f"PRAGMA user_version = {self._layout.version}; COMMIT"
        )


class SqliteReader:
    """A file that somebody else writes, open for reading.

    Args:
        path: The file.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _told_as_store_error(path, None):
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        self._connection.set_busy_timeout(BUSY_MS)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """As `SqliteFile.reading`."""
        with _rows_of(self._path, self._connection) as connection:
            yield connection


def fresh(connection: apsw.Connection, records: Iterable[_R]) -> list[_R]:
    """Of records, those that the file has not seen yet; takes note of their numbers.

    Args:
        connection: Of the transaction that writes them.
        records: Of every origin in the order of their numbers, beginning at `numbers()` + 1 or before.
    """
    last: dict[str, int] = dict(connection.execute("SELECT origin, last FROM origins"))
    new = []
    for record in records:
        known = last.get(record.origin, 0)
        assert 0 < record.number <= known + 1, f"{record.origin}: {record.number} cannot follow {known}"
        if record.number > known:
            last[record.origin] = record.number
            new.append(record)
    connection.executemany(
        "INSERT INTO origins VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET last = excluded.last",
        [(origin, last[origin]) for origin in dict.fromkeys(record.origin for record in new)],
    )
    return new


def iso_utc(column: str) -> str:
    """SQL that makes ISO 8601 text of a column of UTC nanoseconds, NULL of 0."""
    seconds = f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000000, 'unixepoch')"
    return f"CASE WHEN {column} > 0 THEN {seconds} || printf('.%09dZ', {column} % 1000000000) END"


@contextmanager
def _rows_of(path: Path, connection: apsw.Connection) -> Iterator[apsw.Connection]:
    with _told_as_store_error(path, connection):
        try:
            yield connection
        except (KeyError, ValueError) as error:
            raise StoreError(path, Trouble.DAMAGED, f"a row holds {error}") from None


@contextmanager
def _told_as_store_error(path: Path, connection: apsw.Connection | None) -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        lacks_room = connection is not None and connection.system_errno in _NO_ROOM
        trouble = _trouble(error, lacks_room)
        # SQL that is wrong and constraints that do not hold are faults of this program.
        if trouble is None:
            raise
        raise StoreError(path, trouble, str(error)) from error


def _trouble(error: apsw.Error, lacks_room: bool) -> Trouble | None:
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return Trouble.DAMAGED
    if isinstance(error, apsw.FullError):
        return Trouble.FULL
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return Trouble.IN_USE
    if isinstance(error, (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)):
        return Trouble.FULL if lacks_room else Trouble.UNUSABLE
    return None
