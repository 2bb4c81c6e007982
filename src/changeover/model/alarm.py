"""Alarms as configuration: what is watched, when it is an alarm, and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.moment import Duration


class AlarmType(Enum):
    """What makes an alarm, by the column `type` of alarms.csv."""

    DIGITAL = "digital"
    ANALOGUE = "analogue"
    TIME_STAMPED = "time-stamped"


class Condition(Enum):
    """What is wrong; NORMAL when nothing is. An alarm is in one condition at a time.

    Of several analogue conditions that hold at once the one that stands first here counts.
    """

    NORMAL = "normal"
    ON = "on"
    HIGH_HIGH = "high high"
    LOW_LOW = "low low"
    HIGH = "high"
    LOW = "low"
    DEVIATION = "deviation"
    RATE = "rate of change"


@dataclass(frozen=True, slots=True)
class Limit:
    """One analogue condition.

    Attributes:
        condition: Neither NORMAL nor ON.
        value: In engineering units; of DEVIATION the greatest distance from the set-point, of RATE the
            greatest change per second.
        delay: How long it must hold before it is an alarm.
    """

    condition: Condition
    value: float
    delay: Duration = 0


@dataclass(frozen=True, slots=True)
class Category:
    """What alarms have in common.

    Attributes:
        number: 0 to 16375; alarms name it.
        name: For people.
        priority: 0 to 255, 1 is the most urgent, 0 is listed after all others.
        logs: Whether transitions and actions go to the journal.
    """

    number: int
    name: str = ""
    priority: int = 0
    logs: bool = True


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm tag.

    Attributes:
        tag: Unique name, case kept, compared without case; what state and journal are keyed by.
        name: What it is, for people.
        type: What makes it an alarm.
        category: Its category.
        variables: Names of variable tags: of a digital alarm one or two that must both be on, else one.
        inverted: By variable of a digital alarm, whether off counts as on (`NOT` before the name).
        limits: Of an analogue alarm, in the order of `Condition`.
        set_point: What DEVIATION is measured from: a variable tag's name or a number; None without it.
        deadband: How far, in engineering units, a value must come back within its limit to be normal.
        timer: Of a time-stamped alarm the variable tag that holds when it happened, UTC milliseconds since
            1970; empty where the time of the reading is good enough.
        delay: How long a digital alarm must be on before it is an alarm.
        priority: Its own, None for its category's.
        area: For filters; 0 to 255.
        comment: For people.
        description: What has happened, for people.
    """

    tag: str
    name: str
    type: AlarmType
    category: Category
    variables: tuple[str, ...]
    inverted: tuple[bool, ...] = (False,)
    limits: tuple[Limit, ...] = ()
    set_point: str | float | None = None
    deadband: float = 0.0
    timer: str = ""
    delay: Duration = 0
    priority: int | None = None
    area: int = 0
    comment: str = ""
    description: str = ""

    @property
    def urgency(self) -> int:
        """The priority that counts: its own, else its category's."""
        return self.category.priority if self.priority is None else self.priority
