"""Rows for our csv files: the readers of those files are the judges of what can be represented.

What a reader refuses is a note with the reader's own words, and the row, or where it can do without, the
cell, is left out. So nothing is written that does not load, and no rule is stated twice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.tables import Record
from changeover.config.csv_table import Columns
from changeover.config.diagnostics import Diagnostic, Findings

_T = TypeVar("_T")
_HEADER_LINES = 1


@dataclass(frozen=True, slots=True)
class Draft:
    """A row for one of our files.

    Attributes:
        record: What it is made of.
        cells: Text by column; changed while it is judged.
        origins: Columns of the record by ours, where the names differ.
        notes: About its cells; of no interest any more where the row is left out.
    """

    record: Record
    cells: dict[str, str]
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    def origin(self, column: str) -> str:
        """The record's column that one of ours comes from."""
        return self.origins.get(column, column.upper())


@dataclass(frozen=True, slots=True)
class Sheet(Generic[_T]):
    """One of our csv files as it is judged.

    Attributes:
        columns: Its columns.
        key: The column that may hold each value once, in any case.
        together: Columns that a row can do without, and what must be emptied with each, itself included.
        read: The file's own reader.
    """

    columns: Columns
    key: str
    together: Mapping[str, Sequence[str]]
    read: Callable[[bytes, Findings], _T]

    def settle(self, drafts: Iterable[Draft], notes: Notes) -> tuple[bytes, _T, list[Draft]]:
        """Leave out what cannot be represented.

        Returns:
            The file's content in utf-8, what its reader makes of it, and its rows.
        """
        rows = self._unique(drafts, notes)
        while True:
            findings = Findings()
            data = self._content(rows)
            result = self.read(data, findings)
            if not findings.problems:
                notes.all.extend(note for row in rows for note in row.notes.all)
                return data, result, rows
            rows = self._without(rows, findings.problems, notes)

    def _unique(self, drafts: Iterable[Draft], notes: Notes) -> list[Draft]:
        first: dict[str, Record] = {}
        rows: list[Draft] = []
        for draft in drafts:
            owner = first.setdefault(draft.cells[self.key].lower(), draft.record)
            if owner is draft.record:
                rows.append(draft)
                continue
            why = f"{owner.file}: record {owner.number} has it already, and an included project comes first"
            draft.record.note(notes, NoteKind.LEFT_OUT, draft.origin(self.key), why)
        return rows

    def _content(self, rows: list[Draft]) -> bytes:
        filled = {column for row in rows for column, text in row.cells.items() if text}
        wanted = (*self.columns.known, *(column for column in self.columns.unused if column in filled))
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(wanted)
        writer.writerows([row.cells.get(column, "") for column in wanted] for row in rows)
        return text.getvalue().encode("utf-8", errors="replace")

    def _without(self, rows: list[Draft], problems: list[Diagnostic], notes: Notes) -> list[Draft]:
        gone: set[int] = set()
        changed: set[int] = set()
        for problem in problems:
            assert problem.line is not None, "the header is ours"
            index = problem.line - 1 - _HEADER_LINES
            row, column = rows[index], problem.parameter
            emptied = self.together.get(column, ())
            why = f"{problem.problem}, {problem.allowed}"
            if index in gone:
                continue
            if any(row.cells.get(cell) for cell in emptied):
                row.record.note(row.notes, NoteKind.CELL_LEFT_OUT, row.origin(column), why)
                row.cells.update(dict.fromkeys(emptied, ""))
                changed.add(index)
            elif not emptied or index not in changed:
                row.record.note(notes, NoteKind.LEFT_OUT, row.origin(column), why)
                gone.add(index)
        return [row for index, row in enumerate(rows) if index not in gone]


class Columnwise:
    """Lists what a table's columns hold that nothing of ours takes.

    Args:
        used: Columns that are taken, in upper case.
        notes: Takes what is told once for a table.
    """

    # The product's own bookkeeping, the same in thousands of records: told once for each table.
    BOOKKEEPING = frozenset({"EDITCODE", "LINKED", "TAGGENLINK", "TAGGENPREF", "OID", "LIBREF"})

    def __init__(self, used: Iterable[str], notes: Notes) -> None:
        self._used = frozenset(used)
        self._notes = notes
        self._told: set[tuple[str, str]] = set()

    def list(self, record: Record, notes: Notes) -> None:
        """List the cells of a record that are not taken; empty ones and FALSE say nothing."""
        for column, text in record.cells.items():
            if not text or column in self._used or text.upper() == "FALSE":
                continue
            if column not in self.BOOKKEEPING:
                record.note(notes, NoteKind.CELL_LEFT_OUT, column, "this column has no counterpart here")
            elif (record.file, column) not in self._told:
                self._told.add((record.file, column))
                why = "the product's own bookkeeping, in none of the records"
                self._notes.add(NoteKind.NOT_IMPORTED, record.file, why, column=column)
