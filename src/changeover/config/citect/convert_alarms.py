"""The alarm tables, each of one type, to one alarms.csv; and category.dbf."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from changeover.config.alarms import COLUMNS, OWN_COLUMNS, read_alarms
from changeover.config.categories import COLUMNS as CATEGORY_COLUMNS
from changeover.config.categories import Categories, read_categories
from changeover.config.citect.convert_trends import EXPRESSIONS
from changeover.config.citect.judged import Columnwise, Draft, Sheet
from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.tables import Record
from changeover.config.diagnostics import Findings
from changeover.config.variables import Variables
from changeover.model.alarm import Alarm, AlarmType

ALARMS_FILE = "alarms.csv"
CATEGORIES_FILE = "categories.csv"

_COMMON = ("name", "desc", "category", "area", "comment", *COLUMNS.unused)
_LIMIT_DELAYS = ("hhdelay", "hdelay", "ldelay", "lldelay", "devdelay")
_DELAYS = ("delay", *_LIMIT_DELAYS)
_OPTIONAL = ("category", "area", "priority", "deadband", *_DELAYS)
_TOGETHER = {
    **{column: (column,) for column in _OPTIONAL},
    "deviation": ("deviation", "setpoint", "devdelay"), "setpoint": ("deviation", "setpoint", "devdelay"),
    "rate": ("rate",), "highhigh": ("highhigh", "hhdelay"), "high": ("high", "hdelay"),
    "low": ("low", "ldelay"), "lowlow": ("lowlow", "lldelay"),
}  # fmt: skip
RATE_PERIOD_S_DEFAULT = 60
_BARE = re.compile(r"(?:not\s+)?[^\W\d][\w.\\/-]*", re.IGNORECASE)
_LOG_DEVICE = ("LOGDEV", "LOG_DEV", "LOGDEVICE")


@dataclass(frozen=True, slots=True)
class AlarmTable:
    """What becomes of one of the product's alarm tables.

    Attributes:
        file: Its name.
        type: What its alarms are here.
        origins: Where the columns have other names than ours, by ours; several are looked for in turn.
        unlike: What of these alarms is otherwise here, empty where nothing is.
    """

    file: str
    type: AlarmType
    origins: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unlike: str = ""


TABLES = (
    AlarmTable("digalm.dbf", AlarmType.DIGITAL),
    AlarmTable("advalm.dbf", AlarmType.DIGITAL, (("var_a", EXPRESSIONS),)),
    AlarmTable("anaalm.dbf", AlarmType.ANALOGUE),
    AlarmTable("hresalm.dbf", AlarmType.TIME_STAMPED, (("var", ("VAR", "VAR_A")),)),
    AlarmTable(
        "tsdig.dbf", AlarmType.DIGITAL,
        unlike="its time is that of the scan here, not the one that the device's events bring",
    ),
    AlarmTable(
        "tsana.dbf", AlarmType.ANALOGUE,
        unlike="its time is that of the scan here, not the one that the device's events bring",
    ),
)  # fmt: skip
NO_COUNTERPART = {"argdig.dbf": "a multi-digital alarm, of up to three tags with a text for each state"}


def convert_categories(
    records: Iterable[Record], notes: Notes
) -> tuple[bytes, Categories, frozenset[str] | None]:
    """The content of categories.csv, its categories, and their names in lower case; no names of no file.

    Args:
        records: Of category.dbf.
        notes: Takes what cannot be represented.
    """

    def judge(data: bytes, findings: Findings) -> Categories:
        return read_categories(data, CATEGORIES_FILE, findings)

    sheet = Sheet(CATEGORY_COLUMNS, "category", {"priority": ("priority",), "name": ("name",)}, judge)
    data, categories, rows = sheet.settle(_category_drafts(records, notes), notes)
    return data, categories, frozenset(row.cells["name"].lower() for row in rows) if rows else None


def _category_drafts(records: Iterable[Record], notes: Notes) -> Iterator[Draft]:
    columns = Columnwise(("CATEGORY", "NAME", "PRIORITY", *_LOG_DEVICE), notes)
    for record in records:
        draft = Draft(record, {c: record.get(c.upper()) for c in ("category", "name", "priority")})
        column = next((name for name in _LOG_DEVICE if name in record.cells), None)
        if column is not None:
            draft.cells["log"] = "true" if record.get(column) else "false"
            if record.get(column):
                why = "it is logged to the alarm server's journal here: there are no log devices"
                record.note(draft.notes, NoteKind.CHANGED, column, why)
        columns.list(record, draft.notes)
        yield draft


@dataclass(frozen=True, slots=True)
class AlarmSurroundings:
    """What alarms refer to.

    Attributes:
        variables: The tags that were imported.
        categories: The categories that were imported.
        category_names: Their names, in lower case.
        rate_period_s: [Alarm]Period: what a rate of change is counted in.
    """

    variables: Variables
    categories: Categories
    category_names: frozenset[str]
    rate_period_s: float = RATE_PERIOD_S_DEFAULT


def convert_alarms(
    tables: Iterable[tuple[AlarmTable, Iterable[Record]]], around: AlarmSurroundings, notes: Notes
) -> tuple[bytes, tuple[Alarm, ...]]:
    """The content of alarms.csv, and its alarms.

    Args:
        tables: Records of each of `TABLES`.
        around: What they refer to.
        notes: Takes what cannot be represented.
    """

    def judge(data: bytes, findings: Findings) -> tuple[Alarm, ...]:
        return read_alarms(data, ALARMS_FILE, around.variables, around.categories, findings)

    drafts = (draft for table, records in tables for draft in _drafts(table, records, around, notes))
    data, alarms, _ = Sheet(COLUMNS, "tag", _TOGETHER, judge).settle(drafts, notes)
    return data, alarms


def _drafts(
    table: AlarmTable, records: Iterable[Record], around: AlarmSurroundings, notes: Notes
) -> Iterator[Draft]:
    aliases = dict(table.origins)
    own = [column for column in OWN_COLUMNS[table.type] if column != "timer"]
    used = {column.upper() for column in (*_COMMON, *own, "tag")}
    used |= {name for names in aliases.values() for name in names}
    columns = Columnwise(used, notes)
    for record in records:
        origins = {
            column: next((name for name in names if name in record.cells), names[0])
            for column, names in aliases.items()
        }
        cells = {"tag": record.get("TAG"), "type": table.type.value}
        cells |= {column: record.get(origins.get(column, column.upper())) for column in (*_COMMON, *own)}
        draft = Draft(record, cells, origins)
        if _is_representable(draft, notes):
            _tidy(draft, around)
            columns.list(record, draft.notes)
            if table.unlike:
                record.note(draft.notes, NoteKind.CHANGED, "TAG", table.unlike)
            yield draft


def _is_representable(draft: Draft, notes: Notes) -> bool:
    """Whether an alarm's condition is a bare tag, or NOT and one: other expressions have no counterpart."""
    for column in ("var_a", "var_b"):
        text = draft.cells.get(column, "")
        if text and not _BARE.fullmatch(text):
            why = "an expression: only a variable tag, or NOT and one, has a counterpart here"
            draft.record.note(notes, NoteKind.LEFT_OUT, draft.origin(column), why)
            return False
    return True


