"""How a fault is staged, the same in simulation and drill: where it is measured, when, and for how long."""

from __future__ import annotations

from changeover.model.moment import Duration
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.scenario.fault import Fault, Injection


def measuring_client(plant: Plant, injection: Injection) -> Client | None:
    """The client at which a fault is measured: the slowest that the fault does not take away itself."""
    away = None
    if injection.fault is Fault.SERVER_SILENT:
        away = plant.io_server(injection.target).computer
    staying = [client for client in plant.clients if client.computer != away]
    return max(staying, key=lambda client: client.page_scan, default=None)


def longest_phase(plant: Plant) -> Duration:
    """The longest of the free-running periods that matter to I/O data: a fault falls into any of them."""
    watches = [unit.timing.watch_period for device in plant.io_devices for unit in device.units]
    scans = [client.page_scan for client in plant.clients]
    heartbeats = [plant.timing.heartbeat] if plant.policy.needs_heartbeat_to_switch else []
    return max([plant.timing.client_retry, *heartbeats, *watches, *scans])


def shortest_outage(plant: Plant, injection: Injection) -> Duration:
    """Until all that a fault takes is known to be lost: a shorter outage has no return, only a resumption."""
    longest_wait = 0 if injection.fault.is_device else plant.timing.send_timeout
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
