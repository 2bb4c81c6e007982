"""What a partner is given: all samples of some tags in a span, in batches, in the order of time.

A batch is cut where it is full; the cursor says up to where everything was given, so that whoever gets it can
count that as recorded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TypeAlias

from changeover.core.trend_records import Samples
from changeover.storage.trend_database import TrendDatabase
from changeover.storage.trend_days import TICK
from changeover.storage.trend_stretch import Place, Stretch, StretchReading

Cursor: TypeAlias = tuple[int, str]
"""Up to where an export has come: UTC nanoseconds and the last tag given of that instant, empty for none."""

_NO_SAMPLES = Samples((), b"", b"", b"", b"")


class TrendExport:
    """Gives samples away, to one partner at a time: of what was read some is kept for the next batch.

    Args:
        database: Where from.
    """

    def __init__(self, database: TrendDatabase) -> None:
        self._database = database
        self._tags: tuple[str, ...] = ()
        self._reading: StretchReading | None = None
        self._kept: Stretch | None = None

    def note_changed(self, days: Iterable[int]) -> None:
        """Samples of some days came or went: what was kept of them is not right any more."""
        if self._kept is not None and self._kept.day in days:
            self._kept = None
        if self._reading is not None and self._reading.day in days:
            self._reading = None

    def batch(
        self, tags: Iterable[str], start_utc: int, end_utc: int, limit: int, after: Cursor | None
    ) -> tuple[Samples, Cursor | None]:
        """The next samples; see `TrendArchive.export`."""
        catalogue = self._database.catalogue
        by_lower = {tag.lower(): tag for tag in tags if catalogue.id_of(tag) is not None}
        lower = tuple(sorted(by_lower))
        names = [by_lower[each] for each in lower]
        place, end = (-(-start_utc // TICK), -1), -(-end_utc // TICK)
        if after is not None:
            place = max(place, (-(-after[0] // TICK), bisect_right(lower, after[1].lower()) - 1))
        if not names or not catalogue.days(place[0] * TICK, end * TICK):
            return _NO_SAMPLES, None
        kept = self._stretch(lower, place, end)
        if kept is None:
            return _NO_SAMPLES, _cursor(place, names)
        row, last = kept.row_after(place), kept.row_after((end, -1))
        if row + limit < last:
            last = row + limit
            reached = int(kept.utc[last - 1]), int(kept.positions[last - 1])
        else:
            reached = kept.end
        samples = kept.samples(names, slice(row, last))
        is_over = not catalogue.days(reached[0] * TICK, end * TICK)
        return samples, None if is_over else _cursor(reached, names)

    def _stretch(self, tags: tuple[str, ...], place: Place, end: int) -> Stretch | None:
        """The stretch in which the samples after a place lie; None as long as it is not read to its end."""
        if tags != self._tags:
            self._tags, self._kept, self._reading = tags, None, None
        if self._kept is not None and self._kept.begin <= place < self._kept.end:
            return self._kept
        if self._reading is None or self._reading.begin != place:
            catalogue = self._database.catalogue
            day = catalogue.days(place[0] * TICK, end * TICK)[0]
            numbers = [catalogue.ids[tag] for tag in tags]
            was_empty = self._kept is not None and not len(self._kept.utc)
            self._reading = StretchReading(self._database, numbers, place, day, end, was_empty)
        self._kept = self._reading.step()
        if self._kept is not None:
            self._reading = None
        return self._kept


def _cursor(place: Place, names: list[str]) -> Cursor:
    utc, position = place
    return utc * TICK, names[position] if position >= 0 else ""
