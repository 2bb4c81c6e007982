"""How low time-outs may go for a bound on false trips, by what was measured of the site (I7).

The bound holds for the whole plant: all sessions and all devices together. Each parameter that something
waits for gets an equal share of it, and its floor is the shortest time-out with which all that it governs
keep to that share. Tails are steep: a share half as large costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from changeover.config.parameters import REQUEST_TIMEOUT, SEND_TIMEOUT, ParameterUnit
from changeover.forecast import trip_rates
from changeover.forecast.trip_rates import Exposed, exposed, is_measured, least_patience
from changeover.forecast.wording import per_time
from changeover.guide.floors import Floor, floor_of
from changeover.guide.knobs import Knob
from changeover.model.moment import MILLISECOND
from changeover.model.network import Network
from changeover.model.plant import Plant

NOT_MEASURED = "nothing was measured that waits for it, so it is not lowered"


@dataclass(frozen=True, slots=True)
class TripDemand:
    """What is asked of false trips.

    Attributes:
        network: What was measured.
        per_s: How often the whole plant may trip, per second.
    """

    network: Network
    per_s: float


def floors_of(plant: Plant, knobs: tuple[Knob, ...], demand: TripDemand | None) -> dict[Knob, Floor]:
    """The floor of each knob: its range and what was measured, and where it is asked for the bound."""
    floors = {knob: floor_of(plant, knob) for knob in knobs}
    if demand is None:
        return floors
    governed = {knob: those for knob in knobs if (those := _governed(plant, knob))}
    measured = {knob: those for knob, those in governed.items() if is_measured(demand.network, those)}
    waiting = [knob for knob in measured if knob.parameter.unit is not ParameterUnit.COUNT]
    for knob in governed:
        if knob not in measured and knob.value > floors[knob].value:
            floors[knob] = Floor(knob.value, NOT_MEASURED, False)
    for knob, those in measured.items():
        if knob in waiting:
            found = _floor(plant, knob, those, demand.network, demand.per_s / len(waiting))
        else:
            found = _kept(knob)
        if found.value > floors[knob].value:
            floors[knob] = found
    return floors


def _floor(plant: Plant, knob: Knob, those: tuple[Exposed, ...], network: Network, share: float) -> Floor:
    """The least value with which those trip rarely enough."""
    patience = least_patience(network, those, share)
    attempts = _attempts(plant, knob)
    value = -(-patience // (attempts * MILLISECOND))
    times = f" with {attempts} attempts" if attempts > 1 else ""
    nouns = {SEND_TIMEOUT: "session", REQUEST_TIMEOUT: "request"}
    noun = nouns.get(knob.parameter, "device")
    what = f"the one {noun}" if len(those) == 1 else f"{len(those)} {noun}s together"
    trips = "trips" if len(those) == 1 else "trip"
    why = f"below it {what} {trips} more often than {per_time(share)}{times}, by what was measured"
    return Floor(value, why, True)


def _kept(knob: Knob) -> Floor:
    """Attempts are not fewer than now: the time-out's floor counts on them."""
    return Floor(knob.value, "what was measured allows its time-outs with so many retries", None)


def _governed(plant: Plant, knob: Knob) -> tuple[Exposed, ...]:
    """What waits for a parameter."""
    wanted: Mapping[str, Callable[[Exposed], bool]] = {
        SEND_TIMEOUT.name: lambda one: one.parameter == trip_rates.SEND_TIMEOUT,
        REQUEST_TIMEOUT.name: lambda one: one.parameter == trip_rates.REQUEST_TIMEOUT,
    }
    if knob.units:
        if knob.parameter.unit is ParameterUnit.SECONDS:
            return ()
        return tuple(
            one
            for one in exposed(plant)
            if one.parameter == trip_rates.DRIVER_TIMEOUT and one.subject in knob.units
        )
    picked = wanted.get(knob.parameter.name)
    return tuple(one for one in exposed(plant) if picked(one)) if picked is not None else ()


def _attempts(plant: Plant, knob: Knob) -> int:
    """Of the units that a driver's time-out governs the fewest attempts; 1 for any other parameter."""
    found = [
        device.primary.timing.attempts_until_offline
        for device in plant.io_devices
        if device.primary.name in knob.units
    ]
    return min(found, default=1)
