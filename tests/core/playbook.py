"""Playbooks: a stimulus in, effects out, told as a sequence diagram.

    play = Playbook(machine)
    play(0, Start(), "open 1 IOServer1/LAN_A")
    play(1, Connected(1), "1: Hello HMI1")
    play.wait(5001, "close 1", "open 2 IOServer1/LAN_A")

Each call says when (in milliseconds), what comes in, and every effect that goes out, in order. Between two
calls nothing may go out: what timers do is called by `wait`, which names the very instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple

from changeover.core.device_channel import CameOnline, Completed, DeviceChannel, WentOffline
from changeover.core.link import AttemptFailed, Delivered, Link, LinkLost, LinkOpened
from changeover.core.machine import (
    CloseConnection,
    CloseDevice,
    EndCommand,
    Frame,
    FrameArrived,
    Note,
    OpenConnection,
    OpenDevice,
    Present,
    RaiseAlarm,
    ResetListener,
    SendAnswer,
    SendDevice,
    SendFrame,
    ShowCom,
)
from changeover.core.messages import (
    Answer,
    Heartbeat,
    Hello,
    Message,
    Probe,
    ReadRequest,
    UnitState,
    UnitStatus,
    Welcome,
    WriteOutcome,
    WriteRequest,
    WriteResult,
)
from changeover.model.moment import MILLISECOND, Instant, milliseconds


class Dice(Random):
    """Always the same throw: phases are known."""

    def __init__(self, throw: float) -> None:
        super().__init__(0)
        self._throw = throw

    def random(self) -> float:
        return self._throw


class DeviceBlock(NamedTuple):
    """A block of a device."""

    name: str


class Blocks:
    """A planner: one block per tag, writes numbered, `bad` cannot be written."""

    def __init__(self) -> None:
        self.writes = 0

    def read_blocks(self, unit: str, tags: tuple[str, ...]) -> tuple[DeviceBlock, ...]:
        return tuple(DeviceBlock(tag) for tag in tags)

    def write_blocks(self, unit: str, tag: str, value: float | str) -> tuple[DeviceBlock, ...] | str:
        if tag == "bad":
            return "no such tag"
        self.writes += 1
        return (DeviceBlock(f"write{self.writes}"),)

    def probe_block(self, unit: str) -> DeviceBlock:
        return DeviceBlock("probe")


def _units(units: tuple[tuple[str, UnitStatus], ...]) -> str:
    return " ".join(f"{name}={status.name.lower()}" for name, status in units)


_MESSAGES: dict[type, Callable[..., str]] = {
    Hello: lambda m: f"Hello {m.client}",
    Welcome: lambda m: f"Welcome {m.server} {_units(m.units)}",
    Probe: lambda m: "Probe",
    ReadRequest: lambda m: f"Read {m.request} {m.unit}{'' if m.tags is None else ' ' + ','.join(m.tags)}",
    Answer: lambda m: f"Answer {m.request} {m.unit}{' failed: ' + m.failure if m.failure else ''}",
    UnitState: lambda m: f"UnitState {m.unit}={m.status.name.lower()}",
    Heartbeat: lambda m: f"Heartbeat {_units(m.units)}",
    WriteRequest: lambda m: f"Write {m.command} {m.unit} {m.tag}={m.value:g}",
    WriteResult: lambda m: (
        f"WriteResult {m.command} {WriteOutcome(m.outcome).name.lower()}{': ' + m.why if m.why else ''}"
    ),
}


def _frame(frame: Frame) -> str:
    return "ack" if frame.message is None else _MESSAGES[type(frame.message)](frame.message)


def _waiters(step: WentOffline) -> str:
    return f"offline sent={list(step.sent)} unsent={list(step.unsent)}"


_STEPS: dict[type, Callable[..., str]] = {
    OpenConnection: lambda e: f"open {e.session} {e.way}",
    CloseConnection: lambda e: f"close {e.session}",
    ResetListener: lambda e: "reset listener",
    SendFrame: lambda e: f"{e.session}: {_frame(e.frame)}",
    SendAnswer: lambda e: f"{e.session}: {_frame(e.frame)} with {'all' if e.full else 'changes'}",
    OpenDevice: lambda e: f"connect {e.unit}",
    CloseDevice: lambda e: f"disconnect {e.unit}",
    SendDevice: lambda e: f"{e.unit} #{e.ticket} {e.block.name}",
    Present: lambda e: f"present {e.device} by {e.unit} {e.way}",
    ShowCom: lambda e: f"#COM {e.device}",
    EndCommand: lambda e: f"command {e.command} {e.outcome}{': ' + e.why if e.why else ''}",
    RaiseAlarm: lambda e: f"alarm {e.text}: {e.subject}",
    Note: lambda e: f"note {e.kind.value} {e.subject}{' ' + e.detail if e.detail else ''}",
    # Outcomes of links and channels, told to their owners.
    LinkOpened: lambda e: "link opened",
    LinkLost: lambda e: f"link lost {'silent' if e.silent else 'closed'}",
    AttemptFailed: lambda e: "attempt failed",
    Delivered: lambda e: f"delivered {_MESSAGES[type(e.message)](e.message)}",
    CameOnline: lambda e: "online",
    WentOffline: _waiters,
    Completed: lambda e: f"completed {e.waiter}{' refused: ' + e.refused if e.refused else ''}",
}


def told(step: object) -> str:
    """An effect or outcome as a line of a playbook."""
    return _STEPS[type(step)](step)


class Playbook:
    """Plays a machine, a link or a channel.

    Attributes:
        hide: Lines that start with one of these are left out: what a scene is not about.
    """

    def __init__(self, machine: object, *hide: str) -> None:
        self.machine = machine
        self.hide = hide
        self.now: Instant = 0
        self._asleep = False
        self._sent: dict[int, int] = {}
        self._heard: dict[int, int] = {}

    def __call__(self, at_ms: float, stimulus: object, *expected: str) -> None:
        """Bring a stimulus at an instant; exactly these effects go out, and none since the last call."""
        self._go_to(at_ms)
        self._expect(self._told(self.machine.handle(stimulus, self.now)), expected)

    def call(self, at_ms: float, act: Callable[[Instant], tuple[object, ...]], *expected: str) -> None:
        """Like a stimulus: call the machine's owner's side."""
        self._go_to(at_ms)
        self._expect(self._told(act(self.now)), expected)

    def wait(self, at_ms: float, *expected: str) -> None:
        """Let time pass: at this instant exactly these effects go out, and none before."""
        self._run_timers(milliseconds(at_ms) - 1)
        self._expect(self._timers_at(milliseconds(at_ms)), expected)

    def sleep(self, to_ms: float) -> None:
        """The process stands still: nobody calls the machine until the next stimulus, or `late`."""
        self.now = milliseconds(to_ms)
        self._asleep = True

    def late(self, *expected: str) -> None:
        """After a sleep, timers that are due are called now."""
        self._asleep = False
        self._expect(self._told(self.machine.handle_timeout(self.now)), expected)

    def says(self, session: int, message: Message | None, ack: int | None = None) -> FrameArrived:
        """A frame of the peer; it acknowledges all that went out so far, or up to `ack`."""
        number = 0
        if message is not None:
            number = self._sent[session] = self._sent.get(session, 0) + 1
        return FrameArrived(
            session, Frame(number, self._heard.get(session, 0) if ack is None else ack, message)
        )

    def _go_to(self, at_ms: float) -> None:
        if not self._asleep:
            self._run_timers(milliseconds(at_ms) - 1)
        self._asleep = False
        self.now = milliseconds(at_ms)

    def _run_timers(self, until: Instant) -> None:
        """Every timer up to an instant, at its own deadline; nothing may go out."""
        while (deadline := self.machine.next_deadline()) is not None and deadline <= until:
            lines = self._timers_at(deadline)
            assert lines == [], f"at {deadline / MILLISECOND} ms unexpectedly: {lines}"

    def _timers_at(self, instant: Instant) -> list[str]:
        lines: list[str] = []
        while (deadline := self.machine.next_deadline()) is not None and deadline <= instant:
            self.now = max(deadline, self.now)
            lines += self._told(self.machine.handle_timeout(self.now))
        self.now = max(instant, self.now)
        return lines

    def _told(self, steps: tuple[object, ...]) -> list[str]:
        for step in steps:
            if isinstance(step, SendFrame | SendAnswer):
                self._heard[step.session] = max(self._heard.get(step.session, 0), step.frame.seq)
        return self._shown(map(told, steps))

    def _shown(self, lines: Iterable[str]) -> list[str]:
        return [line for line in lines if not line.startswith(self.hide)]

    def _expect(self, lines: list[str], expected: tuple[str, ...]) -> None:
        assert lines == self._shown(expected), (
            "at " + str(self.now / MILLISECOND) + " ms:\n" + "\n".join(lines)
        )


class Alone:
    """A link or a channel without its owner, as something that a playbook can play."""

    def __init__(self, part: Link | DeviceChannel) -> None:
        self.part = part
        self._deadlines = part._deadlines

    def handle(self, stimulus: object, now: Instant) -> tuple[object, ...]:
        return self.part.handle(stimulus, now)

    def handle_timeout(self, now: Instant) -> tuple[object, ...]:
        steps: list[object] = []
        while (due := self._deadlines.pop_due(now)) is not None:
            (purpose, _), at = due
            steps += self.part.handle_timer(purpose, at, now)
        return tuple(steps)

    def next_deadline(self) -> Instant | None:
        return self._deadlines.next()
