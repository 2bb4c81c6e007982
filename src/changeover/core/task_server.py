"""What alarm, trend and report servers have in common: clients on one side, the partner on the other (T6).

Theory of operation.

    STARTING --fetched, or alone--> INACTIVE --partner gone, or it says so--> ACTIVE
        ^                              ^                                        |
        |                              `--- partner active too, and first ------'
        `--- slept for SendTimeout or longer --- from both

A server that starts serves no client yet: it lets them wait with their greeting. It takes over what its
partner has, in bounded batches and each only after the one before is kept, and continues where it was when a
link is lost on the way. Without a partner, or when StartTimeout is over, it goes on with what its own archive
holds. Only an active server does what may be done but once; both serve clients.

Whatever a server keeps it tells its partner by its numbers; the partner fetches what it lacks, whenever it
lacks something. That is the only way in which anything goes from one to the other, so nothing depends on a
message that was lost.

A server that slept for SendTimeout or longer was given up by everybody: it drops all sessions and starts
anew, so that it never acts on a belief from before its sleep. One that was cut off from everybody
(`core.pair`) asks for its partner anew as soon as it hears from somebody again, before it is active. So does
one that starts and finds nobody at all, though clients should be there; after two minutes it goes on alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from random import Random
from typing import ClassVar

from changeover.core.deadlines import Deadlines
from changeover.core.machine import (
    Accepted,
    CloseConnection,
    Closed,
    Connected,
    ConnectFailed,
    Effect,
    Effects,
    FrameArrived,
    Looked,
    LookUp,
    Note,
    ResetListener,
    SessionId,
    Start,
    Stimulus,
)
from changeover.core.messages import Hello, Message, Probe, Welcome
from changeover.core.pair import (
    Belief,
    FetchLost,
    Move,
    Pair,
    PartnerFound,
    PartnerLost,
    PartnerSaid,
    PartnerTold,
)
from changeover.core.pair import Step as PairStep
from changeover.core.peers import TIMERS as PEER_TIMERS
from changeover.core.peers import Peer, Peers
from changeover.core.session import Session
from changeover.core.sleep import SleepWatch
from changeover.core.task_messages import (
    Batch,
    Command,
    Fetch,
    FetchCovered,
    FetchRecords,
    FetchSamples,
    FetchStates,
    Found,
    Numbers,
    PairState,
    PairStatus,
    Poll,
    Query,
)
from changeover.core.trace import TraceKind
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.plant import Timing, Way

QUESTIONS = (Query, FetchRecords, FetchStates, FetchCovered, FetchSamples)
LONELY: Duration = 120 * SECOND
"""How long a server without its partner that hears no client, though some should be there, takes itself for
cut off. Not where partner and clients fell silent together: that is no coincidence."""
RECENT = 3
"""So many SendTimeouts ago is lately."""
INTERVAL_MAX: Duration = 60 * SECOND
"""The longest page scan that there is."""
QUERIES_MAX = 32
"""Questions that one session may have pending."""


class TaskPeer(Peer):
    """A client's session, or the partner's.

    Attributes:
        looking: Its questions that are being looked up.
    """

    __slots__ = ("looking",)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.looking = 0


class TaskServer(ABC):
    """Base of the machines of alarm, trend and report servers.

    Args:
        name: The server's name.
        partner: Its partner's name, None for a server without one.
        ways: Every way to the partner.
        is_first: Whether it stands before its partner in the configuration.
        neighbours: Names of servers and clients on its own computer: hearing from them says nothing of the
            network.
        timing: Parameters of citect.ini.
        start_timeout: How long the partner's archive may take at the start.
        rng: Phases come from here.
        has_visitors: Whether clients on other computers should be there.
    """

    def __init__(
        self,
        name: str,
        partner: str | None,
        ways: tuple[Way, ...],
        is_first: bool,
        neighbours: frozenset[str],
        timing: Timing,
        start_timeout: Duration,
        rng: Random,
        has_visitors: bool = False,
    ) -> None:
        self.name = name
        self.status = PairStatus.STARTING
        self._partner = partner
        self._neighbours = neighbours
        self._has_visitors = has_visitors
        self._was_visited = False
        self._may_be_alone = True
        self._began_at: Instant = 0
        # Of clients on other computers, by session, until they close it: when each was heard last,
        # and how long it had been silent before that.
        self._heard: dict[SessionId, tuple[Instant, Duration]] = {}
        self._timing = timing
        self._start_timeout = start_timeout
        self._deadlines = Deadlines()
        self._sessions = 0
        acknowledges = timing.silence is not None
        self._peers = Peers(timing.silence, self._deadlines, TaskPeer, lambda _: None, acknowledges)
        self._sleep = SleepWatch(timing.patience, self._deadlines)
        self._pair = Pair(
            name,
            ways,
            is_first,
            timing,
            self._deadlines,
            self._next_session,
            rng,
        )
        self._fetched: Fetch | None = None
        self._pauses = False
        self._life = rng.getrandbits(32)
        self._words = 0
        self._lookups: dict[int, tuple[SessionId, Fetch | Query]] = {}
        self._tokens = 0
        self._is_redundant = False

    # --- the contract ---

    def handle(self, stimulus: Stimulus, now: Instant) -> Effects:
        """Take one stimulus."""
        woken = self._wake(now)
        if woken and isinstance(stimulus, Accepted):
            # It waited while we slept: as stale as the connections that the listener's reset drops.
            return (*woken, CloseConnection(stimulus.session))
        effects = self.TABLE[type(stimulus)](self, stimulus, now)
        return (*woken, *effects, *self._settle(now))

    def handle_timeout(self, now: Instant) -> Effects:
        """Act on every deadline that is due."""
        effects: list[Effect] = list(self._wake(now))
        while (due := self._deadlines.pop_due(now)) is not None:
            (purpose, owner), at = due
            effects.extend(self._on_timer(purpose, owner, at, now))
        effects.extend(self._settle(now))
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """The earliest deadline."""
        return self._deadlines.next()

    @property
    def is_active(self) -> bool:
        """Whether this server believes that it is the active one."""
        return self.status is PairStatus.ACTIVE

    @property
    def is_redundant(self) -> bool:
        """Whether the partner is there, and each has what the other has."""
        return self._is_redundant

    # --- what a function adds ---

    @abstractmethod
    def _numbers(self) -> Numbers:
        """The logs that are kept."""

    @abstractmethod
    def _saved_utc(self) -> int:
        """When what is kept changed last."""

    @abstractmethod
    def _lacking(self, partner: PairState) -> Fetch | None:
        """The next thing to fetch of the partner, None when nothing is lacking."""

    @abstractmethod
    def _on_batch(self, fetch: Fetch, batch: Batch, now: Instant) -> Iterable[Effect]:
        """Keep what was fetched."""

    @abstractmethod
    def _on_poll(self, peer: TaskPeer, poll: Poll, now: Instant) -> Iterable[Effect]:
        """A client asks what is new."""

    def _is_filling(self) -> bool:
        """Whether something that was fetched is still being kept."""
        return False

    def _needs_all_to_start(self) -> bool:
        """Whether a server that starts must have what its partner has before it serves."""
        return True

    def _on_command(self, peer: TaskPeer, command: Command, now: Instant) -> Iterable[Effect]:
        """A client's action on alarms; only alarm servers know any."""
        self._peers.drop(peer.session.id)
        return (CloseConnection(peer.session.id),)

    def _on_begin(self, now: Instant) -> Iterable[Effect]:
        """The machine starts, or starts anew after a sleep."""
        return ()

    def _on_ready(self, now: Instant) -> Iterable[Effect]:
        """The start is over: what was fetched is here, or never will be."""
        return ()

    def _on_activated(self, now: Instant) -> Iterable[Effect]:
        """This server is the active one from now on."""
        return ()

    def _on_partner_told(self, state: PairState, now: Instant) -> Iterable[Effect]:
        """The partner said what it has."""
        return ()

    def _on_partner_lost(self, now: Instant) -> Iterable[Effect]:
        """The partner is gone."""
        return ()

    def _on_fetch_lost(self) -> None:
        """What was being fetched will not come; it is fetched again."""
        return

    def _on_own_timer(self, purpose: str, owner: object, at: Instant, now: Instant) -> Iterable[Effect]:
        """A timer of the function's own."""
        raise AssertionError(f"nobody set {purpose}")

    # --- handlers ---

    def _on_start(self, _: Start, now: Instant) -> Iterable[Effect]:
        self._sleep.start(now)
        self._begin_lonely(now)
        yield from self._become_starting(now)
        yield from self._on_pair(self._pair.start(now), now)

    def _on_accepted(self, stimulus: Accepted, now: Instant) -> Iterable[Effect]:
        self._peers.accept(stimulus.session, now)
        return ()

    def _on_network(
        self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant
    ) -> Iterable[Effect]:
        if self._pair.owns(stimulus.session):
            yield from self._on_pair(self._pair.handle(stimulus, now), now)
            if self._pair.belief is Belief.CUT_OFF and self._pair.refused:
                self._pair.become_alone()
        elif isinstance(stimulus, Closed):
            self._peers.drop(stimulus.session)
            self._heard.pop(stimulus.session, None)
        elif isinstance(stimulus, FrameArrived):
            peer = self._peers.get(stimulus.session)
            if peer is not None:
                peer.session.receive(stimulus.frame)
                yield from peer.session.acknowledge()
                yield from self._on_message(peer, stimulus.frame.message, now)
                if self._is_away(peer):
                    self._hear_from(stimulus, now)
                    yield from self._on_visited(now)

    def _hear_from(self, stimulus: FrameArrived, now: Instant) -> None:
        """Note when a client was heard, and how long it is silent between two words (no acknowledgements)."""
        last, interval = self._heard.get(stimulus.session, (now, 0))
        if stimulus.frame.message is not None:
            # A question right behind a poll does not make a client a talkative one.
            interval = min(max(now - last, interval // 2), INTERVAL_MAX)
        self._heard[stimulus.session] = (now, interval)

    def _on_visited(self, now: Instant) -> Iterable[Effect]:
        """A client on another computer is heard: this server is on the network."""
        self._was_visited, self._may_be_alone = True, False
        if self._pair.belief is Belief.CUT_OFF:
            yield from self._become_starting(now)
            yield from self._on_pair(self._pair.restart(now), now)

    def _on_message(self, peer: TaskPeer, message: Message | None, now: Instant) -> Iterable[Effect]:
        if isinstance(message, Hello):
            yield from self._on_hello(peer, message, now)
        elif isinstance(message, Poll):
            yield from self._on_poll(peer, message, now)
        elif isinstance(message, Command):
            yield from self._on_command(peer, message, now)
        elif isinstance(message, PairState):
            if peer.name == self._partner:
                self._pair.hear(message)
                yield self._peers.tell(peer, self._state(), now)
                yield from self._on_partner_told(message, now)
        elif isinstance(message, QUESTIONS):
            yield from self._on_question(peer, message, now)
        else:
            assert message is None or isinstance(message, Probe), f"a client sent {message}"

    def _on_hello(self, peer: TaskPeer, hello: Hello, now: Instant) -> Iterable[Effect]:
        self._peers.greet(peer, hello.client)
        is_partner = hello.client == self._partner
        if is_partner or self.status is not PairStatus.STARTING:
            yield self._welcome(peer, now)
        if is_partner:
            yield from self._on_pair(self._pair.nudge(now), now)

    def _on_question(self, peer: TaskPeer, message: Fetch | Query, now: Instant) -> Iterable[Effect]:
        if peer.looking >= QUERIES_MAX and isinstance(message, Query):
            yield self._peers.tell(peer, Found(message.request, "too many questions at once", b""), now)
            return
        peer.looking += 1
        self._tokens += 1
        self._lookups[self._tokens] = (peer.session.id, message)
        yield LookUp(self._tokens, message)

    def _on_looked(self, looked: Looked, now: Instant) -> Iterable[Effect]:
        session, question = self._lookups.pop(looked.token)
        peer = self._peers.get(session)
        if peer is None:
            return
        peer.looking -= 1
        if isinstance(question, Query):
            body = looked.found if isinstance(looked.found, bytes) else b""
            yield self._peers.tell(peer, Found(question.request, looked.failure, body), now)
        elif isinstance(looked.found, Batch):
            yield self._peers.tell(peer, looked.found, now)
        elif isinstance(question, FetchSamples):
            yield self._peers.tell(peer, Batch(done=True, failure=looked.failure), now)
        else:
            # The partner asks again with a new session.
            self._peers.drop(session)
            yield CloseConnection(session)

    def _on_timer(self, purpose: str, owner: object, at: Instant, now: Instant) -> Iterable[Effect]:
        if purpose == "pulse":
            self._sleep.beat(now)
            return ()
        if purpose in PEER_TIMERS and isinstance(owner, int):
            return self._peers.on_timer(purpose, owner, now)
        if purpose == "tick":
            self._look_around(now)
            self._pauses = False
            return self._pair.on_tick(at, self._state(), now)
        if purpose == "lonely":
            if self._pair.belief is Belief.CUT_OFF and self._may_be_alone:
                self._pair.become_alone()
            return ()
        if purpose == "start":
            return self._become_ready(now) if self.status is PairStatus.STARTING else ()
        if isinstance(owner, Way):
            return self._on_pair(self._pair.handle_timer(purpose, owner, at, now), now)
        return self._on_own_timer(purpose, owner, at, now)

    # --- the partner ---

    def _on_pair(self, steps: tuple[PairStep, ...], now: Instant) -> Iterable[Effect]:
        for step in steps:
            if isinstance(step, PartnerFound):
                yield Note(TraceKind.PARTNER_FOUND, str(self._partner))
                yield from self._pair.tell(self._state(), now)
            elif isinstance(step, PartnerLost):
                yield Note(TraceKind.PARTNER_LOST, str(self._partner))
                self._is_redundant = False
                if step.silent and self._is_cut_off(now):
                    self._pair.become_cut_off()
                yield from self._on_partner_lost(now)
            elif isinstance(step, PartnerTold):
                yield from self._on_partner_told(step.state, now)
            elif isinstance(step, PartnerSaid):
                yield from self._on_fetched(step.message, now)
            elif isinstance(step, FetchLost):
                self._fetched = None
                self._on_fetch_lost()
            else:
                yield step

    def _is_cut_off(self, now: Instant) -> bool:
        """Whether everybody away from this computer fell silent when the partner did, or never was heard.

        Who has been silent for longer than the partner can have been is not counted: another fault took it.
        """
        if self._heard_lately(now):
            return self._all_are_silent(self._timing.patience // 2, now)
        return self._has_visitors and not self._was_visited and now - self._began_at < LONELY

    def _look_around(self, now: Instant) -> None:
        """The partner is gone since before, though nobody said so; now the clients fall silent too."""
        if self._pair.belief is not Belief.GONE or self._pair.refused or not self._heard_lately(now):
            return
        if self._all_are_silent(self._timing.patience, now):
            self._pair.become_cut_off()
            self._await_company(now)

    def _heard_lately(self, now: Instant) -> bool:
        """Whether any client away from here was heard lately; those that were not are forgotten."""
        span = self._timing.patience
        self._heard = {
            session: (at, interval)
            for session, (at, interval) in self._heard.items()
            if now - at < RECENT * max(span, interval)
        }
        return bool(self._heard)

    def _all_are_silent(self, least: Duration, now: Instant) -> bool:
        """Whether nobody was heard for so long, and for twice as long as it is silent between two words."""
        return all(now - at >= max(least, 2 * interval) for at, interval in self._heard.values())

    def _await_company(self, now: Instant) -> None:
        """Whether this server is cut off, or all others are gone, only time tells."""
        self._may_be_alone = True
        self._deadlines.set(("lonely", ""), now + LONELY)

    def _is_away(self, peer: TaskPeer) -> bool:
        """Whether a peer is a client on another computer; `:` divides a server's name from its part.

        Who only measures is none: what is measured must go on as if nobody measured.
        """
        who = peer.name.partition(":")[0]
        return peer.greeted and not peer.measures and who != self._partner and who not in self._neighbours

    def _on_fetched(self, message: Message, now: Instant) -> Iterable[Effect]:
        fetch, self._fetched = self._fetched, None
        if fetch is None or not isinstance(message, Batch):
            return
        # What the partner said that it has and did not give is asked for with the next tick, not at once.
        self._pauses = isinstance(fetch, FetchRecords) and not (message.journal or message.runs)
        yield from self._on_batch(fetch, message, now)

    def _settle(self, now: Instant) -> Iterable[Effect]:
        """After each stimulus: make the move that follows, fetch what is lacking, tell what changed."""
        yield from self._move(now)
        if self._pair.may_fetch and self._fetched is None and not (self._pauses or self._is_filling()):
            wanted = self._lacking(self._pair.partner)
            if wanted is not None:
                self._fetched = wanted
                yield self._pair.fetch(wanted, now)
        yield from self._judge_redundancy()

    def _move(self, now: Instant) -> Iterable[Effect]:
        move = self._pair.move(self.status, self._saved_utc())
        if move is Move.ACTIVATE:
            yield from self._become_active(now)
        elif move is Move.YIELD:
            yield from self._become_inactive(now)
        elif move is Move.ALONE or (move is Move.FETCH and self._has_all()):
            yield from self._become_ready(now)
            yield from self._move(now)

    def _has_all(self) -> bool:
        return not self._needs_all_to_start() or (self._pair.is_there and not self._lacks())

    def _lacks(self) -> bool:
        """Whether something is still fetched, or has to be."""
        if self._fetched is not None or self._is_filling():
            return True
        return self._pair.is_there and self._lacking(self._pair.partner) is not None

    def _judge_redundancy(self) -> Iterable[Effect]:
        if self._is_redundant:
            return
        partner = self._pair.partner
        is_redundant = (
            self.status is not PairStatus.STARTING
            and partner.status is not PairStatus.STARTING
            and self._pair.is_there
            and not partner.lacks
            and self._has_our_records(partner)
            and not self._lacks()
        )
        if is_redundant:
            # From here on, until the partner is lost: what is on its way between the two is no new loss.
            self._is_redundant = True
            yield Note(TraceKind.REDUNDANT, self.name)

    def _state(self) -> PairState:
        self._words += 1
        return PairState(
            self.status, self._saved_utc(), self._numbers(), self._lacks(), self._life, self._words
        )

    def _has_our_records(self, partner: PairState) -> bool:
        """Whether the partner has every record that is kept here."""
        theirs = dict(partner.numbers)
        return all(theirs.get(origin, 0) >= number for origin, number in self._numbers())

    def _tell_partner(self, now: Instant) -> Effects:
        return self._pair.tell(self._state(), now)

    # --- transitions ---

    def _become_starting(self, now: Instant) -> Iterable[Effect]:
        self.status = PairStatus.STARTING
        self._fetched = None
        self._is_redundant = False
        self._deadlines.set(("start", ""), now + self._start_timeout)
        return self._on_begin(now)

    def _become_ready(self, now: Instant) -> Iterable[Effect]:
        """The start is over: inactive at first, and clients that waited are welcome."""
        self.status = PairStatus.INACTIVE
        self._deadlines.clear(("start", ""))
        yield from self._on_ready(now)
        for peer in self._peers:
            if peer.greeted and peer.name != self._partner:
                yield self._welcome(peer, now)
        yield from self._tell_partner(now)

    def _become_active(self, now: Instant) -> Iterable[Effect]:
        self.status = PairStatus.ACTIVE
        yield Note(TraceKind.SERVER_ACTIVE, self.name)
        yield from self._on_activated(now)
        yield from self._tell_partner(now)

    def _become_inactive(self, now: Instant) -> Iterable[Effect]:
        self.status = PairStatus.INACTIVE
        yield Note(TraceKind.SERVER_INACTIVE, self.name)
        yield from self._tell_partner(now)

    # --- sleep ---

    def _wake(self, now: Instant) -> Effects:
        """What a sleep since the last call means; nothing when there was none."""
        if self._sleep.slept(now) < self._timing.patience:
            return ()
        return (Note(TraceKind.WOKE_LATE, self.name), ResetListener(), *self._start_anew(now))

    def _start_anew(self, now: Instant) -> Iterable[Effect]:
        """Drop whatever was believed and whoever was connected, and begin as after a start."""
        yield from self._peers.drop_all()
        self._begin_lonely(now)
        yield from self._become_starting(now)
        yield from self._on_pair(self._pair.restart(now), now)

    def _begin_lonely(self, now: Instant) -> None:
        """Nobody was heard yet."""
        self._was_visited, self._began_at = False, now
        self._heard.clear()
        self._await_company(now)

    # --- parts ---

    def _welcome(self, peer: TaskPeer, now: Instant) -> Effect:
        return self._peers.tell(peer, Welcome(self.name, ()), now)

    def _next_session(self) -> SessionId:
        # Sessions that the host accepts have odd numbers, those that we open even ones.
        self._sessions += 2
        return self._sessions

    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = {
        Start: _on_start,
        Accepted: _on_accepted,
        Connected: _on_network,
        ConnectFailed: _on_network,
        FrameArrived: _on_network,
        Closed: _on_network,
        Looked: _on_looked,
    }
