"""What a client knows of one I/O device that it shows: by which unit it is served, and what is pending.

UNSERVED --asked--> ASKING --answer--> SERVED --request or link failed--> FAILED (A, B)
    ^                  |                  |                                  |
    `---- lost (C) ----+------------------'        re-issued at a heartbeat -'
"""

from __future__ import annotations

from enum import Enum

import msgspec

from changeover.core.machine import SessionId
from changeover.model.device import IoDevice, Unit
from changeover.model.moment import Instant
from changeover.model.plant import Way


class GroupState(Enum):
    """How a device's tags are served."""

    UNSERVED = "unserved"
    ASKING = "asking"
    SERVED = "served"
    FAILED = "failed"


class Pending(msgspec.Struct, frozen=True):
    """A request under way."""

    request: int
    unit: Unit
    way: Way
    session: SessionId
    full: bool
    asked_at: Instant


class IoGroup:
    """The redundant group of one I/O device, as one client uses it.

    Attributes:
        device: The I/O device.
        tags: The tags that are shown.
        units: Its units, best first.
        state: How it is served.
        active: The unit that is asked; None while there is none.
        way: The way by which it is asked.
        served_by: The unit that delivered last, None before the first answer.
        pending: The request under way, None between answer and next page scan.
        returning: The request to a better unit under way (make before break).
        waiting_since: When the tags' first unanswered request was sent; a re-issue does not restart it (I2).
        shows_com: Whether the tags show #COM.
        needs_full: The next request carries the whole tag list.
    """

    def __init__(self, device: IoDevice, tags: tuple[str, ...]) -> None:
        self.device = device
        self.tags = tags
        self.units = device.units
        self.state = GroupState.UNSERVED
        self.active: Unit | None = None
        self.way: Way | None = None
        self.served_by: Unit | None = None
        self.pending: Pending | None = None
        self.returning: Pending | None = None
        self.waiting_since: Instant | None = None
        self.shows_com = False
        self.needs_full = True

    @property
    def failed(self) -> bool:
        """Whether it waits for a heartbeat."""
        return self.state is GroupState.FAILED

    def rank(self, unit: Unit) -> int:
        """A unit's place in the order, 0 is best."""
        return self.units.index(unit)

    def become_unserved(self) -> None:
        """Nothing is asked: the active unit or way is gone."""
        self.state = GroupState.UNSERVED
        self.active = None
        self.way = None
        self.pending = None
        self.returning = None

    def become_asking(self, unit: Unit, way: Way) -> None:
        """A unit was chosen; its first answer is awaited."""
        self.state = GroupState.ASKING
        self.active = unit
        self.way = way
        self.needs_full = True

    def become_served(self, pending: Pending) -> None:
        """Data came by this request."""
        self.state = GroupState.SERVED
        self.active = pending.unit
        self.way = pending.way
        self.served_by = pending.unit
        self.pending = None
        self.waiting_since = None
        self.shows_com = False
        self.needs_full = False

    def become_failed(self) -> None:
        """The request failed: the next heartbeat that allows it re-issues (I3)."""
        self.state = GroupState.FAILED
        self.returning = None
