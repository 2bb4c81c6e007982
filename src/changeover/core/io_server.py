"""An I/O server: sessions on one side, units on the other, and what it tells of them.

Theory of operation. The server is demand-driven: it reads what clients ask, when they ask, and answers
when the device has answered; it keeps nothing to answer from. A request for a unit that is offline is
answered with its failure at once where the family announces (I1), and not at all where it does not (I3):
there only the next heartbeat tells. Heartbeats leave every [IOSERVER]HeartTime with a phase of their own.

A server that did not run for a while (a pulse tells it) distrusts itself before it blames a device: what a
device answered meanwhile waits unread, so time-outs start anew. When it slept for SendTimeout or longer,
every client has given it up and asked elsewhere, and what waits in its buffers is stale, an operator's write
among it: it drops every session and every connection that it did not accept yet, and takes clients back as
they come.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar, NamedTuple, Protocol

from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.device_channel import (
    CameOnline,
    ChannelState,
    Completed,
    DeviceChannel,
    Steps,
    WentOffline,
)
from changeover.core.machine import (
    Accepted,
    Block,
    CloseConnection,
    Closed,
    DeviceAnswered,
    DeviceClosed,
    DeviceConnected,
    Effect,
    Effects,
    FrameArrived,
    Note,
    ResetListener,
    SendAnswer,
    SessionId,
    Start,
    Stimulus,
)
from changeover.core.messages import (
    Answer,
    Heartbeat,
    Hello,
    Probe,
    ReadRequest,
    UnitState,
    UnitStatus,
    Welcome,
    WriteOutcome,
    WriteRequest,
    WriteResult,
)
from changeover.core.peers import Peer, Peers
from changeover.core.session import Session
from changeover.core.sleep import SleepWatch
from changeover.core.trace import TraceKind
from changeover.model.device import Unit
from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.plant import Timing
from changeover.model.policy import Policy

UNIT_IS_OFFLINE = "unit offline"
TOO_MANY_PENDING = "too many pending requests on this session"
PENDING_MAX = 1000
"""Requests and writes that one session may have pending."""

_STATUS = {
    ChannelState.STARTING: UnitStatus.STARTING,
    ChannelState.ONLINE: UnitStatus.ONLINE,
    ChannelState.OFFLINE: UnitStatus.OFFLINE,
    ChannelState.TRYING: UnitStatus.OFFLINE,
}


class Planner(Protocol):
    """How a unit's driver cuts reads and writes into blocks. Pure: the same arguments, the same blocks."""

    def read_blocks(self, unit: str, tags: tuple[str, ...]) -> tuple[Block, ...]:
        """Blocks that deliver a tag list; at least one, so that an answer always comes from the device."""

    def write_blocks(self, unit: str, tag: str, value: float | str) -> tuple[Block, ...] | str:
        """Blocks that write a tag, each different from all others; or why it cannot be written."""

    def probe_block(self, unit: str) -> Block:
        """The cheapest read that proves the device alive."""


class _Read(NamedTuple):
    session: SessionId
    request: int
    unit: str
    full: bool
    since: Instant


class _Write(NamedTuple):
    session: SessionId
    command: int
    unit: str


class _Peer(Peer):
    """One client's session and the tag lists that it gave."""

    __slots__ = ("lists", "waiting")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.lists: dict[str, tuple[tuple[str, ...], tuple[Block, ...]]] = {}
        self.waiting: dict[_Read | _Write, str] = {}


