"""The I/O server's process: its machine, its listeners, its devices."""

from __future__ import annotations

from random import Random

import msgspec

from changeover.core import machine as core
from changeover.core.io_server import IoServer
from changeover.core.machine import Block as CoreBlock
from changeover.core.messages import Answer
from changeover.drivers.modbus.address import parse_address
from changeover.drivers.modbus.blocks import Block
from changeover.drivers.modbus.writes import Refused, encode_write
from changeover.model.device import Unit
from changeover.model.plant import Plant
from changeover.model.server import IoServer as IoServerConfiguration
from changeover.model.tag import Tag
from changeover.runtime.host import Host
from changeover.runtime.modbus_device import ModbusDevices, WriteBlock
from changeover.runtime.publisher import Publisher
from changeover.runtime.trace_file import Trace
from changeover.runtime.transport import Listener

_ANY_REGISTER = Block(function=3, unit_id=1, start=0, count=1)
"""Read as a sign of life from a device that no tag is in; an exception is a sign of life too."""
_BIT_BEFORE = b"\x00\x00"


class ModbusPlanner:
    """Cuts reads and writes of Modbus devices into blocks (`core.io_server.Planner`)."""

    def __init__(self, publisher: Publisher, tags: dict[str, dict[str, Tag]]) -> None:
        self._publisher = publisher
        self._tags = tags
        self._writes = 0

    def read_blocks(self, unit: str, tags: tuple[str, ...]) -> tuple[CoreBlock, ...]:
        """The blocks of a tag list; a sign of life when none of the tags is known here."""
        return self._publisher.tag_list(unit, tags).plan.blocks or (self.probe_block(unit),)

    def write_blocks(self, unit: str, tag: str, value: float | str) -> tuple[CoreBlock, ...] | str:
        """The write of a tag, or why it cannot be."""
        found = self._tags[unit].get(tag)
        if found is None:
            return f"no tag {tag} in this I/O device"
        address = parse_address(found.address, found.type)
        request = encode_write(found, address, value, _BIT_BEFORE if address.bit is not None else None)
        if isinstance(request, Refused):
            return request.reason
        self._writes += 1
        return (WriteBlock(self._writes, found, address, value),)

    def probe_block(self, unit: str) -> CoreBlock:
        """One register or bit of the unit's first tag."""
        for tag in self._tags[unit].values():
            address = parse_address(tag.address, tag.type)
            return Block(address.function, address.unit_id, address.start, 1)
        return _ANY_REGISTER


class IoServerHost(Host):
    """Runs one I/O server.

    Args:
        plant: The plant.
        server: Which of its I/O servers.
        trace: Where trace lines go.
        rng: Phases come from here.
    """

    def __init__(self, plant: Plant, server: IoServerConfiguration, trace: Trace, rng: Random) -> None:
        units = plant.units_of(server.name)
        tags = {u.name: {tag.name: tag for tag in plant.tags_of(u.device)} for u in units}
        self._publisher = Publisher(tags)
        planner = ModbusPlanner(self._publisher, tags)
        machine = IoServer(
            server.name, units, plant.policy, plant.timing, planner, rng, plant.acknowledgement_delay
        )
        super().__init__(machine, trace)
        self.endpoints = plant.endpoints_of(server)
        self._listener = Listener(self.feed, self.endpoints, plant.timing.silence)
        self._devices = ModbusDevices(
            tuple((unit, _own_address(plant, server, unit)) for unit in units), self.feed
        )
        self._performers |= {
            core.SendFrame: self._send_frame,
            core.SendAnswer: self._send_answer,
            core.CloseConnection: self._close_connection,
            core.ResetListener: lambda _: self._listener.reset(),
            core.OpenDevice: lambda effect: self._devices.connect(effect.unit),
            core.CloseDevice: lambda effect: self._devices.close(effect.unit),
            core.SendDevice: self._devices.send,
        }

    def start(self) -> None:
        """Listen, then start the machine.

        Raises:
            OSError: An address cannot be listened on.
        """
        self._listener.open()
        self.trace.line("listening", addresses=[str(endpoint) for endpoint in self.endpoints])
        super().start()

    def stop(self) -> None:
        """Close every connection, so that clients hear of it at once."""
        super().stop()
        self._listener.close_all()
        self._devices.close_all()

    def feed(self, stimulus: core.Stimulus) -> None:
        """Hand over a stimulus; what was published to a closed session is forgotten."""
        super().feed(stimulus)
        if isinstance(stimulus, core.Closed):
            self._publisher.forget(stimulus.session)

    def _send_frame(self, effect: core.SendFrame) -> None:
        self._listener.send(effect.session, effect.frame)

    def _send_answer(self, effect: core.SendAnswer) -> None:
        answer = effect.frame.message
        assert isinstance(answer, Answer)
        payloads = self._devices.payloads[answer.unit]
        data = self._publisher.columns(effect.session, answer.unit, effect.tags, effect.full, payloads)
        filled = msgspec.structs.replace(answer, data=data)
        self._listener.send(effect.session, core.Frame(effect.frame.seq, effect.frame.ack, filled))

    def _close_connection(self, effect: core.CloseConnection) -> None:
        self._listener.close(effect.session)
        self._publisher.forget(effect.session)


def _own_address(plant: Plant, server: IoServerConfiguration, unit: Unit) -> str | None:
    """The server's own address on the LAN that a unit's device is on."""
    computer = plant.computer(server.computer)
    for lan in plant.lans:
        if lan.contains(unit.address.host):
            return computer.address_on(lan.name)
    return None
