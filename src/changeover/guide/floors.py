"""How low each knob may go: its range, and what the site has measured of its devices and LANs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.config.parameters import REQUEST_TIMEOUT, SEND_TIMEOUT, ParameterUnit
from changeover.guide.knobs import Knob
from changeover.model.moment import MILLISECOND, Duration
from changeover.model.plant import Plant


@dataclass(frozen=True, slots=True)
class Floor:
    """The least value of one knob.

    Attributes:
        value: In the parameter's unit.
        why: What keeps it there, in words; empty for its range alone.
        is_assessed: Whether all that a time-out of this kind waits for was measured, so that a value down to
            here is safe; None for what waits for nothing.
    """

    value: int
    why: str
    is_assessed: bool | None


def floor_of(plant: Plant, knob: Knob) -> Floor:
    """The floor of a knob: its range, or one millisecond more than the slowest that was measured."""
    least = knob.least
    if knob.parameter == SEND_TIMEOUT:
        return _above(least, [_acknowledgement(plant, lan) for lan in plant.client_lans()])
    if knob.parameter == REQUEST_TIMEOUT:
        if not plant.policy.request_timeout_fails:
            return Floor(least, "", None)
        answers = [_answer(plant, unit.name) for device in plant.io_devices for unit in device.units]
        return _above(least, answers)
    if knob.is_of_stack:
        return Floor(least, "", False)
    if knob.units and knob.parameter.unit is ParameterUnit.MILLISECONDS:
        return _above(least, [_answer(plant, unit) for unit in sorted(knob.units)])
    return Floor(least, "", None)


def _answer(plant: Plant, unit: str) -> tuple[str, Duration | None]:
    return f"{unit} answers in up to", plant.limits.answer(unit)


def _acknowledgement(plant: Plant, lan: str) -> tuple[str, Duration | None]:
    return f"{lan} acknowledges in up to", plant.limits.acknowledgement(lan)


def _above(least: int, measured: Iterable[tuple[str, Duration | None]]) -> Floor:
    """Above the slowest of what was measured."""
    measured = tuple(measured)
    known = [(span, what) for what, span in measured if span is not None]
    is_assessed = len(known) == len(measured)
    if not known:
        return Floor(least, "", is_assessed)
    slowest, what = max(known)
    above = slowest // MILLISECOND + 1
    why = f"{what} {slowest / MILLISECOND:g} ms"
    return Floor(above, why, is_assessed) if above > least else Floor(least, "", is_assessed)
