"""I/O data when a path is lost and no server is: a LAN, or all that joins two computers (T4, I1, I3)."""

from __future__ import annotations

from dataclasses import replace

from changeover.forecast import reach
from changeover.forecast.detection import (
    PROBE,
    REQUEST_TO_OTHER_UNIT,
    beside,
    connect_and_answer,
    return_connect,
    round_trips,
    silence,
)
from changeover.forecast.io_pieces import (
    Case,
    driver_parameter,
    first_request,
    offline_after,
    request_timeout_of,
    server_return,
    session_lost,
    standby_detection,
    worst_of,
)
from changeover.forecast.io_rules import device_cases
from changeover.forecast.result import Forecast, Outcome, Stage, reasons, total
from changeover.forecast.stages import ZERO, Constant, Distribution, Uniform, add, later, sooner, wait
from changeover.model.device import IoDevice, Unit
from changeover.model.moment import to_seconds
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault


def lan_fault(plant: Plant, lan: str) -> Forecast:
    """lan-silent: the sessions over it and the devices on it (T4, I1, I3).

    Args:
        plant: The plant.
        lan: Name of the LAN, a client's or a field LAN.

    Returns:
        The worst case of all devices and clients.
    """
    cases = []
    for device in plant.io_devices:
        dead = frozenset(unit for unit in device.units if reach.unit_is_on(plant, unit, lan))
        computer = plant.io_server(device.primary.io_server).computer
        for client in reach.unlike(plant, reach.watchers(plant, computer)):
            if reach.way_in_use(plant, client, computer) == lan:
                cases.append(Case(device, _session_lan_case(plant, lan, device, client, dead)))
            elif device.primary not in dead:
                cases.append(Case(device, _lan_beside(plant, lan, device, client, dead)))
        beside_it = tuple(
            client
            for client in reach.unlike(plant, reach.watchers(plant, computer))
            if reach.way_in_use(plant, client, computer) != lan
        )
        if device.primary in dead and beside_it:
            cases.extend(_field_cases(plant, lan, device, dead, beside_it))
    if not cases:
        why = "it carries no I/O data to a client"
        return Forecast(Function.IO_DATA, Fault.LAN_SILENT, lan, Outcome.UNAFFECTED, reason=why)
    row = worst_of(cases)
    back = _return_of_all(plant, lan, row) if row.outcome is Outcome.LOST else None
    return row if back is None else replace(row, return_=back)


def partner_cut(plant: Plant, target: str) -> Forecast:
    """partner-cut: I/O servers need nothing of each other, but a client on one computer asks the other.

    Args:
        plant: The plant.
        target: The two computers, as `pair_name` writes them.

    Returns:
        The worst case of the clients on either computer; unaffected where none loses its primary unit.
    """
    fault = Fault.PARTNER_CUT
    back = server_return(plant, fault)
    cases = []
    for device in plant.io_devices:
        computer = plant.io_server(device.primary.io_server).computer
        for client in reach.watchers(plant, computer):
            if reach.beyond_cut(client, target) == computer:
                gone = frozenset(s.name for s in plant.io_servers if s.computer == computer)
                left = reach.units_left(plant, device, client, gone=gone)
                ways = len(reach.live_lans(plant, client, computer))
                row = session_lost(plant, fault, target, client, left, back, None, ways)
                cases.append(Case(device, row))
    if not cases:
        why = "I/O servers tell each other nothing, and no client loses its primary unit"
        return Forecast(Function.IO_DATA, fault, target, Outcome.UNAFFECTED, reason=why)
    return worst_of(cases)


