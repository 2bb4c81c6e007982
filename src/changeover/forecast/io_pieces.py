"""I/O data: what the rules of servers, devices and LANs share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from changeover.forecast.detection import (
    HEARTBEAT,
    NET,
    PAGE_SCAN,
    REQUEST_TIMEOUT,
    REQUEST_TO_OTHER_UNIT,
    beside,
    connect_and_answer,
    return_connect,
    round_trips,
    silence,
)
from changeover.forecast.result import Forecast, Outcome, Stage, reasons, total
from changeover.forecast.stages import ZERO, Constant, Distribution, add, sooner, wait
from changeover.model.device import IoDevice, Unit
from changeover.model.moment import to_seconds
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault

NO_CLIENT = "no client is left that shows it"
SESSION_STOOD = "return: by the session that the freeze outlived, as soon as its server runs again (D2)"
NO_STANDBY_LEFT = "no standby unit is left"


@dataclass(frozen=True, slots=True)
class Case:
    """What a fault does to one device as one client sees it."""

    device: IoDevice
    forecast: Forecast

    @property
    def rank(self) -> tuple[int, float]:
        """Worse is larger: lost, changed over (the longest), lost without a standby anyway, unaffected."""
        outcome = self.forecast.outcome
        if outcome is Outcome.LOST:
            return (3 if len(self.device.units) > 1 else 1, 0.0)
        if self.forecast.changeover is not None:
            return 2, self.forecast.changeover.maximum
        return 0, self.forecast.detection.maximum if self.forecast.detection is not None else -1.0


def session_lost(
    plant: Plant,
    fault: Fault,
    target: str,
    client: Client,
    left: tuple[Unit, ...],
    return_: Distribution | None,
    reason: str | None,
    ways: int = 1,
) -> Forecast:
    """A client loses its session to the primary unit's server and goes to one of the units that are left.

    Args:
        plant: The plant.
        fault: A server or LAN fault, or a cut.
        target: What it strikes.
        client: The client.
        left: Units that are left to it.
        return_: Repair until it is back.
        reason: What a reader must know.
        ways: Sessions to that server that are lost, this one included.
    """
    heartbeat = plant.policy.needs_heartbeat_to_switch
    stages, net = _detection_by_client(plant, fault, client)
    if stages is None:
        undetected = "a frozen server's kernel acknowledges, so the stack never finds it (D2)"
        return lost(fault, target, None, None, undetected)
    if fault is Fault.SERVER_FROZEN and plant.timing.silence is None:
        return_, reason = None, reasons(reason, SESSION_STOOD)
    detection = beside(total(stages), round_trips(plant, net))
    if not left:
        return lost(fault, target, detection, return_, NO_STANDBY_LEFT)
    answer = connect_and_answer(plant, net + REQUEST_TO_OTHER_UNIT, "I3" if heartbeat else "I1")
    if heartbeat:
        next_heartbeat = next_heartbeat_of(plant, frozenset(unit.io_server for unit in left))
        stages = (*stages, next_heartbeat)
        com = add(next_heartbeat.distribution, Constant(round_trips(plant, REQUEST_TO_OTHER_UNIT)))
    else:
        stages = _all_sessions_lost(plant, fault, stages, ways)
        com = _com_at_once(plant, fault, stages)
    stages = (*stages, answer)
    return Forecast(
        function=Function.IO_DATA,
        fault=fault,
        target=target,
        outcome=Outcome.CHANGEOVER,
        changeover=total(stages),
        com=com,
        detection=detection,
        return_=return_,
        stages=stages,
        reason=reason,
    )


def _detection_by_client(
    plant: Plant, fault: Fault, client: Client
) -> tuple[tuple[Stage, ...], float] | tuple[None, float]:
    """The stages until a client treats a session as lost, and the round trips beside them.

    None for the stages where it never does.
    """
    net = NET[fault]
    if fault is Fault.SERVER_CLOSED:
        return (), net.send
    found = silence(plant, fault, with_requests=True)
    if not plant.policy.request_timeout_fails:
        return (None, 0.0) if found is None else ((first_request(client), found), net.send)
    request = Stage("no answer", REQUEST_TIMEOUT, "I3", request_timeout_of(plant))
    if found is None:
        return (first_request(client), request), net.request
    ahead = round_trips(plant, net.send - net.request)
    both = sooner(found.distribution, add(request.distribution, Constant(-ahead)))
    if both == found.distribution:
        return (first_request(client), found), net.send
    if isinstance(both, Constant):
        return (first_request(client), request), net.request
    either = Stage("no answer", f"{found.parameter}, {REQUEST_TIMEOUT}", "I3", both)
    return (first_request(client), either), net.send


def _all_sessions_lost(plant: Plant, fault: Fault, stages: tuple[Stage, ...], ways: int) -> tuple[Stage, ...]:
    """From the fault until no session to the server is left: those that carry only probes go by themselves.

    With acknowledgements of our own all go together (T4); a kernel may find the idle ones later (D2).
    """
    idle = silence(plant, fault)
    if ways < 2 or not stages or idle is None:
        return stages
    first, found = stages
    return first, replace(found, distribution=_slower(found.distribution, idle.distribution))


def _slower(one: Distribution, other: Distribution) -> Distribution:
    """Of two sessions to one server the one that is lost last; the same clock ticks for both."""
    return max(one, other, key=lambda span: span.maximum)


def _com_at_once(plant: Plant, fault: Fault, stages: tuple[Stage, ...]) -> Distribution:
    """#COM of a server or LAN fault where requests are re-issued at once (I2)."""
    if fault is Fault.SERVER_CLOSED:
        return ZERO
    found = stages[1].distribution
    answer = round_trips(plant, REQUEST_TO_OTHER_UNIT)
    return beside(found, answer - to_seconds(plant.timing.request_timeout))


