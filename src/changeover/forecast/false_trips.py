"""How often a time-out trips though nothing is lost, from a stated model of what the plant has to bear (I7).

A session. With each page scan a client sends one request on it and no other while that one is pending. TCP
sends a lost segment again, after about 0.2, 0.4, 0.8, 1.6 s and so on; SendTimeout is reached when every
attempt until then failed, of the request or of the answer that acknowledges it, or when both together took
too long. So what counts is whether attempts *so far apart* fail together. Loss that is drawn frame by frame
makes that as rare as a power of the loss; loss that comes in bursts makes it as likely as a burst of that
length. A planner that assumes the former where the latter is true is wrong by orders of magnitude.

The state of the network between two attempts is a chain of two states, good and bad, in continuous time; each
loses frames by a probability of its own. Independent loss is that chain with one state.

A pause of a server that lasts longer than SendTimeout loses all of its sessions: it drops them itself when it
wakes. A device that answers nothing for longer than its driver is patient is offline: the first request
after it fell silent comes a page scan later at most.

All rates hold while they are small: each trip keeps its session away for a while, which `Rate.seen_in` takes
into account, and a plant that trips more often than every few time-outs is beyond this arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, floor, sqrt
from statistics import NormalDist, fmean

from changeover.forecast.stacks import linux_attempts
from changeover.model.moment import Duration, to_seconds
from changeover.model.stack import LINUX_DEFAULTS
from changeover.scenario.disturbance import Spells
from changeover.scenario.impairment import Impairment

_COUNTED_MEAN_MAX = 400.0
_FLIGHTS = 12
"""Jitter of each direction is divided into so many cases."""
_PARTS = 200
"""Into so many parts a span is divided where a mean is taken numerically."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something trips.

    Attributes:
        per_s: Trips per second of what is exposed: one session, one device.
        size: How many of those exposed alike trip together, at least 1: the mean square of the number that
            one cause takes, divided by its mean. Counts scatter by so much more than independent ones.
        away: How long one is away after a trip and cannot trip again, in seconds.
    """

    per_s: float
    size: float
    away: float

    def seen_in(self, exposed: int, span: float) -> float:
        """How many trips to expect of so many exposed alike in a span, in seconds."""
        return exposed * span * self.per_s / (1 + self.per_s * self.away)

    def counts(self, exposed: int, span: float, confidence: float) -> tuple[int, int]:
        """Between which counts, both included, a run of such a span lies with this probability.

        The causes are a Poisson process; each takes `size` trips.
        """
        causes = self.seen_in(exposed, span) / self.size
        aside = (1 - confidence) / 2
        low = _poisson_quantile(causes, aside)
        high = _poisson_quantile(causes, 1 - aside)
        return floor(low * self.size), ceil(high * self.size)


@dataclass(frozen=True, slots=True)
class SessionCourse:
    """What goes over one session while all is well.

    Attributes:
        send_timeout: S.
        page_scan: R of its client.
        requests: How many requests a page scan sends on it in one instant.
        round_trip: Of its LAN.
        client_retry: [LAN]ClientRetryTime: until a lost session is opened anew.
    """

    send_timeout: Duration
    page_scan: Duration
    requests: int
    round_trip: Duration
    client_retry: Duration


def session_rate(course: SessionCourse, there: Impairment, back: Impairment, exposed: int = 1) -> Rate:
    """False time-outs of a session of which frames are lost and delayed.

    Args:
        course: What goes over it.
        there: What happens to frames from client to server.
        back: What happens to the others.
        exposed: How many sessions of the same two computers bear it together.
    """
    timeout = to_seconds(course.send_timeout)
    jitter = there.jitter + back.jitter
    round_trip = course.round_trip + there.delay + back.delay + jitter // 2
    # A request goes out with the first page scan after the answer to the one before.
    scan = to_seconds(course.page_scan * max(1, -(-round_trip // course.page_scan)))
    stack = replace(LINUX_DEFAULTS, rto=max(LINUX_DEFAULTS.rto, jitter))
    tried = linux_attempts(stack, round_trip, timeout, course.requests > 1)
    answered = linux_attempts(stack, round_trip, timeout, several=False)
    out = _lost(there, tried, scan)
    home = _lost(back, answered, scan)
    heard, frames = _with_next_scan(answered, scan)
    confirmed = _lost(there, heard, to_seconds(round_trip), frames)
    kept = []
    for flight in _flights(course, there, back):
        lefts = [timeout - at - flight for at in answered]
        within = (out.within(tried, left) * confirmed.within(heard, left) for left in lefts)
        kept.append(sum(share * both for share, both in zip(home.delivered, within, strict=True)))
    per_scan = max(0.0, 1 - fmean(kept))
    size = _size_of_bursts(course, (there, back), exposed)
    # Of each attempt to open it anew the first packet and its answer have to pass.
    opens = _Chain(there).passes() * _Chain(back).passes()
    return Rate(per_scan / scan, size, timeout + to_seconds(course.client_retry) / max(opens, 1e-3))


def pause_rate(course: SessionCourse, spells: Spells, exposed: int = 1) -> Rate:
    """False time-outs of the sessions of a server that stands still now and then."""
    timeout, length = to_seconds(course.send_timeout), to_seconds(spells.length)
    per_s = exp(-timeout / length) / (to_seconds(spells.gap) + length)
    return Rate(per_s, float(exposed), timeout + to_seconds(course.client_retry))


def device_rate(patience: Duration, scans: Sequence[Duration], spells: Spells, watch: Duration) -> Rate:
    """How often a device is taken for lost that answers nothing now and then (D5).

    Args:
        patience: P, the driver's time-outs in a row.
        scans: Periods of all who have it read, each with a phase of its own.
        spells: When it answers nothing.
        watch: The driver's WatchTime, after which an offline unit is tried again.
    """
    length = to_seconds(spells.length)
    asked = _mean_over_first_request(scans, length)
    per_s = exp(-to_seconds(patience) / length) * asked / (to_seconds(spells.gap) + length)
    return Rate(per_s, 1.0, to_seconds(watch) / 2)


@dataclass(frozen=True, slots=True)
class _Deliveries:
    """With what probability each attempt is the first that arrives."""

    delivered: tuple[float, ...]

    def within(self, attempts: Sequence[float], span: float) -> float:
        """The probability that it has arrived within a span of the first attempt."""
        return sum(share for share, at in zip(self.delivered, attempts, strict=True) if at <= span)


def _lost(
    impairment: Impairment, attempts: Sequence[float], since_delivered: float, frames: Sequence[int] = ()
) -> _Deliveries:
    """A segment's attempts, where a frame arrived so long before the first of them.

    Args:
        impairment: What happens to frames on its way.
        attempts: When it is sent, in seconds.
        since_delivered: How long before.
        frames: How many frames have to pass for each attempt; one without.
    """
    chain = _Chain(impairment)
    state = chain.after(chain.arrived(), since_delivered)
    found = []
    last = 0.0
    for place, at in enumerate(attempts):
        state = chain.after(state, at - last)
        last = at
        needed = frames[place] if frames else 1
        found.append(chain.delivered(state, needed))
        state = chain.missed(state, needed)
    return _Deliveries(tuple(found))


def _with_next_scan(attempts: Sequence[float], scan: float) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The attempts of a client's acknowledgement: its next request tells the server of the hole before it.

    That takes the request, the selective acknowledgement that names the hole, and what fills it. It is of use
    where it comes before the client's own first repetition; the request then waits, and no other is sent.
    """
    if len(attempts) < 2 or scan >= attempts[1]:
        return tuple(attempts), (1,) * len(attempts)
    return (attempts[0], scan, *attempts[1:]), (1, 3, *(1 for _ in attempts[1:]))


