"""How a fault is staged, the same in simulation and drill: where it is measured, when, and for how long."""

from __future__ import annotations

from changeover.model.moment import Duration
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import can_change_over, struck_computer, struck_devices


def as_seen(plant: Plant, injection: Injection, client: Client) -> Injection:
    """What a fault is to one client.

    A client on one of two computers that are cut from each other cannot tell the cut from the other one's
    silence; the clients elsewhere see both.
    """
    if injection.fault is not Fault.PARTNER_CUT:
        return injection
    pair = injection.target.split("+")
    beyond = [name for name in pair if name != client.computer]
    return Injection(Fault.SERVER_SILENT, beyond[0]) if len(beyond) < len(pair) else injection


def measuring_client(plant: Plant, injection: Injection) -> Client | None:
    """The client at which a fault is measured: of those that it does not take away itself, the worst off.

    Worst is a client that nothing is left for, then one that changes over, then one that loses a session
    beside, the slowest first.
    """
    away = struck_computer(plant, injection)
    staying = [client for client in plant.clients if client.computer != away and plant.ways(client)]

    def harm(client: Client) -> tuple[bool, bool, bool, Duration]:
        seen = as_seen(plant, injection, client)
        struck = bool(struck_devices(plant, seen, client))
        lost = struck and not can_change_over(plant, seen, client)
        return lost, struck, not struck and _loses_a_session(plant, seen, client), client.page_scan

    return max(staying, key=harm, default=None)


def _loses_a_session(plant: Plant, injection: Injection, client: Client) -> bool:
    """Whether a silent LAN carries a session of a client to the server of a primary unit."""
    if injection.fault is not Fault.LAN_SILENT:
        return False
    owners = {plant.io_server(device.primary.io_server).computer for device in plant.io_devices}
    return any(
        injection.target in plant.common_lans(client.computer, computer)
        for computer in owners
        if computer != client.computer
    )


def phases(plant: Plant) -> tuple[Duration, ...]:
    """The free-running periods that matter to I/O data: a fault, or a repair, falls into any of them."""
    watches = [unit.timing.watch_period for device in plant.io_devices for unit in device.units]
    scans = [client.page_scan for client in plant.clients]
    heartbeats = [plant.timing.heartbeat] if plant.policy.needs_heartbeat_to_switch else []
    return tuple(dict.fromkeys((plant.timing.client_retry, *heartbeats, *watches, *scans)))


def shortest_outage(plant: Plant, injection: Injection) -> Duration:
    """Until all that a fault takes is known to be lost: a shorter outage has no return, only a resumption."""
    longest_wait = 0 if injection.fault.is_device else plant.timing.patience
    if plant.policy.request_timeout_fails:
        longest_wait = max(longest_wait, plant.timing.request_timeout)
    if injection.fault is Fault.LAN_SILENT:
        # A field LAN takes the units of a device one after the other.
        offline = (
            sum(unit.timing.timeout * unit.timing.attempts_until_offline for unit in device.units)
            for device in plant.io_devices
        )
        longest_wait = max(longest_wait, *offline)
    return longest_wait + 2 * max(client.page_scan for client in plant.clients)