def _return_of_all(plant: Plant, lan: str, row: Forecast) -> Distribution | None:
    """Repair until the last of several devices is back; None where one wait brings them all back."""
    if row.reason == _devices_gone(lan):
        # The last device is back when the last of their watch timers has ticked.
        ticks: dict[str, list[Distribution]] = {}
        for device in plant.io_devices:
            if reach.unit_is_on(plant, device.primary, lan):
                tick = wait(to_seconds(device.primary.timing.watch_period))
                ticks.setdefault(device.primary.io_server, []).append(tick)
        return later(
            *(
                _heard(plant, sooner(later(*found), *_sessions_back(plant, lan, server)))
                for server, found in ticks.items()
            )
        )
    servers = {device.primary.io_server for device in plant.io_devices}
    if not plant.policy.needs_heartbeat_to_switch or len(servers) < 2:
        return None
    # One tick brings all sessions back, but each server's heartbeat has a phase of its own.
    retry = wait(to_seconds(plant.timing.client_retry))
    heartbeats = later(*(_next_heartbeat(plant) for _ in servers))
    return add(retry, heartbeats, return_connect(plant, Fault.LAN_SILENT))


def _heard(plant: Plant, back: Distribution) -> Distribution:
    """From a unit's return at its I/O server to the client: in A and B by the next heartbeat."""
    return add(back, _next_heartbeat(plant), return_connect(plant, Fault.DEVICE_SILENT))


def _next_heartbeat(plant: Plant) -> Distribution:
    return wait(to_seconds(plant.timing.heartbeat)) if plant.policy.needs_heartbeat_to_switch else ZERO


def _devices_gone(lan: str) -> str:
    return f"the devices of all units are on {lan}"


def _field_cases(
    plant: Plant, lan: str, device: IoDevice, dead: frozenset[Unit], clients: tuple[Client, ...]
) -> list[Case]:
    """The primary's device is on this LAN, not the clients' way: to the I/O server that is device-silent.

    A client that has a session over it all the same finds the LAN by that; and with the session's return the
    server tries its device.
    """
    server = device.primary.io_server
    tick = wait(to_seconds(device.primary.timing.watch_period))
    sessions = _sessions_back(plant, lan, server)
    cases = []
    for client, case in zip(
        clients,
        device_cases(plant, Fault.DEVICE_SILENT, device, dead, _devices_gone(lan), clients),
        strict=True,
    ):
        row = replace(case.forecast, fault=Fault.LAN_SILENT, target=lan)
        if sessions:
            row = replace(row, return_=_heard(plant, sooner(tick, *sessions)))
        if client in _with_session(plant, lan, server):
            row = replace(row, detection=_probed(plant, client))
        cases.append(replace(case, forecast=row))
    return cases


def _with_session(plant: Plant, lan: str, io_server: str) -> tuple[Client, ...]:
    """Clients that have a session to an I/O server over a LAN."""
    computer = plant.io_server(io_server).computer
    return tuple(
        client
        for client in plant.clients
        if client.computer != computer and lan in plant.common_lans(client.computer, computer)
    )


def _sessions_back(plant: Plant, lan: str, io_server: str) -> tuple[Distribution, ...]:
    """Repair until each session over a LAN to an I/O server is tried again."""
    return tuple(wait(to_seconds(plant.timing.client_retry)) for _ in _with_session(plant, lan, io_server))


def _probed(plant: Plant, client: Client) -> Distribution:
    """Fault until a client's probes have found a LAN that carries none of its requests (D1, T4)."""
    found = silence(plant, Fault.LAN_SILENT)
    assert found is not None, "only a frozen server goes unseen"
    probe = add(first_request(client).distribution, found.distribution)
    return beside(probe, round_trips(plant, PROBE))


def _session_lan_case(
    plant: Plant, lan: str, device: IoDevice, client: Client, dead: frozenset[Unit]
) -> Forecast:
    """The LAN carries the client's requests to the primary unit's server."""
    fault = Fault.LAN_SILENT
    left = tuple(
        unit
        for unit in device.units
        if unit not in dead and reach.live_lans(plant, client, plant.io_server(unit.io_server).computer, lan)
    )
    home = plant.io_server(device.primary.io_server).computer
    others = reach.live_lans(plant, client, home, lan)
    if device.primary in left:
        why = f"no return: the client keeps the primary over {others[0]}"
        return session_lost(plant, fault, lan, client, left, None, why)
    if left and others:
        return _device_after_session(plant, lan, device, client, left)
    row = session_lost(plant, fault, lan, client, left, server_return(plant, fault), None)
    if row.outcome is Outcome.LOST:
        return replace(row, reason=f"no unit is left that {client.name} reaches without {lan}")
    return row


