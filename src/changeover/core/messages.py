"""What clients and I/O servers say to each other, as values. `protocol` turns them into bytes.

    client                      I/O server
      | -- Hello -------------------> |     once, on connecting
      | <------------------ Welcome - |     unit states as they are now
      | -- ReadRequest -------------> |     each page scan, one per device, none while one is pending
      | <------------------- Answer - |     when the device has answered
      | -- Probe -------------------> |     each page scan, on every session that carries nothing else
      | <---------------- UnitState - |     at once, where the family announces
      | <---------------- Heartbeat - |     every [IOSERVER]HeartTime, where it does not
      | -- WriteRequest ------------> |
      | <-------------- WriteResult - |

Every one of them is acknowledged by the receiving session at once (`core.session`), whatever becomes of it.
What alarm, trend and report servers say is in `core.task_messages`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import msgspec

from changeover.core.task_messages import TaskMessage
from changeover.model.moment import Duration


class UnitStatus(IntEnum):
    """A unit's state as its I/O server sees it."""

    STARTING = 0
    ONLINE = 1
    OFFLINE = 2


class WriteOutcome(IntEnum):
    """How a write ended. UNKNOWN: it was sent, and nobody can say whether it took effect."""

    DONE = 0
    REFUSED = 1
    UNKNOWN = 2


class Columns(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Values of one tag list, in columns. `n` entries, only those that changed.

    Attributes:
        positions: n little-endian int32, indices into the request's tag list.
        values: n little-endian float64, engineering values; NaN where `strings` has it or quality is bad.
        qualities: n uint8, 0 good, 1 device error, 2 out of range.
        source_utc: When the device delivered what is sent, UTC nanoseconds since 1970.
        strings: (position, text) of string tags.
    """

    positions: bytes
    values: bytes
    qualities: bytes
    source_utc: int
    strings: tuple[tuple[int, str], ...] = ()


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A client presents itself."""

    client: str


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The server's answer to Hello: its name and its units' states."""

    server: str
    units: tuple[tuple[str, UnitStatus], ...]


class Probe(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Nothing but a reason for an acknowledgement."""


class ReadRequest(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Read a tag list by one unit.

    Attributes:
        request: Number, unique within the session's client.
        unit: Name of the unit.
        period: The client's page scan: how soon it will ask again.
        tags: The tag list; None for the one last given for this unit on this session. With a list the answer
            carries every tag, without one only what changed since the last answer.
    """

    request: int
    unit: str
    period: Duration
    tags: tuple[str, ...] | None = None


class Answer(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The answer to a ReadRequest.

    Attributes:
        request: Its number.
        unit: Who was asked.
        failure: Why there is no data; empty when the device answered.
        data: What changed.
        waited: How long the request waited for the device, nanoseconds: what is left of the time until it was
            answered, it was under way.
    """

    request: int
    unit: str
    failure: str = ""
    data: Columns | None = None
    waited: Duration = 0


class UnitState(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """A unit changed its state just now."""

    unit: str
    status: UnitStatus


class Heartbeat(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The state of every unit, sent every [IOSERVER]HeartTime."""

    units: tuple[tuple[str, UnitStatus], ...]


class WriteRequest(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Set a tag by one unit."""

    command: int
    unit: str
    tag: str
    value: float | str


class WriteResult(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """How a WriteRequest ended."""

    command: int
    outcome: WriteOutcome
    why: str = ""


Message: TypeAlias = (
    Hello
    | Welcome
    | Probe
    | ReadRequest
    | Answer
    | UnitState
    | Heartbeat
    | WriteRequest
    | WriteResult
    | TaskMessage
)
