"""A whole plant in the virtual world, and the faults that strike it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from changeover.core.io_client import IoClient
from changeover.core.io_server import IoServer
from changeover.core.machine import EndQuestion, Machine, ShowNews
from changeover.core.trace import TraceLine
from changeover.model.lan import Endpoint
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.model.server import IoServer as IoServerConfiguration
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import struck_computer, struck_servers, struck_unit
from changeover.simulation.devices import Devices
from changeover.simulation.host import Host, VirtualPlanner
from changeover.simulation.network import Network, Paths
from changeover.simulation.task_processes import Still, TaskProcess, Truth, task_client
from changeover.simulation.world import World


class PlantWorld:
    """Hosts, network and devices of one plant.

    In the simulation a client shows one tag per I/O device, named like the device.

    Args:
        plant: The plant.
        rng: Every phase comes from here.
        trace: Where trace lines go.
        with_tasks: Alarm, trend and report servers run too, and every client asks them.
        truth: The values behind the I/O devices.
    """

    def __init__(
        self,
        plant: Plant,
        rng: Random,
        trace: Callable[[TraceLine], None],
        with_tasks: bool = False,
        truth: Truth | None = None,
    ) -> None:
        self.plant = plant
        self.world = World()
        self.paths = Paths()
        self.network = Network(self.world, plant, self.paths, rng)
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
        task_servers = plant.task_servers if with_tasks else ()
        self.tasks = {
            server.name: TaskProcess(plant, server, self.world, self._named_host, truth or Still(), rng)
            for server in task_servers
        }
        self.task_clients = {
            (client.name, function): host
            for client in plant.clients
            for function in dict.fromkeys(server.function for server in task_servers)
            if (host := self._task_client(client, function)) is not None
        }

    def start(self) -> None:
        """Start every server, then every client, at the present instant."""
        for server in self.servers.values():
            self.start_server(server)
        for task in self.tasks.values():
            self.network.listen(task.host)
        for task in self.tasks.values():
            task.start()
        for client in (*self.clients.values(), *self.task_clients.values()):
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
            self.paths.silent_computers.add(self._silenced(injection))
        elif fault is Fault.SERVER_CLOSED:
            for process in self._processes(injection):
                process.kill()
        elif fault is Fault.SERVER_FROZEN:
            for process in self._processes(injection):
                process.freeze()
        elif fault is Fault.LAN_SILENT:
            self.paths.silent_lans.add(target)
        elif fault is Fault.PARTNER_CUT:
            self.paths.cut_pairs.add(frozenset(target.split("+")))
        elif fault is Fault.DEVICE_CLOSED:
            self.devices.close_device(self._struck(injection))
        else:
            self.paths.silent_hosts.add(self._struck(injection).host)

    def repair(self, injection: Injection) -> None:
        """Take a fault away now."""
        fault, target = injection.fault, injection.target
        if fault is Fault.SERVER_SILENT:
            self.paths.silent_computers.discard(self._silenced(injection))
        elif fault is Fault.SERVER_CLOSED:
            for process in self._processes(injection):
                if isinstance(process, TaskProcess):
                    process.start()
                else:
                    self.start_server(process)
        elif fault is Fault.SERVER_FROZEN:
            for process in self._processes(injection):
                process.thaw()
        elif fault is Fault.LAN_SILENT:
            self.paths.silent_lans.discard(target)
        elif fault is Fault.PARTNER_CUT:
            self.paths.cut_pairs.discard(frozenset(target.split("+")))
        elif fault is Fault.DEVICE_CLOSED:
            self.devices.closed.discard(self._struck(injection))
        else:
            self.paths.silent_hosts.discard(self._struck(injection).host)
        self.network.heal()
        self.devices.heal()

    # --- parts ---

    def _processes(self, injection: Injection) -> tuple[Host | TaskProcess, ...]:
        """Processes of the servers that a fault strikes, as far as they run here."""
        names = struck_servers(self.plant, injection)
        return tuple(
            self.tasks[name] if name in self.tasks else self.servers[name]
            for name in names
            if name in self.tasks or name in self.servers
        )

    def _silenced(self, injection: Injection) -> str:
        computer = struck_computer(self.plant, injection)
        assert computer is not None, "only server-silent silences a computer"
        return computer

    def _struck(self, injection: Injection) -> Endpoint:
        unit = struck_unit(self.plant, injection)
        assert unit is not None, "a device without a standby has no standby fault"
        return unit.address

    def _host(self, name: str, computer: str, make: Callable[[], Machine]) -> Host:
        return self._named_host(name, computer, make, name)

    def _named_host(self, name: str, computer: str, make: Callable[[], Machine], source: str) -> Host:
        return Host(name, computer, make, self.world, self.network, self.devices, self._trace, source)

    def _task_client(self, client: Client, function: Function) -> Host | None:
        if task_client(self.plant, client, function, self._rng) is None:
            return None

        def make() -> Machine:
            machine = task_client(self.plant, client, function, self._rng)
            assert machine is not None
            return machine

        host = self._named_host(f"{client.name}:{function.value}", client.computer, make, client.name)
        host.performers = {ShowNews: lambda _: None, EndQuestion: lambda _: None}
        return host

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
