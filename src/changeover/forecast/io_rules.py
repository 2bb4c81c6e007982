"""I/O data: what each fault costs, rules I1 to I8 and T4, as arithmetic.

Every device and every client that a fault reaches makes a case of its own; the row shows the worst of them.
Devices without a standby are lost whatever the fault: a row that concerns redundant devices too is about
those, and names the others in its reason.
"""

from __future__ import annotations

from dataclasses import replace

from changeover.forecast import reach
from changeover.forecast.detection import (
    ANNOUNCEMENT,
    NET,
    REQUEST_TIMEOUT,
    REQUEST_TO_OTHER_UNIT,
    beside,
    connect_and_answer,
    round_trips,
)
from changeover.forecast.io_pieces import (
    NO_CLIENT,
    NO_STANDBY_LEFT,
    Case,
    device_return,
    distinct,
    driver_parameter,
    first_request,
    first_request_of,
    lost,
    next_heartbeat_of,
    offline_after,
    request_timeout_of,
    same_device,
    server_return,
    session_lost,
    standby_detection,
    worst_of,
)
from changeover.forecast.result import Forecast, Outcome, Stage, reasons, total
from changeover.forecast.stages import ZERO, Constant, Distribution, Shared, Uniform, add, later, sooner, wait
from changeover.model.device import IoDevice, Unit
from changeover.model.moment import to_seconds
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault


def server_fault(plant: Plant, fault: Fault, server: str) -> Forecast:
    """A server fault on the I/O server that owns primary units (I1 to I6).

    Args:
        plant: The plant.
        fault: One of the three server faults.
        server: Name of the I/O server.

    Returns:
        The slowest case of its devices and of the clients that are not on the struck computer.
    """
    computer = plant.io_server(server).computer
    dead = reach.struck_computer(fault, computer)
    gone = frozenset(s.name for s in plant.io_servers if s.name == server or s.computer == dead)
    clients = reach.unlike(plant, reach.watchers(plant, computer, dead))
    cases = []
    for device in distinct(device for device in plant.io_devices if device.primary.io_server == server):
        if not clients:
            cases.append(Case(device, lost(fault, server, None, server_return(plant, fault), NO_CLIENT)))
        cases.extend(
            Case(device, _server_case(plant, fault, server, device, client, gone)) for client in clients
        )
    return worst_of(cases)


def _server_case(
    plant: Plant, fault: Fault, server: str, device: IoDevice, client: Client, gone: frozenset[str]
) -> Forecast:
    left = reach.units_left(plant, device, client, gone=gone)
    ways = len(reach.live_lans(plant, client, plant.io_server(server).computer))
    return session_lost(plant, fault, server, client, left, server_return(plant, fault), None, ways)


def device_fault(plant: Plant, fault: Fault, device: IoDevice) -> Forecast:
    """device-silent or device-closed on the device of the primary unit (I1 to I4)."""
    dead = frozenset(unit for unit in device.units if same_device(unit, device.primary, fault))
    one_device = "all units have one address: they are one device"
    return worst_of(device_cases(plant, fault, device, dead, one_device))


def standby_device_fault(plant: Plant, device: IoDevice) -> Forecast:
    """standby-device-silent on the device of the first standby unit: only detection (I8)."""
    fault = Fault.STANDBY_DEVICE_SILENT
    row = Forecast(Function.IO_DATA, fault, device.name, Outcome.UNAFFECTED)
    if len(device.units) < 2:
        return replace(row, reason="it has no standby unit")
    standby = device.units[1]
    if same_device(standby, device.primary, fault):
        both = device_fault(plant, Fault.DEVICE_SILENT, device)
        return replace(
            both, fault=fault, reason=reasons("the standby is the primary's own device", both.reason)
        )
    return replace(
        row,
        detection=standby_detection(plant, standby),
        reason=reasons(
            "nothing changes over or back: the primary goes on",
            None if plant.timing.watchdog else "not detected: [IOServer]WatchDog=0 probes no standby",
        ),
    )


def device_cases(
    plant: Plant,
    fault: Fault,
    device: IoDevice,
    dead: frozenset[Unit],
    why_none: str,
    affected: tuple[Client, ...] | None = None,
) -> list[Case]:
    """Cases of a device that falls silent or is closed, one per client.

    Args:
        plant: The plant.
        fault: device-silent or device-closed.
        device: The I/O device, which is the target too.
        dead: Its units that are struck, the primary among them.
        why_none: The reason to give where those are all of them.
        affected: The clients to make cases for; None for one of each kind that reaches
            the server.

    Returns:
        At least one case.
    """
    server = device.primary.io_server
    clients = reach.watchers(plant, plant.io_server(server).computer)
    return_ = device_return(plant, device.primary)
    if not clients:
        return [Case(device, lost(fault, device.name, None, return_, NO_CLIENT))]
    trips = _detection_trips(fault, device)
    detection = beside(total(_detection_by_server(plant, fault, device, clients)), round_trips(plant, trips))
    cases = []
    for client in affected or reach.unlike(plant, clients):
        left = tuple(u for u in reach.units_left(plant, device, client, gone=frozenset()) if u not in dead)
        if not left:
            why = why_none if dead.issuperset(device.units) and len(device.units) > 1 else NO_STANDBY_LEFT
            cases.append(Case(device, lost(fault, device.name, detection, return_, why)))
            continue
        detours = _detours(plant, fault, device, client, left[0])
        *found, answer = _device_stages(plant, fault, device, client, clients)
        stages = (*found, *detours, answer)
        row = Forecast(Function.IO_DATA, fault, device.name, Outcome.CHANGEOVER, stages=stages)
        com = _device_com(plant, fault, device, client, clients, detours)
        row = replace(row, changeover=total(stages), com=com, detection=detection, return_=return_)
        cases.append(Case(device, row))
    return cases


