"""An I/O server's channel to one unit: time-outs, retries, the offline rule, the way back (D5, D6, I6, I8).

Theory of operation.

    STARTING --answer--> ONLINE --N consecutive time-outs--> OFFLINE --watch tick--> TRYING
        |                   ^                                   ^                      |
        |                   `--------------- answer ------------+----------------------|
        `-------- N consecutive time-outs ----------------------'<-- one time-out -----'

Reads are cut into blocks by the driver; here a block is only an identity. A block that is queued or in flight
is never sent twice for two clients: equal reads are merged. Up to `max_pending` blocks are in flight, each
with its own time-out τ, but time-outs are counted on *one* request sequence: when the oldest expires, that is
one time-out, and all that is in flight is sent again at once on the same connection. Any answer, a late one
too, proves the device alive and sets the count to zero. A refused or reset connection counts as one immediate
time-out, and the next attempt reconnects. N is `DriverTiming.attempts_until_offline`.

The watch timer runs freely with the driver's WatchTime. At its tick an offline unit is tried once (connect,
read one block); a unit that nobody reads is probed, so that a dead standby is known. A unit is online again
only when it has delivered valid data.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum
from typing import ClassVar, TypeAlias

import msgspec

from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.machine import (
    Block,
    CloseDevice,
    DeviceAnswered,
    DeviceClosed,
    DeviceConnected,
    Effect,
    OpenDevice,
    SendDevice,
    Ticket,
)
from changeover.model.device import DriverTiming
from changeover.model.moment import Instant

Waiter: TypeAlias = Hashable
"""Who waits for blocks; to the channel only an identity."""


class ChannelState(Enum):
    """What the I/O server believes of the unit."""

    STARTING = "starting"
    ONLINE = "online"
    OFFLINE = "offline"
    TRYING = "trying"


class Connection(Enum):
    """The connection below the channel."""

    NONE = "none"
    CONNECTING = "connecting"
    UP = "up"


class CameOnline(msgspec.Struct, frozen=True, gc=False):
    """The unit delivered valid data for the first time since it was starting or offline."""


class WentOffline(msgspec.Struct, frozen=True):
    """The unit is lost; these waiters get nothing.

    Attributes:
        sent: Waiters of which at least one block was transmitted and not answered.
        unsent: Waiters of which nothing was transmitted.
    """

    sent: tuple[Waiter, ...]
    unsent: tuple[Waiter, ...]


class Completed(msgspec.Struct, frozen=True):
    """Every block of a waiter was answered; `refused` is the device's last exception, else empty."""

    waiter: Waiter
    refused: str


Step: TypeAlias = Effect | CameOnline | WentOffline | Completed
Steps: TypeAlias = tuple[Step, ...]


class _Job:
    """One block that is queued or in flight, and who waits for it."""

    __slots__ = ("block", "sent_at", "tickets", "waiters")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.waiters: list[Waiter] = []
        self.tickets: list[Ticket] = []
        self.sent_at: Instant | None = None


