"""What of a Citect project has no counterpart here, row by row, and what had to be assumed."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from changeover.config.diagnostics import one_line, quoted


class NoteKind(Enum):
    """What became of it; the value stands in import-notes.csv."""

    PARAMETER = "parameter"
    LEFT_OUT = "left out"
    CELL_LEFT_OUT = "cell left out"
    CHANGED = "changed"
    PLACEHOLDER = "placeholder"
    NOT_IMPORTED = "not imported"
    INFORMATION = "information"

    @property
    def meaning(self) -> str:
        """In words, for people."""
        return _MEANINGS[self]


_MEANINGS = {
    NoteKind.PARAMETER: "parameters that a forecast reads, and citect.ini does not have: add them to it",
    NoteKind.LEFT_OUT: "records that have no counterpart",
    NoteKind.CELL_LEFT_OUT: "cells that have no counterpart; the rest of their records is there",
    NoteKind.CHANGED: "cells that are written otherwise here",
    NoteKind.PLACEHOLDER: "values that the project does not hold: check each of them in plant.toml",
    NoteKind.NOT_IMPORTED: "tables, columns and projects that are not read",
    NoteKind.INFORMATION: "how it was read",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One row of import-notes.csv.

    Attributes:
        kind: What became of it.
        file: The table, or the file of ours for what had to be assumed.
        record: Number of the record from 1, deleted ones counted; None where it is not about one.
        field: The column, empty where it is not about one.
        value: What stands there.
        why: Why, and what was done instead.
    """

    kind: NoteKind
    file: str
    record: int | None
    field: str
    value: str
    why: str

    def __str__(self) -> str:
        places = [self.file, f"record {self.record}" if self.record is not None else "", self.field]
        place = ": ".join(part for part in places if part)
        value = f" {quoted(self.value)}:" if self.value else ""
        return one_line(f"{place}:{value} {self.why}")


_FORMULA = tuple("=+-@＝＋－＠")
_NUMBER = re.compile(r"[+-]?[0-9.,]+")

COLUMNS = ("kind", "file", "record", "field", "value", "why")


@dataclass(slots=True)
class Notes:
    """Takes notes, in the order in which they come."""

    all: list[Note] = field(default_factory=list)

    def add(
        self,
        kind: NoteKind,
        file: str,
        why: str,
        *,
        record: int | None = None,
        column: str = "",
        value: str = "",
    ) -> None:
        """Take a note; the words are those of `Note`."""
        self.all.append(Note(kind, file, record, column, value, why))

    def counts(self) -> dict[NoteKind, int]:
        """How many there are of each kind, kinds in their order."""
        counted = Counter(note.kind for note in self.all)
        return {kind: counted[kind] for kind in NoteKind if counted[kind]}


def _cell(value: str) -> str:
    """A value of the project's that a spreadsheet takes for a text, not for a formula."""
    text = one_line(value)
    return f"'{text}" if text[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text


def notes_csv(notes: Iterable[Note]) -> bytes:
    """The content of import-notes.csv, in utf-8."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for note in notes:
        record = "" if note.record is None else note.record
        rows.writerow((note.kind.value, note.file, record, note.field, _cell(note.value), note.why))
    return text.getvalue().encode("utf-8", errors="replace")
