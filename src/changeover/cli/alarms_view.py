"""Alarms on a terminal. Colours help, and nothing is said by them alone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from changeover.cli.alarms_filters import category_words
from changeover.cli.alarms_rows import AlarmBook, AlarmRow
from changeover.cli.trend_times import shown
from changeover.cli.watched import value_text
from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.model.quality import Quality
from changeover.model.tag import Tag
from changeover.protocol.queries import OccurrenceRow
from changeover.runtime.tag_image import TagValue

MEDIUM, WIDE = 115, 165
"""Columns from which category, area and name, and from which value, operator and comment have room too."""
_COLOURS = ("red", "yellow", "cyan")
"""Of the most urgent priority of a project, the next one, and the others; ISA-18.2 wants few."""
_MARKS = {
    "active unacknowledged": "▲",
    "active acknowledged": "△",
    "returned unacknowledged": "▽",
    "shelved": "s",
    "disabled": "d",
}
_GIVING_WAY = ("what", "comment", "who", "condition", "value")
"""Columns that are cut first where there is no room."""
_EVENT_STYLES = {
    AlarmEvent.ACTIVE: "bold",
    AlarmEvent.RETURNED: "",
    AlarmEvent.ACKNOWLEDGED: "green",
    AlarmEvent.COMMENT: "cyan",
}


def states_table(rows: Sequence[AlarmRow], book: AlarmBook, zone: tzinfo, width: int) -> Table:
    """Alarms as they stand, one row each.

    Args:
        rows: In their order.
        book: What the project says.
        zone: Of the times.
        width: Columns of the terminal.
    """
    table = _table("", "priority", "active", "tag", "condition", "state")
    if width >= MEDIUM:
        _add_columns(table, "category", "area", "what")
    if width >= WIDE:
        _add_columns(table, "value", "acknowledged by", "comment")
    for row in rows:
        state, alarm = row.state, row.alarm
        style = state_style(row, book)
        cells: list[RenderableType] = [
            Text(_MARKS.get(state.words, " "), style),
            Text(str(row.urgency or "–"), style, justify="right"),
            _time(state.active_utc, zone, width),
            Text(state.tag, "bold" if "unacknowledged" in state.words else ""),
            state.condition.value,
            Text(_state_words(row, zone), style.replace("reverse", "")),
        ]
        if width >= MEDIUM:
            cells += [category_words(alarm.category), str(alarm.area)] if alarm else ["", ""]
            cells.append(_line(": ".join(filter(None, (alarm.name, alarm.description))) if alarm else ""))
        if width >= WIDE:
            by = clean(state.acknowledged_by)
            cells += [_value(row.tag, state.value, state.active_utc), by, _line(clean(state.comment))]
        table.add_row(*cells)
    return table


def summary_table(rows: Iterable[OccurrenceRow], book: AlarmBook, zone: tzinfo, width: int) -> Table:
    """Occurrences, one row each; else as `states_table`."""
    table = _table("active", "tag", "priority", "condition", "returned", "acknowledged", "by", "comment")
    for row in rows:
        alarm = book.find(row.tag)
        open_style = "" if row.acknowledged_utc else "bold"
        table.add_row(
            _time(row.active_utc, zone, width, 3),
            Text(row.tag, open_style),
            Text(str(alarm.urgency or "–") if alarm else "", _colour(book.rank(alarm)), justify="right"),
            row.condition.value,
            _time(row.returned_utc, zone, width, 3),
            _time(row.acknowledged_utc, zone, width, 3),
            clean(row.acknowledged_by),
            _line(clean(row.comment)),
        )
    return table


def journal_table(records: Iterable[JournalRecord], book: AlarmBook, zone: tzinfo, width: int) -> Table:
    """Journal records, one row each; else as `states_table`."""
    table = _table("time", "tag", "event", "condition", "value", "who")
    if width >= MEDIUM:
        _add_columns(table, "where", "comment")
    for record in records:
        tag = book.value_tag(book.find(record.tag)) if record.event.is_transition else None
        until = f"until {shown(record.until_utc, zone)}" if record.until_utc else ""
        cells: list[RenderableType] = [
            _time(record.utc, zone, width, 3),
            record.tag,
            Text(record.event.name.lower(), _EVENT_STYLES.get(record.event, "yellow")),
            _line(record.condition.value),
            _line(_value(tag, record.value, record.utc)),
            _line(clean(record.who)),
        ]
        if width >= MEDIUM:
            told = " ".join(filter(None, (clean(record.comment), until)))
            cells += [clean(record.where), _line(told)]
        table.add_row(*cells)
    return table


def state_style(row: AlarmRow, book: AlarmBook) -> str:
    """By priority; reverse while nobody acknowledged an active alarm, dim where there is nothing to do."""
    colour = _colour(book.rank(row.alarm))
    match row.state.words:
        case "active unacknowledged":
            return f"bold reverse {colour}"
        case "active acknowledged" | "returned unacknowledged":
            return colour
        case _:
            return "dim"


def counts(rows: Sequence[AlarmRow]) -> str:
    """How many there are in each state, in words: `2 active unacknowledged, 1 disabled`."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.state.words] = found.get(row.state.words, 0) + 1
    return ", ".join(f"{found[words]} {words}" for words in (*_MARKS, "normal") if words in found) or "none"


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clean(text: str) -> str:
    """A text of somebody else's without what would steer a terminal."""
    return "".join(character if character.isprintable() else "·" for character in text)


def _state_words(row: AlarmRow, zone: tzinfo) -> str:
    until = row.state.shelved_until_utc
    if row.state.words != "shelved":
        return row.state.words
    return f"shelved until {shown(until, zone)}"


def _time(utc: int, zone: tzinfo, width: int, decimals: int = 0) -> str:
    """An instant; where there is little room the time of day of today, or date and minute."""
    text = shown(utc, zone, decimals)
    if width >= MEDIUM or not utc:
        return text
    return text[11:] if text[:10] == shown(time.time_ns(), zone)[:10] else text[5:16]


def _value(tag: Tag | None, value: float, utc: int) -> str:
    if tag is None or not utc:
        return ""
    return f"{value_text(tag, TagValue(value, Quality.GOOD, utc, ''))} {tag.units}".rstrip()


def _line(text: str, style: str = "") -> Text:
    """A text that gives way, not in lines, when there is no room."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _colour(rank: int | None) -> str:
    return "" if rank is None else _COLOURS[min(rank, len(_COLOURS) - 1)]


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    _add_columns(table, *names)
    return table


def _add_columns(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(
            name,
            no_wrap=name not in _GIVING_WAY,
            overflow="ellipsis",
            justify="right" if name in ("priority", "area", "value") else "left",
        )
