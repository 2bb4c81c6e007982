"""Virtual I/O devices: they answer every block after one round trip, unless they are gone or cut off."""

from __future__ import annotations

from dataclasses import dataclass, field

from changeover.core.machine import DeviceAnswered, DeviceClosed, DeviceConnected, Ticket
from changeover.model.device import Unit
from changeover.model.lan import Endpoint
from changeover.model.moment import Duration
from changeover.model.plant import Plant
from changeover.simulation.network import Party, Paths
from changeover.simulation.world import World


@dataclass(slots=True)
class _Wire:
    """One I/O server's connection to one unit's device; a new generation for each connection."""

    unit: Unit
    lan: str | None
    generation: int = 0
    stands: bool = False
    held: list[Ticket] = field(default_factory=list)


class Devices:
    """All devices of a plant and the connections to them."""

    def __init__(self, world: World, plant: Plant, paths: Paths) -> None:
        self._world = world
        self._paths = paths
        self._one_way: Duration = plant.round_trip // 2
        self.closed: set[Endpoint] = set()
        self._wires: dict[str, tuple[_Wire, Party]] = {}
        self._plant = plant

    def attach(self, server: Party, unit: Unit) -> None:
        """A server owns a unit; its earlier connection, if any, is gone."""
        lan = next((lan.name for lan in self._plant.lans if lan.contains(unit.address.host)), None)
        self._wires[unit.name] = (_Wire(unit, lan), server)

    def connect(self, unit: str) -> None:
        """The server's packet goes out to the device."""
        wire, server = self._wires[unit]
        self.close(unit)
        self._world.after(self._one_way, self._arrive_connect, wire, server, wire.generation)

    def close(self, unit: str) -> None:
        """The server lets go of the connection."""
        wire, _ = self._wires[unit]
        wire.generation += 1
        wire.stands = False
        wire.held.clear()

    def send(self, unit: str, ticket: Ticket) -> None:
        """One block goes out."""
        wire, server = self._wires[unit]
        self._world.after(self._one_way, self._arrive, wire, server, wire.generation, ticket)

    def close_device(self, address: Endpoint) -> None:
        """The device's process is gone; its host resets what stands."""
        self.closed.add(address)
        for wire, server in self._wires.values():
            if wire.unit.address == address and wire.stands:
                wire.stands = False
                self._world.after(self._one_way, self._reset, wire, server, wire.generation)

    def heal(self) -> None:
        """Paths came back: blocks that waited on standing connections arrive."""
        for wire, server in self._wires.values():
            waiting, wire.held = wire.held, []
            for ticket in waiting:
                self._arrive(wire, server, wire.generation, ticket)

    def _reachable(self, wire: _Wire, server: Party) -> bool:
        return self._paths.to_device(server.computer, wire.unit.address.host, wire.lan)

    def _arrive_connect(self, wire: _Wire, server: Party, generation: int) -> None:
        if generation != wire.generation or not self._reachable(wire, server):
            return
        stands = wire.unit.address not in self.closed
        self._world.after(self._one_way, self._answer_connect, wire, server, generation, stands)

    def _answer_connect(self, wire: _Wire, server: Party, generation: int, stands: bool) -> None:
        if generation == wire.generation and self._reachable(wire, server):
            wire.stands = stands
            server.deliver(DeviceConnected(wire.unit.name) if stands else DeviceClosed(wire.unit.name))

    def _arrive(self, wire: _Wire, server: Party, generation: int, ticket: Ticket) -> None:
        if generation != wire.generation:
            return
        if not self._reachable(wire, server):
            wire.held.append(ticket)
        elif wire.unit.address in self.closed:
            self._world.after(self._one_way, self._reset, wire, server, generation)
        else:
            self._world.after(self._one_way, self._answer, wire, server, generation, ticket)

    def _answer(self, wire: _Wire, server: Party, generation: int, ticket: Ticket) -> None:
        if generation != wire.generation:
            return
        if not self._reachable(wire, server):
            wire.held.append(ticket)
        else:
            server.deliver(DeviceAnswered(wire.unit.name, ticket))

    def _reset(self, wire: _Wire, server: Party, generation: int) -> None:
        if generation == wire.generation and self._reachable(wire, server):
            wire.generation += 1
            server.deliver(DeviceClosed(wire.unit.name))
