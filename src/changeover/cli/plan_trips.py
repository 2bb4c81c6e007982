"""`changeover plan --network FILE`: how often the plant trips falsely, before a plan and after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from changeover.cli.common import fail
from changeover.forecast.wording import per_time, read_rate

if TYPE_CHECKING:
    from changeover.forecast.trip_rates import TripRate, TripRates
    from changeover.guide.planner import Plan
    from changeover.guide.trip_floors import TripDemand
    from changeover.model.network import Network
    from changeover.model.plant import Plant

_WORST = 3
_FAR = 10.0
"""A rate of which less than a tenth was watched is told to be extrapolated."""


def read_false_trips(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """A rate of the command line, per second; a usage error for any other text."""
    try:
        return None if text is None else read_rate(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def load_networks(paths: tuple[Path, ...], plant: Plant) -> Network | None:
    """Read what was measured, all of it as one; with faults in it, list them all and end with status 2."""
    import msgspec

    from changeover.config.diagnostics import ConfigurationError
    from changeover.config.measurement import read_measurement

    found: list[Network] = []
    problems: list[str] = []
    for path in paths:
        try:
            network = read_measurement(path)
        except ConfigurationError as error:
            problems += map(str, error.diagnostics)
            continue
        if network.plant and network.plant != plant.name:
            problems.append(
                f"{path}: was measured in the plant {network.plant!r}, this one is {plant.name!r}"
            )
        found.append(network)
    if problems:
        fail("\n".join(problems))
    if not found:
        return None
    return msgspec.structs.replace(
        found[0],
        computer=", ".join(dict.fromkeys(one.computer for one in found if one.computer)),
        # The rates of each stream know their own exposure: this is for telling how far one looks beyond it.
        seconds=min(one.seconds for one in found),
        streams=tuple(stream for one in found for stream in one.streams),
    )


def demand_of(network: Network | None, per_s: float | None) -> TripDemand | None:
    """What is asked of false trips; None where no bound is."""
    from changeover.guide.trip_floors import TripDemand

    return None if network is None or per_s is None else TripDemand(network, per_s)


@dataclass(frozen=True, slots=True)
class TripOutlook:
    """False trips before a plan and after it.

    Attributes:
        network: What was measured.
        bound: How often the plant may trip, per second; None for no bound.
        before, after: How often it does.
    """

    network: Network
    bound: float | None
    before: TripRates
    after: TripRates

    @classmethod
    def of(cls, plant: Plant, plan: Plan, network: Network, bound: float | None) -> TripOutlook:
        """The outlook of a plan."""
        from changeover.forecast.trip_rates import trip_rates
        from changeover.guide.knobs import turned

        planned = turned(plant, plan.values)
        return cls(network, bound, trip_rates(plant, network), trip_rates(planned, network))

    @property
    def is_kept(self) -> bool:
        """Whether the plan keeps to the bound, as far as anything was measured."""
        return self.bound is None or self.after.total.rate <= self.bound * (1 + 1e-9)

    def lines(self) -> list[str]:
        """The same in words."""
        sessions = sum(one.exposed.parameter == "SendTimeout" for one in self.after.items)
        others = len(self.after.items) - sessions
        bound = "" if self.bound is None else f"; at most {per_time(self.bound)} are allowed"
        found = [
            f"false trips of {sessions} sessions and {others} devices or requests, by "
            f"{_span(self.network.seconds)} of measuring on {self.network.computer or 'one computer'}:",
            f"  now {_rate(self.before)}, then {_rate(self.after)}{bound}",
        ]
        worst = sorted(_known(self.after), key=lambda one: -one.rate.rate if one.rate is not None else 0.0)
        found += [f"  {_item(one)}" for one in worst[:_WORST] if one.rate is not None and one.rate.rate > 0]
        if not self.is_kept:
            found.append("  more than is allowed: raise what is named above as too short, then plan again")
        if any(one.exposed.parameter == "SendTimeout" for one in self.before.items):
            pauses = self.network.pauses
            if pauses.count:
                found.append(
                    f"  pauses of the measuring computer are not counted: {pauses.count}, the longest "
                    f"{pauses.max_ms:.0f} ms; a server that sleeps longer than SendTimeout drops its sessions"
                )
        else:
            found.append("  sessions are not assessed: the network stack gives them up, not SendTimeout (D2)")
        if self.after.unmeasured:
            names = self.after.unmeasured
            more = f" and {len(names) - _WORST} more" if len(names) > _WORST else ""
            found.append(f"  not measured, and not counted: {', '.join(names[:_WORST])}{more}")
        rarest = self.bound if self.bound is not None else self.after.total.rate
        if 0 < rarest * self.network.seconds * _FAR < 1:
            factor = 1 / (rarest * self.network.seconds)
            found.append(
                f"  extrapolated: {per_time(rarest)} is {factor:,.0f} times rarer than once in what was "
                "measured; measure longer, or let the site prove it"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "measured_s": self.network.seconds,
            "computer": self.network.computer,
            "bound_per_s": self.bound,
            "kept": self.is_kept if not self.after.unmeasured else None,
            "before_per_s": self.before.total._asdict(),
            "after_per_s": self.after.total._asdict(),
            "at_least": self.after.at_least,
            "unmeasured": list(self.after.unmeasured),
            "items": [
                {
                    "name": one.exposed.name,
                    "parameter": one.exposed.parameter,
                    "patience_ms": one.exposed.patience / 1e6,
                    "measured_as": one.measured_as,
                    "per_s": None if one.rate is None else one.rate._asdict(),
                    "at_least": one.at_least,
                }
                for one in self.after.items
            ],
        }


def _known(rates: TripRates) -> list[TripRate]:
    return [one for one in rates.items if one.rate is not None]


def _rate(rates: TripRates) -> str:
    total = rates.total
    least = "at least " if rates.at_least else ""
    return f"{least}{per_time(total.rate)} ({per_time(total.low)} to {per_time(total.high)})"


def _item(one: TripRate) -> str:
    assert one.rate is not None
    stands = "" if one.measured_as == one.exposed.subject else f", as measured for {one.measured_as}"
    patience = one.exposed.patience / 1e6
    return f"{one.exposed.name}: {per_time(one.rate.rate)} at {patience:g} ms{stands}"


def _span(seconds: float) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.1f} minutes"
