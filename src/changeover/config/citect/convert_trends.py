"""trend.dbf: which variable tags are recorded. Expressions are not: only a bare tag has a counterpart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from changeover.config.citect.judged import Columnwise, Draft, Sheet
from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.tables import Record
from changeover.config.diagnostics import Findings
from changeover.config.trends import COLUMNS, read_trends
from changeover.config.variables import Variables
from changeover.model.trend import Trend

TRENDS_FILE = "trends.csv"
EXPRESSIONS = ("EXPR", "EXP", "EXPRESSION")
"""Names under which an expression is looked for."""

_NAME = re.compile(r"[^\W\d][\w.\\/-]*")
_KEPT = tuple(column for column in COLUMNS.unused if column not in ("files", "time", "period", "filename"))
_USED = ("NAME", "TYPE", "SAMPLEPER", "TRIGGER", "AREA", *EXPRESSIONS, *(c.upper() for c in _KEPT))
_EVENT = ("event", "trn_event")


def convert_trends(
    records: Iterable[Record], variables: Variables, notes: Notes
) -> tuple[bytes, tuple[Trend, ...]]:
    """The content of trends.csv, and its trends.

    Args:
        records: Of trend.dbf.
        variables: The tags that were imported.
        notes: Takes what cannot be represented.
    """

    def judge(data: bytes, findings: Findings) -> tuple[Trend, ...]:
        return read_trends(data, TRENDS_FILE, variables, findings)

    sheet = Sheet(COLUMNS, "tag", {"area": ("area",)}, judge)
    data, trends, _ = sheet.settle(_drafts(records, variables, notes), notes)
    return data, trends


def _drafts(records: Iterable[Record], variables: Variables, notes: Notes) -> Iterator[Draft]:
    columns = Columnwise(_USED, notes)
    known = {tag.name.lower() for tag in variables.tags}
    for record in records:
        column = next((name for name in EXPRESSIONS if name in record.cells), EXPRESSIONS[0])
        expression = record.get(column)
        if not _NAME.fullmatch(expression):
            why = "an expression is recorded: only a bare variable tag has a counterpart here"
            record.note(notes, NoteKind.LEFT_OUT, column, why)
            continue
        cells = {"tag": expression, "type": record.get("TYPE"), "sampleper": record.get("SAMPLEPER")}
        cells |= {"trigger": record.get("TRIGGER"), "area": record.get("AREA")}
        cells |= {kept: record.get(kept.upper()) for kept in _KEPT}
        draft = Draft(record, cells, {"tag": column})
        if cells["trigger"].lower() not in known and cells["trigger"]:
            if cells["type"].lower() in _EVENT:
                why = "no variable tag of tags.csv: when this trend records has no counterpart here"
                record.note(notes, NoteKind.LEFT_OUT, "TRIGGER", why)
                continue
            why = "no variable tag of tags.csv: here this trend records all the time"
            record.note(draft.notes, NoteKind.CELL_LEFT_OUT, "TRIGGER", why)
            cells["trigger"] = ""
        if cells["type"].lower() in _EVENT and cells["sampleper"]:
            why = "an event trend has none here"
            record.note(draft.notes, NoteKind.CELL_LEFT_OUT, "SAMPLEPER", why)
            cells["sampleper"] = ""
        columns.list(record, draft.notes)
        yield draft
