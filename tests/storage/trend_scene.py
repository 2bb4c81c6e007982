"""Small trend archives for the tests: samples as rows, archives with a few tags."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from changeover.core.trend_records import BAD, GOOD, Covered, Samples
from changeover.model.moment import SECOND
from changeover.model.trend import Trend, TrendType
from changeover.storage.trend_archive import Cursor, TrendArchive
from changeover.storage.trend_days import DAY

Row: TypeAlias = tuple[str, int, float | None, int]
"""Tag, UTC nanoseconds, value (None for NaN, which equals nothing), quality."""

FRIDAY = 20_413 * DAY
"""2025-11-21, 0:00 UTC."""
SATURDAY = FRIDAY + DAY
FOR_EVER = 2**62

LEVEL = Trend("Level", TrendType.PERIODIC, SECOND)
FLOW = Trend("Flow", TrendType.PERIODIC, 10 * SECOND)
VALVE = Trend("Valve", TrendType.EVENT, 0)
TRENDS = (LEVEL, FLOW, VALVE)
DEVICES = {"Level": "PLC1", "Flow": "PLC1", "Valve": "PLC2"}


def opened(folder: Path, trends: Sequence[Trend] = TRENDS, now_utc: int = FRIDAY) -> TrendArchive:
    """An archive; tags that DEVICES does not name are of PLC9."""
    return TrendArchive(folder, trends, {t.tag: DEVICES.get(t.tag, "PLC9") for t in trends}, now_utc)


def batch(rows: Iterable[Row]) -> Samples:
    """Rows as columns."""
    rows = list(rows)
    tags = tuple(dict.fromkeys(tag for tag, *_ in rows))
    return Samples(
        tags,
        np.array([tags.index(tag) for tag, *_ in rows], "<i4").tobytes(),
        np.array([utc for _, utc, *_ in rows], "<i8").tobytes(),
        np.array([math.nan if value is None else value for _, _, value, _ in rows], "<f8").tobytes(),
        np.array([quality for *_, quality in rows], np.uint8).tobytes(),
    )


def rows_of(samples: Samples) -> list[Row]:
    """Columns as rows."""
    utc, values = np.frombuffer(samples.utc, "<i8"), np.frombuffer(samples.values, "<f8")
    return [
        (samples.tags[position], int(at), None if math.isnan(value) else float(value), quality)
        for position, at, value, quality in zip(
            np.frombuffer(samples.positions, "<i4"), utc, values, samples.qualities, strict=True
        )
    ]


def good(tag: str, start: int, step: int, *values: float) -> list[Row]:
    """Good samples of one tag, equally far apart."""
    return [(tag, start + index * step, value, GOOD) for index, value in enumerate(values)]


def bad(tag: str, utc: int) -> Row:
    """A bad sample."""
    return tag, utc, None, BAD


def record(archive: TrendArchive, rows: Iterable[Row], *covered: Covered) -> None:
    """Append rows."""
    archive.append(batch(rows), covered)


def everything(
    archive: TrendArchive, tags: Iterable[str] = ("Level", "Flow", "Valve"), limit: int = 100_000
) -> list[Row]:
    """All samples of some tags, in the order of time."""
    rows: list[Row] = []
    after: Cursor | None = None
    while True:
        samples, after = archive.export(tags, 0, FOR_EVER, limit, after)
        assert len(samples) <= limit
        rows += rows_of(samples)
        if after is None:
            return rows


def compacted(archive: TrendArchive, now_utc: int) -> None:
    """Compact all that is due."""
    while archive.compact(now_utc):
        archive.wait()


def expired(archive: TrendArchive, now_utc: int) -> None:
    """Expire all that is due."""
    while archive.expire(now_utc):
        archive.wait()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 40 MB; skips the test where none may be mounted."""
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {made.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
