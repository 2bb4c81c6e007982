"""The two servers of a pair: what each believes of the other, and which of them is active (T6).

Theory of operation. Each server is a client of its partner: it keeps a link to it on every LAN, tells it how
it is with each tick and whenever that changes, and hears the same in answer. By these links, and by nothing
else, it judges: while one of them is open the partner is what it said last, when none is it is gone. So one
that is cut off, and one whose partner is cut off, believe the same: both are active then, and each goes on
alone. When they meet again the one that stands first in the configuration stays, the other yields.

A server that loses its partner and, at the same time, hears no client on another computer any more is cut off
itself: the partner goes on, so it yields. So that it hears them, clients keep sessions to both
(`core.acquaintances`). One that no client should be there for cannot know, and goes on.

    own       | partner: unknown  gone      cut off  starting     inactive        active
    starting  |          wait     alone     alone    alone, wait  fetch           fetch
    inactive  |          stay     activate  stay     activate     activate, stay  stay
    active    |          stay     stay      yield    stay         stay            stay, yield

Where two moves stand the preferred server makes the first, its partner the second. Of two that are active
or inactive the one is preferred that stands first in the configuration; of two that start, the one whose
archive is the newer.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import TypeAlias

import msgspec

from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.link import AttemptFailed, Delivered, Link, LinkLost, LinkOpened, LinkState
from changeover.core.link import Step as LinkStep
from changeover.core.machine import (
    Closed,
    Connected,
    ConnectFailed,
    Effect,
    FrameArrived,
    SessionId,
)
from changeover.core.messages import Message, Probe
from changeover.core.task_messages import Fetch, PairState, PairStatus
from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.plant import Timing, Way

TICK_MAX: Duration = 250 * MILLISECOND
"""A server tells its partner how it is at least this often."""
TICKS_PER_TIMEOUT = 4


class Belief(Enum):
    """What a server believes of its partner."""

    UNKNOWN = "unknown"
    GONE = "gone"
    CUT_OFF = "cut off"  # gone, and so is everybody else: this server itself is cut off
    STARTING = "starting"
    INACTIVE = "inactive"
    ACTIVE = "active"


class Move(Enum):
    """What follows for a server."""

    WAIT = "wait"
    ALONE = "alone"  # go on with what its own archive holds
    FETCH = "fetch"  # take over what the partner has, then be inactive
    STAY = "stay"
    ACTIVATE = "activate"
    YIELD = "yield"


UNHEARD = PairState(PairStatus.STARTING, 0, (), True)
"""What counts while the partner has said nothing."""

_STARTING, _INACTIVE, _ACTIVE = PairStatus
MOVES: dict[tuple[PairStatus, Belief], tuple[Move, Move]] = {
    (_STARTING, Belief.UNKNOWN): (Move.WAIT, Move.WAIT),
    (_STARTING, Belief.GONE): (Move.ALONE, Move.ALONE),
    (_STARTING, Belief.CUT_OFF): (Move.ALONE, Move.ALONE),
    (_STARTING, Belief.STARTING): (Move.ALONE, Move.WAIT),
    (_STARTING, Belief.INACTIVE): (Move.FETCH, Move.FETCH),
    (_STARTING, Belief.ACTIVE): (Move.FETCH, Move.FETCH),
    (_INACTIVE, Belief.UNKNOWN): (Move.STAY, Move.STAY),
    (_INACTIVE, Belief.GONE): (Move.ACTIVATE, Move.ACTIVATE),
    (_INACTIVE, Belief.CUT_OFF): (Move.STAY, Move.STAY),
    (_INACTIVE, Belief.STARTING): (Move.ACTIVATE, Move.ACTIVATE),
    (_INACTIVE, Belief.INACTIVE): (Move.ACTIVATE, Move.STAY),
    (_INACTIVE, Belief.ACTIVE): (Move.STAY, Move.STAY),
    (_ACTIVE, Belief.UNKNOWN): (Move.STAY, Move.STAY),
    (_ACTIVE, Belief.GONE): (Move.STAY, Move.STAY),
    (_ACTIVE, Belief.CUT_OFF): (Move.YIELD, Move.YIELD),
    (_ACTIVE, Belief.STARTING): (Move.STAY, Move.STAY),
    (_ACTIVE, Belief.INACTIVE): (Move.STAY, Move.STAY),
    (_ACTIVE, Belief.ACTIVE): (Move.STAY, Move.YIELD),
}
"""Own status, belief → the preferred server's move, the other one's."""

_BELIEFS = {_STARTING: Belief.STARTING, _INACTIVE: Belief.INACTIVE, _ACTIVE: Belief.ACTIVE}


class PartnerFound(msgspec.Struct, frozen=True, gc=False):
    """The partner answers."""


class PartnerLost(msgspec.Struct, frozen=True, gc=False):
    """No link to the partner is left; `silent` unless its computer was heard to say so."""

    silent: bool


class PartnerTold(msgspec.Struct, frozen=True, gc=False):
    """The partner said how it is."""

    state: PairState


class PartnerSaid(msgspec.Struct, frozen=True, gc=False):
    """The partner answered a fetch."""

    message: Message


class FetchLost(msgspec.Struct, frozen=True, gc=False):
    """What was fetched will not come: its link is lost."""


Outcome: TypeAlias = PartnerFound | PartnerLost | PartnerTold | PartnerSaid | FetchLost
Step: TypeAlias = Effect | Outcome


class Pair:
    """One server's view of its partner.

    Timers live in the owner's table as (`tick`, "") and (`retry` | `attempt` | `silence`, way).

    Args:
        name: The server's name.
        ways: Every way to the partner; none for a server without one.
        is_first: Whether the server stands before its partner in the configuration.
        timing: Parameters of citect.ini.
        deadlines: The owner's timers.
        next_session: Numbers attempts.
        rng: The tick's phase comes from here.
    """

    def __init__(
        self,
        name: str,
        ways: tuple[Way, ...],
        is_first: bool,
        timing: Timing,
        deadlines: Deadlines,
        next_session: Callable[[], SessionId],
        rng: Random,
    ) -> None:
        self.belief = Belief.UNKNOWN if ways else Belief.GONE
        self.partner = UNHEARD
        self._refusing: set[Way] = set()
        self._is_found = False
        self.links = {
            way: Link(
                way,
                name,
                timing.silence,
                timing.client_retry,
                deadlines,
                next_session,
                timing.silence is not None,
            )
            for way in ways
        }
        self._is_first = is_first
        self._period = max(min(TICK_MAX, timing.patience // TICKS_PER_TIMEOUT), MILLISECOND)
        self._deadlines = deadlines
        self._rng = rng
        self._fetching: Way | None = None

    # --- the owner's calls ---

    def start(self, now: Instant) -> tuple[Step, ...]:
        """Connect on every LAN."""
        if not self.links:
            return ()
        self._deadlines.set(("tick", ""), now + round(self._rng.random() * self._period))
        steps: list[Step] = []
        for link in self.links.values():
            steps.extend(self._carry_out(link, link.start(now)))
        return tuple(steps)

    def restart(self, now: Instant) -> tuple[Step, ...]:
        """Drop every link and connect anew: this process slept, and what it heard is stale."""
        self.belief = Belief.UNKNOWN if self.links else Belief.GONE
        self.partner = UNHEARD
        self._refusing.clear()
        self._is_found = False
        self._fetching = None
        steps: list[Step] = []
        for link in self.links.values():
            steps.extend(link.close(now))
            link.first_attempt_ended = False
            steps.extend(self._carry_out(link, link.connect(now)))
        return tuple(steps)

    def nudge(self, now: Instant) -> tuple[Step, ...]:
        """The partner connected to us: try at once the links that wait."""
        steps: list[Step] = []
        for link in self.links.values():
            if link.state is LinkState.WAITING:
                steps.extend(self._carry_out(link, link.connect(now)))
        return tuple(steps)

    def move(self, status: PairStatus, saved_utc: int) -> Move:
        """What follows from our own status and what we believe of the partner."""
        first, second = MOVES[status, self.belief]
        preferred = self._is_first
        if status is PairStatus.STARTING and saved_utc != self.partner.saved_utc:
            preferred = saved_utc > self.partner.saved_utc
        return first if preferred else second

    def owns(self, session: SessionId) -> bool:
        """Whether a session is one of the links here."""
        return any(link.session_id == session for link in self.links.values())

    def handle(
        self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant
    ) -> tuple[Step, ...]:
        """Take a stimulus of one of our sessions."""
        for link in self.links.values():
            if link.session_id == stimulus.session:
                if isinstance(stimulus, ConnectFailed):
                    self._note_refusal(link.way, stimulus.refused)
                return self._carry_out(link, link.handle(stimulus, now))
        return ()

    def handle_timer(self, purpose: str, way: Way, at: Instant, now: Instant) -> tuple[Step, ...]:
        """Act on a link's timer."""
        link = self.links[way]
        if purpose == "attempt":
            self._note_refusal(way, False)
        return self._carry_out(link, link.handle_timer(purpose, at, now))

    def on_tick(self, at: Instant, state: PairState, now: Instant) -> tuple[Effect, ...]:
        """With each tick every open link carries something: a silent partner is lost on all of them."""
        self._deadlines.set(("tick", ""), next_tick(at, self._period, now))
        told = self.tell(state, now)
        idle = (link for link in self.links.values() if link.may_probe)
        return (*told, *(link.send(Probe(), now) for link in idle))

    def tell(self, state: PairState, now: Instant) -> tuple[Effect, ...]:
        """Tell the partner how we are."""
        link = self._open_link()
        return (link.send(state, now),) if link is not None else ()

    def hear(self, state: PairState) -> None:
        """The partner told how it is, by its link or ours: the latest word counts, while ours stands."""
        if state.life == self.partner.life and state.serial < self.partner.serial:
            return
        self.partner = state
        if self._open_link() is not None:
            self.belief = _BELIEFS[state.status]

    def become_cut_off(self) -> None:
        """The partner is gone, and so is everybody else."""
        assert self.belief is Belief.GONE
        self.belief = Belief.CUT_OFF

    def become_alone(self) -> None:
        """Nobody was heard for so long that there may be nobody: the partner counts as gone."""
        assert self.belief is Belief.CUT_OFF
        self.belief = Belief.GONE

    @property
    def refused(self) -> bool:
        """Whether the last attempt on some LAN was refused: network and partner's computer are there."""
        return bool(self._refusing)

    @property
    def is_there(self) -> bool:
        """Whether a link to the partner stands."""
        return self._open_link() is not None

    @property
    def may_fetch(self) -> bool:
        """Whether the partner is there, and nothing is being fetched."""
        return self._fetching is None and self._open_link() is not None

    def fetch(self, message: Fetch, now: Instant) -> Effect:
        """Ask the partner for a batch."""
        link = self._open_link()
        assert link is not None and self._fetching is None
        self._fetching = link.way
        return link.send(message, now)

    # --- links ---

    def _carry_out(self, link: Link, steps: tuple[LinkStep, ...]) -> tuple[Step, ...]:
        out: list[Step] = []
        for step in steps:
            if isinstance(step, LinkOpened):
                self._refusing.clear()
                if self._is_only_open(link):
                    self._is_found = True
                    out.append(PartnerFound())
            elif isinstance(step, LinkLost | AttemptFailed):
                was_closed = isinstance(step, LinkLost) and not step.silent
                out.extend(self._on_lost(link, silent=not (was_closed or self.refused)))
            elif isinstance(step, Delivered):
                out.extend(self._on_message(step.message))
            else:
                out.append(step)
        return tuple(out)

    def _on_lost(self, link: Link, silent: bool) -> tuple[Step, ...]:
        steps: list[Step] = []
        if self._fetching == link.way:
            self._fetching = None
            steps.append(FetchLost())
        if self._open_link() is not None:
            return tuple(steps)
        if any(not other.first_attempt_ended for other in self.links.values()):
            # Another LAN may still lead to it.
            self.belief = Belief.UNKNOWN
        elif self._is_found or self.belief not in (Belief.GONE, Belief.CUT_OFF):
            self.belief, self.partner, self._is_found = Belief.GONE, UNHEARD, False
            steps.append(PartnerLost(silent))
        return tuple(steps)

    def _note_refusal(self, way: Way, refused: bool) -> None:
        if refused:
            self._refusing.add(way)
        else:
            self._refusing.discard(way)

    def _on_message(self, message: Message) -> tuple[Step, ...]:
        if isinstance(message, PairState):
            self.hear(message)
            return (PartnerTold(message),)
        self._fetching = None
        return (PartnerSaid(message),)

    def _open_link(self) -> Link | None:
        return next((link for link in self.links.values() if link.is_open), None)

    def _is_only_open(self, link: Link) -> bool:
        return not any(other.is_open for other in self.links.values() if other is not link)
