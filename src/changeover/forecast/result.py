"""What a forecast says: the types that every module of this layer shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.forecast.stages import Distribution, add
from changeover.model.server import Function
from changeover.scenario.fault import Fault


class Outcome(Enum):
    """How a function comes through a fault."""

    CHANGEOVER = "changeover"
    UNAFFECTED = "unaffected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a changeover.

    Attributes:
        name: What happens, such as `first request`.
        parameter: Who governs it, such as `[LAN]SendTimeout`, `page_scan_ms` or `[MODNET]Timeout, Retry`.
        rule: Id of the rule in changeover-model.md.
        distribution: How long it takes, in seconds.
    """

    name: str
    parameter: str
    rule: str
    distribution: Distribution


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one fault on one target does to one function.

    Attributes:
        function: What the client is after.
        fault: What strikes.
        target: The name of what it strikes: a server, a LAN or an I/O device.
        outcome: How the function comes through.
        changeover: Fault time to the first fresh good value or answer; None unless there is a changeover.
        com: How long the target's tags show #COM; None where that does not apply.
        detection: Fault time until the loss is known; None where nobody notices.
        return_: Repair until the client is served by the primary again; None where it does not go back.
        stages: The parts of the changeover in the order of time; they sum up to it.
        reason: Why something is None, or what else a reader must know; None where there is nothing to say.
    """

    function: Function
    fault: Fault
    target: str
    outcome: Outcome
    changeover: Distribution | None = None
    com: Distribution | None = None
    detection: Distribution | None = None
    return_: Distribution | None = None
    stages: tuple[Stage, ...] = ()
    reason: str | None = None


def total(stages: tuple[Stage, ...]) -> Distribution:
    """The changeover that these stages make up."""
    return add(*(stage.distribution for stage in stages))


def reasons(*parts: str | None) -> str | None:
    """Reasons as one sentence, without repeats; None when there are none."""
    return "; ".join(dict.fromkeys(part for part in parts if part)) or None
