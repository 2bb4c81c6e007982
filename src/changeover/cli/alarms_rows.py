"""Alarms, occurrences and journal records, with what the project says of them, as rows and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.cli.alarms_filters import AlarmFilter
from changeover.core.alarm_records import AlarmState, JournalRecord
from changeover.model.alarm import Alarm, AlarmType
from changeover.model.plant import Plant
from changeover.model.tag import Tag
from changeover.protocol.queries import OccurrenceRow


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm as it stands.

    Attributes:
        state: What its server says.
        alarm: What the project says; None where it knows no such alarm.
        tag: The variable tag of its value, None where there is none to show.
    """

    state: AlarmState
    alarm: Alarm | None
    tag: Tag | None

    @property
    def urgency(self) -> int:
        """Its priority, 0 for none."""
        return self.alarm.urgency if self.alarm else 0

    def fields(self) -> dict[str, object]:
        """For programs; instants in UTC nanoseconds since 1970, null for never."""
        state, alarm = self.state, self.alarm
        return {
            "tag": state.tag,
            "name": alarm.name if alarm else "",
            "description": alarm.description if alarm else "",
            "category": alarm.category.number if alarm else None,
            "category_name": alarm.category.name if alarm else "",
            "area": alarm.area if alarm else None,
            "priority": alarm.urgency if alarm else None,
            "condition": state.condition.value,
            "state": state.words,
            "acknowledged": state.acknowledged,
            "active_utc": state.active_utc or None,
            "returned_utc": state.returned_utc or None,
            "acknowledged_utc": state.acknowledged_utc or None,
            "acknowledged_by": state.acknowledged_by or None,
            "value": state.value if self.tag else None,
            "units": self.tag.units if self.tag else None,
            "disabled": state.disabled,
            "shelved_until_utc": state.shelved_until_utc or None,
            "comment": state.comment,
        }


class AlarmBook:
    """What a project says of its alarms.

    Args:
        plant: The plant.
    """

    def __init__(self, plant: Plant) -> None:
        self.alarms = {alarm.tag.lower(): alarm for alarm in plant.alarms}
        self._tags = {tag.name: tag for tag in plant.tags}
        # The colour of an alarm goes by its rank among the priorities that the project uses.
        urgencies = sorted({alarm.urgency for alarm in plant.alarms} - {0})
        self._ranks = {urgency: rank for rank, urgency in enumerate(urgencies)}

    def find(self, tag: str) -> Alarm | None:
        """An alarm by its tag, case aside; None where this project knows no such alarm."""
        return self.alarms.get(tag.lower())

    def value_tag(self, alarm: Alarm | None) -> Tag | None:
        """The variable tag of an alarm's value; None where the value says nothing that the state does not."""
        if alarm is None or alarm.type is not AlarmType.ANALOGUE:
            return None
        return self._tags.get(alarm.variables[0])

    def rank(self, alarm: Alarm | None) -> int | None:
        """Place of an alarm's priority among those of the project, 0 for the most urgent; None for none."""
        return self._ranks.get(alarm.urgency) if alarm else None

    def rows(self, states: Iterable[AlarmState], wanted: AlarmFilter) -> list[AlarmRow]:
        """The alarms that are wanted, the most urgent first.

        Of one priority unacknowledged before acknowledged, active before returned, the newest first. Alarms
        that nobody need look at come last.
        """
        found = []
        for state in states:
            alarm = self.find(state.tag)
            if wanted.takes(state, alarm):
                found.append(AlarmRow(state, alarm, self.value_tag(alarm)))
        return sorted(found, key=_order)


def _order(row: AlarmRow) -> tuple[object, ...]:
    state = row.state
    listed = "active" in state.words or "returned" in state.words
    return (
        not listed,
        row.urgency == 0,
        row.urgency,
        state.acknowledged,
        not state.is_active,
        -state.active_utc,
    )


def occurrence_fields(row: OccurrenceRow) -> dict[str, object]:
    """An occurrence for programs; instants in UTC nanoseconds since 1970, null for not yet."""
    return {
        "tag": row.tag,
        "condition": row.condition.value,
        "active_utc": row.active_utc,
        "returned_utc": row.returned_utc or None,
        "acknowledged_utc": row.acknowledged_utc or None,
        "acknowledged_by": row.acknowledged_by or None,
        "comment": row.comment,
    }


def record_fields(record: JournalRecord) -> dict[str, object]:
    """A journal record for programs; of a transition without operator, of an action without value."""
    return {
        "utc": record.utc,
        "tag": record.tag,
        "event": record.event.name.lower(),
        "condition": record.condition.value,
        "value": record.value if record.event.is_transition else None,
        "who": record.who or None,
        "where": record.where or None,
        "comment": record.comment,
        "until_utc": record.until_utc or None,
        "action": record.action or None,
        "origin": record.origin,
        "number": record.number,
    }
