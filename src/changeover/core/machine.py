"""The contract that every machine keeps, and the stimuli and effects at its edge.

A machine is told what happened (`handle`) and what time it is (`now`, an `Instant`), and answers with effects
in the order in which the host must carry them out: persist, then send, then announce. It never looks at a
clock, a socket or a file. Its deadlines are pulled: after each call the host asks `next_deadline()` and calls
`handle_timeout(max(deadline, now))` when that instant has come. Trouble that operation must expect (a peer
lost, a device offline) is a stimulus or an effect, never an exception; an exception is a programmer's error.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec

from changeover.core.alarm_records import AlarmAction, AlarmState, JournalRecord
from changeover.core.messages import Columns, Message
from changeover.core.report_records import RunRecord
from changeover.core.task_messages import Fetch, News, Query
from changeover.core.trace import TraceKind
from changeover.core.trend_records import Covered, Samples
from changeover.model.moment import Instant
from changeover.model.plant import Way

SessionId: TypeAlias = int
"""Numbers a session within one machine, from a counter; never reused."""

Ticket: TypeAlias = int
"""Numbers one transmission to a device within one machine."""


class Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What travels on a session.

    Attributes:
        seq: 1, 2, 3 … for frames that want an acknowledgement, 0 for a bare one.
        ack: The highest `seq` received so far.
        message: None in a bare acknowledgement.
    """

    seq: int
    ack: int
    message: Message | None = None


class Block(Protocol):
    """One device read or write as its driver cut it; to the core only an identity."""

    def __hash__(self) -> int: ...


# --- stimuli: what the host tells a machine ---


class Start(msgspec.Struct, frozen=True):
    """The machine begins."""


class Connected(msgspec.Struct, frozen=True, gc=False):
    """A connection that the machine asked for stands."""

    session: SessionId


class ConnectFailed(msgspec.Struct, frozen=True, gc=False):
    """A connection that the machine asked for was refused, or found no route: then `refused` is false."""

    session: SessionId
    refused: bool = True


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A peer connected; the host chose the session's number."""

    session: SessionId


class FrameArrived(msgspec.Struct, frozen=True, gc=False):
    """A frame came in on a session."""

    session: SessionId
    frame: Frame


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The connection is over: the peer or its operating system ended it.

    `timed_out`: our own operating system gave it up, because the peer does not answer (D2).
    """

    session: SessionId
    timed_out: bool = False


class DeviceConnected(msgspec.Struct, frozen=True, gc=False):
    """The connection to a unit's device stands."""

    unit: str


class DeviceClosed(msgspec.Struct, frozen=True, gc=False):
    """The device's host refused or reset the connection (D6). Silence is no stimulus: time-outs find it."""

    unit: str


class DeviceAnswered(msgspec.Struct, frozen=True, gc=False):
    """The device answered one transmission.

    Attributes:
        unit: Name of the unit.
        ticket: The transmission.
        refused: For a write: the device answered with an exception.
    """

    unit: str
    ticket: Ticket
    refused: str = ""


class WriteTag(msgspec.Struct, frozen=True):
    """An operator sets a tag.

    Attributes:
        command: Number of the command, from the host's counter.
        device: I/O device of the tag.
        tag: Name of the tag.
        value: The engineering value.
    """

    command: int
    device: str
    tag: str
    value: float | str


class AskServer(msgspec.Struct, frozen=True):
    """A page wants something of the server's archive; a changeover on the way does no harm.

    Attributes:
        command: Number of the question, from the host's counter.
        body: The question as the server's host understands it.
    """

    command: int
    body: bytes


class ActOnAlarms(msgspec.Struct, frozen=True):
    """An operator acts on alarms.

    Attributes:
        command: Number of the command, from the host's counter.
        action: What to do.
    """

    command: int
    action: AlarmAction


class GiveUp(msgspec.Struct, frozen=True, gc=False):
    """Nobody waits for the end of a question or command any longer."""

    command: int


class WallClock(msgspec.Struct, frozen=True, gc=False):
    """What the wall clock says now: UTC nanoseconds since 1970. It may have been set."""

    utc: int


class Values(msgspec.Struct, frozen=True, gc=False):
    """An I/O device delivered values.

    Attributes:
        device: The I/O device.
        utc: When it delivered them; whatever is not among `changed` was the same then.
        changed: (tag, engineering value, None where it is bad) of what changed.
    """

    device: str
    utc: int
    changed: tuple[tuple[str, float | None], ...]


class DeviceUnknown(msgspec.Struct, frozen=True, gc=False):
    """Nothing is known of an I/O device's values any more: these tags of it show #COM."""

    device: str
    tags: tuple[str, ...]


class BatchKept(msgspec.Struct, frozen=True, gc=False):
    """What a `KeepBatch` or `MergeSamples` asked for is kept, durably."""

    token: int


class RunRendered(msgspec.Struct, frozen=True):
    """A report run is rendered, its files wait to be published.

    Attributes:
        report: The report.
        scheduled_utc: For when the run was scheduled.
        files: Names of the files; empty when nothing could be made.
        problems: What went wrong.
    """

    report: str
    scheduled_utc: int
    files: tuple[str, ...]
    problems: tuple[str, ...]


class Looked(msgspec.Struct, frozen=True):
    """What a `LookUp` found.

    Attributes:
        token: Of the look-up.
        found: What was asked for; of a Query its body.
        failure: Why there is none, else empty.
    """

    token: int
    found: object = None
    failure: str = ""


Stimulus: TypeAlias = (
    Start
    | Connected
    | ConnectFailed
    | Accepted
    | FrameArrived
    | Closed
    | DeviceConnected
    | DeviceClosed
    | DeviceAnswered
    | WriteTag
    | AskServer
    | ActOnAlarms
    | GiveUp
    | WallClock
    | Values
    | DeviceUnknown
    | BatchKept
    | RunRendered
    | Looked
)


