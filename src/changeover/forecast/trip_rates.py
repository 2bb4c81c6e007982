"""How often a plant trips falsely, from what was measured of its network and devices (I7).

Every session and every primary unit is exposed: a session to acknowledgements that come later than
SendTimeout (D1), a unit to answers that come later than its driver is patient (D5), and where an unanswered
request fails (below 5.0) a request to answers later than TimeOut (I3). What was measured of a way or a unit
counts for it. Where it was not measured itself, the worst of the same LAN does, or else the worst of all: it
is said which.

Long answers of a device are no part of its tail, and a tail of their own. Pauses of the measuring computer
are not counted.

A tail that the fit ends somewhere is not believed to end there: from nothing that was measured follows that
nothing worse can come. Where the exponential tail of the same mean is the heavier one, it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp

from changeover.forecast.tail import Rate, Tail, fit_tail
from changeover.model.moment import MILLISECOND, Duration, to_seconds
from changeover.model.network import Kind, Network, StreamRecord
from changeover.model.plant import Plant
from changeover.model.server import Function

SECONDS_PER_YEAR = 365.25 * 86_400
SEND_TIMEOUT, REQUEST_TIMEOUT, DRIVER_TIMEOUT = "SendTimeout", "TimeOut", "Timeout"


@dataclass(frozen=True, slots=True)
class Exposed:
    """Something that can trip falsely.

    Attributes:
        name: A session as `HMI1 to IOServer1/LAN_A`, or a unit's name.
        kind: What its delays are.
        subject: What would be measured: `IOServer1/LAN_A`, or the unit's name.
        parameter: SendTimeout, TimeOut or Timeout.
        patience: How long a delay may be.
        count: How many there are of it, all alike.
    """

    name: str
    kind: Kind
    subject: str
    parameter: str
    patience: Duration
    count: int = 1


@dataclass(frozen=True, slots=True)
class TripRate:
    """How often one of them trips.

    Attributes:
        exposed: What trips.
        measured_as: The stream that stands for it; None where nothing of its kind was measured.
        rate: Per second, of all that are alike; None where nothing was measured.
        at_least: Whether the patience lies in the body of what was measured, so that it trips more often.
    """

    exposed: Exposed
    measured_as: str | None
    rate: Rate | None
    at_least: bool


@dataclass(frozen=True, slots=True)
class TripRates:
    """All of a plant.

    Attributes:
        items: Of each that is exposed.
    """

    items: tuple[TripRate, ...]

    @property
    def total(self) -> Rate:
        """Per second, of the whole plant; bounds are the sums of theirs, so rather too far apart."""
        known = [item.rate for item in self.items if item.rate is not None]
        return Rate(sum(r.rate for r in known), sum(r.low for r in known), sum(r.high for r in known))

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Names of what nothing was measured for."""
        return tuple(item.exposed.name for item in self.items if item.rate is None)

    @property
    def at_least(self) -> bool:
        """Whether some of them trip more often than is known."""
        return any(item.at_least for item in self.items)


def exposed(plant: Plant) -> tuple[Exposed, ...]:
    """All sessions and units of a plant that can trip falsely."""
    found = list(_units(plant))
    if plant.timing.silence is not None:
        found.extend(_sessions(plant))
    if plant.policy.request_timeout_fails:
        found.extend(_requests(plant))
    return tuple(found)


def trip_rates(plant: Plant, network: Network) -> TripRates:
    """How often each of them trips.

    Args:
        plant: The plant, with the time-outs that it has or would have.
        network: What was measured.
    """
    return TripRates(tuple(_rate(network, one) for one in exposed(plant)))


def is_measured(network: Network, those: Iterable[Exposed]) -> bool:
    """Whether anything was measured that stands for one of those."""
    return any(_measured(network, one) for one in those)


def least_patience(network: Network, those: Sequence[Exposed], per_s: float) -> Duration:
    """The shortest time-out, in whole milliseconds, with which all of those together trip rarely enough.

    Args:
        network: What was measured.
        those: What the time-out governs; of each `patience` is left aside.
        per_s: How often they may trip together, per second.

    Returns:
        Never less than what belongs to the body of any.

    Raises:
        ValueError: Nothing was measured of any: see `is_measured`.
    """
    known = [(one.count, found) for one in those if (found := _measured(network, one))]
    if not known:
        raise ValueError("nothing was measured of what this time-out governs")
    least = max(stream.tail.threshold_ms for _, streams in known for stream in streams) / 1000

    def rare(span_s: float) -> bool:
        return sum(count * _worst(streams, span_s)[1].rate for count, streams in known) <= per_s

    return _first(rare, least)


def _first(holds: Callable[[float], bool], least_s: float) -> Duration:
    """The first whole millisecond from which on something holds that holds for all longer ones."""
    low = int(least_s * 1000) + 1
    if holds(low / 1000):
        return low * MILLISECOND
    high = 2 * low
    while not holds(high / 1000):
        low, high = high, 2 * high
        if high > _MOST_MS:
            return _MOST_MS * MILLISECOND
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle / 1000) else (middle, high)
    return high * MILLISECOND


_MOST_MS = 10**9
NONE_SEEN = 0.693
"""So many of a Poisson process are expected where it is as likely as not that none comes."""
_JUST_BELOW = 0.999


def _units(plant: Plant) -> Iterator[Exposed]:
    for device in plant.io_devices:
        unit = device.primary
        patience = unit.timing.timeout * unit.timing.attempts_until_offline
        yield Exposed(unit.name, Kind.DEVICE, unit.name, DRIVER_TIMEOUT, patience)


