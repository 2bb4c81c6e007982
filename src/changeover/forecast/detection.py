"""Who finds a silent or frozen peer, and when: D1, D2, D3, and the constants of a healthy path.

The forecast counts a healthy path in round trips. A request to the other unit costs two: client to server,
server to device, and back. What was under way at the fault time is lost too: the first unanswered send lies
up to two round trips before the fault, and that much is taken off again. `NET` holds what is left, per rule.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from changeover.forecast.result import Stage
from changeover.forecast.stacks import linux_connect, linux_gives_up, windows_connect, windows_gives_up
from changeover.forecast.stages import Constant, Distribution, Uniform, add, later, one_of
from changeover.model.moment import to_seconds
from changeover.model.plant import Plant
from changeover.model.stack import NetworkProtocol
from changeover.scenario.fault import Fault

SEND_TIMEOUT = "[LAN]SendTimeout"
REQUEST_TIMEOUT = "[LAN]TimeOut"
WATCH = "[LAN]WatchTime"
HEARTBEAT = "[IOSERVER]HeartTime"
CLIENT_RETRY = "[LAN]ClientRetryTime"
PAGE_SCAN = "page_scan_ms"
ROUND_TRIP = "round_trip_ms"


@dataclass(frozen=True, slots=True)
class Net:
    """Round trips that a detection takes beside its time-out (negative: what was under way is lost too).

    Attributes:
        send: Beside S, in every family (D1), or beside P for a device (D5).
        request: Beside T, in A and B (I3).
    """

    send: float
    request: float


NET: dict[Fault, Net] = {
    # A request takes two round trips to be answered and, by its answer, acknowledged: all of it is lost.
    Fault.SERVER_SILENT: Net(send=-2.0, request=-2.0),
    Fault.LAN_SILENT: Net(send=-2.0, request=-2.0),
    Fault.PARTNER_CUT: Net(send=-2.0, request=-2.0),
    # A frozen server's network still delivers what it had sent: half a round trip less is lost.
    Fault.SERVER_FROZEN: Net(send=-1.5, request=-1.5),
    # FIN or RST travels once.
    Fault.SERVER_CLOSED: Net(send=0.5, request=0.5),
    # The device's answers on the way are lost; the client hears of the unit half a round trip later.
    Fault.DEVICE_SILENT: Net(send=-1.0, request=-1.5),
    # A refusal comes back after a round trip, the first after half of one: `send` is beside the attempts.
    Fault.DEVICE_CLOSED: Net(send=-0.5, request=-1.0),
    Fault.STANDBY_DEVICE_SILENT: Net(send=-1.0, request=-1.0),
}

REQUEST_TO_OTHER_UNIT = 2.0
"""Round trips until the other unit's value is at the client."""

PROBE = -1.0
"""Round trips beside S for a probe, which is acknowledged at once."""

ANNOUNCEMENT = 0.5
"""Round trips until the client knows what its I/O server has found out."""

TASK_CONNECT = 3.0
"""c of an alarm, trend or report server in round trips: connect, greet, ask and be answered (T1)."""

TASK_REFUSAL = 1.0
"""Round trips until a closed server's host has refused (T3)."""

TASK_NET: dict[Fault, float] = {
    # A poll is acknowledged after one round trip: what was under way at the fault time is lost.
    Fault.SERVER_SILENT: -1.0,
    Fault.LAN_SILENT: -1.0,
    Fault.PARTNER_CUT: -1.0,
    # A frozen server's network still delivers what it had sent.
    Fault.SERVER_FROZEN: -0.5,
    # FIN or RST travels once.
    Fault.SERVER_CLOSED: 0.5,
}
"""Round trips beside S until a client treats its alarm, trend or report server as lost (D1, D3, D4)."""

TASK_RETURN = 2.5
"""c of a return to an alarm, trend or report server in round trips: as `TASK_CONNECT`, but a try that went
out half a round trip before the repair finds the server all the same (T5)."""

_RETURN_CONNECT = (3.5, 4.25)
_RETURN_CONNECT_DEVICES = (3.5, 6.5)
"""c of a return in round trips: connect, hello, first answer, less where some of it is under way already;
more for a server that was cut off, whose units may be offline and are tried when the client is back."""


def round_trips(plant: Plant, count: float) -> float:
    """So many round trips of this plant's healthy LAN, in seconds."""
    return to_seconds(plant.round_trip) * count


def beside(distribution: Distribution, offset: float) -> Distribution:
    """A time-out and its round trips, never below zero."""
    return later(Constant(0.0), add(distribution, Constant(offset)))


def connect_and_answer(plant: Plant, trips: float, rule: str) -> Stage:
    """The stage c of a changeover, in round trips."""
    return Stage("connect and first answer", ROUND_TRIP, rule, Constant(round_trips(plant, trips)))


def return_connect(plant: Plant, fault: Fault) -> Distribution:
    """The c of a return."""
    cut_off = fault in (Fault.SERVER_SILENT, Fault.DEVICE_SILENT, Fault.DEVICE_CLOSED, Fault.LAN_SILENT)
    low, high = _RETURN_CONNECT_DEVICES if cut_off else _RETURN_CONNECT
    return Uniform(round_trips(plant, low), round_trips(plant, high))


def silence(plant: Plant, fault: Fault, with_requests: bool = False) -> Stage | None:
    """The time-out that finds a silent or frozen peer after the first unanswered send.

    Args:
        plant: The plant.
        fault: The fault.
        with_requests: Whether I/O requests go over the session, else one frame at a time.

    Returns:
        S where the network protocol honours it (D1); the stack's own time-out otherwise (D2); None for a
        frozen server under a stack: its kernel goes on acknowledging, so the stack never finds it (D3).
    """
    if plant.network_protocol is NetworkProtocol.ACKNOWLEDGED:
        return Stage(
            "no acknowledgement", SEND_TIMEOUT, "D1", Constant(to_seconds(plant.timing.send_timeout))
        )
    if fault is Fault.SERVER_FROZEN:
        return None
    span: Distribution
    if plant.network_protocol is NetworkProtocol.WINDOWS:
        name, span = "TcpMaxDataRetransmissions", windows_gives_up(plant.windows)
    else:
        sends = _sends_several(plant) if with_requests else {False}
        answer = plant.answer if with_requests else 0
        spans = [linux_gives_up(plant.linux, plant.round_trip, several, answer) for several in sends]
        span = one_of(*((1 / len(spans), one) for one in spans))
        name = "tcp_retries2"
    return Stage("the stack gives up", name, "D2", span)


def _sends_several(plant: Plant) -> set[bool]:
    """Whether a page scan sends several requests on one session: of every server with primary units."""
    owners = Counter(device.primary.io_server for device in plant.io_devices)
    return {count > 1 for count in owners.values()} or {False}


def connect_try(plant: Plant, since_fault: tuple[float, float]) -> Stage:
    """A try to connect to a silent server: S (T3), or the stack's connect time-out (D2).

    Args:
        plant: The plant.
        since_fault: How long the server has been silent when the try begins, least and most, in seconds.
    """
    if plant.network_protocol is NetworkProtocol.ACKNOWLEDGED:
        return Stage(
            "try the silent way", SEND_TIMEOUT, "T3", Constant(to_seconds(plant.timing.send_timeout))
        )
    span: Distribution
    if plant.network_protocol is NetworkProtocol.WINDOWS:
        name, span = "TcpMaxConnectRetransmissions", windows_connect(plant.windows)
    else:
        name, span = "tcp_syn_retries", linux_connect(plant.linux, since_fault)
    return Stage("try the silent way", name, "D2", span)