def _device_stages(
    plant: Plant, fault: Fault, device: IoDevice, client: Client, clients: tuple[Client, ...]
) -> tuple[Stage, ...]:
    """The stages of a device changeover as one client sees it.

    The time-out of the device runs from the first request of any client (equal reads are merged), T from
    the client's own.
    """
    net = NET[fault]
    by_server = _detection_by_server(plant, fault, device, clients)
    if not plant.policy.needs_heartbeat_to_switch:
        trips = ANNOUNCEMENT + REQUEST_TO_OTHER_UNIT + _detection_trips(fault, device)
        return (*by_server, connect_and_answer(plant, trips, "I1"))
    offline = offline_after(device.primary)
    ahead = round_trips(plant, net.send + ANNOUNCEMENT - net.request)
    next_heartbeat = next_heartbeat_of(plant, frozenset({device.primary.io_server}))
    request = request_timeout_of(plant)
    own = first_request(client)
    if fault is Fault.DEVICE_CLOSED or request.maximum >= offline.maximum + ahead:
        found: tuple[Stage, ...] = (own, Stage("no answer", REQUEST_TIMEOUT, "I3", request))
        trips = net.request + REQUEST_TO_OTHER_UNIT
    elif len(clients) == 1 or request.maximum + own.distribution.maximum <= offline.maximum + ahead:
        found, trips = by_server, net.send + ANNOUNCEMENT + REQUEST_TO_OTHER_UNIT
    else:
        # T from the client's own first request, P from anybody's: whichever is later.
        others = first_request_of(tuple(other.page_scan for other in clients if other is not client))
        both = Shared(own.distribution, others.distribution, request.maximum, offline.maximum + ahead)
        parameters = f"{REQUEST_TIMEOUT}, {driver_parameter(device)}"
        found = (Stage("no answer, unit offline", parameters, "I3", both),)
        trips = net.request + REQUEST_TO_OTHER_UNIT
    return (*found, next_heartbeat, connect_and_answer(plant, trips, "I3"))


def _detours(plant: Plant, fault: Fault, device: IoDevice, client: Client, goal: Unit) -> tuple[Stage, ...]:
    """Units on the way to the goal that are the same dead device, and are asked before anybody knows it.

    Their own watch timer may have found out by then, hence the interval. In A and B its shape is not exact.
    """
    stages = []
    for unit in device.units[1 : device.units.index(goal)]:
        if not same_device(unit, device.primary, fault):
            continue
        offline = offline_after(unit)
        if plant.policy.needs_heartbeat_to_switch:
            longest = max(offline.value, to_seconds(plant.timing.request_timeout))
            span: Distribution = wait(longest + to_seconds(plant.timing.heartbeat))
        elif fault is Fault.DEVICE_CLOSED:
            continue
        elif plant.timing.watchdog:
            early = Uniform(-to_seconds(client.page_scan), 0.0)
            probed = add(wait(to_seconds(unit.timing.watch_period)), early)
            span = add(later(ZERO, sooner(offline, probed)), wait(round_trips(plant, REQUEST_TO_OTHER_UNIT)))
        else:
            span = add(offline, Constant(round_trips(plant, REQUEST_TO_OTHER_UNIT)))
        name = f"{unit.io_server} reaches the same device"
        stages.append(Stage(name, driver_parameter(device), "I1", span))
    return tuple(stages)


def _detection_by_server(
    plant: Plant, fault: Fault, device: IoDevice, clients: tuple[Client, ...]
) -> tuple[Stage, ...]:
    """The stages until the I/O server has the unit offline (D5); none where it is told at once (D6)."""
    if fault is Fault.DEVICE_CLOSED:
        return ()
    offline = Stage("unit offline", driver_parameter(device), "D5", offline_after(device.primary))
    return first_request_of(tuple(client.page_scan for client in clients)), offline


def _detection_trips(fault: Fault, device: IoDevice) -> float:
    """Round trips of a device's detection: each refused attempt costs one (D6)."""
    refused = device.primary.timing.attempts_until_offline if fault is Fault.DEVICE_CLOSED else 0
    return refused + NET[fault].send


def _device_com(
    plant: Plant,
    fault: Fault,
    device: IoDevice,
    client: Client,
    clients: tuple[Client, ...],
    detours: tuple[Stage, ...],
) -> Distribution:
    """#COM of a device fault (I2, I4): P may run from another client's request, T runs from the own."""
    request = to_seconds(plant.timing.request_timeout)
    closed = fault is Fault.DEVICE_CLOSED
    others = [wait(to_seconds(other.page_scan)) for other in clients if other is not client]
    own = Uniform(-to_seconds(client.page_scan), 0.0)
    head_start = sooner(ZERO, *(add(other, own) for other in others)) if others else ZERO
    offline = add(offline_after(device.primary), head_start, *(stage.distribution for stage in detours))
    if not plant.policy.needs_heartbeat_to_switch:
        trips = 1 + REQUEST_TO_OTHER_UNIT
        return ZERO if closed else beside(offline, round_trips(plant, trips) - request)
    overdue = ZERO if closed else beside(offline, round_trips(plant, 1) - request)
    answer = Constant(round_trips(plant, REQUEST_TO_OTHER_UNIT))
    return add(overdue, wait(to_seconds(plant.timing.heartbeat)), answer)
