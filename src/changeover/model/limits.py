"""What a site has measured of its devices and LANs: below that, a time-out would be false."""

from __future__ import annotations

from dataclasses import dataclass, field

from changeover.model.moment import Duration


@dataclass(frozen=True, slots=True)
class Limits:
    """The slowest that was seen while all was well; what is not here was not measured.

    Attributes:
        answers: By the name of a unit, the slowest answer of its device.
        acknowledgements: By the name of a LAN, the slowest acknowledgement on it.
    """

    answers: tuple[tuple[str, Duration], ...] = ()
    acknowledgements: tuple[tuple[str, Duration], ...] = ()
    _answers: dict[str, Duration] = field(init=False, repr=False, compare=False)
    _acknowledgements: dict[str, Duration] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_answers", dict(self.answers))
        object.__setattr__(self, "_acknowledgements", dict(self.acknowledgements))

    def answer(self, unit: str) -> Duration | None:
        """The slowest answer of a unit's device, None where it was not measured."""
        return self._answers.get(unit)

    def acknowledgement(self, lan: str) -> Duration | None:
        """The slowest acknowledgement on a LAN, None where it was not measured."""
        return self._acknowledgements.get(lan)


NOTHING_MEASURED = Limits()
