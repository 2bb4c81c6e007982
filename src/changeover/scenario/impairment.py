"""What a bad network does to frames, as values: what is asked of it, and what it has done.

Loss that is drawn frame by frame and loss that comes in bursts have the same mean and nothing else in common:
a watch that forgives k lost messages in a row is put off by independent loss once in p^-k, and by any burst
that lasts k periods.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from changeover.model.moment import MICROSECOND, MINUTE, Duration

DELAY_MAX: Duration = MINUTE
"""The longest delay, jitter or holding back: what is under way has to be kept somewhere."""

PERIOD_MIN: Duration = 100 * MICROSECOND
"""The shortest mean of good and of bad periods: about the time of one full frame at 100 Mbit/s."""


@dataclass(frozen=True, slots=True)
class Bursts:
    """Loss that comes and goes: good and bad periods in turn, each of exponential length.

    The periods go on whether anything is sent or not, and the first is good or bad as often as a look at any
    time would find it.

    Attributes:
        mean_good: Mean length of the good periods, nanoseconds.
        mean_bad: Mean length of the bad ones.
        loss_bad: Probability that a frame is lost in a bad period; in a good one none is.

    Raises:
        ValueError: A mean is below `PERIOD_MIN`, or the probability is none.
    """

    mean_good: Duration
    mean_bad: Duration
    loss_bad: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mean_good", "mean_bad"):
            value = getattr(self, name)
            if value < PERIOD_MIN:
                raise ValueError(f"{name} is {value} ns, the least is {PERIOD_MIN} ns")
        _check_probability("loss_bad", self.loss_bad)

    @property
    def loss(self) -> float:
        """The share of frames that is lost in the long run."""
        return self.loss_bad * self.mean_bad / (self.mean_good + self.mean_bad)


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to frames from one host to another; as it stands, nothing does.

    A frame is first lost or not: by the cut, in a burst, at random. What is left is delayed. Without
    `reorder` frames keep their order, as behind real switches: jitter never lets one overtake another, and
    one that drew less waits for the one before it. ARP is delayed with the rest and never lost: without its
    answers the other direction would fail as well.

    Attributes:
        delay: Added to each frame, nanoseconds.
        jitter: Added beside it, uniform from 0 to this.
        loss: Probability that a frame is lost, whatever became of the others.
        bursts: Loss that comes and goes with time; None for none.
        duplicate: Probability that a frame arrives twice.
        reorder: Probability that a frame is held back, so that later ones overtake it.
        reorder_by: How long it is held back.
        cut: Whether nothing but ARP passes.

    Raises:
        ValueError: A value is out of its bounds; the text names them.
    """

    delay: Duration = 0
    jitter: Duration = 0
    loss: float = 0.0
    bursts: Bursts | None = None
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_by: Duration = 0
    cut: bool = False

    def __post_init__(self) -> None:
        for name in ("delay", "jitter", "reorder_by"):
            value = getattr(self, name)
            if not 0 <= value <= DELAY_MAX:
                raise ValueError(f"{name} is {value} ns, it must be from 0 to {DELAY_MAX} ns")
        for name in ("loss", "duplicate", "reorder"):
            _check_probability(name, getattr(self, name))
        if (self.reorder > 0) != (self.reorder_by > 0):
            raise ValueError(
                f"reorder is {self.reorder:g} and reorder_by {self.reorder_by} ns: "
                "both must be above 0, or both 0"
            )


@dataclass(frozen=True, slots=True)
class Passage:
    """What has become of the frames from one host to another, ARP left out, since their network was made.

    Attributes:
        seen: Frames that were sent.
        delivered: Frames that arrived, duplicates too.
        lost_at_random: Lost by `Impairment.loss`.
        lost_in_bursts: Lost by `Impairment.bursts`.
        lost_to_cut: Lost by `Impairment.cut`, those included that it found under way.
        duplicated: Frames of which a duplicate was made.
        held_back: Frames that were held back.
        reordered: Frames that arrived after a later one: those held back that were indeed overtaken.
        refused: Frames for which the network itself had no room: its own loss, asked for by nobody.
        bad_periods: Bad periods that have begun.
        bad_time: How long they have lasted together, nanoseconds.
        late_max: The longest that any frame came after it was due, nanoseconds: the network's own error.
    """

    seen: int = 0
    delivered: int = 0
    lost_at_random: int = 0
    lost_in_bursts: int = 0
    lost_to_cut: int = 0
    duplicated: int = 0
    held_back: int = 0
    reordered: int = 0
    refused: int = 0
    bad_periods: int = 0
    bad_time: Duration = 0
    late_max: Duration = 0

    def __add__(self, other: Passage) -> Passage:
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return Passage(**sums | {"late_max": max(self.late_max, other.late_max)})

    @property
    def under_way(self) -> int:
        """Frames that are still to arrive."""
        lost = self.lost_at_random + self.lost_in_bursts + self.lost_to_cut + self.refused
        return self.seen + self.duplicated - self.delivered - lost


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:  # nor is a number that is none
        raise ValueError(f"{name} is {value:g}, a probability is from 0 to 1")
