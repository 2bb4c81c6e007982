"""False time-outs during a backup, predicted from the delays of a probe at other times (I7).

A session is given up when an acknowledgement takes longer than SendTimeout, and what delays one delays all
that go the same way at that moment. So episodes are what counts: runs of probe delays beyond a threshold, and
the longest in each. Each value is predicted from what the probe saw while the *others* were counted: no count
is held against its own minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from changeover.forecast.false_trips import Rate
from changeover.forecast.tail import fit_tail

CONFIDENCE = 0.95
APART_S = 1.0
"""Delays beyond the threshold that are so far apart belong to two episodes."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """How many sessions should be given up.

    Attributes:
        mean: The most likely number.
        low, high: Between these a count lies in 95 of 100 runs, what is not known of the rate included.
    """

    mean: float
    low: int
    high: int


def episodes(delays: Sequence[float], period_s: float, threshold_s: float) -> list[float]:
    """The longest delay of each run beyond a threshold, in seconds.

    Args:
        delays: In the order in which they were asked for, seconds.
        period_s: Between two of them.
        threshold_s: A run ends when nothing has been beyond it for `APART_S`.
    """
    found: list[float] = []
    last = float("-inf")
    for number, delay in enumerate(delays):
        if delay <= threshold_s:
            continue
        at = number * period_s
        if at - last > APART_S:
            found.append(delay)
        else:
            found[-1] = max(found[-1], delay)
        # An episode lasts at least until this message is answered.
        last = at + delay
    return found


def predict(
    others: Sequence[Sequence[float]],
    period_s: float,
    send_timeout_s: float,
    exposed: int,
    seconds: float,
    away_s: float,
) -> Predicted | None:
    """Predict one value from what the probe saw at the others; None where it saw nothing.

    Args:
        others: Delays of the probe, a run for each of the other values.
        period_s: Between two of its messages.
        send_timeout_s: The value.
        exposed: How many sessions go the probe's way.
        seconds: How long is counted.
        away_s: How long a session is away after it was given up.
    """
    watched = sum(len(run) for run in others) * period_s
    if not watched or not exposed:
        return None
    threshold = send_timeout_s / 2
    longest = [delay for run in others for delay in episodes(run, period_s, threshold)]
    tail = fit_tail(threshold, tuple(delay - threshold for delay in longest), watched)
    found = tail.rate_above(send_timeout_s)
    mean, least, most = (Rate(per_s, float(exposed), away_s) for per_s in found)
    low, _ = least.counts(exposed, seconds, CONFIDENCE)
    _, high = most.counts(exposed, seconds, CONFIDENCE)
    return Predicted(mean.seen_in(exposed, seconds), low, high)
