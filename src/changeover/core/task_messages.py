"""What clients and alarm, trend and report servers say to each other, and the two servers of a pair.

    client                      alarm, trend or report server
      | -- Hello -------------------> |     once, on connecting
      | <------------------ Welcome - |     at once, or when a server that is starting is ready
      | -- Poll --------------------> |     each page scan, none while one is pending
      | <--------------------- News - |     at once: what changed since the last one
      | -- Query -------------------> |     what an operator wants to see of the archive
      | <-------------------- Found - |
      | -- Command -----------------> |     what an operator does
      | <------------ CommandResult - |

    server                      its partner: each is a client of the other, on every LAN
      | -- Hello, PairState --------> |     who I am; how I am, at each tick and whenever that changes
      | <-------- Welcome, PairState - |
      | -- Fetch -------------------> |     what I lack; one batch at a time
      | <-------------------- Batch - |

Every one of them is acknowledged at once, as all messages are (`core.messages`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import msgspec

from changeover.core.alarm_records import AlarmAction, AlarmState, JournalRecord
from changeover.core.report_records import RunRecord
from changeover.core.trend_records import Covered, Samples
from changeover.model.moment import Duration


class PairStatus(IntEnum):
    """How an alarm, trend or report server is, as it tells its partner."""

    STARTING = 0
    INACTIVE = 1
    ACTIVE = 2


Numbers: TypeAlias = tuple[tuple[str, int], ...]
"""Of logs: (origin, highest number that is kept), by origin."""


class Poll(msgspec.Struct, frozen=True, array_like=True, tag=20, gc=False):
    """What changed since a revision; 0 for everything."""

    request: int
    revision: int


class News(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """The answer to a Poll.

    Attributes:
        request: Of the Poll.
        revision: Up to here; the next Poll names it.
        active: Whether this server believes that it is the active one of its pair.
        full: The states are all there are; the client drops what it had.
        states: Of an alarm server, the alarms that changed.
    """

    request: int
    revision: int
    active: bool
    full: bool = False
    states: tuple[AlarmState, ...] = ()


class Query(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """A question to a server's archive; `body` is the host's affair (`protocol.queries`)."""

    request: int
    body: bytes


class Found(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """The answer to a Query; `failure` is empty when there is one."""

    request: int
    failure: str
    body: bytes


class Command(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """An operator's action; the server that gets it a second time answers as the first time.

    Attributes:
        request: Number of the request.
        action: What to do.
        age: How long ago the operator gave it, by the client's monotonic clock.
    """

    request: int
    action: AlarmAction
    age: Duration = 0


class CommandResult(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """How a Command ended: `why` is empty when it is done, else it was refused."""

    request: int
    why: str


class PairState(msgspec.Struct, frozen=True, array_like=True, tag=26):
    """How a server is.

    Attributes:
        status: Starting, inactive or active.
        saved_utc: When what it has kept changed last, UTC nanoseconds since 1970.
        numbers: The logs that it keeps.
        lacks: Whether it still fetches what its partner has.
        life: Drawn at the start of its process.
        serial: 1, 2, 3 … within that life: what was said before does not count when it comes after.
    """

    status: PairStatus
    saved_utc: int
    numbers: Numbers
    lacks: bool
    life: int = 0
    serial: int = 0


class FetchRecords(msgspec.Struct, frozen=True, array_like=True, tag=27, gc=False):
    """Ask the partner for records of one origin, after a number. A server asks one thing at a time."""

    origin: str
    after: int
    limit: int


class FetchStates(msgspec.Struct, frozen=True, array_like=True, tag=28, gc=False):
    """Ask a partner for the states of alarms, by tag, after a tag."""

    after: str
    limit: int


class FetchCovered(msgspec.Struct, frozen=True, array_like=True, tag=29, gc=False):
    """Ask a partner what it has recorded since an instant."""

    since_utc: int


class FetchSamples(msgspec.Struct, frozen=True, array_like=True, tag=30, gc=False):
    """Ask a partner for samples of one I/O device's trends in a span.

    Attributes:
        device: The I/O device.
        start_utc, end_utc: The span, UTC nanoseconds since 1970, its end not included.
        after: Where the last batch ended: (UTC, tag) of its last sample; None for the first batch.
        limit: Samples that the batch may hold.
    """

    device: str
    start_utc: int
    end_utc: int
    after: tuple[int, str] | None
    limit: int


class Batch(msgspec.Struct, frozen=True, array_like=True, tag=31):
    """What a partner asked for, of the kind that it asked for.

    Attributes:
        done: Nothing comes after this.
        after: Of samples that go on: where the next batch begins.
        states, journal, runs, covered, samples: What was asked for; the others stay empty.
        failure: Why samples could not be had; empty where they could.
    """

    done: bool
    states: tuple[AlarmState, ...] = ()
    journal: tuple[JournalRecord, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    covered: tuple[Covered, ...] = ()
    samples: Samples | None = None
    after: tuple[int, str] | None = None
    failure: str = ""


Fetch: TypeAlias = FetchRecords | FetchStates | FetchCovered | FetchSamples
TaskMessage: TypeAlias = (
    Poll
    | News
    | Query
    | Found
    | Command
    | CommandResult
    | PairState
    | FetchRecords
    | FetchStates
    | FetchCovered
    | FetchSamples
    | Batch
)
