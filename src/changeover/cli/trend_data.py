"""What was recorded of one tag, as it came from a trend server: samples, values on a grid, or buckets."""

from __future__ import annotations

import time
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray

from changeover.cli.attached import Answerer, Asking
from changeover.core.trend_records import GOOD
from changeover.model.moment import MICROSECOND, SECOND, Duration
from changeover.model.tag import Tag
from changeover.model.trend import Trend, TrendType
from changeover.protocol.queries import TrendQuery, TrendRows

RAW, INTERPOLATED, BUCKETS = "raw", "interpolated", "buckets"
STEPS_MAX = 1_000_000
_ROWS_PER_PAGE = 20_000
"""An answer is one message. In pages it stays far below a message's bound, and delays nobody."""
_GAP_LOOKS = 2000
"""Into so many parts a span is cut to look for the gaps of an event trend."""
_TAIL: Duration = 5 * SECOND
"""Before now so much may not be written yet, which is no gap."""

Moments = NDArray[np.int64]
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrendWanted:
    """What was asked for.

    Attributes:
        tag: The tag.
        trend: How it is recorded.
        kind: `RAW`, `INTERPOLATED` or `BUCKETS`.
        start_utc, end_utc: The span, UTC nanoseconds since 1970, its end not included.
        step: Of `INTERPOLATED` the distance, of `BUCKETS` the width; 0 of `RAW`.
        limit: Of `RAW` the first so many samples.
    """

    tag: Tag
    trend: Trend
    kind: str
    start_utc: int
    end_utc: int
    step: Duration
    limit: int

    @property
    def is_event(self) -> bool:
        """Whether a sample is taken when something changes, and holds until the next one."""
        return self.trend.type is TrendType.EVENT


@dataclass(frozen=True, slots=True, eq=False)
class TrendData:
    """n rows of one tag, ascending.

    Attributes:
        wanted: What was asked for.
        answerer: The server that answered last.
        utc: n instants, UTC nanoseconds since 1970: of a bucket its start.
        columns: By name (`value`, or `min`, `max`, `mean`, `count`) n values, NaN where there is none.
        bad: Which rows are bad: samples that the device refused, buckets of which only a part is known.
        gaps: Spans without a good value, at least as long as can be told, ascending.
        held: Of raw samples of an event trend the value at the start, NaN for none.
        is_cut: Whether there are more than `limit` samples.
    """

    wanted: TrendWanted
    answerer: Answerer
    utc: Moments
    columns: dict[str, Values]
    bad: Flags
    gaps: tuple[tuple[int, int], ...]
    held: float = float("nan")
    is_cut: bool = False

    def __len__(self) -> int:
        return len(self.utc)

    @property
    def line(self) -> Values:
        """The value of each row, of a bucket its mean."""
        return self.columns["mean" if self.wanted.kind == BUCKETS else "value"]

    def cells(self, name: str) -> list[float | int | None]:
        """A column as it is written: None for no value, counts as whole numbers."""
        column = self.columns[name]
        values: list[float | int] = column.astype(np.int64).tolist() if name == "count" else column.tolist()
        return [None if value != value else value for value in values]

    def qualities(self) -> list[str]:
        """Of each row in a word: `good`, `bad`, `gap`, or `partly` for a bucket of which a part is known."""
        empty = "bad" if self.wanted.kind == RAW else "gap"
        none = np.isnan(self.line).tolist()
        return [
            empty if nothing else "partly" if bad else "good"
            for nothing, bad in zip(none, self.bad.tolist(), strict=True)
        ]

    def extremes(self) -> tuple[float, float] | None:
        """Least and greatest of what is known; None for nothing."""
        known = ~np.isnan(self.line)
        if not known.any():
            return None
        least, greatest = self.columns.get("min", self.line), self.columns.get("max", self.line)
        return float(least[known].min()), float(greatest[known].max())