class DeviceChannel:
    """One unit of one I/O server. Timers live in the owner's table under (`attempt` | `watch`, unit)."""

    def __init__(
        self,
        unit: str,
        timing: DriverTiming,
        probe: Block,
        probes_idle: bool,
        deadlines: Deadlines,
        next_ticket: Callable[[], Ticket],
    ) -> None:
        self.unit = unit
        self.state = ChannelState.STARTING
        self.connection = Connection.NONE
        self.timeouts = 0
        self._timing = timing
        self._probe = probe
        self._probes_idle = probes_idle
        self._deadlines = deadlines
        self._next_ticket = next_ticket
        self._queue: dict[Block, _Job] = {}
        self._in_flight: dict[Block, _Job] = {}
        self._waiting: dict[Waiter, int] = {}
        self._refusals: dict[Waiter, str] = {}
        self._jobs: dict[Ticket, _Job] = {}
        self._wanted_until: Instant = 0

    # --- the owner's calls ---

    def start(self, first_tick: Instant, now: Instant) -> Steps:
        """Connect, and let the watch timer run with its first tick at `first_tick`."""
        self._deadlines.set(("watch", self.unit), first_tick)
        return self._connect(now)

    @property
    def serves(self) -> bool:
        """Whether reads and writes are taken."""
        return self.state in (ChannelState.ONLINE, ChannelState.STARTING)

    def request(
        self, blocks: tuple[Block, ...], waiter: Waiter, now: Instant, wanted_until: Instant = 0
    ) -> Steps:
        """Read or write blocks for a waiter; `wanted_until` keeps the unit from being probed as idle."""
        assert self.serves and blocks
        self._wanted_until = max(self._wanted_until, wanted_until)
        self._waiting[waiter] = len(blocks)
        for block in blocks:
            self._job(block).waiters.append(waiter)
        return self._transmit(now)

    def forget(self, waiter: Waiter) -> None:
        """A waiter is gone; what it waited for is still done."""
        self._waiting.pop(waiter, None)
        self._refusals.pop(waiter, None)

    def try_now(self, now: Instant) -> Steps:
        """Try an offline unit without waiting for the watch tick: there is news of the network."""
        if self.state not in (ChannelState.OFFLINE, ChannelState.TRYING):
            return ()
        return self._become_trying(now)

    def excuse(self, now: Instant) -> None:
        """Start the time-outs under way anew: their server did not run, the device is not to blame."""
        for job in self._in_flight.values():
            job.sent_at = now
        if self._in_flight or self.connection is Connection.CONNECTING:
            self._deadlines.set(("attempt", self.unit), now + self._timing.timeout)

    def handle(self, stimulus: DeviceConnected | DeviceClosed | DeviceAnswered, now: Instant) -> Steps:
        """Take a stimulus of this unit's device."""
        return self.TABLE[self.state, type(stimulus)](self, stimulus, now)

    def handle_timer(self, timer: str, at: Instant, now: Instant) -> Steps:
        """Act on one of this channel's timers, which was due at `at`."""
        if timer == "watch":
            self._deadlines.set(("watch", self.unit), next_tick(at, self._timing.watch_period, now))
            return self._on_watch(now)
        return self._on_attempt_timer(now)

    # --- transitions ---

    def _become_online(self) -> Steps:
        self.state = ChannelState.ONLINE
        return (CameOnline(),)

    def _become_offline(self, announce: bool) -> Steps:
        self.state = ChannelState.OFFLINE
        self.connection = Connection.NONE
        self._deadlines.clear(("attempt", self.unit))
        jobs = (*self._queue.values(), *self._in_flight.values())
        transmitted = {waiter for job in jobs if job.tickets for waiter in job.waiters}
        waiters = tuple(self._waiting)
        for holder in (self._queue, self._in_flight, self._jobs, self._waiting, self._refusals):
            holder.clear()
        if not announce:
            return (CloseDevice(self.unit),)
        return (
            CloseDevice(self.unit),
            WentOffline(
                sent=tuple(w for w in waiters if w in transmitted),
                unsent=tuple(w for w in waiters if w not in transmitted),
            ),
        )

    def _become_trying(self, now: Instant) -> Steps:
        self.state = ChannelState.TRYING
        self._queue.clear()
        self._in_flight.clear()
        self._jobs.clear()
        return self._connect(now)

    # --- handlers ---

    def _on_connected(self, _: DeviceConnected, now: Instant) -> Steps:
        self.connection = Connection.UP
        self._deadlines.clear(("attempt", self.unit))
        unproven = self.state is not ChannelState.ONLINE or self.timeouts > 0
        if unproven and not self._queue:
            self._job(self._probe)
        return self._transmit(now)

    def _on_closed(self, _: DeviceClosed, now: Instant) -> Steps:
        self.connection = Connection.NONE
        return self._count_timeout(now)

    def _on_answered(self, stimulus: DeviceAnswered, now: Instant) -> Steps:
        job = self._jobs.get(stimulus.ticket)
        if job is None:
            return ()
        self.timeouts = 0
        for ticket in job.tickets:
            del self._jobs[ticket]
        if job.sent_at is None:
            del self._queue[job.block]
        else:
            del self._in_flight[job.block]
        online = () if self.state is ChannelState.ONLINE else self._become_online()
        return (*online, *self._settle(job, stimulus.refused), *self._transmit(now))

    def _on_watch(self, now: Instant) -> Steps:
        if self.state in (ChannelState.OFFLINE, ChannelState.TRYING):
            # A try that is still unanswered gives way: each tick is a chance of its own (I6).
            return self._become_trying(now)
        idle = self.serves and not self._queue and not self._in_flight
        if not idle or now < self._wanted_until or not self._probes_idle:
            return ()
        self._job(self._probe)
        return self._transmit(now)

    def _on_attempt_timer(self, now: Instant) -> Steps:
        oldest = self._oldest_sent()
        if self.connection is Connection.UP:
            if oldest is None:
                return ()
            if oldest + self._timing.timeout > now:
                self._deadlines.set(("attempt", self.unit), oldest + self._timing.timeout)
                return ()
        return self._count_timeout(now)

    def _ignore(self, stimulus: object, now: Instant) -> Steps:
        return ()

    # --- parts ---

    def _count_timeout(self, now: Instant) -> Steps:
        """One more consecutive time-out (D5); refused and reset connections come here too (D6)."""
        self.timeouts += 1
        if self.state is ChannelState.TRYING:
            return self._become_offline(announce=False)
        if self.timeouts >= self._timing.attempts_until_offline:
            return self._become_offline(announce=True)
        self._queue = {**self._in_flight, **self._queue}
        for job in self._in_flight.values():
            job.sent_at = None
        self._in_flight.clear()
        if self.connection is Connection.UP:
            return self._transmit(now)
        return self._connect(now)

    def _connect(self, now: Instant) -> Steps:
        self.connection = Connection.CONNECTING
        self._deadlines.set(("attempt", self.unit), now + self._timing.timeout)
        return (OpenDevice(self.unit),)

    def _job(self, block: Block) -> _Job:
        """The job of a block: the one under way, else a new one at the end of the queue."""
        job = self._in_flight.get(block) or self._queue.get(block)
        if job is None:
            job = self._queue[block] = _Job(block)
        return job

    def _transmit(self, now: Instant) -> Steps:
        if self.connection is not Connection.UP:
            return ()
        steps: list[Step] = []
        while self._queue and len(self._in_flight) < self._timing.max_pending:
            job = self._queue.pop(next(iter(self._queue)))
            ticket = self._next_ticket()
            job.tickets.append(ticket)
            job.sent_at = now
            self._jobs[ticket] = job
            self._in_flight[job.block] = job
            steps.append(SendDevice(self.unit, ticket, job.block))
        if steps and self._deadlines.get(("attempt", self.unit)) is None:
            self._deadlines.set(("attempt", self.unit), now + self._timing.timeout)
        return tuple(steps)

    def _oldest_sent(self) -> Instant | None:
        # Sent in order and sent again all together: the first in flight is the oldest.
        for job in self._in_flight.values():
            return job.sent_at
        return None

    def _settle(self, job: _Job, refused: str) -> Steps:
        done: list[Step] = []
        for waiter in job.waiters:
            left = self._waiting.get(waiter)
            if left is None:
                continue
            if refused:
                self._refusals[waiter] = refused
            if left > 1:
                self._waiting[waiter] = left - 1
                continue
            del self._waiting[waiter]
            done.append(Completed(waiter, self._refusals.pop(waiter, "")))
        return tuple(done)

    TABLE: ClassVar[dict[tuple[ChannelState, type], Callable[..., Steps]]] = {
        (ChannelState.STARTING, DeviceConnected): _on_connected,
        (ChannelState.STARTING, DeviceClosed): _on_closed,
        (ChannelState.STARTING, DeviceAnswered): _on_answered,
        (ChannelState.ONLINE, DeviceConnected): _on_connected,
        (ChannelState.ONLINE, DeviceClosed): _on_closed,
        (ChannelState.ONLINE, DeviceAnswered): _on_answered,
        (ChannelState.OFFLINE, DeviceConnected): _ignore,
        (ChannelState.OFFLINE, DeviceClosed): _ignore,
        (ChannelState.OFFLINE, DeviceAnswered): _ignore,
        (ChannelState.TRYING, DeviceConnected): _on_connected,
        (ChannelState.TRYING, DeviceClosed): _on_closed,
        (ChannelState.TRYING, DeviceAnswered): _on_answered,
    }
