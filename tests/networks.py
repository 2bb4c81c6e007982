"""Networks as if they had been measured."""

from __future__ import annotations

from random import Random

from changeover.model.network import (
    Bursts,
    Histogram,
    Kind,
    Load,
    Network,
    Pauses,
    Quantiles,
    StreamRecord,
    TailRecord,
)

UTC = "2026-01-01T00:00:00Z"


def stream(
    kind: Kind,
    name: str,
    *,
    per_hour: float = 12.0,
    threshold_ms: float = 50.0,
    mean_ms: float = 100.0,
    hours: float = 10.0,
    seed: int = 1,
) -> StreamRecord:
    """A stream whose episodes have exponential excesses.

    Args:
        kind: Of a session, a round trip or a device.
        name: Its way or unit.
        per_hour: Episodes.
        threshold_ms: Beyond which they begin.
        mean_ms: Of their excesses.
        hours: How long it was measured.
        seed: Of what is drawn.
    """
    rng = Random(seed)
    excesses = sorted((rng.expovariate(1 / mean_ms) for _ in range(round(per_hour * hours))), reverse=True)
    longest = threshold_ms + max(excesses, default=0.0)
    quantiles = Quantiles(100_000, 0.1, 1.0, 2.0, 10.0, threshold_ms, longest, longest)
    return StreamRecord(
        kind=kind,
        name=name,
        function="io-data",
        period_ms=250.0,
        messages=100_000,
        paused=0,
        seconds=hours * 3600,
        requests=100_000,
        sent_bytes_mean=50.0,
        answer_bytes_mean=400.0,
        quantiles_ms=quantiles,
        body_ms=quantiles,
        histogram=Histogram(0.001, 1.02, ((300, 100_000),), ((300, 100_000),)),
        tail=TailRecord(threshold_ms, len(excesses), tuple(excesses), (), None, None, ()),
        bursts=Bursts(threshold_ms, len(excesses), 100.0, 300.0, 2.0, ()),
        gaps=(),
        closed=0,
        censored_count=0,
        censored=(),
        by_hour=(),
        backups_count=0,
        backups=(),
        long_answers_count=0,
        long_answers=(),
    )


def network(*streams: StreamRecord, plant: str = "", computer: str = "HMI1") -> Network:
    """A network of these streams."""
    return Network(
        format="changeover network",
        version=1,
        plant=plant,
        computer=computer,
        began_utc=UTC,
        ended_utc=UTC,
        seconds=min(one.seconds for one in streams),
        runs=1,
        pauses=Pauses(0, 0.0, 0.0, ()),
        load=Load(100.0, 2000.0, 0.02, 50.0),
        streams=streams,
    )
