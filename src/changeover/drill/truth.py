"""What really happened to a digital alarm whose variables follow square waves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from changeover.model.alarm import Alarm, Condition
from changeover.model.moment import Duration
from changeover.runtime.plc_waves import Wave
from changeover.scenario.audit import TrueTransition


def transitions(
    alarm: Alarm, waves: Mapping[str, Wave], start_utc: int, end_utc: int, margin: Duration = 0
) -> tuple[TrueTransition, ...]:
    """Every transition of a digital alarm from one instant on up to before another.

    Args:
        alarm: Its variables are all in `waves`.
        waves: By variable tag.
        start_utc: UTC nanoseconds since 1970.
        end_utc: Likewise.
        margin: By so much a server may see it on too early: what is on for a little less than the alarm's
            delay may be told as well.
    """
    found: list[TrueTransition] = []
    for (on_at, is_on), (off_at, _) in pairwise(_phases(alarm, waves, start_utc, end_utc)):
        if is_on and off_at - on_at > alarm.delay - margin:
            found.append(TrueTransition(alarm.tag, Condition.ON, on_at + alarm.delay))
            found.append(TrueTransition(alarm.tag, Condition.NORMAL, off_at))
    return tuple(one for one in found if start_utc <= one.utc < end_utc)


def split(
    found: Sequence[TrueTransition], start_utc: int, end_utc: int, dwell: Duration
) -> tuple[list[TrueTransition], list[TrueTransition]]:
    """Tell transitions that had to be seen from those that may have been.

    Args:
        found: Of one alarm, in order, one more at least before the start and after the end.
        start_utc: Those that had to be seen are from this instant on, UTC nanoseconds since 1970,
        end_utc: up to before this one,
        dwell: and between two phases that both lasted so long.

    Returns:
        Those that had to be, and all others.
    """
    had_to: list[TrueTransition] = []
    may: list[TrueTransition] = []
    for place, one in enumerate(found):
        lasts = place + 1 < len(found) and found[place + 1].utc - one.utc >= dwell
        lasted = place > 0 and one.utc - found[place - 1].utc >= dwell
        is_inside = start_utc <= one.utc < end_utc
        (had_to if is_inside and lasts and lasted else may).append(one)
    return had_to, may


def _phases(alarm: Alarm, waves: Mapping[str, Wave], start_utc: int, end_utc: int) -> list[tuple[int, bool]]:
    """From when on the alarm's expression is on or off, from before the start until after the end."""
    used = [waves[name] for name in alarm.variables]
    reach = 2 * sum(wave.half_period for wave in used) + alarm.delay
    instants = sorted({at for w in used for at in w.switchings(start_utc - reach, end_utc + reach)})
    found: list[tuple[int, bool]] = []
    for at in instants:
        is_on = all(wave.is_on(at) != off for wave, off in zip(used, alarm.inverted, strict=True))
        if not found or found[-1][1] != is_on:
            found.append((at, is_on))
    return found
