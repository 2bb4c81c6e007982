"""Runs a machine in the virtual world: carries out its effects, keeps its deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from changeover.core.machine import (
    Accepted,
    Block,
    CloseConnection,
    CloseDevice,
    DeviceAnswered,
    Effects,
    EndCommand,
    Machine,
    Note,
    OpenConnection,
    OpenDevice,
    Present,
    RaiseAlarm,
    ResetListener,
    SendAnswer,
    SendDevice,
    SendFrame,
    SessionId,
    ShowCom,
    Start,
    Stimulus,
)
from changeover.core.messages import Answer, Columns
from changeover.core.trace import TraceLine
from changeover.model.moment import SECOND, Instant
from changeover.simulation.devices import Devices
from changeover.simulation.network import Network
from changeover.simulation.world import World

EPOCH_UTC: int = 1_700_000_000 * SECOND
"""What the wall clock of the virtual world says at its instant 0."""


class VirtualBlock(NamedTuple):
    """What a virtual device is asked: its values (0), a write (1, 2, 3 …), or a sign of life (-1)."""

    unit: str
    purpose: int = 0


class VirtualPlanner:
    """Cuts every read of a unit into one block."""

    def __init__(self) -> None:
        self._writes = 0

    def read_blocks(self, unit: str, tags: tuple[str, ...]) -> tuple[Block, ...]:
        """One block, whatever the tags."""
        return (VirtualBlock(unit),)

    def write_blocks(self, unit: str, tag: str, value: float | str) -> tuple[Block, ...] | str:
        """One block, unlike every other."""
        self._writes += 1
        return (VirtualBlock(unit, self._writes),)

    def probe_block(self, unit: str) -> Block:
        """A sign of life; never merged with a client's read, which it would make look quicker."""
        return VirtualBlock(unit, -1)


class Host:
    """A process: alive or gone, running or standing still.

    Args:
        name: The machine's name.
        computer: The computer that it runs on.
        make: Makes the machine, anew for each start.
        trace: Where its lines go.
        source: Under which name, the machine's own by default.

    Attributes:
        performers: What carries out effects that belong to this machine alone.
    """

    def __init__(
        self,
        name: str,
        computer: str,
        make: Callable[[], Machine],
        world: World,
        network: Network,
        devices: Devices,
        trace: Callable[[TraceLine], None],
        source: str = "",
    ) -> None:
        self.name = name
        self.source = source or name
        self.performers: dict[type, Callable[[Any], None]] = {}
        self.computer = computer
        self.alive = False
        self.frozen = False
        self.on_present: Callable[[Present | ShowCom, Instant], None] | None = None
        self.ended: list[EndCommand] = []
        self.alarms: list[RaiseAlarm] = []
        self._make = make
        self._world = world
        self._network = network
        self._devices = devices
        self._trace = trace
        self._sessions = 0
        self._armed: Instant | None = None
        self._life = 0
        self._inbox: list[Stimulus] = []
        self._delivered_utc: dict[str, int] = {}
        self.machine = make()

    # --- the process ---

    def start(self) -> None:
        """The process starts, with a machine that knows nothing."""
        if self._life:
            self.machine = self._make()
        self._life += 1
        self._armed = None
        self.alive = True
        self.deliver(Start())

    def kill(self) -> None:
        """The process is gone; its operating system closes what it held."""
        self.alive = False
        self.frozen = False
        self._life += 1
        self._inbox.clear()
        self._network.close_all(self)

    def freeze(self) -> None:
        """The process stands still; what comes for it waits."""
        self.frozen = True

    def thaw(self) -> None:
        """The process runs again and takes what waited, in order."""
        self.frozen = False
        while self._inbox:
            self.deliver(self._inbox.pop(0))
        self._on_timer(self._life)

    # --- the party on the network ---

    def new_session(self) -> SessionId:
        """A number for a session that a peer opens: odd, those that machines open may be even."""
        self._sessions += 1
        return 2 * self._sessions - 1

    def deliver(self, stimulus: Stimulus) -> None:
        """Hand a stimulus to the machine, or keep it while the process stands still."""
        if isinstance(stimulus, DeviceAnswered):
            self._delivered_utc[stimulus.unit] = self._world.now + EPOCH_UTC
        if self.frozen:
            self._inbox.append(stimulus)
        elif self.alive:
            self._carry_out(self.machine.handle(stimulus, self._world.now))

    # --- the machine ---

    def _on_timer(self, life: int, armed: Instant | None = None) -> None:
        if life != self._life or not self.alive or self.frozen:
            return
        if armed is not None and armed != self._armed:
            # An earlier deadline came up since, and has armed anew.
            return
        now = self._world.now
        self._armed = None
        deadline = self.machine.next_deadline()
        if deadline is not None and deadline <= now:
            self._carry_out(self.machine.handle_timeout(now))
        else:
            self._arm()

    def _arm(self) -> None:
        deadline = self.machine.next_deadline()
        if deadline is not None and (self._armed is None or deadline < self._armed):
            self._armed = deadline
            self._world.at(deadline, self._on_timer, self._life, deadline)

    def _carry_out(self, effects: Effects) -> None:
        for effect in effects:
            kind = type(effect)
            if kind is SendFrame:
                assert isinstance(effect, SendFrame)
                self._network.send(self, effect.session, effect.frame)
            elif isinstance(effect, SendAnswer):
                self._send_answer(effect)
            elif isinstance(effect, SendDevice):
                self._devices.send(effect.unit, effect.ticket)
            elif isinstance(effect, Note):
                line = TraceLine(self._world.now, self.source, effect.kind, effect.subject, effect.detail)
                self._trace(line)
            elif isinstance(effect, Present | ShowCom):
                if self.on_present is not None:
                    self.on_present(effect, self._world.now)
            elif isinstance(effect, OpenConnection):
                self._network.connect(self, effect.session, effect.way)
            elif isinstance(effect, CloseConnection):
                self._network.close(self, effect.session)
            elif isinstance(effect, ResetListener):
                self._reset_listener()
            elif isinstance(effect, OpenDevice):
                self._devices.connect(effect.unit)
            elif isinstance(effect, CloseDevice):
                self._devices.close(effect.unit)
            elif isinstance(effect, EndCommand):
                self.ended.append(effect)
            elif isinstance(effect, RaiseAlarm):
                self.alarms.append(effect)
            else:
                self.performers[kind](effect)
        self._arm()

    def _send_answer(self, effect: SendAnswer) -> None:
        """With an answer goes when the device delivered it; what it delivered is not of this world."""
        answer = effect.frame.message
        assert isinstance(answer, Answer)
        data = Columns(b"", b"", b"", self._delivered_utc.get(answer.unit, 0))
        message = msgspec.structs.replace(answer, data=data)
        self._network.send(self, effect.session, msgspec.structs.replace(effect.frame, message=message))

    def _reset_listener(self) -> None:
        waiting = [stimulus for stimulus in self._inbox if isinstance(stimulus, Accepted)]
        self._inbox = [stimulus for stimulus in self._inbox if not isinstance(stimulus, Accepted)]
        for stimulus in waiting:
            self._network.close(self, stimulus.session)