class _Chain:
    """Good and bad in turn; a state is the probability of each, which need not sum up to 1."""

    def __init__(self, impairment: Impairment) -> None:
        bursts = impairment.bursts
        self._into_bad = 0.0 if bursts is None else 1 / to_seconds(bursts.mean_good)
        self._into_good = 1.0 if bursts is None else 1 / to_seconds(bursts.mean_bad)
        loss = impairment.loss
        bad = 0.0 if bursts is None else bursts.loss_bad
        self._loss = (loss, 1 - (1 - loss) * (1 - bad))

    def passes(self) -> float:
        """The probability that a frame arrives that is sent at any time."""
        total = self._into_bad + self._into_good
        return self.delivered((self._into_good / total, self._into_bad / total))

    def arrived(self) -> tuple[float, float]:
        """The state just when a frame has arrived, at any time."""
        total = self._into_bad + self._into_good
        good, bad = self._into_good / total, self._into_bad / total
        passed = (good * (1 - self._loss[0]), bad * (1 - self._loss[1]))
        share = sum(passed)
        return (passed[0] / share, passed[1] / share) if share else (good, bad)

    def after(self, state: tuple[float, float], span: float) -> tuple[float, float]:
        """The state so much later."""
        total = self._into_bad + self._into_good
        forgets = 1 - exp(-total * span)
        to_bad, to_good = forgets * self._into_bad / total, forgets * self._into_good / total
        good, bad = state
        return good * (1 - to_bad) + bad * to_good, bad * (1 - to_good) + good * to_bad

    def delivered(self, state: tuple[float, float], frames: int = 1) -> float:
        """The probability that so many frames, sent now, all arrive."""
        return state[0] * (1 - self._loss[0]) ** frames + state[1] * (1 - self._loss[1]) ** frames

    def missed(self, state: tuple[float, float], frames: int = 1) -> tuple[float, float]:
        """The state after they did not."""
        good, bad = (1 - (1 - loss) ** frames for loss in self._loss)
        return state[0] * good, state[1] * bad