def _tidy(draft: Draft, around: AlarmSurroundings) -> None:
    """Leave out what an alarm can do without, and what our reader would only warn of."""
    cells, record = draft.cells, draft.record
    category = cells["category"]
    if category and not category.isdecimal() and category.lower() not in around.category_names:
        record.note(draft.notes, NoteKind.CELL_LEFT_OUT, "CATEGORY", "no number of a category: it is 0 here")
        cells["category"] = ""
    if cells.get("rate"):
        _convert_rate(draft, around.rate_period_s)
    limits = ("highhigh", "high", "low", "lowlow", "deviation")
    for limit, delay in zip(limits, _LIMIT_DELAYS, strict=True):
        if cells.get(delay) and not cells.get(limit):
            _drop_idle(draft, delay, limit)
    if cells.get("setpoint") and not cells.get("deviation"):
        _drop_idle(draft, "setpoint", "deviation")


def _drop_idle(draft: Draft, column: str, limit: str) -> None:
    """Empty a cell that has no effect without another; what says nothing, as 0 or 00:00:00, goes unsaid."""
    if draft.cells[column].strip("0:. "):
        why = f"it has no effect without {limit.upper()}"
        draft.record.note(draft.notes, NoteKind.CELL_LEFT_OUT, draft.origin(column), why)
    draft.cells[column] = ""


def _convert_rate(draft: Draft, period_s: float) -> None:
    try:
        rate = float(draft.cells["rate"])
    except ValueError:
        # The reader says what is wrong with it.
        return
    draft.cells["rate"] = f"{rate / period_s:.12g}"
    why = f"it is {draft.cells['rate']} here, in one second; in the product in [Alarm]Period, {period_s:g} s"
    draft.record.note(draft.notes, NoteKind.CHANGED, "RATE", why)
