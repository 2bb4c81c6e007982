"""What a plant has to bear while nothing is lost: a bad network, a backup, pauses, slow answers (I7).

None of these is a fault. Whatever a time-out does because of one is a false trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from changeover.model.moment import Duration
from changeover.scenario.impairment import Impairment


@dataclass(frozen=True, slots=True)
class Spells:
    """Something that lasts for a while now and then: pauses and lengths are exponential.

    Attributes:
        gap: Mean time from the end of one to the beginning of the next, above 0, nanoseconds.
        length: Mean length of one, above 0.

    Raises:
        ValueError: A mean is not above 0.
    """

    gap: Duration
    length: Duration

    def __post_init__(self) -> None:
        for name in ("gap", "length"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)} ns, it must be above 0")


@dataclass(frozen=True, slots=True)
class Pauses:
    """The process of an I/O server stands still now and then: a machine that is moved, a full disk."""

    spells: Spells


@dataclass(frozen=True, slots=True)
class SlowAnswers:
    """A device answers nothing for a while now and then, and then all that it was asked: a program change."""

    spells: Spells


Disturbance: TypeAlias = Impairment | Pauses | SlowAnswers
"""What is done to a plant while false trips are counted; an `Impairment` is done in both directions."""
