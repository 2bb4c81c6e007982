"""The sessions that clients opened to a server: greeting, acknowledgement, silence, farewell.

A peer that connects must greet within SendTimeout, and acknowledge within SendTimeout what is told to it,
else its session is dropped; where the network stack decides (D2), it alone ends sessions. Timers live in the
owner's table as (`greeting` | `silence`, session).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from changeover.core.deadlines import Deadlines
from changeover.core.machine import CloseConnection, Effect, Effects, Frame, SessionId
from changeover.core.messages import Message
from changeover.core.session import Session
from changeover.model.moment import SECOND, Duration, Instant

GREETING_MAX: Duration = 60 * SECOND
"""Until a peer has said who it is, where no SendTimeout bounds it: a stranger holds no session for ever."""
TIMERS = frozenset(("greeting", "silence"))
"""Purposes of the timers that belong here."""
MEASURING = "measure"
"""What follows the `:` in the name of a client that only measures: no decision of redundancy counts it."""


class Peer:
    """One client's session; a server derives its own from it.

    Attributes:
        session: Numbers and acknowledges.
        name: Whom the peer said that it is; empty before it greeted.
    """

    __slots__ = ("name", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.name = ""

    @property
    def greeted(self) -> bool:
        """Whether the peer said who it is."""
        return bool(self.name)

    @property
    def measures(self) -> bool:
        """Whether it is a client that only measures; `:` divides a name from its part."""
        return self.name.partition(":")[2] == MEASURING


P = TypeVar("P", bound=Peer)


class Peers(Generic[P]):
    """All peers of one server.

    Args:
        silence: S; None where the network stack finds a silent peer (D2).
        deadlines: The owner's timers.
        make: Makes a peer from its session.
        on_drop: Told of every peer that is gone, whoever ended it.
        acknowledges: Whether both ends acknowledge; they must where there is an S.
    """

    def __init__(
        self,
        silence: Duration | None,
        deadlines: Deadlines,
        make: Callable[[Session], P],
        on_drop: Callable[[P], None],
        acknowledges: bool = True,
    ) -> None:
        self._silence = silence
        self._acknowledges = acknowledges
        self._deadlines = deadlines
        self._make = make
        self._on_drop = on_drop
        self._peers: dict[SessionId, P] = {}

    def __iter__(self) -> Iterator[P]:
        return iter(tuple(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)

    def __getitem__(self, ident: SessionId) -> P:
        return self._peers[ident]

    def get(self, ident: SessionId) -> P | None:
        """The peer of a session, None when it is gone."""
        return self._peers.get(ident)

    def accept(self, ident: SessionId, now: Instant) -> None:
        """A peer connected."""
        self._peers[ident] = self._make(Session(ident, self._silence, self._acknowledges))
        self._deadlines.set(("greeting", ident), now + (self._silence or GREETING_MAX))

    def greet(self, peer: P, name: str) -> None:
        """A peer said who it is."""
        peer.name = name or "?"
        self._deadlines.clear(("greeting", peer.session.id))

    def drop(self, ident: SessionId) -> None:
        """A session is over; nothing happens when it was before."""
        peer = self._peers.pop(ident, None)
        if peer is None:
            return
        peer.session.become_lost()
        for purpose in TIMERS:
            self._deadlines.clear((purpose, ident))
        self._on_drop(peer)

    def drop_all(self) -> Effects:
        """Every session is over."""
        idents = tuple(self._peers)
        for ident in idents:
            self.drop(ident)
        return tuple(CloseConnection(ident) for ident in idents)

    def on_timer(self, purpose: str, ident: SessionId, now: Instant) -> Effects:
        """Act on one of the timers here."""
        peer = self._peers.get(ident)
        if peer is None:
            return ()
        if purpose == "silence":
            deadline = peer.session.deadline
            if deadline is None:
                return ()
            if deadline > now:
                self._deadlines.set(("silence", ident), deadline)
                return ()
        self.drop(ident)
        return (CloseConnection(ident),)

    def tell(self, peer: P, message: Message, now: Instant) -> Effect:
        """Send a message to a peer."""
        effect = peer.session.send(message, now)
        self._watch_silence(peer)
        return effect

    def frame(self, peer: P, message: Message, now: Instant) -> Frame:
        """Number a message to which the host adds something before it sends it."""
        frame = peer.session.frame(message, now)
        self._watch_silence(peer)
        return frame

    def tell_all(self, message: Message, now: Instant) -> Effects:
        """Send a message to every peer that has greeted."""
        return tuple(self.tell(peer, message, now) for peer in self if peer.greeted)

    def _watch_silence(self, peer: P) -> None:
        # Armed once, and moved when it fires: cheaper than moving it with each acknowledgement.
        deadline = peer.session.deadline
        if deadline is not None and self._deadlines.get(("silence", peer.session.id)) is None:
            self._deadlines.set(("silence", peer.session.id), deadline)
