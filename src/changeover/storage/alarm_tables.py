"""The tables of an alarm store, and their rows as values."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition
from changeover.storage.sqlite_file import ORIGINS, Layout, iso_utc

_CONDITIONS = {condition.value: condition for condition in Condition}
_EVENTS = {event.name.lower(): event for event in AlarmEvent}
EVENT_NAMES = {event: name for name, event in _EVENTS.items()}
"""How events are written."""

_PLACE = "{0}.utc, {0}.origin, {0}.number"


def _starts(record: str) -> str:
    """SQL: whether an ACTIVE record is the start of an occurrence.

    Both servers may have logged the same transition, at slightly different times: an alarm that was in that
    condition already begins nothing. Nor does one that is disabled.
    """
    before = f"""
        FROM journal AS before WHERE before.tag = {record}.tag
            AND ({_PLACE.format("before")}) < ({_PLACE.format(record)})
    """
    latest = "ORDER BY before.utc DESC, before.origin DESC, before.number DESC LIMIT 1"
    return f"""(
        SELECT iif(before.event = 'active', before.condition, '') {before}
            AND before.event IN ('active', 'returned', 'disabled', 'enabled') {latest}
    ) IS NOT {record}.condition AND (
        SELECT before.event {before} AND before.event IN ('disabled', 'enabled') {latest}
    ) IS NOT 'disabled'"""


_LATER = f"({_PLACE.format('later')}) > ({_PLACE.format('start')})"
_EARLIEST = f"ORDER BY {_PLACE.format('later')} LIMIT 1"
_STARTED = f"""
    SELECT tag, condition, utc AS active_utc, origin, number,
        (
            SELECT later.utc FROM journal AS later WHERE later.tag = start.tag AND {_LATER} AND (
                later.event IN ('returned', 'disabled', 'enabled')
                OR later.event = 'active' AND later.condition <> start.condition
            ) {_EARLIEST}
        ) AS returned_utc,
        (
            SELECT later.utc FROM journal AS later WHERE later.tag = start.tag AND {_LATER}
                AND later.event = 'active' AND {_starts("later")} {_EARLIEST}
        ) AS next_utc
    FROM journal AS start WHERE event = 'active' AND {_starts("start")}
"""
_DURING = f"""
    FROM journal AS later WHERE later.tag = started.tag
        AND later.utc >= started.active_utc AND later.utc < coalesce(started.next_utc, {2**63 - 1})
"""
# What an operator does concerns the occurrence that began last: of acknowledgements the first counts, of
# comments the last.
_SUMMARY = f"""
    CREATE VIEW summary AS SELECT
        tag,
        condition,
        active_utc,
        coalesce(returned_utc, 0) AS returned_utc,
        coalesce((SELECT later.utc {_DURING} AND later.event = 'acknowledged' {_EARLIEST}), 0)
            AS acknowledged_utc,
        coalesce((SELECT later.who {_DURING} AND later.event = 'acknowledged' {_EARLIEST}), '')
            AS acknowledged_by,
        coalesce((
            SELECT later.comment {_DURING} AND later.comment <> ''
            ORDER BY later.utc DESC, later.origin DESC, later.number DESC LIMIT 1
        ), '') AS comment,
        origin,
        number
    FROM ({_STARTED}) AS started
