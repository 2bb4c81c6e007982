"""When reports run: a pure function of the schedule and of the instant asked from.

A run's identity is (report, scheduled time), so both servers of a pair must name exactly the same instants,
from whatever instant each of them asks. The runs of a schedule are therefore defined as a set of instants,
not as the steps of an iteration:

- A period: the whole multiples of it since 1970 UTC. Summer time does not touch them.
- A cron expression with a wildcard, whose minute or hour field begins with `*`: every instant at which the
  wall clock of the plant's time zone matches. When the clock is put forward, what would be in the skipped
  hour does not run; when it is put back, the doubled hour runs twice, as two hours went by.
- Any other cron expression names times of day, and each of them runs once. What would be in the skipped hour
  runs at the instant at which the clock is put forward, once for all of them; what is in the doubled hour
  runs the first time.

Those are the rules of cron as most systems have it. The library that reads the expressions would apply them
too, but what it finds in a zone that changes by half an hour, or at midnight, depends on where it began.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from changeover.model.moment import SECOND
from changeover.model.report import Schedule

_FIELDS = 5
_WALL_ZERO = datetime(1970, 1, 1)
_DAY_S = 86_400
_WINDOW_S = 3_600
_WINDOW_FACTOR = 4


class Calendar:
    """The runs of schedules in one time zone.

    Args:
        time_zone: IANA name of the plant's time zone.

    Raises:
        ZoneInfoNotFoundError: There is no such zone.
    """

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)

    def next_run(self, schedule: Schedule, after_utc: int) -> int:
        """The first run strictly after an instant.

        Args:
            schedule: When the report runs.
            after_utc: UTC nanoseconds since 1970.

        Returns:
            UTC nanoseconds since 1970; of a cron expression always a whole minute of the wall clock.

        Raises:
            ValueError: The schedule is none, its cron expression is malformed, or no day matches it.
        """
        if schedule.period > 0 and not schedule.cron:
            return (after_utc // schedule.period + 1) * schedule.period
        fields = schedule.cron.split()
        if len(fields) != _FIELDS or schedule.period:
            raise ValueError(f"a schedule is a period or {_FIELDS} cron fields, not both: {schedule}")
        after_s = after_utc // SECOND
        if fields[0].startswith("*") or fields[1].startswith("*"):
            return self._next_by_wall_clock(schedule.cron, after_s) * SECOND
        return self._next_time_of_day(schedule.cron, after_s) * SECOND

    def runs_between(self, schedule: Schedule, after_utc: int, until_utc: int, limit: int) -> tuple[int, ...]:
        """The last runs within a span, for instance those that an outage made miss.

        Args:
            schedule: When the report runs.
            after_utc: UTC nanoseconds since 1970; a run at this instant does not count.
            until_utc: UTC nanoseconds since 1970; a run at this instant does.
            limit: How many to give at most; of more, the latest. What it costs grows with this, not with the
                span.

        Returns:
            UTC nanoseconds since 1970, ascending.

        Raises:
            ValueError: As `next_run`.
        """
        window = max(_WINDOW_S * SECOND, limit * schedule.period)
        while limit > 0:
            begin = max(after_utc, until_utc - window)
            runs = tuple(self._runs(schedule, begin, until_utc))
            if begin == after_utc or len(runs) >= limit:
                return runs[-limit:]
            window *= _WINDOW_FACTOR
        return ()

    def _runs(self, schedule: Schedule, after_utc: int, until_utc: int) -> Iterator[int]:
        run = after_utc
        while run < until_utc and (run := self.next_run(schedule, run)) <= until_utc:
            yield run

    # Below, instants are whole UTC seconds since 1970, and the wall clock is seconds since its own 1970.

    def _next_by_wall_clock(self, cron: str, after: int) -> int:
        since, shown_before = after, 0
        while True:
            offset = self._offset(since)
            found = next(_matches(cron, since + offset - shown_before)) - offset
            change = self._next_change(since, found)
            if change is None:
                return found
            # The clock jumps before it shows what matches: look on from the jump, which may match itself.
            since, shown_before = change, 1

    def _next_time_of_day(self, cron: str, after: int) -> int:
        matches = _matches(cron, after + self._offset(after))
        return next(run for wall in matches if (run := self._first_instant(wall)) > after)

    def _first_instant(self, wall: int) -> int:
        """When the wall clock first shows this, or jumps over it."""
        shown = _WALL_ZERO + timedelta(seconds=wall)
        # A time that is skipped is taken by the offset before the jump, so it comes out after it.
        instant = int(shown.replace(tzinfo=self._zone).timestamp())
        if instant + self._offset(instant) == wall:
            return instant
        change = self._next_change(instant - _DAY_S, instant)
        assert change is not None
        return change

    def _next_change(self, after: int, until: int) -> int | None:
        """The first instant in a span from which on the offset is another one."""
        before = self._offset(after)
        for start in range(after, until, _DAY_S):
            end = min(start + _DAY_S, until)
            if self._offset(end) != before:
                instants = range(start, end + 1)
                return instants[bisect_left(instants, True, key=lambda at: self._offset(at) != before)]
        return None

    def _offset(self, instant: int) -> int:
        offset = datetime.fromtimestamp(instant, UTC).astimezone(self._zone).utcoffset()
        assert offset is not None
        return offset // timedelta(seconds=1)


def _matches(cron: str, after: int) -> Iterator[int]:
    """Wall clock seconds that match, strictly after one; ValueError where there is no further one."""
    try:
        for shown in CronSim(cron, _WALL_ZERO + timedelta(seconds=after)):
            yield (shown - _WALL_ZERO) // timedelta(seconds=1)
    except CronSimError as error:
        raise ValueError(f"{cron!r} is no cron expression: {error}") from error
    raise ValueError(f"no day matches the cron expression {cron!r}")
