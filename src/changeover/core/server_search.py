"""How a client finds its alarm, trend or report server, and finds another when it is lost (T1 to T5).

Theory of operation. A way is a server on a LAN. Each way has a free-running watch timer of period
[LAN]WatchTime with a phase of its own; only at its tick is a way tried.

    SERVED --lost--> WAITING --tick of the way--> TRYING --first answer--> SERVED
                        ^                            |
                        `--- next way <-- refused, or silent for SendTimeout

After a loss the ways come in this order: the one that failed, the same server on its other LANs, the other
servers on each LAN; then over again. A try ends with the first answer to a question, not with the connection:
a server that is starting lets its clients wait. A refused try ends at once, any other SendTimeout after its
start, an unreachable host too (T3); where the network stack decides, a try ends when the stack says so (D2).
A client that starts makes its first round without waiting for ticks.

A client that is served by a server with a worse priority than another tries the better one's ways with each
of their ticks beside, and moves when one answers (T5). With equal priorities it stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from random import Random
from typing import TypeAlias

import msgspec

from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.link import AttemptFailed, Delivered, Link, LinkLost, LinkOpened
from changeover.core.link import Step as LinkStep
from changeover.core.machine import Closed, Connected, ConnectFailed, Effect, FrameArrived, SessionId
from changeover.core.messages import Message
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Way


class SearchState(Enum):
    """Where a search stands."""

    WAITING = "waiting"
    TRYING = "trying"
    SERVED = "served"


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A way stands: ask something by it; with the answer call `answered`."""

    way: Way


class ServerLost(msgspec.Struct, frozen=True, gc=False):
    """The server that served us is lost by this way; `silent` for a time-out, else the peer closed it."""

    way: Way
    silent: bool


class Received(msgspec.Struct, frozen=True, gc=False):
    """A message came by a way."""

    way: Way
    message: Message


Outcome: TypeAlias = Opened | ServerLost | Received
Step: TypeAlias = Effect | Outcome


