"""The trend server's process: its machine, its archive in a thread of its own, its values."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from changeover.core import machine as core
from changeover.core.task_messages import Batch, Fetch, FetchSamples, Query
from changeover.core.trend_records import BAD, GOOD, Covered, Samples
from changeover.core.trend_server import KeptTrends, TrendServer
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.plant import Plant
from changeover.model.server import TaskServer as TaskServerConfiguration
from changeover.model.trend import TrendType
from changeover.protocol.queries import QueryError, TrendQuery, TrendRows, decode_question, encode
from changeover.runtime.archive_thread import KEEP, LOOK, ArchiveThread
from changeover.runtime.task_host import TaskServerHost, data_folder, partner_of
from changeover.runtime.trace_file import Trace
from changeover.runtime.values_reader import ValuesReader
from changeover.storage.trend_archive import TrendArchive

SCAN_MAX: Duration = SECOND
SCAN_MIN: Duration = 50 * MILLISECOND
GAP_SCANS = 4
"""Answers of a device further apart than so many scans leave a gap in the trends."""
GAP_MIN: Duration = 2 * SECOND
HOUSEKEEPING_SECONDS = 60.0
"""Between two looks whether days are over, or samples old enough to go."""
HOUSEKEEPING_AGAIN_SECONDS = 0.2

SAMPLES_MAX = 150_000
"""Samples of one answer; who wants more asks for them page by page."""

_T = TypeVar("_T")


class _Collected:
    """Samples of the batch that is being collected."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._tags = tags
        self._parts: list[tuple[NDArray[np.int32], int, NDArray[np.float64], NDArray[np.uint8]]] = []

    def take(
        self, positions: NDArray[np.int32], utc: int, values: NDArray[np.float64], good: NDArray[np.bool_]
    ) -> None:
        """Values of some tags at an instant; positions are those of the tags in the batch."""
        qualities = np.where(good, GOOD, BAD).astype(np.uint8)
        self._parts.append((positions, utc, np.where(good, values, np.nan), qualities))

    def seal(self) -> Samples:
        """The batch; the next one begins empty."""
        parts, self._parts = self._parts, []
        if not parts:
            return Samples(self._tags, b"", b"", b"", b"")
        times = np.repeat([part[1] for part in parts], [len(part[0]) for part in parts]).astype("<i8")
        return Samples(
            self._tags,
            np.concatenate([part[0] for part in parts]).astype("<i4").tobytes(),
            times.tobytes(),
            np.concatenate([part[2] for part in parts]).astype("<f8").tobytes(),
            np.concatenate([part[3] for part in parts]).tobytes(),
        )


