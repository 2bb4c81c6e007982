"""The kernels of the virtual world, where the network stack decides about a silent peer (D2).

A `Sender` is one direction of a connection, as its kernel sees it: what was sent and is not acknowledged is
sent again each time that its timer expires, twice as late each time, until the stack has had enough. Windows
counts the repetitions; Linux looks how long ago the first one was, and keeps its timers on a wheel that makes
those far off late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant
from changeover.model.plant import Plant
from changeover.model.stack import LINUX_RTO_MAX, WINDOWS_WAIT_MAX, LinuxStack, NetworkProtocol, WindowsStack
from changeover.simulation.world import World

NEIGHBOUR_QUESTIONS = 3
NEIGHBOUR_GRACE: Duration = (5 + NEIGHBOUR_QUESTIONS) * SECOND
"""From the end of an entry's time in the neighbour table until it is given up."""
NEIGHBOUR_CONFIRMED: Duration = 30 * SECOND
"""How long an entry holds after a sign of life: from half to one and a half of it, as the kernel draws."""

_LINUX_BASE: Duration = 200 * MILLISECOND


class Stack(Protocol):
    """How one operating system times what is unanswered."""

    def first_wait(self, now: Instant, frames: int, round_trip: Duration) -> Instant:
        """When the last of so many unacknowledged frames, sent now, is sent again."""

    def next_wait(self, now: Instant, repetitions: int, round_trip: Duration) -> Instant:
        """When it is sent again after so many repetitions."""

    def has_enough(self, now: Instant, first_repetition: Instant, repetitions: int) -> bool:
        """Whether it is given up now, where it has been repeated so often since then."""

    def connect_until(self, now: Instant) -> Instant:
        """When a connect that begins now and is never answered fails."""


class Windows:
    """Counts repetitions; its timers are on time."""

    def __init__(self, settings: WindowsStack) -> None:
        self._settings = settings

    def first_wait(self, now: Instant, frames: int, round_trip: Duration) -> Instant:
        """One RTO later."""
        return now + min(self._settings.rto, WINDOWS_WAIT_MAX)

    def next_wait(self, now: Instant, repetitions: int, round_trip: Duration) -> Instant:
        """Twice as late each time."""
        return now + min(self._settings.rto << min(repetitions, 40), WINDOWS_WAIT_MAX)

    def has_enough(self, now: Instant, first_repetition: Instant, repetitions: int) -> bool:
        """After TcpMaxDataRetransmissions."""
        return repetitions >= self._settings.data_retransmissions

    def connect_until(self, now: Instant) -> Instant:
        """TcpInitialRtt, doubled with each of TcpMaxConnectRetransmissions."""
        for repetition in range(self._settings.connect_retransmissions + 1):
            now += min(self._settings.initial_rtt << min(repetition, 40), WINDOWS_WAIT_MAX)
        return now