"""

LAYOUT = Layout(
    application_id=0x436F416C,
    version=1,
    # A value may be NULL: SQLite stores NaN so.
    statements=f"""{ORIGINS}
    CREATE TABLE state (
        tag TEXT PRIMARY KEY COLLATE NOCASE,
        condition TEXT NOT NULL,
        acknowledged INTEGER NOT NULL,
        active_utc INTEGER NOT NULL,
        returned_utc INTEGER NOT NULL,
        acknowledged_utc INTEGER NOT NULL,
        acknowledged_by TEXT NOT NULL,
        value REAL,
        disabled INTEGER NOT NULL,
        shelved_until_utc INTEGER NOT NULL,
        comment TEXT NOT NULL,
        changed_utc INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE journal (
        origin TEXT NOT NULL,
        number INTEGER NOT NULL,
        utc INTEGER NOT NULL,
        tag TEXT NOT NULL COLLATE NOCASE,
        event TEXT NOT NULL,
        condition TEXT NOT NULL,
        value REAL,
        action TEXT NOT NULL,
        who TEXT NOT NULL,
        client TEXT NOT NULL,
        comment TEXT NOT NULL,
        until_utc INTEGER NOT NULL,
        PRIMARY KEY (origin, number)
    ) WITHOUT ROWID;
    CREATE INDEX journal_by_utc ON journal (utc, origin, number);
    CREATE INDEX journal_by_tag ON journal (tag, utc, origin, number);
    CREATE INDEX journal_active ON journal (utc, origin, number) WHERE event = 'active';
    CREATE INDEX journal_service ON journal (tag, utc, origin, number) WHERE event IN ('disabled', 'enabled');
    CREATE INDEX journal_actions ON journal (action, utc) WHERE action <> '';

    {_SUMMARY};

    CREATE VIEW journal_readable AS
        SELECT {iso_utc("utc")} AS utc, tag, event, condition, value, who, client, comment,
            {iso_utc("until_utc")} AS until_utc, action, origin, number
        FROM journal ORDER BY journal.utc, origin, number;
    CREATE VIEW summary_readable AS
        SELECT {iso_utc("active_utc")} AS active_utc, tag, condition,
            {iso_utc("returned_utc")} AS returned_utc,
            {iso_utc("acknowledged_utc")} AS acknowledged_utc, acknowledged_by, comment
        FROM summary ORDER BY summary.active_utc, origin, number
    """,
)


class Occurrence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of the summary: an alarm from when it became active to when it was over and acknowledged.

    Attributes:
        tag: The alarm.
        condition: What was wrong.
        active_utc: When it began, UTC nanoseconds since 1970.
        returned_utc: When it ended, or the next condition began; 0 while it lasts.
        acknowledged_utc: When it was acknowledged, 0 for not.
        acknowledged_by: By whom, empty for nobody.
        comment: The last comment of an operator on it.
        origin: The server whose record tells of its beginning.
        number: Of that record; with the origin the occurrence's identity.
    """

    tag: str
    condition: Condition
    active_utc: int
    returned_utc: int
    acknowledged_utc: int
    acknowledged_by: str
    comment: str
    origin: str
    number: int


def state_row(state: AlarmState) -> tuple[int | float | str, ...]:
    """A state as its table has it."""
    return (
        state.tag,
        state.condition.value,
        state.acknowledged,
        state.active_utc,
        state.returned_utc,
        state.acknowledged_utc,
        state.acknowledged_by,
        state.value,
        state.disabled,
        state.shelved_until_utc,
        state.comment,
        state.changed_utc,
    )


def state_of(
    tag: str,
    condition: str,
    acknowledged: int,
    active_utc: int,
    returned_utc: int,
    acknowledged_utc: int,
    acknowledged_by: str,
    value: float | None,
    disabled: int,
    shelved_until_utc: int,
    comment: str,
    changed_utc: int,
) -> AlarmState:
    """The state of a row.

    Raises:
        KeyError: There is no such condition.
    """
    return AlarmState(
        tag,
        _CONDITIONS[condition],
        bool(acknowledged),
        active_utc,
        returned_utc,
        acknowledged_utc,
        acknowledged_by,
        math.nan if value is None else value,
        bool(disabled),
        shelved_until_utc,
        comment,
        changed_utc,
    )


def record_row(record: JournalRecord) -> tuple[int | float | str, ...]:
    """A record as its table has it."""
    return (
        record.origin,
        record.number,
        record.utc,
        record.tag,
        EVENT_NAMES[record.event],
        record.condition.value,
        record.value,
        record.action,
        record.who,
        record.where,
        record.comment,
        record.until_utc,
    )


def record_of(
    origin: str,
    number: int,
    utc: int,
    tag: str,
    event: str,
    condition: str,
    value: float | None,
    action: str,
    who: str,
    client: str,
    comment: str,
    until_utc: int,
) -> JournalRecord:
    """The record of a row.

    Raises:
        KeyError: There is no such event or condition.
    """
    return JournalRecord(
        origin,
        number,
        utc,
        tag,
        _EVENTS[event],
        _CONDITIONS[condition],
        math.nan if value is None else value,
        action,
        who,
        client,
        comment,
        until_utc,
    )


def occurrence_of(tag: str, condition: str, *rest: Any) -> Occurrence:
    """The occurrence of a row.

    Raises:
        KeyError: There is no such condition.
    """
    return Occurrence(tag, _CONDITIONS[condition], *rest)
