"""One LAN session: acknowledgements by the application, and [LAN]SendTimeout (D1, D2, D3).

Theory of operation. TCP delivers in order or not at all, but says nothing about *whether the peer's program*
has what was sent: a frozen process's kernel acknowledges for minutes. So each frame carries a number, and the
receiving session acknowledges it at once, before anything is done about its content. The session is lost when
the oldest unacknowledged frame is SendTimeout old. Only a send can find a silent peer: on a session that
carries nothing, nothing is detected, which is why a client probes its idle sessions with each page scan.

Every frame carries the acknowledgement of all that was received. A receiver that is about to answer may
therefore hold the bare acknowledgement back for a moment, and spare it.

Both ends run the same machine. A session has two states, open and lost, and no way back: a new connection is
a new session with a new number.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from changeover.core.machine import Frame, SendFrame, SessionId
from changeover.core.messages import Message
from changeover.model.moment import Duration, Instant


class SessionState(Enum):
    """Whether frames may still be sent."""

    OPEN = "open"
    LOST = "lost"


class Session:
    """Numbers, acknowledges, and knows when the peer is overdue.

    The owner asks `deadline` after each call and declares the session lost when that instant has come.
    """

    __slots__ = ("_received", "_send_timeout", "_sent", "_told", "_unacknowledged", "id", "state")

    def __init__(self, ident: SessionId, send_timeout: Duration) -> None:
        self.id = ident
        self.state = SessionState.OPEN
        self._send_timeout = send_timeout
        self._sent = 0
        self._received = 0
        self._told = 0
        self._unacknowledged: deque[tuple[int, Instant]] = deque()

    @property
    def oldest_unacknowledged(self) -> Instant | None:
        """When the oldest unacknowledged frame was sent, None when all are acknowledged."""
        return self._unacknowledged[0][1] if self._unacknowledged else None

    @property
    def deadline(self) -> Instant | None:
        """When the session is lost unless an acknowledgement comes (D1)."""
        return self._unacknowledged[0][1] + self._send_timeout if self._unacknowledged else None

    def frame(self, message: Message, now: Instant) -> Frame:
        """Number a message for sending now; it carries the acknowledgement of all received so far."""
        assert self.state is SessionState.OPEN
        self._sent += 1
        self._unacknowledged.append((self._sent, now))
        self._told = self._received
        return Frame(self._sent, self._received, message)

    def send(self, message: Message, now: Instant) -> SendFrame:
        """The effect that sends a message."""
        return SendFrame(self.id, self.frame(message, now))

    def receive(self, frame: Frame) -> None:
        """Take the numbers of an arrived frame."""
        waiting = self._unacknowledged
        while waiting and waiting[0][0] <= frame.ack:
            waiting.popleft()
        if frame.seq:
            self._received = frame.seq

    def acknowledge(self) -> tuple[SendFrame, ...]:
        """The bare acknowledgement of what was received; nothing if a frame has carried it since."""
        if self._told == self._received or self.state is SessionState.LOST:
            return ()
        self._told = self._received
        return (SendFrame(self.id, Frame(0, self._received)),)

    def become_lost(self) -> None:
        """The one transition: open to lost."""
        self.state = SessionState.LOST
        self._unacknowledged.clear()
