"""The trend archive of one server: samples and what was recorded, on its own disk.

The folder holds one DuckDB file with the days under way, and a Parquet file for each day that is over, which
any Parquet tool reads. Times are kept to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from changeover.core.intervals import Intervals
from changeover.core.trend_records import Covered, Samples
from changeover.model.moment import Duration
from changeover.model.trend import Trend
from changeover.storage.trend_compaction import TrendCompaction
from changeover.storage.trend_database import TrendArchiveError, TrendDatabase
from changeover.storage.trend_export import Cursor, TrendExport
from changeover.storage.trend_queries import TrendQueries
from changeover.storage.trend_series import Buckets, Grid, Series
from changeover.storage.trend_writing import TrendWriter

__all__ = ["Cursor", "TrendArchive", "TrendArchiveError"]


class TrendArchive:
    """Samples on disk, and queries. All methods are called from one thread; no other process has the folder.

    After an error the archive goes on: the next call looks at what the disk holds. Whoever repeats a batch
    that ended in an error writes nothing twice.

    Args:
        folder: Where the files are, or are made.
        trends: The trends of trends.csv. Samples of tags that are no longer there stay, for ever.
        devices: The I/O device of each tag in `trends`.
        now_utc: The time, UTC nanoseconds since 1970: from when on tags are recorded as `trends` says.

    Raises:
        TrendArchiveError: Another process has the archive open, it is damaged, or it is none.
    """

    def __init__(
        self, folder: Path, trends: Sequence[Trend], devices: Mapping[str, str], now_utc: int
    ) -> None:
        self._database = TrendDatabase(folder)
        try:
            self._database.define(trends, devices, now_utc)
        except BaseException:
            self._database.close()
            raise
        self._writer = TrendWriter(self._database)
        self._queries = TrendQueries(self._database)
        self._export = TrendExport(self._database)
        self._compaction = TrendCompaction(self._database, trends)

    @property
    def damaged(self) -> tuple[str, ...]:
        """Day files that could not be used when the archive was opened: how each is named now, and why.

        What was in them is no longer covered, so the partner is asked for it.
        """
        return self._database.damaged

    def append(self, samples: Samples, covered: Sequence[Covered]) -> None:
        """Write what was recorded; it is on disk when this returns.

        Args:
            samples: The batch.
            covered: The spans of which the batch, with those before it, has all samples.

        Raises:
            TrendArchiveError: Nothing is lost that was there; the same batch may be given again.
        """
        self.merge(samples, covered)

    def merge(self, samples: Samples, covered: Sequence[Covered]) -> int:
        """Write what the partner recorded, as far as it is not there; it is on disk when this returns.

        A good sample takes the place of a bad one of the same tag and instant.

        Args:
            samples: The batch.
            covered: The spans of which the batch, with those before it, has all samples.

        Returns:
            How many samples were new or better; 0 for a batch that is there already.

        Raises:
            TrendArchiveError: Nothing is lost that was there; the same batch may be given again.
        """
        self._ready()
        written = self._writer.write(samples, covered)
        self._compaction.note_written(written)
        self._export.note_changed(written)
        return sum(written.values())

    def coverage(self) -> dict[str, Intervals]:
        """What was recorded: of each I/O device the spans of UTC nanoseconds.

        Raises:
            TrendArchiveError: An operation had failed, and the archive cannot be read since.
        """
        self._ready()
        return dict(self._database.catalogue.coverage)

    def export(
        self, tags: Iterable[str], start_utc: int, end_utc: int, limit: int, after: Cursor | None = None
    ) -> tuple[Samples, Cursor | None]:
        """Some of the samples of a span, in the order of time and, at one instant, of names in lower case.

        Args:
            tags: The tags; those that the archive does not know have no samples.
            start_utc: First nanosecond of the span.
            end_utc: First nanosecond after it.
            limit: So many samples at most, 1 or more. A batch may have fewer, or none, and not be the last.
            after: The cursor that came with the batch before; None for the first batch. It stays good over
                restarts, and for another archive.

        Returns:
            The batch, and the cursor for the next one, None after the last. All samples before the cursor's
            instant were given.

        Raises:
            TrendArchiveError: The samples cannot be read.
        """
        self._ready()
        return self._export.batch(tags, start_utc, end_utc, limit, after)

    def raw(self, tag: str, start_utc: int, end_utc: int, limit: int) -> Series:
        """The first samples of a tag in a span.

        Args:
            tag: The tag; one that is not known has no samples.
            start_utc: First nanosecond of the span.
            end_utc: First nanosecond after it.
            limit: So many samples at most; the rest begins one nanosecond after the last.

        Returns:
            The samples, and until when each holds, the last one at most until the span's end.

        Raises:
            TrendArchiveError: The samples cannot be read.
        """
        self._ready()
        return self._queries.raw(tag, start_utc, end_utc, limit)

    def interpolated(self, tag: str, start_utc: int, end_utc: int, step: Duration) -> Grid:
        """A tag's values at equal distances: on the line between two samples, of an event trend the one held.

        Args:
            tag: The tag; one that is not known has gaps only.
            start_utc: The first instant.
            end_utc: After the last one.
            step: The distance.

        Returns:
            A value for each instant, NaN in a gap: where no sample holds, or a bad one.

        Raises:
            TrendArchiveError: The samples cannot be read, or there are over a million steps.
        """
        self._ready()
        return self._queries.interpolated(tag, start_utc, end_utc, step)

    def buckets(self, tag: str, start_utc: int, end_utc: int, width: Duration) -> Buckets:
        """The least, greatest and mean value of a tag in spans of equal length.

        A value counts for as long as it held, whether it was sampled in the bucket or before.

        Args:
            tag: The tag; one that is not known has gaps only.
            start_utc: Where the first bucket starts.
            end_utc: Where the last one ends, which may be shorter.
            width: How long the others are.

        Returns:
            The buckets; NaN where nothing held.

        Raises:
            TrendArchiveError: The samples cannot be read, or there are over a million buckets.
        """
        self._ready()
        return self._queries.buckets(tag, start_utc, end_utc, width)

    def compact(self, now_utc: int) -> bool:
        """Do the next piece of making Parquet files of days that are over; the long part has its own thread.

        Args:
            now_utc: The time.

        Returns:
            Whether there is more to do, or under way: call again, some time later.

        Raises:
            TrendArchiveError: It could not be done (no room); nothing is lost, a later call tries again.
        """
        self._ready()
        return self._noted(self._compaction.compact(now_utc), now_utc)

    def expire(self, now_utc: int) -> bool:
        """Do the next piece of removing samples that were kept long enough, day by day.

        A sample goes when all of its UTC day is older than its trend's retention.

        Args:
            now_utc: The time.

        Returns:
            Whether there is more to do, or under way: call again, some time later.

        Raises:
            TrendArchiveError: It could not be done (no room); a later call tries again.
        """
        self._ready()
        return self._noted(self._compaction.expire(now_utc), now_utc)

    def wait(self) -> None:
        """Wait for a compaction or expiry under way; the next call of either takes it over."""
        self._compaction.wait()

    def close(self) -> None:
        """Close the files; what is under way is given up, and done again after the next start."""
        self._compaction.cancel()
        self._database.close()

    def _noted(self, is_changed: bool, now_utc: int) -> bool:
        if is_changed:
            self._export.note_changed(self._database.catalogue.days(0, now_utc))
        return is_changed

    def _ready(self) -> None:
        """Find out what the disk holds, where an operation has failed."""
        if self._database.is_broken:
            self._compaction.cancel()
            self._database.reopen()