def _flights(course: SessionCourse, there: Impairment, back: Impairment) -> Iterator[float]:
    """How long a request and its answer are under way where nothing is lost, in seconds, by jitter."""
    least = to_seconds(course.round_trip + there.delay + back.delay)
    if not there.jitter and not back.jitter:
        yield least
        return
    parts = [(place + 0.5) / _FLIGHTS for place in range(_FLIGHTS)]
    for one in parts:
        for other in parts:
            yield least + one * to_seconds(there.jitter) + other * to_seconds(back.jitter)


def _size_of_bursts(course: SessionCourse, ways: Sequence[Impairment], exposed: int) -> float:
    """How many sessions one burst takes together, given that it takes any; 1 for loss without bursts.

    A burst that has lasted up to the last attempt before S takes each session whose page scan fell into its
    beginning: with a burst of length x beyond that, a share of min(x / R, 1) of them.
    """
    lengths = [to_seconds(way.bursts.mean_bad) for way in ways if way.bursts is not None]
    if exposed == 1 or not lengths:
        return 1.0
    scan, length = to_seconds(course.page_scan), max(lengths)
    mean, square = 0.0, 0.0
    for share in _middles():
        # The share of sessions is at least this one with the probability that the burst lasts so long.
        lasts = exp(-share * scan / length)
        mean += lasts / _PARTS
        square += 2 * share * lasts / _PARTS
    return 1 + (exposed - 1) * square / mean


def _mean_over_first_request(scans: Sequence[Duration], length: float) -> float:
    """The mean of exp(-φ / length) over the wait φ for the first of several who ask, each at a phase."""
    periods = [to_seconds(scan) for scan in scans]
    shortest = min(periods)
    mean, before = 0.0, 1.0
    for part in range(1, _PARTS + 1):
        at = shortest * part / _PARTS
        none_yet = 1.0
        for period in periods:
            none_yet *= 1 - at / period
        mean += (before - none_yet) * exp(-(at - shortest / (2 * _PARTS)) / length)
        before = none_yet
    return mean


def _poisson_quantile(mean: float, share: float) -> int:
    """The least count that is not exceeded with this probability; of large means by the normal law."""
    if mean > _COUNTED_MEAN_MAX:
        return round(mean + NormalDist().inv_cdf(share) * sqrt(mean))
    count, term = 0, exp(-mean)
    total = term
    while total < share:
        count += 1
        term *= mean / count
        total += term
    return count


def _middles() -> Iterator[float]:
    return ((part + 0.5) / _PARTS for part in range(_PARTS))