def first_step(start_utc: int, end_utc: int, step: Duration, option: str) -> int:
    """Where the first of the steps that a span is cut into starts: at a whole multiple since 1970.

    A usage error where there are too many.
    """
    start = start_utc // step * step
    count = -(-(end_utc - start) // step)
    if count > STEPS_MAX:
        raise click.UsageError(f"{option} makes {count:,} rows of this span, allowed are {STEPS_MAX:,}")
    return start


async def ask_trend(asking: Asking, wanted: TrendWanted) -> TrendData:
    """Ask for it, page by page; a changeover on the way does no harm.

    Raises:
        QueryError: There is no answer.
        EndedError: A signal came first.
    """
    known_until = min(wanted.end_utc, time.time_ns() - _TAIL)
    if wanted.kind != RAW:
        utc, columns, bad = await _stepped(asking, wanted, wanted.kind, wanted.step)
        values = columns["mean" if wanted.kind == BUCKETS else "value"]
        gaps = _empty(utc, values, wanted.end_utc, known_until)
        return TrendData(wanted, asking.answerer, utc, columns, bad, gaps)
    utc, columns, bad = await _raw(asking, wanted)
    is_cut = len(utc) > wanted.limit
    utc, bad, columns = utc[: wanted.limit], bad[: wanted.limit], {"value": columns["value"][: wanted.limit]}
    if wanted.is_event:
        gaps, held = await _looked_up(asking, wanted, known_until)
        return TrendData(wanted, asking.answerer, utc, columns, bad, gaps, held, is_cut)
    gaps = _apart(utc, wanted, int(utc[-1]) if is_cut else known_until)
    return TrendData(wanted, asking.answerer, utc, columns, bad, gaps, is_cut=is_cut)


async def _looked_up(
    asking: Asking, wanted: TrendWanted, known_until: int
) -> tuple[tuple[tuple[int, int], ...], float]:
    """Gaps of an event trend, and its value at the start: its samples do not say how long they hold."""
    width = max(SECOND, -(-(wanted.end_utc - wanted.start_utc) // _GAP_LOOKS))
    looks, found, _ = await _stepped(asking, wanted, BUCKETS, width)
    _, held, _ = await _page(asking, wanted, INTERPOLATED, wanted.start_utc, wanted.start_utc + 1, 1)
    return _empty(looks, found["mean"], wanted.end_utc, known_until), float(held["value"][0])


async def _raw(asking: Asking, wanted: TrendWanted) -> tuple[Moments, dict[str, Values], Flags]:
    pages = []
    start, left = wanted.start_utc, wanted.limit + 1
    while True:
        limit = min(left, _ROWS_PER_PAGE)
        page = await _page(asking, wanted, RAW, start, wanted.end_utc, 0, limit)
        pages.append(page)
        left -= len(page[0])
        if len(page[0]) < limit or left <= 0:
            return _joined(pages)
        start = int(page[0][-1]) + MICROSECOND


async def _stepped(
    asking: Asking, wanted: TrendWanted, kind: str, step: Duration
) -> tuple[Moments, dict[str, Values], Flags]:
    pages = []
    for start in range(wanted.start_utc, wanted.end_utc, _ROWS_PER_PAGE * step):
        end = min(wanted.end_utc, start + _ROWS_PER_PAGE * step)
        pages.append(await _page(asking, wanted, kind, start, end, step))
    return _joined(pages)


async def _page(
    asking: Asking,
    wanted: TrendWanted,
    kind: str,
    start: int,
    end: int,
    step: Duration,
    limit: int = _ROWS_PER_PAGE,
) -> tuple[Moments, dict[str, Values], Flags]:
    rows = await asking.ask(TrendQuery(wanted.trend.tag, start, end, kind, step, limit))
    assert isinstance(rows, TrendRows)
    columns = {
        name: np.frombuffer(column, "<f8") for name, column in zip(rows.names, rows.columns, strict=True)
    }
    return np.frombuffer(rows.utc, "<i8"), columns, np.frombuffer(rows.qualities, np.uint8) != GOOD


def _joined(
    pages: list[tuple[Moments, dict[str, Values], Flags]],
) -> tuple[Moments, dict[str, Values], Flags]:
    names = pages[0][1]
    return (
        np.concatenate([page[0] for page in pages]),
        {name: np.concatenate([page[1][name] for page in pages]) for name in names},
        np.concatenate([page[2] for page in pages]),
    )


def _apart(utc: Moments, wanted: TrendWanted, known_until: int) -> tuple[tuple[int, int], ...]:
    """Where samples of a periodic trend are further apart than their period."""
    period = wanted.trend.period
    begin = np.append(wanted.start_utc, utc + period)
    finish = np.append(utc, max(known_until, wanted.start_utc))
    # A sample is cut to whole microseconds, so two may look that much further apart.
    wide = finish - begin > MICROSECOND
    # Before the first and after the last one the next sample may not have been due yet.
    wide[[0, -1]] &= (finish - begin)[[0, -1]] > period
    return tuple(zip(begin[wide].tolist(), finish[wide].tolist(), strict=True))


def _empty(utc: Moments, values: Values, end: int, known_until: int) -> tuple[tuple[int, int], ...]:
    """Runs of rows without a value, in a span up to `end`."""
    nothing = np.concatenate(([False], np.isnan(values), [False])).astype(np.int8)
    edges = np.flatnonzero(np.diff(nothing))
    bounds = np.minimum(np.append(utc, end), known_until)
    spans = zip(bounds[edges[::2]].tolist(), bounds[edges[1::2]].tolist(), strict=True)
    return tuple((start, finish) for start, finish in spans if start < finish)
