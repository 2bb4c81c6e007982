"""From values to what is seen: which alarm is in which condition, after delays, deadbands and bad values.

Theory of operation. An alarm has one latch per condition that it can be in: a digital one ON alone, an
analogue one a latch per limit. A latch has a test over the values of variable tags, which says that its
condition holds, that it does not, or, on a bad value, nothing.

    not seen --holds, no delay----------------------------> seen
        |                                                    |
        `--holds--> delay runs --held for the delay----------'
              not held, or bad value: it starts anew         `--back by the deadband--> not seen

A delay is over when the device has delivered a value from after its end, and the condition still holds: what
a server read before says nothing of that moment, and the partner may know better.

The first seen latch in the order of `Condition` is the alarm's condition. What is wrong is told at once,
even while the delay of a graver limit still runs; leaving has no delay. After a start an alarm is *not known*
until a latch is seen, or every test has said that its condition does not hold: no alarm is called normal
because of a value that is not there yet, or of a delay that still runs. Both servers of a pair run this on
the same values (changeover-model.md T6); it knows nothing of acknowledgements.

Choices where no source says:
- HIGH holds above its limit, not at it; LOW below. A variable is on when it is not 0.
- The deadband keeps a condition that is seen; it does not keep a delay running. It has no say in RATE, whose
  limit is another unit.
- Where HIGH_HIGH is seen, HIGH needs no delay: stepping down never makes an alarm normal in between. LOW
  likewise.
- A bad set-point suspends DEVIATION alone, a bad value every condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import isfinite, isnan
from typing import Protocol

import msgspec

from changeover.model.alarm import Alarm, AlarmType, Condition, Limit
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant

CLOCK_SLACK: Duration = 2 * SECOND
"""So long after a delay's end its device's next delivery ends it, whatever UTC it has: a clock was set."""
STAMP_AGE_MAX: Duration = 24 * 3600 * SECOND
"""How long before its reading a time-stamped alarm may have happened: a day of buffering in the device, but
no device clock that starts in 1970 or 2000."""

_COVERED_BY = {Condition.HIGH: Condition.HIGH_HIGH, Condition.LOW: Condition.LOW_LOW}


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An alarm's condition is another one now, as this server sees it.

    Attributes:
        tag: The alarm.
        condition: What is wrong, or NORMAL.
        value: Of its variable (of a digital alarm with two, the first), in engineering units.
        utc: When the device delivered the value, plus the delay that it had to hold for; UTC nanoseconds.
    """

    tag: str
    condition: Condition
    value: float
    utc: int