def _device_after_session(
    plant: Plant, lan: str, device: IoDevice, client: Client, left: tuple[Unit, ...]
) -> Forecast:
    """The client keeps the primary's server over another LAN, but its device was on the lost one."""
    primary = device.primary
    row = session_lost(plant, Fault.LAN_SILENT, lan, client, (primary, *left), None, None)
    offline = offline_after(primary)
    parameter = driver_parameter(device)
    if plant.policy.needs_heartbeat_to_switch:
        longest = max(offline.value, request_timeout_of(plant).value)
        span = wait(longest + to_seconds(plant.timing.heartbeat))
        stages = (*row.stages, Stage("the unit may be known offline by then", parameter, "I3", span))
        com = add(row.com or ZERO, span)
    else:
        # Its server finds the device with the next watch tick, or when the client asks again by another LAN.
        asked = add(*(stage.distribution for stage in row.stages[:-1]), offline)
        # A unit that clients read is not probed: the last request keeps it for two page scans.
        scan = to_seconds(client.page_scan)
        probed = add(Constant(scan), wait(scan), wait(to_seconds(primary.timing.watch_period)), offline)
        found = sooner(asked, probed) if plant.timing.watchdog else asked
        parameters = f"{row.stages[1].parameter}, {parameter}"
        stages = (Stage("session lost or unit offline", parameters, "I1", found),)
        again = round_trips(plant, 2 * REQUEST_TO_OTHER_UNIT)
        # T runs from the client's own first request: its wait is not part of the #COM time.
        waited = add(*(stage.distribution for stage in row.stages[1:-1]), offline)
        tick = add(probed, Uniform(-scan, 0.0))
        span = sooner(waited, tick) if plant.timing.watchdog else waited
        com = beside(span, again - request_timeout_of(plant).value)
    answer = connect_and_answer(plant, REQUEST_TO_OTHER_UNIT, row.stages[-1].rule)
    stages = (*stages, answer)
    why = f"{lan} carries the client's requests and the primary's device"
    return replace(
        row,
        changeover=total(stages),
        com=com,
        return_=_return_with_session(plant, primary),
        stages=stages,
        reason=why,
    )


def _return_with_session(plant: Plant, primary: Unit) -> Distribution:
    """The device is tried with its watch tick, or as soon as a client's session over the LAN is back."""
    ticks = (primary.timing.watch_period, plant.timing.client_retry)
    soonest = sooner(*(wait(to_seconds(period)) for period in ticks))
    return _heard(plant, soonest)


def _lan_beside(plant: Plant, lan: str, device: IoDevice, client: Client, dead: frozenset[Unit]) -> Forecast:
    """Neither the requests nor the primary's device are on this LAN; a session that waits beside may be."""
    row = Forecast(Function.IO_DATA, Fault.LAN_SILENT, lan, Outcome.UNAFFECTED)
    computer = plant.io_server(device.primary.io_server).computer
    in_use = reach.way_in_use(plant, client, computer)
    if in_use is not None and lan in plant.common_lans(client.computer, computer):
        why = f"the client's requests go over {in_use}"
        return replace(row, detection=_probed(plant, client), reason=why)
    if dead:
        standby = next(unit for unit in device.units if unit in dead)
        watchdog = None if plant.timing.watchdog else "not detected: [IOServer]WatchDog=0 probes no standby"
        return replace(
            row,
            detection=standby_detection(plant, standby),
            reason=reasons("only standby units have their device there", watchdog),
        )
    if in_use is None:
        return replace(row, reason="the client is on the I/O server's own computer")
    return replace(row, reason="neither requests nor devices are on it")
