"""Strikes: one injection serves every row of the forecast that the same fault in the same place is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.forecast.result import Forecast
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.scenario.fault import Fault, Injection

_PROCESS_FAULTS = (Fault.SERVER_CLOSED, Fault.SERVER_FROZEN)


@dataclass(frozen=True, slots=True)
class Strike:
    """One injection, and the rows that are measured when it strikes, each at its own client.

    Attributes:
        injection: The fault, and what it strikes: the row's target, or of server faults that take several
            servers their computer.
        rows: In the forecast's order, at least one.
    """

    injection: Injection
    rows: tuple[Forecast, ...]

    @property
    def name(self) -> str:
        """Fault and target, such as `server-closed SCADA1`."""
        return f"{self.injection.fault.value} {self.injection.target}"

    @property
    def servers(self) -> tuple[str, ...]:
        """Of a server fault the rows' servers, each once."""
        return tuple(dict.fromkeys(row.target for row in self.rows)) if self.injection.fault.is_server else ()


def strikes(plant: Plant, rows: Iterable[Forecast]) -> tuple[Strike, ...]:
    """Put rows together that one injection serves.

    Args:
        plant: The plant.
        rows: Of the forecast.

    Returns:
        In the order of their first rows. Processes of one computer are struck together, but never two of one
        function: each row's forecast takes the others of its function to be well.
    """
    found: dict[tuple[Fault, str, int], list[Forecast]] = {}
    for row in rows:
        place, turn = _place(plant, row), 0
        if row.fault in _PROCESS_FAULTS:
            while any(other.function is row.function for other in found.get((row.fault, place, turn), ())):
                turn += 1
        found.setdefault((row.fault, place, turn), []).append(row)
    return tuple(
        Strike(Injection(fault, _target(place, together)), tuple(together))
        for (fault, place, _), together in found.items()
    )


def functions_of(strikes: Iterable[Strike]) -> frozenset[Function]:
    """What is measured by some strikes."""
    return frozenset(row.function for strike in strikes for row in strike.rows)


def _place(plant: Plant, row: Forecast) -> str:
    return plant.computer_of(row.target) if row.fault.is_server else row.target


def _target(place: str, rows: list[Forecast]) -> str:
    targets = {row.target for row in rows}
    return targets.pop() if len(targets) == 1 else place