class ServerSearch:
    """One client's search for one function.

    Timers live in the owner's table as (`watch` | `try` | `attempt` | `silence`, way).

    Args:
        ways: Every way, the primary's first, LANs in file order; at least one.
        priority: By server, lowest is best.
        client: The client's name.
        silence: S; None where the network stack finds a silent peer (D2).
        watch: W.
        deadlines: The owner's timers.
        next_session: Numbers attempts.
        rng: Phases of the watch timers come from here.
    """

    def __init__(
        self,
        ways: tuple[Way, ...],
        priority: Mapping[str, int],
        client: str,
        silence: Duration | None,
        watch: Duration,
        deadlines: Deadlines,
        next_session: Callable[[], SessionId],
        rng: Random,
    ) -> None:
        self.ways = ways
        self.state = SearchState.WAITING
        self.current: Way | None = None
        self._priority = priority
        self._watch = watch
        self._silence = silence
        self._deadlines = deadlines
        self._rng = rng
        self._first_tick: dict[Way, Instant] = {}
        self._order = ways
        self._place = 0
        self._is_first_round = True
        self._by_session: dict[SessionId, Link] = {}
        self.links = {
            way: Link(way, client, silence, None, deadlines, next_session, silence is not None)
            for way in ways
        }

    # --- the owner's calls ---

    def start(self, now: Instant) -> tuple[Step, ...]:
        """Begin: the first round waits for no tick."""
        for way in self.ways:
            self._first_tick[way] = now + round(self._rng.random() * self._watch)
        return self._become_trying(now)

    @property
    def link(self) -> Link | None:
        """The link that serves us, None while none does."""
        return self.links[self.current] if self.current is not None else None

    @property
    def tried(self) -> Way:
        """The way that is waited for or tried next; of no meaning while served."""
        return self._order[self._place]

    def answered(self, way: Way, now: Instant) -> tuple[Step, ...]:
        """A question asked by a way was answered; true news when that way did not serve us yet."""
        if way == self.current or not self.links[way].is_open:
            return ()
        return self._become_served(way, now)

    def handle(
        self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant
    ) -> tuple[Step, ...]:
        """Take a stimulus of one of our sessions; one of a session that is gone is ignored."""
        link = self._by_session.get(stimulus.session)
        if link is None or link.session_id != stimulus.session:
            return ()
        return self._carry_out(link, link.handle(stimulus, now), now)

    def handle_timer(self, purpose: str, way: Way, at: Instant, now: Instant) -> tuple[Step, ...]:
        """Act on one of our timers."""
        link = self.links[way]
        if purpose == "try":
            # It stands, and does not answer: that is as good as silent.
            return (*link.close(now), *self._on_failed(way, AttemptFailed(), now))
        if purpose != "watch":
            return self._carry_out(link, link.handle_timer(purpose, at, now), now)
        if self.state is SearchState.SERVED:
            # A better server: a try that is unanswered at the next tick gives way to that one.
            self._await_tick(way, now)
            return self._carry_out(link, link.connect(now), now)
        return self._become_trying(now)

    # --- transitions ---

    def _become_served(self, way: Way, now: Instant) -> tuple[Step, ...]:
        self._is_first_round = False
        self.state = SearchState.SERVED
        self.current = way
        steps: list[Step] = []
        for other in self.ways:
            for timer in ("watch", "try"):
                self._deadlines.clear((timer, other))
            if other != way:
                steps.extend(self.links[other].close(now))
        for better in self.ways:
            if self._priority[better.server] < self._priority[way.server]:
                self._await_tick(better, now)
        self._forget_sessions()
        return tuple(steps)

    def _become_waiting(self, now: Instant) -> tuple[Step, ...]:
        """Wait for the tick of the way whose turn it is."""
        self.state = SearchState.WAITING
        self._await_tick(self.tried, now)
        return ()

    def _become_trying(self, now: Instant) -> tuple[Step, ...]:
        self.state = SearchState.TRYING
        link = self.links[self.tried]
        if self._silence is not None:
            self._deadlines.set(("try", link.way), now + self._silence)
        return self._carry_out(link, link.connect(now), now)

    # --- parts ---

    def _carry_out(self, link: Link, steps: tuple[LinkStep, ...], now: Instant) -> tuple[Step, ...]:
        out: list[Step] = []
        for step in steps:
            if isinstance(step, LinkOpened):
                out.append(Opened(link.way))
            elif isinstance(step, Delivered):
                out.append(Received(link.way, step.message))
            elif isinstance(step, LinkLost | AttemptFailed):
                out.extend(self._on_failed(link.way, step, now))
            else:
                out.append(step)
        if link.session_id not in self._by_session:
            self._by_session[link.session_id] = link
            self._forget_sessions()
        return tuple(out)

    def _on_failed(self, way: Way, step: LinkLost | AttemptFailed, now: Instant) -> tuple[Step, ...]:
        if self.state is SearchState.SERVED:
            if way != self.current:
                return ()
            assert isinstance(step, LinkLost)
            return (ServerLost(way, step.silent), *self._on_lost(way, now))
        if self.state is not SearchState.TRYING or way != self.tried:
            return ()
        self._deadlines.clear(("try", way))
        self._place = (self._place + 1) % len(self._order)
        if self._is_first_round and self._place:
            return self._become_trying(now)
        self._is_first_round = False
        return self._become_waiting(now)

    def _on_lost(self, failed: Way, now: Instant) -> tuple[Step, ...]:
        """Search again: the failed way, its server's other LANs, the other servers (T4)."""
        self.current = None
        steps: list[Step] = []
        for way in self.ways:
            self._deadlines.clear(("watch", way))
            steps.extend(self.links[way].close(now))
        rank = {
            way: (way != failed, way.server != failed.server, place) for place, way in enumerate(self.ways)
        }
        self._order = tuple(sorted(self.ways, key=rank.__getitem__))
        self._place = 0
        return (*steps, *self._become_waiting(now))

    def _await_tick(self, way: Way, now: Instant) -> None:
        self._deadlines.set(("watch", way), next_tick(self._first_tick[way], self._watch, now))

    def _forget_sessions(self) -> None:
        self._by_session = {
            number: link for number, link in self._by_session.items() if link.session_id == number
        }
