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
from itertools import cycle
from random import Random
from typing import NamedTuple

from changeover.core.device_channel import DeviceChannel
from changeover.core.link import Link
from changeover.core.machine import Frame, FrameArrived, SendAnswer, SendFrame
from changeover.core.messages import Message
from changeover.core.pair import Pair
from changeover.core.server_search import ServerSearch
from changeover.model.moment import MILLISECOND, Instant, milliseconds
from core.lines import told


class Dice(Random):
    """Known throws, one after the other and then over again: phases are known."""

    def __init__(self, *throws: float) -> None:
        super().__init__(0)
        self._throws = cycle(throws)

    def random(self) -> float:
        return next(self._throws)


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


class Playbook:
    """Plays a machine, a link or a channel.

    Attributes:
        hide: Lines that start with one of these are left out: what a scene is not about.
        attends: Sessions whose peer acknowledges at once whatever is sent to it.
    """

    def __init__(self, machine: object, *hide: str) -> None:
        self.machine = machine
        self.hide = hide
        self.attends: set[int] = set()
        self.now: Instant = 0
        self._asleep = False
        self._sent: dict[int, int] = {}
        self._heard: dict[int, int] = {}
        self._acknowledged: dict[int, int] = {}

    def __call__(self, at_ms: float, stimulus: object, *expected: str) -> None:
        """Bring a stimulus at an instant; exactly these effects go out, and none since the last call."""
        self._go_to(at_ms)
        lines = self._told(self.machine.handle(stimulus, self.now))
        self._expect(lines + self._acknowledgements(), expected)

    def call(self, at_ms: float, act: Callable[[Instant], tuple[object, ...]], *expected: str) -> None:
        """Like a stimulus: call the machine's owner's side."""
        self._go_to(at_ms)
        lines = self._told(act(self.now))
        self._expect(lines + self._acknowledgements(), expected)

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
        lines = self._told(self.machine.handle_timeout(self.now))
        self._expect(lines + self._acknowledgements(), expected)

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
            lines += self._acknowledgements()
        self.now = max(instant, self.now)
        return lines

    def _acknowledgements(self) -> list[str]:
        """What the machine makes of the acknowledgements of those who acknowledge at once."""
        lines: list[str] = []
        for session in sorted(self.attends):
            heard = self._heard.get(session, 0)
            if heard > self._acknowledged.get(session, 0):
                self._acknowledged[session] = heard
                bare = FrameArrived(session, Frame(0, heard))
                lines += self._told(self.machine.handle(bare, self.now))
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
    """A part of a machine without its owner, as something that a playbook can play.

    Args:
        part: The part.
        on_timer: What the owner does with a timer of the table: (purpose, whose, deadline, now).
    """

    def __init__(
        self,
        part: Link | DeviceChannel | ServerSearch | Pair,
        on_timer: Callable[..., tuple[object, ...]] | None = None,
    ) -> None:
        self.part = part
        self._deadlines = part._deadlines
        self._on_timer = on_timer or (lambda purpose, _, at, now: part.handle_timer(purpose, at, now))

    def handle(self, stimulus: object, now: Instant) -> tuple[object, ...]:
        return self.part.handle(stimulus, now)

    def handle_timeout(self, now: Instant) -> tuple[object, ...]:
        steps: list[object] = []
        while (due := self._deadlines.pop_due(now)) is not None:
            (purpose, owner), at = due
            steps += self._on_timer(purpose, owner, at, now)
        return tuple(steps)

    def next_deadline(self) -> Instant | None:
        return self._deadlines.next()
