r"""A client's hold on one way to one server: connect, greet, keep, lose, come back.

Theory of operation.

    CONNECTING --Connected--> GREETING --Welcome--> OPEN
        ^  \                      |                   |
        |   `-- refused, late ---+--- late, closed ---+--- silent for SendTimeout, closed
        |                        v                    |
        `---- retry tick ---- WAITING <---------------'

The first attempt starts at once. After a loss, or a first attempt that failed, a timer with the period
[LAN]ClientRetryTime runs freely, and each of its ticks starts an attempt anew (I6: a return waits
U(0, ClientRetryTime)); an attempt still unanswered after min(SendTimeout, ClientRetryTime) is dropped.

A link without a retry period waits until its owner calls `connect`: that is how a search tries one way after
the other. There a host that cannot be reached counts as a silent one: the attempt ends SendTimeout after its
start (T3), and only a refusal ends it at once.

Where the network stack decides (D2), there is no SendTimeout: an open link is lost when the kernel gives its
connection up, and an attempt of a search ends when the kernel ends it, for whatever reason.

The owner hears only of outcomes: `LinkOpened`, `LinkLost`, `AttemptFailed` and `Delivered`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar, TypeAlias

import msgspec

from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.machine import (
    CloseConnection,
    Closed,
    Connected,
    ConnectFailed,
    Effect,
    Frame,
    FrameArrived,
    OpenConnection,
    SessionId,
)
from changeover.core.messages import Hello, Message, Welcome
from changeover.core.session import Session
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Way


class LinkState(Enum):
    """Where a link stands."""

    CONNECTING = "connecting"
    GREETING = "greeting"
    OPEN = "open"
    WAITING = "waiting"


class LinkOpened(msgspec.Struct, frozen=True):
    """The server welcomed us."""

    welcome: Welcome


class LinkLost(msgspec.Struct, frozen=True, gc=False):
    """An open link is lost; `silent` for a time-out, else the peer closed it."""

    silent: bool


class AttemptFailed(msgspec.Struct, frozen=True, gc=False):
    """An attempt to connect came to nothing."""


class Delivered(msgspec.Struct, frozen=True):
    """A message of the server, on an open link."""

    message: Message


Outcome: TypeAlias = LinkOpened | LinkLost | AttemptFailed | Delivered
Step: TypeAlias = Effect | Outcome


class Link:
    """One way to one server. Timers live in the owner's table as (`retry` | `attempt` | `silence`, way).

    Args:
        way: The way.
        client: Our name, for the greeting.
        silence: S; None where the network stack finds a silent peer (D2).
        retry_period: [LAN]ClientRetryTime; None where the owner alone starts attempts.
        deadlines: The owner's timers.
        next_session: Numbers attempts.
        acknowledges: Whether both ends acknowledge; they must where there is an S.
    """

    def __init__(
        self,
        way: Way,
        client: str,
        silence: Duration | None,
        retry_period: Duration | None,
        deadlines: Deadlines,
        next_session: Callable[[], SessionId],
        acknowledges: bool = True,
    ) -> None:
        self.way = way
        self.state = LinkState.WAITING
        self.session: Session | None = None
        self.first_attempt_ended = False
        self._session_id: SessionId = 0
        self._client = client
        self._silence = silence
        self._acknowledges = acknowledges
        self._retry_period = retry_period
        self._deadlines = deadlines
        self._next_session = next_session

    @property
    def session_id(self) -> SessionId:
        """The number of the current connection or attempt."""
        return self._session_id

    def start(self, now: Instant) -> tuple[Step, ...]:
        """Begin the first attempt."""
        return self._become_connecting(now)

    def connect(self, now: Instant) -> tuple[Step, ...]:
        """Begin an attempt now; one that is under way gives way to it."""
        return self._on_retry(now)

    def close(self, now: Instant) -> tuple[Effect, ...]:
        """Let go of the connection or the attempt, and try no more; the owner hears nothing of it."""
        was_waiting = self.state is LinkState.WAITING
        self._become_waiting(now)
        self._deadlines.clear(("retry", self.way))
        return () if was_waiting else (CloseConnection(self._session_id),)

    def handle(
        self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant
    ) -> tuple[Step, ...]:
        """Take a stimulus of this link's current session."""
        return self.TABLE[self.state, type(stimulus)](self, stimulus, now)

    def handle_timer(self, timer: str, at: Instant, now: Instant) -> tuple[Step, ...]:
        """Act on one of this link's timers, which was due at `at`."""
        if timer == "retry":
            assert self._retry_period is not None
            self._deadlines.set(("retry", self.way), next_tick(at, self._retry_period, now))
            return self._on_retry(now)
        if timer == "attempt":
            return (CloseConnection(self._session_id), *self._become_waiting(now))
        return self._on_silence(now)

    # --- what the owner may do with an open link ---

    def send(self, message: Message, now: Instant) -> Effect:
        """Send a message; the link must be open."""
        assert self.session is not None
        effect = self.session.send(message, now)
        self._watch_silence()
        return effect

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.state is LinkState.OPEN

    @property
    def may_probe(self) -> bool:
        """Whether a probe would tell anything: nothing is under way that would tell the same.

        Where the network stack decides (D2) nothing that our own acknowledgements say tells what the kernel
        waits for, and a connection on which it waits for nothing is never given up.
        """
        if self.session is None or not self.is_open:
            return False
        return self._silence is None or self.session.oldest_unacknowledged is None

    def unacknowledged_for(self, now: Instant) -> Duration:
        """For how long the oldest unacknowledged frame has been on its way; 0 when there is none."""
        oldest = self.session.oldest_unacknowledged if self.session else None
        return now - oldest if oldest is not None else 0

    # --- transitions ---

    def _become_connecting(self, now: Instant) -> tuple[Step, ...]:
        self.state = LinkState.CONNECTING
        self._session_id = self._next_session()
        limits = [limit for limit in (self._silence, self._retry_period) if limit is not None]
        if limits:
            self._deadlines.set(("attempt", self.way), now + min(limits))
        return (OpenConnection(self._session_id, self.way),)

    def _become_greeting(self, now: Instant) -> tuple[Step, ...]:
        self.state = LinkState.GREETING
        self.session = Session(self._session_id, self._silence, self._acknowledges)
        return (self.session.send(Hello(self._client), now),)

    def _become_open(self, welcome: Welcome) -> tuple[Step, ...]:
        self.state = LinkState.OPEN
        self.first_attempt_ended = True
        for timer in ("attempt", "retry"):
            self._deadlines.clear((timer, self.way))
        self._watch_silence()
        return (LinkOpened(welcome),)

    def _become_waiting(self, now: Instant) -> tuple[Step, ...]:
        was_open = self.state is LinkState.OPEN
        self.state = LinkState.WAITING
        self.first_attempt_ended = True
        if self.session is not None:
            self.session.become_lost()
            self.session = None
        for timer in ("attempt", "silence"):
            self._deadlines.clear((timer, self.way))
        if self._retry_period is not None and self._deadlines.get(("retry", self.way)) is None:
            self._deadlines.set(("retry", self.way), now + self._retry_period)
        return () if was_open else (AttemptFailed(),)

    # --- handlers ---

    def _on_connected(self, _: Connected, now: Instant) -> tuple[Step, ...]:
        return self._become_greeting(now)

    def _on_connect_failed(self, stimulus: ConnectFailed | Closed, now: Instant) -> tuple[Step, ...]:
        unreachable = isinstance(stimulus, ConnectFailed) and not stimulus.refused
        if unreachable and self._retry_period is None and self._silence is not None:
            return ()
        return self._become_waiting(now)

    def _on_greeting_closed(self, _: Closed, now: Instant) -> tuple[Step, ...]:
        return self._become_waiting(now)

    def _on_open_closed(self, stimulus: Closed, now: Instant) -> tuple[Step, ...]:
        return (*self._become_waiting(now), LinkLost(silent=stimulus.timed_out))

    def _on_greeting_frame(self, stimulus: FrameArrived, now: Instant) -> tuple[Step, ...]:
        effects = self._receive(stimulus.frame)
        message = stimulus.frame.message
        return (*effects, *self._become_open(message)) if isinstance(message, Welcome) else effects

    def _on_open_frame(self, stimulus: FrameArrived, now: Instant) -> tuple[Step, ...]:
        effects = self._receive(stimulus.frame)
        message = stimulus.frame.message
        return effects if message is None else (*effects, Delivered(message))

    def _on_retry(self, now: Instant) -> tuple[Step, ...]:
        if self.state is LinkState.WAITING:
            return self._become_connecting(now)
        abandoned = self._session_id
        return (CloseConnection(abandoned), *self._become_waiting(now), *self._become_connecting(now))

    def _on_silence(self, now: Instant) -> tuple[Step, ...]:
        deadline = self.session.deadline if self.session else None
        if deadline is None:
            return ()
        if deadline > now:
            self._deadlines.set(("silence", self.way), deadline)
            return ()
        lost = self._session_id
        return (CloseConnection(lost), *self._become_waiting(now), LinkLost(silent=True))

    def _ignore(self, stimulus: object, now: Instant) -> tuple[Step, ...]:
        return ()

    def _receive(self, frame: Frame) -> tuple[Step, ...]:
        assert self.session is not None
        self.session.receive(frame)
        return self.session.acknowledge()

    def _watch_silence(self) -> None:
        # Armed once, and moved when it fires: cheaper than moving it with each acknowledgement.
        deadline = self.session.deadline if self.session else None
        if deadline is not None and self._deadlines.get(("silence", self.way)) is None:
            self._deadlines.set(("silence", self.way), deadline)

    TABLE: ClassVar[dict[tuple[LinkState, type], Callable[..., tuple[Step, ...]]]] = {
        (LinkState.CONNECTING, Connected): _on_connected,
        (LinkState.CONNECTING, ConnectFailed): _on_connect_failed,
        (LinkState.CONNECTING, FrameArrived): _ignore,
        (LinkState.CONNECTING, Closed): _on_connect_failed,
        (LinkState.GREETING, Connected): _ignore,
        (LinkState.GREETING, ConnectFailed): _ignore,
        (LinkState.GREETING, FrameArrived): _on_greeting_frame,
        (LinkState.GREETING, Closed): _on_greeting_closed,
        (LinkState.OPEN, Connected): _ignore,
        (LinkState.OPEN, ConnectFailed): _ignore,
        (LinkState.OPEN, FrameArrived): _on_open_frame,
        (LinkState.OPEN, Closed): _on_open_closed,
        (LinkState.WAITING, Connected): _ignore,
        (LinkState.WAITING, ConnectFailed): _ignore,
        (LinkState.WAITING, FrameArrived): _ignore,
        (LinkState.WAITING, Closed): _ignore,
    }
