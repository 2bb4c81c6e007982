"""Which rows miss a target, what holds each of them, and what that would have to be: a row at a time.

A parameter is lowered in the plant and the row forecast anew, so the answer knows every rule: that the next
time-out takes over where S no longer is the first, or that W counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from changeover.config.parameters import PARAMETERS
from changeover.forecast.detection import PAGE_SCAN
from changeover.forecast.levers import LEVERS
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_one
from changeover.model.device import IoDevice
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant

_DRIVER = "Timeout, Retry"
_ROUNDING_S = 1e-9
_PRINTED_DIGITS = 2
_LEAST = {str(row): int(row.minimum) for row in PARAMETERS} | {PAGE_SCAN: 10}
"""The least value that a project may give, by parameter; 1 for the others (of drivers)."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A row whose longest changeover misses a target.

    Attributes:
        forecast: The row.
        worst_s: Its longest changeover in seconds.
        parameter: What holds it most: the parameter whose stages contribute most to the longest changeover.
        value: What that parameter is now, in the ini file's own unit (ms, but s for WatchTime); None
            where it has no single value.
        enough: Whether lowering this parameter alone can meet the target.
        needed: The largest value of it that does, None where none does.
        remaining_s: The longest changeover that is left with this parameter at its least.
        next_parameter: What would hold the row then; None where `enough`.
    """

    forecast: Forecast
    worst_s: float
    parameter: str
    value: int | None
    enough: bool
    needed: int | None
    remaining_s: float
    next_parameter: str | None


def holder(forecast: Forecast) -> tuple[str, float]:
    """The parameter that contributes most to a row's longest changeover, and that share in seconds.

    Raises:
        IndexError: The row is no changeover.
    """
    return holders(forecast)[0]


def holders(forecast: Forecast) -> list[tuple[str, float]]:
    """What contributes to a row's longest changeover, and its share in seconds, the largest first."""
    shares: dict[str, float] = {}
    for stage in forecast.stages:
        shares[stage.parameter] = shares.get(stage.parameter, 0.0) + stage.distribution.maximum
    return sorted(shares.items(), key=lambda item: -item[1])


def worst(forecasts: Iterable[Forecast]) -> Forecast | None:
    """The row with the longest changeover, the first of those alike; None where nothing changes over."""
    rows = [row for row in forecasts if row.changeover is not None]
    # Alike in what is printed: a round trip more makes no row the one to act on.
    return max(rows, key=lambda row: round(_longest(row), _PRINTED_DIGITS), default=None)


def misses(plant: Plant, forecasts: Iterable[Forecast], target_s: float) -> tuple[Miss, ...]:
    """Rows whose longest changeover exceeds a target, in the order given.

    Args:
        plant: The plant that was forecast.
        forecasts: Its rows, or some of them.
        target_s: The changeover that is asked for, in seconds.
    """
    rows = (row for row in forecasts if row.changeover is not None)
    return tuple(_miss(plant, row, target_s) for row in rows if _longest(row) > target_s + _ROUNDING_S)


@dataclass(frozen=True, slots=True)
class Change:
    """What lowering one parameter does to one row.

    Attributes:
        parameter: What to change.
        share_s: How much of the longest changeover it makes, in seconds.
        value: What it is now, in the ini file's own unit.
        lower: The value proposed: half of it, or its least.
        longest_s: The longest changeover with that, in seconds.
    """

    parameter: str
    share_s: float
    value: int
    lower: int
    longest_s: float


def first_change(plant: Plant, row: Forecast) -> Change | None:
    """What to change first for a row: of what contributes most the first that can be halved.

    Returns:
        None where what contributes most is no single value of the ini file, or nothing can be lowered.
    """
    for parameter, share in holders(row):
        knob = _knob(plant, row, parameter)
        if knob is None:
            return None
        lower = max(_least(parameter), knob.now // 2)
        if lower < knob.now:
            return Change(parameter, share, knob.now, lower, _longest(_again(knob.set_to(lower), row)))
    return None


def _miss(plant: Plant, row: Forecast, target_s: float) -> Miss:
    parameter, _ = holder(row)
    knob = _knob(plant, row, parameter)
    if knob is None:
        rest = _longest(row)
        return Miss(row, rest, parameter, None, False, None, rest, None)
    least = _again(knob.set_to(_least(parameter)), row)
    remaining = _longest(least)
    enough = remaining <= target_s + _ROUNDING_S
    needed = _largest(knob, _least(parameter), row, target_s) if enough else None
    following = None if enough else holder(least)[0]
    return Miss(row, _longest(row), parameter, knob.now, enough, needed, remaining, following)


@dataclass(frozen=True, slots=True)
class _Knob:
    """A parameter to turn: what it is now, in the ini file's unit, and the plant with another value."""

    now: int
    set_to: Callable[[int], Plant]


def _knob(plant: Plant, row: Forecast, parameter: str) -> _Knob | None:
    """How to turn a parameter; None for those of a network stack, and for a pair of time-outs."""
    lever = LEVERS.get(parameter)
    if lever is not None:
        return _Knob(lever.value(plant), lambda value: lever.turned(plant, value))
    if parameter == PAGE_SCAN:
        slowest = max(client.page_scan for client in plant.clients)
        return _Knob(slowest // MILLISECOND, lambda value: _with_page_scan(plant, value))
    if parameter.endswith(_DRIVER):
        device = _struck_device(plant, row, parameter)
        timeout = device.primary.timing.timeout
        return _Knob(timeout // MILLISECOND, lambda value: _with_timeout(plant, device.protocol, value))
    return None


def _struck_device(plant: Plant, row: Forecast, parameter: str) -> IoDevice:
    for device in plant.io_devices:
        if device.name == row.target or (
            not row.fault.is_device and parameter.startswith(f"[{device.protocol}]")
        ):
            return device
    raise KeyError(row.target)


def _with_page_scan(plant: Plant, value: int) -> Plant:
    clients = (
        replace(client, page_scan=min(client.page_scan, value * MILLISECOND)) for client in plant.clients
    )
    return replace(plant, clients=tuple(clients))


def _with_timeout(plant: Plant, protocol: str, value: int) -> Plant:
    devices = tuple(
        device
        if device.protocol != protocol
        else replace(
            device,
            units=tuple(
                replace(
                    unit, timing=replace(unit.timing, timeout=min(unit.timing.timeout, value * MILLISECOND))
                )
                for unit in device.units
            ),
        )
        for device in plant.io_devices
    )
    return replace(plant, io_devices=devices)


def _again(plant: Plant, row: Forecast) -> Forecast:
    return forecast_one(plant, row.function, row.fault, row.target)


def _longest(row: Forecast) -> float:
    return row.changeover.maximum if row.changeover is not None else 0.0


def _least(parameter: str) -> int:
    return _LEAST.get(parameter, 1)


def _largest(knob: _Knob, least: int, row: Forecast, target_s: float) -> int:
    """The largest value that meets the target, by bisection: no changeover shortens as a parameter grows."""
    low, high = least, knob.now
    while high - low > 1:
        middle = (low + high) // 2
        if _longest(_again(knob.set_to(middle), row)) <= target_s + _ROUNDING_S:
            low = middle
        else:
            high = middle
    return low