class Linux:
    """Looks at the time since the first repetition; a loss probe goes before it.

    Args:
        settings: Its settings.
        lan: Round trip of a segment and an acknowledgement that comes at once.
        phase: Where the wheel stands at the world's instant 0.
    """

    def __init__(self, settings: LinuxStack, lan: Duration, phase: Duration) -> None:
        self._settings = settings
        self._probe = -(-2 * lan // settings.tick) + 2
        self._phase = phase

    def first_wait(self, now: Instant, frames: int, round_trip: Duration) -> Instant:
        """The loss probe: with several frames under way it waits for no delayed acknowledgement."""
        rto = self._rto(round_trip)
        return self._fires(now, rto if frames == 1 else min(rto, self._probe))

    def next_wait(self, now: Instant, repetitions: int, round_trip: Duration) -> Instant:
        """One RTO after the probe, then twice as late each time, two minutes at most."""
        doubled = self._rto(round_trip) << min(repetitions - 1, 32)
        return self._fires(now, min(doubled, LINUX_RTO_MAX // self._settings.tick))

    def _rto(self, round_trip: Duration) -> int:
        return -(-(self._settings.rto + round_trip) // self._settings.tick)

    def has_enough(self, now: Instant, first_repetition: Instant, repetitions: int) -> bool:
        """At the first expiry as far beyond the first repetition as tcp_retries2 stands for."""
        # The probe is no repetition in this sense.
        return repetitions > 1 and now - first_repetition >= _time_of(_LINUX_BASE, self._settings.retries2)

    def connect_until(self, now: Instant) -> Instant:
        """Some SYNs a second apart, then each twice as late, to the first expiry beyond tcp_syn_retries."""
        begun, sent, wait = now, 0, SECOND
        while now - begun < _time_of(SECOND, self._settings.syn_retries):
            now = self._fires(now, wait // self._settings.tick)
            sent += 1
            if sent >= self._settings.linear_syns + 1:
                wait = min(2 * wait, LINUX_RTO_MAX)
        return now

    def _fires(self, now: Instant, ticks: int) -> Instant:
        tick = self._settings.tick
        due = (now + self._phase) // tick + ticks
        places = 1
        while ticks >= 63 * places:
            places *= 8
        return (due // places + 1) * places * tick - self._phase


def stack_of(plant: Plant, phase: Duration) -> Stack | None:
    """The stack of a plant's computers; None where sessions acknowledge by themselves."""
    if plant.network_protocol is NetworkProtocol.WINDOWS:
        return Windows(plant.windows)
    if plant.network_protocol is NetworkProtocol.LINUX:
        return Linux(plant.linux, plant.round_trip, phase)
    return None


class Sender:
    """What one end of a connection has sent and not seen acknowledged.

    Args:
        world: Its clock.
        stack: Its operating system's.
        round_trip: Until an acknowledgement comes while all is well.
        repeat: Sends again what is not acknowledged.
        give_up: The connection is dead.
    """

    __slots__ = (
        "_at",
        "_first_repetition",
        "_generation",
        "_give_up",
        "_repeat",
        "_repetitions",
        "_stack",
        "_unacknowledged",
        "_world",
        "round_trip",
    )

    def __init__(
        self,
        world: World,
        stack: Stack,
        round_trip: Duration,
        repeat: Callable[[], None],
        give_up: Callable[[], None],
    ) -> None:
        self.round_trip = round_trip
        self._world = world
        self._stack = stack
        self._repeat = repeat
        self._give_up = give_up
        self._unacknowledged = 0
        self._generation = 0
        self._at: Instant = 0
        self._repetitions = 0
        self._first_repetition: Instant = 0

    def sent(self) -> None:
        """One more frame is under way."""
        self._unacknowledged += 1
        if self._unacknowledged == 1:
            self._repetitions = 0
            self._arm(self._stack.first_wait(self._world.now, 1, self.round_trip))
        elif self._repetitions == 0:
            # What is newer may be probed for sooner, and puts nothing off.
            self._arm(
                min(self._at, self._stack.first_wait(self._world.now, self._unacknowledged, self.round_trip))
            )

    def acknowledged(self, count: int) -> None:
        """So many frames have arrived, and the news of it is here."""
        if count:
            self._unacknowledged -= count
            self.stop()
            if self._unacknowledged:
                self._repetitions = 0
                self._arm(self._stack.first_wait(self._world.now, self._unacknowledged, self.round_trip))

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._generation += 1

    def _arm(self, at: Instant) -> None:
        self._generation += 1
        self._at = at
        self._world.at(at, self._on_expiry, self._generation)

    def _on_expiry(self, generation: int) -> None:
        if generation != self._generation:
            return
        now = self._world.now
        if self._stack.has_enough(now, self._first_repetition, self._repetitions):
            self._give_up()
            return
        self._repetitions += 1
        if self._repetitions <= 2:
            self._first_repetition = now
        self._repeat()
        self._arm(self._stack.next_wait(now, self._repetitions, self.round_trip))


def _time_of(base: Duration, retries: int) -> Duration:
    """What a count of retries stands for: that many waits and one, doubling, two minutes each at most."""
    total, wait = 0, base
    for _ in range(retries + 1):
        total += min(wait, LINUX_RTO_MAX)
        wait = min(2 * wait, LINUX_RTO_MAX)
    return total
