"""All states of alarms, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from changeover.core.alarm_records import AlarmState
from changeover.protocol.queries import Question, StateRows, StatesQuery


async def all_states(
    ask: Callable[[Question], Awaitable[object]], listed_only: bool
) -> tuple[AlarmState, ...]:
    """The states of all alarms, or of those that are listed, in the order of alarms.csv.

    Args:
        ask: Asks an alarm server; what it raises is not caught.
        listed_only: Only what is active or unacknowledged.
    """
    found: list[AlarmState] = []
    first = 0
    while True:
        rows = await ask(StatesQuery(listed_only, first))
        assert isinstance(rows, StateRows)
        found.extend(rows.states)
        if rows.following <= first:
            return tuple(found)
        first = rows.following