def _requests(plant: Plant) -> Iterator[Exposed]:
    """Requests that fail when they are unanswered for TimeOut: those to the primary units (I3)."""
    for client in plant.clients:
        for device in plant.io_devices:
            server = device.primary.io_server
            lans = plant.session_lans(client.computer, plant.io_server(server).computer)
            if lans:
                way = f"{server}/{lans[0]}"
                name = f"{client.name} to {way} for {device.name}"
                yield Exposed(name, Kind.ROUND_TRIP, way, REQUEST_TIMEOUT, plant.timing.request_timeout)


def _sessions(plant: Plant) -> Iterator[Exposed]:
    for owner, computer in _io_clients(plant):
        for server in plant.io_servers:
            for lan in plant.session_lans(computer, server.computer):
                if computer != server.computer:
                    yield _session(plant, owner, f"{server.name}/{lan}")
    for client in plant.clients:
        for function in dict.fromkeys(server.function for server in plant.task_servers):
            yield from _task_sessions(plant, client.name, client.computer, function)
    for one in plant.task_servers:
        partner = plant.partner_of(one)
        if partner is not None and partner.computer != one.computer:
            for lan in plant.session_lans(one.computer, partner.computer):
                yield _session(plant, one.name, f"{partner.name}/{lan}")


def _io_clients(plant: Plant) -> Iterator[tuple[str, str]]:
    """Everybody who reads I/O data: clients, and servers that watch, record and report."""
    for client in plant.clients:
        yield client.name, client.computer
    for server in plant.task_servers:
        yield server.name, server.computer


def _task_sessions(plant: Plant, name: str, computer: str, function: Function) -> Iterator[Exposed]:
    """One session to the server that serves the client, and one by each way to the others."""
    home = None
    for way in plant.task_ways(computer, function):
        if home is None:
            home = way.server
        elif way.server == home:
            continue
        if plant.computer_of(way.server) != computer:
            yield _session(plant, name, str(way))


def _session(plant: Plant, owner: str, way: str) -> Exposed:
    return Exposed(f"{owner} to {way}", Kind.SESSION, way, SEND_TIMEOUT, plant.timing.send_timeout)


def _rate(network: Network, one: Exposed) -> TripRate:
    streams = _measured(network, one)
    if not streams:
        return TripRate(one, None, None, False)
    patience = to_seconds(one.patience)
    stream, rate = _worst(streams, patience)
    scaled = Rate(*(one.count * figure for figure in rate))
    return TripRate(one, stream.name, scaled, patience * 1000 < stream.tail.threshold_ms)


def _measured(network: Network, one: Exposed) -> tuple[StreamRecord, ...]:
    """What was measured of it, or else on its LAN, or else of its kind."""
    alike = [s for s in network.streams if s.kind is one.kind and s.seconds > 0 and s.messages > 0]
    own = [stream for stream in alike if stream.name == one.subject]
    lan = one.subject.rpartition("/")[2]
    near = [stream for stream in alike if stream.name.rpartition("/")[2] == lan]
    return tuple(own or near or alike)


def _worst(streams: Sequence[StreamRecord], span_s: float) -> tuple[StreamRecord, Rate]:
    """Of several the one that goes beyond a span most often."""
    rates = [(stream, _above(stream, span_s)) for stream in streams]
    return max(rates, key=lambda one: one[1].rate)


@lru_cache(maxsize=65_536)
def _above(stream: StreamRecord, span_s: float) -> Rate:
    """How often a delay of a stream goes beyond a span: of its tail, and of the long answers beside it."""
    found = [_rate_above(tail, span_s) for tail in _tails(stream)]
    return Rate(sum(r.rate for r in found), sum(r.low for r in found), sum(r.high for r in found))


def _rate_above(tail: Tail, span_s: float) -> Rate:
    """How often an episode goes beyond a span; of one in the body, how often beyond the threshold.

    Never less than what was seen, with those that broke off before they ended as if they had gone beyond.
    """
    span_s = max(span_s, tail.threshold)
    fitted = tail.rate_above(span_s)
    excess = span_s - tail.threshold
    seen = sum(y > excess for y in tail.excesses) + len(tail.censored)
    if tail.episodes:
        mean = (sum(tail.excesses) + sum(tail.censored)) / max(1, len(tail.excesses))
        episodes: float = tail.episodes
    else:
        # None was seen: as likely as not there would have been one in so much more time. How long it would
        # have been nothing tells; the threshold is the only measure of it.
        mean, episodes = tail.threshold, NONE_SEEN
    endless = episodes / tail.exposure * exp(-excess / mean) if mean > 0 else 0.0
    rate = max(fitted.rate, endless, len(tail.censored) / tail.exposure if seen else 0.0)
    return Rate(rate, fitted.low, max(fitted.high, rate))


@lru_cache(maxsize=256)
def _tails(stream: StreamRecord) -> tuple[Tail, ...]:
    """The tail of a stream, in seconds, and that of the long answers that are not in it."""
    record = stream.tail
    body = fit_tail(
        record.threshold_ms / 1000,
        tuple(excess / 1000 for excess in record.excesses_ms),
        stream.seconds,
        tuple(excess / 1000 for excess in record.censored_ms),
    )
    if not stream.long_answers:
        return (body,)
    lengths = [answer.ms / 1000 for answer in stream.long_answers]
    # The shortest stands for itself and begins the tail; of very many only the longest are known.
    threshold = min(lengths) * _JUST_BELOW
    return (body, fit_tail(threshold, tuple(length - threshold for length in lengths), stream.seconds))