def standby_detection(plant: Plant, standby: Unit) -> Distribution | None:
    """How soon a dead standby unit is known (I8); None with [IOServer]WatchDog=0."""
    if not plant.timing.watchdog:
        return None
    span = add(wait(to_seconds(standby.timing.watch_period)), offline_after(standby))
    return beside(span, round_trips(plant, NET[Fault.STANDBY_DEVICE_SILENT].send))


def first_request(client: Client) -> Stage:
    """The wait for a client's first request after the fault (D1)."""
    return Stage("first request", PAGE_SCAN, "D1", wait(to_seconds(client.page_scan)))


def server_return(plant: Plant, fault: Fault) -> Distribution:
    """Repair of a server until its client is back (I6)."""
    return _return(plant, to_seconds(plant.timing.client_retry), fault)


def device_return(plant: Plant, primary: Unit) -> Distribution:
    """Repair of a device until its client is back (I6)."""
    return _return(plant, to_seconds(primary.timing.watch_period), Fault.DEVICE_SILENT)


def _return(plant: Plant, retry: float, fault: Fault) -> Distribution:
    back = add(wait(retry), return_connect(plant, fault))
    if plant.policy.needs_heartbeat_to_switch:
        back = add(back, wait(to_seconds(plant.timing.heartbeat)))
    return back


def next_heartbeat_of(plant: Plant, servers: frozenset[str]) -> Stage:
    """The wait for the first heartbeat of any of these servers; each has a phase of its own (I3, T4)."""
    period = to_seconds(plant.timing.heartbeat)
    return Stage("next heartbeat", HEARTBEAT, "I3", sooner(*(wait(period) for _ in servers)))


def first_request_of(page_scans: tuple[int, ...]) -> Stage:
    """The wait for the first request of several clients after the fault: equal reads are merged (D5)."""
    soonest = sooner(*(wait(to_seconds(scan)) for scan in page_scans))
    return Stage("first request", PAGE_SCAN, "D5", soonest)


def offline_after(unit: Unit) -> Constant:
    """P of a unit (D5)."""
    return Constant(to_seconds(unit.timing.timeout) * unit.timing.attempts_until_offline)


def same_device(unit: Unit, victim: Unit, fault: Fault) -> bool:
    """Whether a device fault on one unit strikes another: a silent host takes all ports, a closed one not."""
    if fault is Fault.DEVICE_CLOSED:
        return unit.address == victim.address
    return unit.address.host == victim.address.host


def driver_parameter(device: IoDevice) -> str:
    """The parameters behind P, named by the driver's section."""
    return f"[{device.protocol}]Timeout, Retry"


def request_timeout_of(plant: Plant) -> Constant:
    """T."""
    return Constant(to_seconds(plant.timing.request_timeout))


def lost(
    fault: Fault,
    target: str,
    detection: Distribution | None,
    return_: Distribution | None,
    why: str,
) -> Forecast:
    """The row of a fault that no unit is left for."""
    return Forecast(
        function=Function.IO_DATA,
        fault=fault,
        target=target,
        outcome=Outcome.LOST,
        detection=detection,
        return_=return_,
        reason=why,
    )


def distinct(devices: Iterable[IoDevice]) -> list[IoDevice]:
    """Devices that differ in what a server fault asks of them: which I/O servers own their units.

    Devices without a standby stay, since the row names them.
    """
    kinds: dict[tuple[str, ...], IoDevice] = {}
    for device in devices:
        owners = tuple(dict.fromkeys(unit.io_server for unit in device.units))
        kinds.setdefault(owners if len(device.units) > 1 else (device.name,), device)
    return list(kinds.values())


def worst_of(cases: list[Case]) -> Forecast:
    """The row of several cases, at least one: the worst, with the devices that had no standby anyway."""
    worst = max(cases, key=lambda case: case.rank)
    if worst.forecast.outcome is not Outcome.CHANGEOVER:
        return worst.forecast
    alone = [c.device.name for c in cases if c.forecast.outcome is Outcome.LOST]
    if not alone:
        return worst.forecast
    names = ", ".join(dict.fromkeys(alone))
    return replace(worst.forecast, reason=reasons(worst.forecast.reason, f"without a standby, lost: {names}"))
