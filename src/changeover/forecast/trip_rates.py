"""How often a plant trips falsely, from what was measured of its network and devices (I7).

Every session and every primary unit is exposed: a session to acknowledgements that come later than
SendTimeout (D1), a unit to answers that come later than its driver is patient (D5), and where an unanswered
request fails (below 5.0) a request to answers later than TimeOut (I3). What was measured of a way or a unit
counts for it. Where it was not measured itself, the worst of the same LAN does, or else the worst of all: it
is said which.

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
    return any(_stream_of(network, one) is not None for one in those)


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
    tails = [(one.count, tail) for one in those if (tail := _tail_of(network, one)) is not None]
    if not tails:
        raise ValueError("nothing was measured of what this time-out governs")
    least = max(tail.threshold for _, tail in tails)

    def rare(span_s: float) -> bool:
        return sum(count * _rate_above(tail, span_s).rate for count, tail in tails) <= per_s

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
    stream = _stream_of(network, one)
    if stream is None:
        return TripRate(one, None, None, False)
    tail = _tail(stream)
    patience = to_seconds(one.patience)
    rate = _rate_above(tail, patience)
    scaled = Rate(*(one.count * figure for figure in rate))
    return TripRate(one, stream.name, scaled, patience < tail.threshold)


def _rate_above(tail: Tail, span_s: float) -> Rate:
    """How often a delay goes beyond a span; of one in the body, how often it goes beyond the threshold."""
    span_s = max(span_s, tail.threshold)
    fitted = tail.rate_above(span_s)
    if not tail.excesses:
        return fitted
    mean = (sum(tail.excesses) + sum(tail.censored)) / len(tail.excesses)
    endless = tail.episodes / tail.exposure * exp(-(span_s - tail.threshold) / mean)
    return Rate(max(fitted.rate, endless), fitted.low, max(fitted.high, endless))


def _tail_of(network: Network, one: Exposed) -> Tail | None:
    stream = _stream_of(network, one)
    return None if stream is None else _tail(stream)


def _stream_of(network: Network, one: Exposed) -> StreamRecord | None:
    """What was measured of it, or else the worst of its LAN, or else the worst of its kind."""
    alike = [stream for stream in network.streams if stream.kind is one.kind and stream.seconds > 0]
    own = [stream for stream in alike if stream.name == one.subject]
    lan = one.subject.rpartition("/")[2]
    near = [stream for stream in alike if stream.name.rpartition("/")[2] == lan]
    return _worst(own or near or alike)


def _worst(streams: Iterable[StreamRecord]) -> StreamRecord | None:
    """Of several the one with the largest 99.9 % quantile."""
    return max(
        streams, key=lambda s: s.quantiles_ms.p999 if s.quantiles_ms is not None else 0.0, default=None
    )


@lru_cache(maxsize=256)
def _tail(stream: StreamRecord) -> Tail:
    """The tail of a stream, in seconds."""
    record = stream.tail
    return fit_tail(
        record.threshold_ms / 1000,
        tuple(excess / 1000 for excess in record.excesses_ms),
        stream.seconds,
        tuple(excess / 1000 for excess in record.censored_ms),
    )