class TrendServerHost(TaskServerHost):
    """Runs one trend server.

    Args:
        plant: The plant.
        server: Which of its servers.
        trace: Where trace lines go.
        rng: Phases come from here.
        data: Folder of the archives of this computer.
        on_failure: Told why this process has to end.

    Raises:
        OSError, TrendArchiveError: The archive cannot be opened.
    """

    def __init__(
        self,
        plant: Plant,
        server: TaskServerConfiguration,
        trace: Trace,
        rng: Random,
        data: Path,
        on_failure: Callable[[str], None],
    ) -> None:
        device_of = {tag.name: tag.device for tag in plant.tags}
        devices = {trend.tag: device_of[trend.tag] for trend in plant.trends}
        self._archive = TrendArchive(data_folder(data, server), plant.trends, devices, time.time_ns())
        for damage in self._archive.damaged:
            print(f"{server.name}: {damage}; its partner is asked for that day", file=sys.stderr, flush=True)
            trace.line("archive-damaged", why=damage)
        kept = KeptTrends(
            tuple(
                Covered(device, start, end)
                for device, spans in self._archive.coverage().items()
                for start, end in spans
            )
        )
        scan = scan_period(plant)
        machine = TrendServer(
            server.name,
            *partner_of(plant, server),
            plant.timing,
            rng,
            plant.trends,
            device_of,
            max(GAP_MIN, GAP_SCANS * scan),
            kept,
            plant.has_visitors(server),
        )
        super().__init__(plant, server, machine, trace, SECOND, on_failure)
        self._thread = ArchiveThread("archive")
        self._tags_of: dict[str, tuple[str, ...]] = {}
        for tag, device in devices.items():
            self._tags_of[device] = (*self._tags_of.get(device, ()), tag)
        self._tags = tuple(devices)
        self._place = {tag: place for place, tag in enumerate(self._tags)}
        self._places: dict[tuple[str, ...], tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        self._collected = _Collected(self._tags)
        self._housekeeping: asyncio.TimerHandle | None = None
        self._performers |= {
            core.TakeSamples: self._take,
            core.KeepBatch: self._keep,
            core.MergeSamples: self._merge,
        }
        self.reader: ValuesReader | None = None
        if plant.trends:
            told = {trend.trigger for trend in plant.trends if trend.trigger}
            told |= {trend.tag for trend in plant.trends if trend.type is TrendType.EVENT}
            read = told | set(devices)
            self.reader = ValuesReader(
                plant, server.name, server.computer, read, told, (), scan, trace, rng, self.feed
            )

    def start(self) -> None:
        """Start the server, and the reading of its values."""
        super().start()
        self._keep_house()
        if self.reader is not None:
            self.reader.start()

    def stop(self) -> None:
        """Close every connection and the archive, after what is under way."""
        if self.reader is not None:
            self.reader.stop()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        was_stopped = self._stopped
        super().stop()
        if not was_stopped:
            self._thread.end(self._archive.close)

    def look_up(self, effect: core.LookUp) -> None:
        """Samples for the partner, or what a page asks; the archive's thread answers."""
        self.do(
            self._thread,
            LOOK,
            lambda: self._find(effect.what),
            lambda found: self.found(effect.token, found),
            lambda why: self.not_found(effect.token, why),
        )

    # --- recording ---

    def _take(self, effect: core.TakeSamples) -> None:
        assert self.reader is not None
        image = self.reader.image.devices[effect.device]
        places = self._places.get(effect.tags)
        if places is None:
            where = {name: position for position, name in enumerate(image.names)}
            places = (
                np.array([self._place[tag] for tag in effect.tags], dtype=np.int32),
                np.array([where[tag] for tag in effect.tags], dtype=np.int32),
            )
            self._places[effect.tags] = places
        values, good = image.columns(places[1])
        self._collected.take(places[0], effect.utc, values, good)

    def _keep(self, effect: core.KeepBatch) -> None:
        batch = self._collected.seal()
        self.do(
            self._thread,
            KEEP,
            lambda: self._archive.append(batch, effect.covered),
            lambda _: self.feed(core.BatchKept(effect.token)),
            self.fail,
        )

    def _merge(self, effect: core.MergeSamples) -> None:
        self.do(
            self._thread,
            LOOK,
            lambda: self._archive.merge(effect.samples, effect.covered),
            lambda new: self._on_merged(effect, new),
            self.fail,
        )

    def _on_merged(self, effect: core.MergeSamples, new: int) -> None:
        self.trace.line("back-filled", samples=len(effect.samples), new=new)
        self.feed(core.BatchKept(effect.token))

    # --- looking ---

    def _find(self, what: Fetch | Query) -> Batch | bytes:
        if isinstance(what, FetchSamples):
            return self._export(what)
        if isinstance(what, Query):
            return self._answer(what.body)
        raise QueryError("a trend server has nothing of the kind")

    def _export(self, fetch: FetchSamples) -> Batch:
        tags = self._tags_of.get(fetch.device, ())
        samples, after = self._archive.export(
            tags, fetch.start_utc, fetch.end_utc, max(1, fetch.limit), fetch.after
        )
        return Batch(done=after is None, samples=samples, after=after)

    def _answer(self, body: bytes) -> bytes:
        question = decode_question(body)
        if not isinstance(question, TrendQuery):
            raise QueryError("a trend server has nothing of the kind")
        return encode(rows_of(self._archive, question))

    # --- housekeeping ---

    def _keep_house(self) -> None:
        now = time.time_ns()
        self.do(
            self._thread,
            LOOK,
            lambda: self._archive.compact(now) or self._archive.expire(now),
            self._on_house_kept,
            self._on_house_not_kept,
        )

    def _on_house_kept(self, more: bool) -> None:
        delay = HOUSEKEEPING_AGAIN_SECONDS if more else HOUSEKEEPING_SECONDS
        self._housekeeping = self._loop.call_later(delay, self._keep_house)

    def _on_house_not_kept(self, why: str) -> None:
        # No room for a Parquet file: what is recorded stays where it is, and recording goes on.
        self.trace.line("housekeeping-failed", why=why)
        self._on_house_kept(False)


def scan_period(plant: Plant) -> Duration:
    """How often a trend server reads: as often as its quickest trend, within bounds."""
    periods = [trend.period for trend in plant.trends if trend.period]
    return min(SCAN_MAX, max(SCAN_MIN, min(periods, default=SCAN_MAX)))


def rows_of(archive: TrendArchive, question: TrendQuery) -> TrendRows:
    """The answer to a question; QueryError or TrendArchiveError where there is none."""
    start, end = question.start_utc, question.end_utc
    if question.limit < 1:
        raise QueryError(f"{question.limit} rows are none")
    if question.kind == "raw":
        series = archive.raw(question.tag, start, end, min(question.limit, SAMPLES_MAX))
        return _rows(("value",), series.utc, (series.values,), series.qualities)
    if question.kind == "interpolated":
        grid = archive.interpolated(question.tag, start, end, question.step)
        gap = np.where(np.isnan(grid.values), BAD, GOOD)
        return _rows(("value",), grid.utc, (grid.values,), gap)
    if question.kind == "buckets":
        found = archive.buckets(question.tag, start, end, question.step)
        columns = (found.minima, found.maxima, found.means, found.counts.astype(np.float64))
        return _rows(("min", "max", "mean", "count"), found.utc, columns, found.qualities)
    raise QueryError(f"{question.kind!r} is no kind of trend query")


def _rows(
    names: tuple[str, ...],
    utc: NDArray[np.int64],
    columns: tuple[NDArray[np.float64], ...],
    qualities: NDArray[np.integer],
) -> TrendRows:
    return TrendRows(
        names,
        utc.astype("<i8").tobytes(),
        tuple(column.astype("<f8").tobytes() for column in columns),
        qualities.astype(np.uint8).tobytes(),
    )