class _Variable:
    """The last value of a variable tag, None while it is bad or not there yet."""

    __slots__ = ("alarms", "every", "utc", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self.utc = 0
        # Positions of the alarms that are judged when it changes; with `every`, also when it does not.
        self.alarms: list[int] = []
        self.every = False


class _Test(Protocol):
    def holds(self, seen: bool) -> bool | None:
        """Whether the condition holds, given that it is seen already or not; None on a bad value."""


class _AllOn:
    """Every variable of a digital alarm is on, after inversion."""

    __slots__ = ("_inputs",)

    def __init__(self, variables: Iterable[_Variable], inverted: Iterable[bool]) -> None:
        self._inputs = tuple(zip(variables, inverted, strict=True))

    def holds(self, seen: bool) -> bool | None:
        on = True
        for variable, inverted in self._inputs:
            if variable.value is None:
                return None
            on = on and (variable.value != 0) is not inverted
        return on


class _Beyond:
    """A value is above a high limit or below a low one."""

    __slots__ = ("_above", "_begins", "_ends", "_variable")

    def __init__(self, variable: _Variable, limit: Limit, deadband: float) -> None:
        self._variable = variable
        self._above = limit.condition in (Condition.HIGH_HIGH, Condition.HIGH)
        self._begins = limit.value
        self._ends = limit.value - deadband if self._above else limit.value + deadband

    def holds(self, seen: bool) -> bool | None:
        value = self._variable.value
        if value is None:
            return None
        bound = self._ends if seen else self._begins
        return value > bound if self._above else value < bound


class _Deviation:
    """A value is too far from its set-point, which is a number or another variable."""

    __slots__ = ("_begins", "_ends", "_set_point", "_variable")

    def __init__(
        self, variable: _Variable, set_point: _Variable | float, limit: Limit, deadband: float
    ) -> None:
        self._variable = variable
        self._set_point = set_point
        self._begins = limit.value
        # A deadband that is wider than the limit must not keep the alarm for ever.
        self._ends = max(limit.value - deadband, 0.0)

    def holds(self, seen: bool) -> bool | None:
        value = self._variable.value
        at = self._set_point.value if isinstance(self._set_point, _Variable) else self._set_point
        if value is None or at is None:
            return None
        return abs(value - at) > (self._ends if seen else self._begins)


class _Rate:
    """A value changes too fast, from one good value to the next.

    Two values of one moment have no rate: the first stays the one to measure from, so that no jump is missed.
    A value from before the last one (a clock was set, another I/O server serves) is what the next is measured
    from.
    """

    __slots__ = ("_from_utc", "_from_value", "_limit", "_over", "_variable")

    def __init__(self, variable: _Variable, limit: Limit) -> None:
        self._variable = variable
        self._limit = limit.value
        self._from_value: float | None = None
        self._from_utc = 0
        self._over: bool | None = None

    def holds(self, seen: bool) -> bool | None:
        value, utc = self._variable.value, self._variable.utc
        if value is None:
            return None
        if self._from_value is not None:
            span = utc - self._from_utc
            if span == 0:
                return self._over
            if span > 0:
                self._over = abs(value - self._from_value) * SECOND > self._limit * span
        self._from_value, self._from_utc = value, utc
        return self._over


class _Latch:
    """One condition of one alarm.

    Attributes:
        condition: The condition.
        delay: How long it must hold.
        test: Whether it holds.
        covered_by: The graver limit on the same side, if any.
        seen: Whether it is seen; None while no test has said so since the start.
        began_utc: UTC of the value with which the running delay began; None while none runs.
        due_at: When that delay is over.
    """

    __slots__ = ("began_utc", "condition", "covered_by", "delay", "due_at", "seen", "test")

    def __init__(self, condition: Condition, delay: Duration, test: _Test) -> None:
        self.condition = condition
        self.delay = delay
        self.test = test
        self.due_at: Instant = 0
        self.covered_by: _Latch | None = None
        self.seen: bool | None = None
        self.began_utc: int | None = None

    def waits(self) -> bool:
        """Whether it must hold for a while before it is seen."""
        return self.delay > 0 and not (self.covered_by and self.covered_by.seen)


class _Watch:
    """One alarm: its latches in the order of `Condition`, and what was told of it last."""

    __slots__ = ("asked", "devices", "known", "latches", "stamp", "tag", "timer", "variable")

    def __init__(
        self, tag: str, variable: _Variable, timer: _Variable | None, devices: tuple[str, ...]
    ) -> None:
        self.tag = tag
        self.devices = devices
        self.variable = variable
        self.timer = timer
        self.latches: tuple[_Latch, ...] = ()
        self.known: Condition | None = None
        self.asked = False
        self.stamp = 0

    def stamped(self, utc: int) -> int:
        """When it happened: by the timer tag where that is plausible, else `utc`, that of the reading.

        Plausible is a good number that is later than at the judgement before (an older one belongs to another
        event), not after the reading, and at most `STAMP_AGE_MAX` before it.
        """
        if self.timer is None or self.variable.value is None:
            return utc
        milliseconds = self.timer.value
        if milliseconds is None or not isfinite(milliseconds):
            return utc
        before, self.stamp = self.stamp, round(milliseconds) * MILLISECOND
        return self.stamp if before < self.stamp and utc - STAMP_AGE_MAX <= self.stamp <= utc else utc

    def tell(self, utc: int) -> Seen | None:
        """What is seen now, where that is another condition than was told last."""
        condition = next((latch.condition for latch in self.latches if latch.seen), Condition.NORMAL)
        first = self.known is None
        if condition is self.known:
            return None
        if first and condition is Condition.NORMAL and any(latch.seen is None for latch in self.latches):
            return None
        self.known = condition
        if first and condition is Condition.NORMAL and not self.asked:
            return None
        value = self.variable.value
        assert value is not None, "a bad value changes nothing"
        return Seen(self.tag, condition, value, utc)


class AlarmWatch:
    """What is seen of every alarm. Tags and variables are named as the alarms spell them.

    Variables of alarms with a RATE limit must be given at each scan, changed or not: a value that stands
    still is news to them. Of all others it is enough to give what changed; what did not costs little.

    Args:
        alarms: All alarms.
        device_of: By variable tag, its I/O device; those that are left out are of one device without a name.
    """

    def __init__(self, alarms: tuple[Alarm, ...], device_of: Mapping[str, str] | None = None) -> None:
        self._device_of = device_of or {}
        # By device: when it delivered last, in UTC and by the monotonic clock.
        self._delivered: dict[str, tuple[int, Instant]] = {}
        # By device: the delays that wait for it, by the positions of alarm and latch.
        self._running: dict[str, dict[tuple[int, int], _Latch]] = {}
        self._variables: dict[str, _Variable] = {}
        self._watches: list[_Watch] = []
        for position, alarm in enumerate(alarms):
            self._watches.append(self._watch(alarm, position))
        self._by_tag = {watch.tag: watch for watch in self._watches}

    # --- the owner's calls ---

    def handle_values(
        self, values: Iterable[tuple[str, float | None]], utc: int, now: Instant, device: str = ""
    ) -> tuple[Seen, ...]:
        """Take what a device delivered, at each delivery: without changes too.

        Args:
            values: (variable tag, engineering value or None for bad quality); NaN is bad too.
            utc: When the device delivered them, UTC nanoseconds since 1970.
            now: Monotonic nanoseconds.
            device: The I/O device.

        Returns:
            What is seen otherwise than before: first what the values do, in the order of the alarms, then
            what delays do that are over, in the order of their ends.
        """
        self._delivered[device] = (utc, now)
        return (*self._take(values, utc, now), *self._end_delays(device))

    def handle_unknown(self, variables: Iterable[str], utc: int, now: Instant) -> None:
        """Nothing is known of these variable tags any more: what is seen stays, running delays do not."""
        told = self._take(((name, None) for name in variables), utc, now)
        assert not told, "a bad value changes nothing"

    def known(self, tag: str) -> Condition | None:
        """The condition of an alarm as it is seen; None while it is not known, or where there is no such."""
        watch = self._by_tag.get(tag)
        return watch.known if watch else None

    def sight(self, tag: str, utc: int, believed: Condition) -> Seen | None:
        """What is seen of an alarm at this moment, for who doubts its state.

        Args:
            tag: The alarm.
            utc: When its device delivered last.
            believed: The condition that is doubted.

        Returns:
            The condition that is known and the value of now; None while it is not known, the value is bad, or
            what is believed holds and only its delay still runs here: then it may be true.
        """
        watch = self._by_tag.get(tag)
        if watch is None or watch.known is None or watch.variable.value is None:
            return None
        if any(latch.began_utc is not None and latch.condition is believed for latch in watch.latches):
            return None
        return Seen(tag, watch.known, watch.variable.value, utc)

    def ask(self, tags: Iterable[str]) -> None:
        """Tell of these alarms when they become known, as NORMAL too: somebody believes that they are active.

        Of an alarm that is known already nothing is told: `known` says it.
        """
        for tag in tags:
            if tag in self._by_tag:
                self._by_tag[tag].asked = True

    # --- judging ---

    def _take(self, values: Iterable[tuple[str, float | None]], utc: int, now: Instant) -> list[Seen]:
        touched: set[int] = set()
        variables = self._variables
        for name, value in values:
            variable = variables.get(name)
            if variable is None or (value == variable.value and not variable.every):
                continue
            variable.value = None if value is None or isnan(value) else value
            variable.utc = utc
            touched.update(variable.alarms)
        judged = (self._judge(position, utc, now) for position in sorted(touched))
        return [seen for seen in judged if seen is not None]

    def _judge(self, position: int, utc: int, now: Instant) -> Seen | None:
        watch = self._watches[position]
        utc = watch.stamped(utc)
        # The milder limits first: they look at whether the graver one was seen until now.
        for order, latch in reversed(tuple(enumerate(watch.latches))):
            self._judge_latch((position, order), latch, utc, now)
        return watch.tell(utc)

    def _judge_latch(self, place: tuple[int, int], latch: _Latch, utc: int, now: Instant) -> None:
        holds = latch.test.holds(latch.seen is True)
        if holds and not latch.seen and latch.waits():
            if latch.began_utc is None:
                latch.began_utc, latch.due_at = utc, now + latch.delay
                for device in self._watches[place[0]].devices:
                    self._running.setdefault(device, {})[place] = latch
            return
        if holds is not None:
            latch.seen = holds
        if latch.began_utc is not None:
            self._stop(place, latch)

    def _stop(self, place: tuple[int, int], latch: _Latch) -> None:
        """The latch's delay runs no more."""
        latch.began_utc = None
        for device in self._watches[place[0]].devices:
            del self._running[device][place]

    def _end_delays(self, device: str) -> list[Seen]:
        """End the delays that a delivery has shown to be over."""
        running = self._running.get(device)
        if not running:
            return []
        over = sorted(
            (latch.due_at, place, latch) for place, latch in running.items() if self._is_over(place, latch)
        )
        told: list[Seen] = []
        for _, together in groupby(over, key=lambda entry: entry[0]):
            # Delays that end together are one change: the gravest is told, the others are no news after it.
            ended = [(place, latch, latch.began_utc or 0) for _, place, latch in together]
            for place, latch, _ in ended:
                latch.seen = True
                self._stop(place, latch)
            seen = (self._watches[place[0]].tell(began + latch.delay) for place, latch, began in ended)
            told.extend(one for one in seen if one is not None)
        return told

    def _is_over(self, place: tuple[int, int], latch: _Latch) -> bool:
        """Whether every device of the alarm has delivered since the delay's end."""
        assert latch.began_utc is not None
        due_utc = latch.began_utc + latch.delay
        for device in self._watches[place[0]].devices:
            utc, at = self._delivered.get(device, (0, 0))
            if at < latch.due_at or (utc < due_utc and at < latch.due_at + CLOCK_SLACK):
                return False
        return True

    # --- building ---

    def _watch(self, alarm: Alarm, position: int) -> _Watch:
        variables = [self._variable(name, position) for name in alarm.variables]
        # A change of the time alone is no event: the timer is looked at when its alarm is judged.
        timer = self._variables.setdefault(alarm.timer, _Variable()) if alarm.timer else None
        names = (*alarm.variables, *([alarm.set_point] if isinstance(alarm.set_point, str) else ()))
        devices = tuple(dict.fromkeys(self._device_of.get(name, "") for name in names))
        watch = _Watch(alarm.tag, variables[0], timer, devices)
        tests: list[tuple[Condition, Duration, _Test]]
        if alarm.type is AlarmType.ANALOGUE:
            tests = [
                (limit.condition, limit.delay, self._test(alarm, limit, position)) for limit in alarm.limits
            ]
        else:
            tests = [(Condition.ON, alarm.delay, _AllOn(variables, alarm.inverted))]
        latches: dict[Condition, _Latch] = {}
        for condition, delay, test in tests:
            latches[condition] = _Latch(condition, delay, test)
        for condition, graver in _COVERED_BY.items():
            if condition in latches:
                latches[condition].covered_by = latches.get(graver)
        watch.latches = tuple(latches.values())
        return watch

    def _test(self, alarm: Alarm, limit: Limit, position: int) -> _Test:
        variable = self._variables[alarm.variables[0]]
        if limit.condition is Condition.RATE:
            variable.every = True
            return _Rate(variable, limit)
        if limit.condition is not Condition.DEVIATION:
            return _Beyond(variable, limit, alarm.deadband)
        set_point = alarm.set_point
        assert set_point is not None, "DEVIATION is measured from something"
        if isinstance(set_point, str):
            return _Deviation(variable, self._variable(set_point, position), limit, alarm.deadband)
        return _Deviation(variable, set_point, limit, alarm.deadband)

    def _variable(self, name: str, position: int) -> _Variable:
        variable = self._variables.setdefault(name, _Variable())
        if position not in variable.alarms[-1:]:
            variable.alarms.append(position)
        return variable