class IoServer:
    """The machine of one I/O server.

    Args:
        name: The server's name.
        units: Its units.
        policy: The version family.
        timing: Parameters of citect.ini.
        planner: Cuts reads and writes into blocks.
        rng: Phases of the heartbeat and of the watch timers come from here.
        acknowledgement_delay: How long a read's acknowledgement waits for the answer that would carry it.
    """

    def __init__(
        self,
        name: str,
        units: tuple[Unit, ...],
        policy: Policy,
        timing: Timing,
        planner: Planner,
        rng: Random,
        acknowledgement_delay: Duration = 20 * MILLISECOND,
    ) -> None:
        self.name = name
        self._units = units
        self._policy = policy
        self._timing = timing
        self._planner = planner
        self._rng = rng
        self._deadlines = Deadlines()
        acknowledges = timing.silence is not None or policy.needs_heartbeat_to_switch
        self._peers = Peers(timing.silence, self._deadlines, _Peer, self._on_dropped, acknowledges)
        self._tickets = 0
        shortest = min([timing.patience, *(unit.timing.timeout for unit in units)])
        self._sleep = SleepWatch(shortest, self._deadlines)
        self._acknowledgement_delay = acknowledgement_delay
        self._settled: set[str] = set()
        self.channels = {
            unit.name: DeviceChannel(
                unit.name,
                unit.timing,
                planner.probe_block(unit.name),
                timing.watchdog,
                self._deadlines,
                self._next_ticket,
            )
            for unit in units
        }

    # --- the contract ---

    def handle(self, stimulus: Stimulus, now: Instant) -> Effects:
        """Take one stimulus."""
        woken = self._wake(now)
        if woken and isinstance(stimulus, Accepted):
            # It waited while we slept: as stale as the connections that the listener's reset drops.
            return (*woken, CloseConnection(stimulus.session))
        return (*woken, *self.TABLE[type(stimulus)](self, stimulus, now))

    def handle_timeout(self, now: Instant) -> Effects:
        """Act on every deadline that is due."""
        effects: list[Effect] = list(self._wake(now))
        while (due := self._deadlines.pop_due(now)) is not None:
            (purpose, owner), at = due
            effects.extend(self._on_timer(purpose, owner, at, now))
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """The earliest deadline."""
        return self._deadlines.next()

    def statuses(self) -> tuple[tuple[str, UnitStatus], ...]:
        """Every unit's state, as this server sees it."""
        return tuple((name, _STATUS[channel.state]) for name, channel in self.channels.items())

    # --- handlers ---

    def _on_start(self, _: Start, now: Instant) -> Effects:
        self._sleep.start(now)
        if self._policy.needs_heartbeat_to_switch:
            self._deadlines.set(("heartbeat", ""), now + self._phase(self._timing.heartbeat))
        effects: list[Effect] = []
        for unit in self._units:
            first_tick = now + self._phase(unit.timing.watch_period)
            effects.extend(self._carry_out(unit.name, self.channels[unit.name].start(first_tick, now), now))
        return tuple(effects)

    def _on_accepted(self, stimulus: Accepted, now: Instant) -> Effects:
        self._peers.accept(stimulus.session, now)
        return ()

    def _on_frame(self, stimulus: FrameArrived, now: Instant) -> Effects:
        peer = self._peers.get(stimulus.session)
        if peer is None:
            return ()
        session, message = peer.session, stimulus.frame.message
        session.receive(stimulus.frame)
        if isinstance(message, ReadRequest):
            effects = self._on_read(peer, message, now)
            # The device mostly answers within milliseconds, and the answer then acknowledges too.
            if self._deadlines.get(("acknowledgement", session.id)) is None:
                self._deadlines.set(("acknowledgement", session.id), now + self._acknowledgement_delay)
            return effects
        acknowledgement = session.acknowledge()
        if isinstance(message, WriteRequest):
            return (*acknowledgement, *self._on_write(peer, message, now))
        if isinstance(message, Hello):
            return (*acknowledgement, *self._on_hello(peer, message, now))
        assert message is None or isinstance(message, Probe), f"a client sent {message}"
        return acknowledgement

    def _on_closed(self, stimulus: Closed, now: Instant) -> Effects:
        self._peers.drop(stimulus.session)
        return ()

    def _on_device(self, stimulus: DeviceConnected | DeviceClosed | DeviceAnswered, now: Instant) -> Effects:
        return self._carry_out(stimulus.unit, self.channels[stimulus.unit].handle(stimulus, now), now)

    def _on_timer(self, purpose: str, owner: object, at: Instant, now: Instant) -> Effects:
        if purpose in ("watch", "attempt"):
            assert isinstance(owner, str)
            return self._carry_out(owner, self.channels[owner].handle_timer(purpose, at, now), now)
        if purpose == "pulse":
            self._sleep.beat(now)
            return ()
        if purpose == "heartbeat":
            self._deadlines.set(("heartbeat", ""), next_tick(at, self._timing.heartbeat, now))
            return self._peers.tell_all(Heartbeat(self.statuses()), now)
        assert isinstance(owner, int)
        if purpose == "acknowledgement":
            return self._peers[owner].session.acknowledge()
        return self._peers.on_timer(purpose, owner, now)

    # --- clients ---

    def _on_hello(self, peer: _Peer, hello: Hello, now: Instant) -> Effects:
        self._peers.greet(peer, hello.client)
        effects = [self._peers.tell(peer, Welcome(self.name, self.statuses()), now)]
        if peer.measures:
            return tuple(effects)
        # A client that comes back is news of the network: units that are offline are tried at once.
        for name, channel in self.channels.items():
            effects.extend(self._carry_out(name, channel.try_now(now), now))
        return tuple(effects)

    def _on_read(self, peer: _Peer, request: ReadRequest, now: Instant) -> Effects:
        channel = self.channels.get(request.unit)
        if channel is None:
            return (self._fail(peer, request.request, request.unit, "no such unit here", now),)
        if request.tags is not None:
            blocks = self._planner.read_blocks(request.unit, request.tags)
            peer.lists[request.unit] = (request.tags, blocks)
        known = peer.lists.get(request.unit)
        if known is None:
            return (self._fail(peer, request.request, request.unit, "no tag list was given", now),)
        if not channel.serves:
            if not self._policy.announce_at_once:
                return ()
            return (self._fail(peer, request.request, request.unit, UNIT_IS_OFFLINE, now),)
        if len(peer.waiting) >= PENDING_MAX:
            return (self._fail(peer, request.request, request.unit, TOO_MANY_PENDING, now),)
        waiter = _Read(peer.session.id, request.request, request.unit, request.tags is not None, now)
        peer.waiting[waiter] = request.unit
        steps = channel.request(known[1], waiter, now, now + 2 * request.period)
        return self._carry_out(request.unit, steps, now)

    def _on_write(self, peer: _Peer, request: WriteRequest, now: Instant) -> Effects:
        channel = self.channels.get(request.unit)
        if channel is None or not channel.serves:
            why = "no such unit here" if channel is None else UNIT_IS_OFFLINE
            return (self._peers.tell(peer, WriteResult(request.command, WriteOutcome.REFUSED, why), now),)
        blocks = self._planner.write_blocks(request.unit, request.tag, request.value)
        if not isinstance(blocks, str) and len(peer.waiting) >= PENDING_MAX:
            blocks = TOO_MANY_PENDING
        if isinstance(blocks, str):
            return (self._peers.tell(peer, WriteResult(request.command, WriteOutcome.REFUSED, blocks), now),)
        waiter = _Write(peer.session.id, request.command, request.unit)
        peer.waiting[waiter] = request.unit
        return self._carry_out(request.unit, channel.request(blocks, waiter, now), now)

    def _on_dropped(self, peer: _Peer) -> None:
        self._deadlines.clear(("acknowledgement", peer.session.id))
        for waiter, unit in peer.waiting.items():
            self.channels[unit].forget(waiter)

    def _fail(self, peer: _Peer, request: int, unit: str, why: str, now: Instant) -> Effect:
        return self._peers.tell(peer, Answer(request, unit, why), now)

    # --- units ---

    def _carry_out(self, unit: str, steps: Steps, now: Instant) -> Effects:
        """Turn a channel's outcomes into what clients hear; pass its effects on."""
        effects: list[Effect] = []
        for step in steps:
            if isinstance(step, Completed):
                effects.extend(self._on_completed(step, now))
            elif isinstance(step, CameOnline):
                effects.extend(self._on_online(unit, now))
            elif isinstance(step, WentOffline):
                effects.extend(self._on_offline(unit, step, now))
            else:
                effects.append(step)
        return tuple(effects)

    def _on_completed(self, step: Completed, now: Instant) -> Effects:
        waiter = step.waiter
        assert isinstance(waiter, _Read | _Write)
        peer = self._peers[waiter.session]
        del peer.waiting[waiter]
        if isinstance(waiter, _Write):
            outcome = WriteOutcome.REFUSED if step.refused else WriteOutcome.DONE
            return (self._peers.tell(peer, WriteResult(waiter.command, outcome, step.refused), now),)
        waited = now - waiter.since
        frame = self._peers.frame(peer, Answer(waiter.request, waiter.unit, waited=waited), now)
        return (SendAnswer(waiter.session, frame, peer.lists[waiter.unit][0], waiter.full),)

    def _on_online(self, unit: str, now: Instant) -> Effects:
        note = Note(TraceKind.UNIT_ONLINE, unit)
        return (note, *self._announce(unit, UnitStatus.ONLINE, now))

    def _on_offline(self, unit: str, step: WentOffline, now: Instant) -> Effects:
        effects: list[Effect] = [Note(TraceKind.UNIT_OFFLINE, unit)]
        effects.extend(self._announce(unit, UnitStatus.OFFLINE, now))
        for sent, waiters in ((True, step.sent), (False, step.unsent)):
            for waiter in waiters:
                assert isinstance(waiter, _Read | _Write)
                peer = self._peers[waiter.session]
                del peer.waiting[waiter]
                if isinstance(waiter, _Write):
                    outcome = WriteOutcome.UNKNOWN if sent else WriteOutcome.REFUSED
                    result = WriteResult(waiter.command, outcome, UNIT_IS_OFFLINE)
                    effects.append(self._peers.tell(peer, result, now))
                elif self._policy.announce_at_once:
                    effects.append(self._fail(peer, waiter.request, unit, UNIT_IS_OFFLINE, now))
        return tuple(effects)

    def _announce(self, unit: str, status: UnitStatus, now: Instant) -> Effects:
        # Without announcements a client still hears how a unit that was starting came out: it waits for
        # that before it first chooses a unit. Later news is for the heartbeat.
        first_news = unit not in self._settled
        self._settled.add(unit)
        if not first_news and not self._policy.announce_at_once:
            return ()
        return self._peers.tell_all(UnitState(unit, status), now)

    # --- sleep ---

    def _wake(self, now: Instant) -> Effects:
        """What a sleep since the last call means; nothing when there was none."""
        slept = self._sleep.slept(now)
        if not slept:
            return ()
        for channel in self.channels.values():
            channel.excuse(now)
        if self._timing.silence is None or slept < self._timing.silence:
            # No session was given up meanwhile: under a stack (D2) the kernel has acknowledged.
            return ()
        return (Note(TraceKind.WOKE_LATE, self.name), ResetListener(), *self._peers.drop_all())

    def _phase(self, period: int) -> int:
        return round(self._rng.random() * period)

    def _next_ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    TABLE: ClassVar[dict[type, Callable[..., Effects]]] = {
        Start: _on_start,
        Accepted: _on_accepted,
        FrameArrived: _on_frame,
        Closed: _on_closed,
        DeviceConnected: _on_device,
        DeviceClosed: _on_device,
        DeviceAnswered: _on_device,
    }
