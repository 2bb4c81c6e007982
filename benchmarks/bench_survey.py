"""What `changeover measure` spends on one delay, and the memory of one stream.

For each kind of traffic: nanoseconds per delay of `Stream.add`, the state's size after half and after all of
them, milliseconds for the copy that the measuring thread makes, for the record and the fit that another one
makes of it, and the size of the document.

    python benchmarks/bench_survey.py [--delays 1000000]
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from itertools import pairwise

import numpy as np

from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.network import Kind
from changeover.survey.board import Board, encode
from changeover.survey.record import fitted, frozen, record_of
from changeover.survey.stream import Stream, StreamKey

UTC = 1_772_460_307 * SECOND
PERIOD = 250 * MILLISECOND
TRAFFIC = {
    "lognormal 0.5": (0.5, 0.0),
    "lognormal 1.0": (1.0, 0.0),
    "backups a tenth of the time": (0.5, 0.1),
}
HEADS = ("traffic", "ns/delay", "kB early", "kB late", "copy ms", "record ms", "fit ms", "kB json")


def delays_of(count: int, sigma: float, share: float) -> list[int]:
    """Delays about 1 ms; within backups, each of 200 delays, about 40 ms."""
    rng = np.random.default_rng(1)
    delays = 1e6 * np.exp(sigma * rng.standard_normal(count))
    backups = np.repeat(rng.random(count // 200 + 1) < share, 200)[:count]
    found: list[int] = np.where(backups, 40 * delays, delays).astype(int).tolist()
    return found


def a_stream() -> Stream:
    stream = Stream(StreamKey(Kind.SESSION, "U", "io-data"), PERIOD)
    stream.opened(0)
    return stream


def feed(stream: Stream, delays: list[int], now: int) -> int:
    for delay in delays:
        now += PERIOD
        stream.add(now, UTC + now, delay)
    return now


def bench(name: str, delays: list[int]) -> None:
    half = len(delays) // 2
    began = time.perf_counter()
    feed(a_stream(), delays, 0)
    cost = (time.perf_counter() - began) / len(delays) * 1e9
    gc.collect()
    tracemalloc.start()
    stream = a_stream()
    now = feed(stream, delays[:half], 0)
    early = tracemalloc.get_traced_memory()[0]
    now = feed(stream, delays[half:], now)
    late = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    marks = [time.perf_counter()]
    copied = frozen(stream, now)
    marks.append(time.perf_counter())
    record = record_of(copied, now)
    marks.append(time.perf_counter())
    fitted(record)
    marks.append(time.perf_counter())
    copy_ms, record_ms, fit_ms = (1000 * (b - a) for a, b in pairwise(marks))
    size = len(encode(Board("", "", {}).network([copied], fits=True)))
    print(
        f"{name:<28} {cost:9.0f} {early / 1000:9.0f} {late / 1000:8.0f} {copy_ms:8.3f} {record_ms:9.2f} "
        f"{fit_ms:7.1f} {size / 1000:8.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What one delay costs, and one stream.")
    parser.add_argument("--delays", type=int, default=1_000_000)
    count = parser.parse_args().delays
    print("{:<28} {:>9} {:>9} {:>8} {:>8} {:>9} {:>7} {:>8}".format(*HEADS))
    for name, (sigma, share) in TRAFFIC.items():
        bench(name, delays_of(count, sigma, share))


if __name__ == "__main__":
    main()