# --- effects: what a machine asks of its host ---


class OpenConnection(msgspec.Struct, frozen=True, gc=False):
    """Connect to a server by one way."""

    session: SessionId
    way: Way


class CloseConnection(msgspec.Struct, frozen=True, gc=False):
    """Drop a connection at once; nothing further is wanted of it."""

    session: SessionId


class ResetListener(msgspec.Struct, frozen=True, gc=False):
    """Reset every connection that no `Accepted` told of yet, and listen anew."""


class SendFrame(msgspec.Struct, frozen=True, gc=False):
    """Send a frame on a session."""

    session: SessionId
    frame: Frame


class SendAnswer(msgspec.Struct, frozen=True, gc=False):
    """Send a frame that holds a good `Answer`, to which the host adds the data.

    Attributes:
        session: Where to.
        frame: The frame, its answer still without data.
        tags: The tag list.
        full: Send every tag, not only those that changed since the last answer.
    """

    session: SessionId
    frame: Frame
    tags: tuple[str, ...]
    full: bool


class OpenDevice(msgspec.Struct, frozen=True, gc=False):
    """Connect to a unit's device, dropping a connection that is there."""

    unit: str


class CloseDevice(msgspec.Struct, frozen=True, gc=False):
    """Drop the connection to a unit's device."""

    unit: str


class SendDevice(msgspec.Struct, frozen=True, gc=False):
    """Transmit one block to a unit's device."""

    unit: str
    ticket: Ticket
    block: Block


class Present(msgspec.Struct, frozen=True, gc=False):
    """Fresh values of an I/O device are here: show them."""

    device: str
    unit: str
    way: Way
    data: Columns | None


class ShowCom(msgspec.Struct, frozen=True, gc=False):
    """Show #COM for every tag of an I/O device."""

    device: str


class EndCommand(msgspec.Struct, frozen=True, gc=False):
    """An operator's command ended.

    Attributes:
        command: Its number.
        outcome: `done`, `refused` or `unknown`.
        why: In words, empty when done.
    """

    command: int
    outcome: str
    why: str


class ShowNews(msgspec.Struct, frozen=True, gc=False):
    """An alarm, trend or report server answered: show what is new."""

    news: News


class EndQuestion(msgspec.Struct, frozen=True, gc=False):
    """A question ended: with an answer, or with `failure` saying why there is none."""

    command: int
    failure: str
    body: bytes


class LookUp(msgspec.Struct, frozen=True, gc=False):
    """Look something up in the archive, now or soon; `Looked` brings it. The archive goes on meanwhile."""

    token: int
    what: Fetch | Query


class KeepAlarms(msgspec.Struct, frozen=True, gc=False):
    """Keep states and journal records, together and durably, before anything that follows is done."""

    states: tuple[AlarmState, ...]
    records: tuple[JournalRecord, ...]


class TakeSamples(msgspec.Struct, frozen=True, gc=False):
    """Put samples into the batch that is being collected, from the values that the device delivered last.

    Attributes:
        device: The I/O device.
        tags: Whose values.
        utc: For which instant.
    """

    device: str
    tags: tuple[str, ...]
    utc: int


class KeepBatch(msgspec.Struct, frozen=True, gc=False):
    """Keep the batch that was collected, and what it covers; `BatchKept` tells when that is durable."""

    token: int
    covered: tuple[Covered, ...]


class MergeSamples(msgspec.Struct, frozen=True, gc=False):
    """Merge samples of the partner's archive, and what they cover; `BatchKept` tells when that is durable."""

    token: int
    samples: Samples
    covered: tuple[Covered, ...]


class KeepRuns(msgspec.Struct, frozen=True, gc=False):
    """Keep records of report runs durably, before anything that follows is done."""

    records: tuple[RunRecord, ...]


class RunReport(msgspec.Struct, frozen=True, gc=False):
    """Render a report run; `RunRendered` tells when its files wait, on disk, to be published."""

    report: str
    scheduled_utc: int


class PublishRun(msgspec.Struct, frozen=True, gc=False):
    """Give the rendered files of a run their names; nothing happens to those that have theirs."""

    report: str
    scheduled_utc: int


class DropRun(msgspec.Struct, frozen=True, gc=False):
    """Throw the rendered files of a run away: it was run elsewhere, or nothing could be made."""

    report: str
    scheduled_utc: int


class RaiseAlarm(msgspec.Struct, frozen=True, gc=False):
    """Put a line into the hardware-alarm log."""

    text: str
    subject: str


class Note(msgspec.Struct, frozen=True, gc=False):
    """Put a line into the trace."""

    kind: TraceKind
    subject: str
    detail: str = ""


Effect: TypeAlias = (
    OpenConnection
    | CloseConnection
    | ResetListener
    | SendFrame
    | SendAnswer
    | OpenDevice
    | CloseDevice
    | SendDevice
    | Present
    | ShowCom
    | EndCommand
    | ShowNews
    | EndQuestion
    | LookUp
    | KeepAlarms
    | TakeSamples
    | KeepBatch
    | MergeSamples
    | KeepRuns
    | RunReport
    | PublishRun
    | DropRun
    | RaiseAlarm
    | Note
)
Effects: TypeAlias = tuple[Effect, ...]


class Machine(Protocol):
    """What a host runs."""

    def handle(self, stimulus: Stimulus, now: Instant) -> Effects:
        """Take one stimulus; `now` never decreases between calls."""

    def handle_timeout(self, now: Instant) -> Effects:
        """Act on every deadline that is due at `now`."""

    def next_deadline(self) -> Instant | None:
        """The earliest deadline, None when there is none."""
