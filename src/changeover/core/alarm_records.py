"""What alarm servers keep and tell each other: states, journal records, operators' actions.

The journal is one append-only log per server. A record's identity is (origin, number): each server numbers
its own from 1 without gaps and gets the other's in that order, so what it lacks is said by one number.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from changeover.model.alarm import Condition


class AlarmEvent(IntEnum):
    """What a journal record tells of."""

    ACTIVE = 1
    RETURNED = 2
    ACKNOWLEDGED = 3
    DISABLED = 4
    ENABLED = 5
    SHELVED = 6
    UNSHELVED = 7
    COMMENT = 8

    @property
    def is_transition(self) -> bool:
        """Whether the plant did it, not an operator."""
        return self in (AlarmEvent.ACTIVE, AlarmEvent.RETURNED)


class AlarmState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where one alarm stands.

    Attributes:
        tag: The alarm.
        condition: What is wrong now, or NORMAL.
        acknowledged: Whether its last occurrence was acknowledged; true for an alarm that never was active.
        active_utc: When its last occurrence began, UTC nanoseconds since 1970; 0 for never.
        returned_utc: When that occurrence ended, 0 while it lasts.
        acknowledged_utc: When that occurrence was acknowledged, 0 for not.
        acknowledged_by: By whom, empty for nobody.
        value: The value that made it active.
        disabled: Whether it is out of service: no transitions until it is enabled.
        shelved_until_utc: Until when it is shelved; 0 for not.
        comment: The last comment of an operator on this occurrence.
        changed_utc: When any of this changed last; of two versions the later one counts.
    """

    tag: str
    condition: Condition = Condition.NORMAL
    acknowledged: bool = True
    active_utc: int = 0
    returned_utc: int = 0
    acknowledged_utc: int = 0
    acknowledged_by: str = ""
    value: float = 0.0
    disabled: bool = False
    shelved_until_utc: int = 0
    comment: str = ""
    changed_utc: int = 0

    @property
    def is_active(self) -> bool:
        """Whether something is wrong now."""
        return self.condition is not Condition.NORMAL

    @property
    def is_listed(self) -> bool:
        """Whether it belongs on the list of alarms: active or unacknowledged, not disabled, not shelved."""
        is_open = self.is_active or not self.acknowledged
        return is_open and not self.disabled and not self.shelved_until_utc

    @property
    def words(self) -> str:
        """The state in the words of ISA-18.2."""
        if self.disabled:
            return "disabled"
        if self.shelved_until_utc:
            return "shelved"
        if self.is_active:
            return "active acknowledged" if self.acknowledged else "active unacknowledged"
        return "normal" if self.acknowledged else "returned unacknowledged"


class JournalRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of the journal.

    Attributes:
        origin: The server that wrote it.
        number: 1, 2, 3 … of that server.
        utc: When it happened: of a transition when the device delivered the value, of an action when the
            operator gave it. UTC nanoseconds since 1970.
        tag: The alarm.
        event: What happened.
        condition: Of ACTIVE the condition, of others the one that it concerns.
        value: Of a transition the value, else 0.
        action: Identity of the operator's action, empty for a transition. One action on several alarms has
            several records.
        who: The operator, empty for a transition.
        where: The client that the operator sat at.
        comment: Of a COMMENT or with an action.
        until_utc: Of SHELVED, when it ends.
    """

    origin: str
    number: int
    utc: int
    tag: str
    event: AlarmEvent
    condition: Condition = Condition.NORMAL
    value: float = 0.0
    action: str = ""
    who: str = ""
    where: str = ""
    comment: str = ""
    until_utc: int = 0


class Shown(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The occurrence of an alarm that an operator was shown.

    Attributes:
        condition: What was wrong, NORMAL where that was over.
        active_utc: When it began.
    """

    condition: Condition
    active_utc: int


class AlarmAction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an operator does to alarms.

    Attributes:
        action: Identity, unique in the plant for ever; whoever gets it a second time does nothing.
        event: ACKNOWLEDGED, DISABLED, ENABLED, SHELVED, UNSHELVED or COMMENT.
        utc: When the operator gave it.
        who: The operator.
        where: The client that the operator sat at.
        tags: These alarms; empty where one of the next three says which.
        category: Every alarm of this category, -1 for no choice by category.
        area: Every alarm of this area, -1 for no choice by area.
        everything: Every alarm.
        comment: Goes to the journal with it.
        until_utc: Of SHELVED, when it ends by itself.
        shown: Of ACKNOWLEDGED, for each of the tags which occurrence is meant; empty where that is not known.
            A server that has not heard of it yet acknowledges it all the same.
    """

    action: str
    event: AlarmEvent
    utc: int
    who: str
    where: str
    tags: tuple[str, ...] = ()
    category: int = -1
    area: int = -1
    everything: bool = False
    comment: str = ""
    until_utc: int = 0
    shown: tuple[Shown, ...] = ()

    def showing(self, states: Mapping[str, AlarmState]) -> AlarmAction:
        """The same, with what the operator was shown; as it is where that is known, or is not of every tag.

        Args:
            states: By tag, as the operator sees them.
        """
        shown = [states[tag] for tag in self.tags if tag in states]
        if self.event is not AlarmEvent.ACKNOWLEDGED or self.shown or len(shown) < len(self.tags):
            return self
        meant = tuple(Shown(state.condition, state.active_utc) for state in shown)
        return msgspec.structs.replace(self, shown=meant)
