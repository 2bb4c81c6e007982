"""A whole plant in the virtual world, and the faults that strike it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from changeover.core.io_client import IoClient
from changeover.core.io_server import IoServer
from changeover.core.machine import Machine
from changeover.core.trace import TraceLine
from changeover.model.lan import Endpoint
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.model.server import IoServer as IoServerConfiguration
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import struck_unit
from changeover.simulation.devices import Devices
from changeover.simulation.host import Host, VirtualPlanner
from changeover.simulation.network import Network, Paths
from changeover.simulation.world import World


class PlantWorld:
    """Hosts, network and devices of one plant.

    In the simulation a client shows one tag per I/O device, named like the device.

    Args:
        plant: The plant.
        rng: Every phase comes from here.
        trace: Where trace lines go.
    """

    def __init__(self, plant: Plant, rng: Random, trace: Callable[[TraceLine], None]) -> None:
        self.plant = plant
        self.world = World()
        self.paths = Paths()
        self.network = Network(self.world, plant, self.paths)
        self.devices = Devices(self.world, plant, self.paths)
        self._rng = rng
        self._trace = trace
        self.servers = {
            server.name: self._host(server.name, server.computer, self._server_maker(server))
            for server in plant.io_servers
        }
        self.clients = {
            client.name: self._host(client.name, client.computer, self._client_maker(client))
            for client in plant.clients
        }

    def start(self) -> None:
        """Start every server, then every client, at the present instant."""
        for server in self.servers.values():
            self.start_server(server)
        for client in self.clients.values():
            client.start()

    def start_server(self, server: Host) -> None:
        """Start one server's process."""
        for unit in self.plant.units_of(server.name):
            self.devices.attach(server, unit)
        self.network.listen(server)
        server.start()

    # --- faults ---

    def inject(self, injection: Injection) -> None:
        """Let a fault take effect now."""
        fault, target = injection.fault, injection.target
        if fault is Fault.SERVER_SILENT:
            self.paths.silent_computers.add(self.plant.io_server(target).computer)
        elif fault is Fault.SERVER_CLOSED:
            self.servers[target].kill()
        elif fault is Fault.SERVER_FROZEN:
            self.servers[target].freeze()
        elif fault is Fault.LAN_SILENT:
            self.paths.silent_lans.add(target)
        elif fault is Fault.DEVICE_CLOSED:
            self.devices.close_device(self._struck(injection))
        else:
            self.paths.silent_hosts.add(self._struck(injection).host)

    def repair(self, injection: Injection) -> None:
        """Take a fault away now."""
        fault, target = injection.fault, injection.target
        if fault is Fault.SERVER_SILENT:
            self.paths.silent_computers.discard(self.plant.io_server(target).computer)
        elif fault is Fault.SERVER_CLOSED:
            self.start_server(self.servers[target])
        elif fault is Fault.SERVER_FROZEN:
            self.servers[target].thaw()
        elif fault is Fault.LAN_SILENT:
            self.paths.silent_lans.discard(target)
        elif fault is Fault.DEVICE_CLOSED:
            self.devices.closed.discard(self._struck(injection))
        else:
            self.paths.silent_hosts.discard(self._struck(injection).host)
        self.network.heal()
        self.devices.heal()

    # --- parts ---

    def _struck(self, injection: Injection) -> Endpoint:
        unit = struck_unit(self.plant, injection)
        assert unit is not None, "a device without a standby has no standby fault"
        return unit.address

    def _host(self, name: str, computer: str, make: Callable[[], Machine]) -> Host:
        return Host(name, computer, make, self.world, self.network, self.devices, self._trace)

    def _server_maker(self, server: IoServerConfiguration) -> Callable[[], Machine]:
        plant = self.plant
        return lambda: IoServer(
            server.name,
            plant.units_of(server.name),
            plant.policy,
            plant.timing,
            VirtualPlanner(),
            self._rng,
            plant.acknowledgement_delay,
        )

    def _client_maker(self, client: Client) -> Callable[[], Machine]:
        plant = self.plant
        return lambda: IoClient(
            client.name,
            plant.ways(client),
            plant.io_devices,
            {device.name: (device.name,) for device in plant.io_devices},
            client.page_scan,
            plant.policy,
            plant.timing,
            self._rng,
        )
