"""Days of the trend archive: how they are counted and named, and their Parquet files.

A day is a UTC day, counted from 1970-01-01. Of a day that is over, the samples are in one Parquet file, and
those that came late in a table of the DuckDB file beside it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from changeover.model.moment import DAY, MICROSECOND, Duration

TICK: Duration = MICROSECOND
"""The archive keeps whole microseconds: a unit that every Parquet tool reads."""

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_FILE = re.compile(r"samples-(\d{4}-\d\d-\d\d)\.parquet")
_UNFINISHED = "*.parquet.part"


def day_of(utc: int) -> int:
    """The day in which an instant (UTC nanoseconds) lies."""
    return utc // DAY


def day_text(day: int) -> str:
    """A day as `2026-11-20`."""
    return date.fromordinal(_EPOCH + day).isoformat()


def day_from_text(text: str) -> int:
    """A day written as `2026-11-20`.

    Raises:
        ValueError: There is no such day.
    """
    return date.fromisoformat(text).toordinal() - _EPOCH


def sync_file(path: Path) -> None:
    """Have a file, or the names in a folder, on disk before this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class DayFiles:
    """The Parquet files of the days that are over.

    Args:
        folder: Where they lie. Whatever a process that was killed left unfinished there is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for path in folder.glob(_UNFINISHED):
            path.unlink()
        self._days = set(self._listed())

    def __contains__(self, day: int) -> bool:
        return day in self._days

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._days))

    def path(self, day: int) -> Path:
        """Where a day's samples are, or would be."""
        return self._folder / f"samples-{day_text(day)}.parquet"

    def unfinished(self, day: int) -> Path:
        """Where a day's file is written before it gets its name."""
        path = self.path(day)
        return path.with_name(f"{path.name}.part")

    def publish(self, day: int) -> None:
        """Give a day's unfinished file, already on disk, its name; it replaces the earlier one at once."""
        self.unfinished(day).replace(self.path(day))
        sync_file(self._folder)
        self._days.add(day)

    def set_aside(self, day: int) -> Path:
        """Give a day's file a name by which nobody takes it for one; returns the path that it has then."""
        path = self.path(day)
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        sync_file(self._folder)
        self._days.discard(day)
        return aside

    def remove(self, day: int) -> None:
        """Remove a day's file."""
        self.path(day).unlink(missing_ok=True)
        sync_file(self._folder)
        self._days.discard(day)

    def _listed(self) -> Iterator[int]:
        for path in self._folder.iterdir():
            found = _DAY_FILE.fullmatch(path.name)
            if found:
                # A name that is no day is none of ours.
                with contextlib.suppress(ValueError):
                    yield day_from_text(found[1])
