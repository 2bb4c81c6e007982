"""Synthetic delays of one stream, message by message, on a clock of their own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from changeover.model.moment import MILLISECOND, SECOND, milliseconds
from changeover.model.network import Kind
from changeover.survey.stream import Stream, StreamKey

PERIOD = 250 * MILLISECOND
UTC = 1_772_460_307 * SECOND
"""2026-03-02 14:05:07"""


def lognormal(count: int, seed: int, sigma: float = 0.5, median_ms: float = 1.0) -> list[int]:
    """So many delays in nanoseconds."""
    rng = np.random.default_rng(seed)
    found: list[int] = (1e6 * median_ms * np.exp(sigma * rng.standard_normal(count))).astype(int).tolist()
    return found


class Feeder:
    """Feeds a stream, one delay each period."""

    def __init__(self, kind: Kind = Kind.DEVICE, period: int = PERIOD) -> None:
        self.stream = Stream(StreamKey(kind, "U", "io-data"), period)
        self.period = period
        self.now = 10 * SECOND
        self.stream.opened(self.now)

    @property
    def utc(self) -> int:
        return UTC + self.now

    def feed(self, delays: Iterable[int]) -> Feeder:
        for delay in delays:
            self.now += self.period
            self.stream.add(self.now, UTC + self.now, delay)
        return self

    def feed_ms(self, *delays: float) -> Feeder:
        return self.feed(map(milliseconds, delays))

    def finish(self) -> Stream:
        self.stream.finish(self.now)
        return self.stream
