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

Where the network stack decides (D2) a session has no time-out of its own, and its end is told by the kernel.
It need not acknowledge then; below 5.0 it does all the same: when a request fails, the acknowledgement tells
a silent device from a silent server (I3).
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

    Args:
        ident: Its number.
        silence: S; None where the network stack finds a silent peer (D2).
        acknowledges: Whether both ends acknowledge.
    """

    __slots__ = ("_acknowledges", "_received", "_sent", "_silence", "_told", "_unacknowledged", "id", "state")

    def __init__(self, ident: SessionId, silence: Duration | None, acknowledges: bool = True) -> None:
        self.id = ident
        self.state = SessionState.OPEN
        self._silence = silence
        self._acknowledges = acknowledges
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
        """When the session is lost unless an acknowledgement comes (D1); None under a stack (D2)."""
        if self._silence is None or not self._unacknowledged:
            return None
        return self._unacknowledged[0][1] + self._silence

    def frame(self, message: Message, now: Instant) -> Frame:
        """Number a message for sending now; it carries the acknowledgement of all received so far."""
        assert self.state is SessionState.OPEN
        self._sent += 1
        if self._acknowledges:
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
        if self._told == self._received or self.state is SessionState.LOST or not self._acknowledges:
            return ()
        self._told = self._received
        return (SendFrame(self.id, Frame(0, self._received)),)

    def become_lost(self) -> None:
        """The one transition: open to lost."""
        self.state = SessionState.LOST
        self._unacknowledged.clear()
