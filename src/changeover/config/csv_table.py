"""The csv files of a project: a header, then rows, every trouble as a diagnostic with line and column.

A cell that is wrong is reported and read as None, so that reading goes on and finds the rest.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from changeover.config.diagnostics import Diagnostic, Findings, Severity, quoted
from changeover.config.durations import WRITTEN, duration_text, parse_duration
from changeover.config.text_file import decode
from changeover.model.moment import Duration

_T = TypeVar("_T")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,15}")
_NAME = re.compile(r"[^\W\d][\w.\\/-]*")
_NAME_LENGTH_MAX = 79


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind of file.

    Attributes:
        file: The file's usual name, such as `tags.csv`: what a fault of the whole file is about.
        known: Those that are read.
        required: Those of them that must be there.
        unused: Further ones of the product's table: an export may hold them, nothing reads them.
    """

    file: str
    known: tuple[str, ...]
    required: tuple[str, ...]
    unused: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """Which columns a header may have, in words."""
        wanted = f"{', '.join(self.required)} {'are' if len(self.required) > 1 else 'is'} wanted"
        return f"allowed are {', '.join((*self.known, *self.unused))}; {wanted}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        file: The file as the user named it.
        line: The line that it begins in, from 1.
        cells: Text by column, without blanks around it.
        findings: Takes the diagnostics.
        problems_before: How many problems there were before this row was read.
    """

    file: str
    line: int
    cells: Mapping[str, str]
    findings: Findings
    problems_before: int

    @property
    def is_sound(self) -> bool:
        """Whether no problem of this row has been found; asked before the next row is taken."""
        return len(self.findings.problems) == self.problems_before

    def problem(self, column: str, problem: str, allowed: str) -> None:
        """Report a problem."""
        self.findings.problems.append(Diagnostic(self.file, self.line, column, problem, allowed))

    def warn(self, column: str, problem: str, allowed: str) -> None:
        """Report a warning."""
        self.findings.warnings.append(
            Diagnostic(self.file, self.line, column, problem, allowed, severity=Severity.WARNING)
        )

    def text(self, column: str) -> str:
        """The text of a cell, empty where there is none."""
        return self.cells.get(column, "")

    def name(self, column: str, what: str) -> str:
        """The name of a tag, by the syntax of the product's tag names; reported where it is none.

        Args:
            column: The column.
            what: What is named, such as `tag`.
        """
        name = self.text(column)
        if len(name) > _NAME_LENGTH_MAX or not _NAME.fullmatch(name):
            self.problem(
                column,
                f"{quoted(name)} is no {what} name",
                f"a letter or '_', then letters, digits and '_ . \\ / -', at most {_NAME_LENGTH_MAX}",
            )
        return name

    def number(self, column: str) -> float | None:
        """A finite number; None where the cell is empty or wrong."""
        text = self.text(column)
        if not text:
            return None
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(number):
            self.problem(
                column, f"{quoted(text)} is not a number", "such as 0 or 27648.5, with a decimal point"
            )
            return None
        return number

    def whole(self, column: str, minimum: int, maximum: int) -> int | None:
        """A whole number within bounds; None where the cell is empty or wrong."""
        text = self.text(column)
        if not text:
            return None
        allowed = f"allowed are {minimum} to {maximum}"
        if not _WHOLE_NUMBER.fullmatch(text):
            self.problem(column, f"{quoted(text)} is not a whole number", allowed)
            return None
        if not minimum <= int(text) <= maximum:
            self.problem(column, f"{int(text)} is out of range", allowed)
            return None
        return int(text)

    def duration(self, column: str, minimum: Duration, maximum: Duration) -> Duration | None:
        """A span of time within bounds; None where the cell is empty or wrong."""
        text = self.text(column)
        if not text:
            return None
        try:
            span = parse_duration(text)
        except ValueError:
            self.problem(column, f"{quoted(text)} is no time", WRITTEN)
            return None
        if not minimum <= span <= maximum:
            allowed = f"allowed are {duration_text(minimum)} to {duration_text(maximum)}"
            self.problem(column, f"{quoted(text)} is out of range", allowed)
            return None
        return span

    def choice(self, column: str, choices: Mapping[str, _T]) -> _T | None:
        """What a word in any case stands for; None, and reported, where it is unknown or missing.

        Args:
            column: The column.
            choices: By word in lower case.
        """
        text = self.text(column)
        chosen = choices.get(text.lower())
        if chosen is None:
            problem = f"{quoted(text)} is not known" if text else "is empty"
            self.problem(column, problem, f"allowed are {', '.join(choices)}")
        return chosen


class CsvTable:
    """The rows of a file, to be iterated over once.

    Args:
        data: Content in utf-8, else cp1252.
        file: The file as the user named it.
        columns: Its columns.
        findings: Takes the diagnostics.

    Attributes:
        is_complete: After the iteration, whether every row could be told from the next. Where not, what is
            missing here may well stand in the file.
    """

    def __init__(self, data: bytes, file: str, columns: Columns, findings: Findings) -> None:
        self.is_complete = True
        self._text = decode(data)
        self._file = file
        self._columns = columns
        self._findings = findings

    def __iter__(self) -> Iterator[Row]:
        rows = csv.reader(io.StringIO(self._text, newline=""), strict=True)
        header: tuple[str, ...] | None = None
        line = 1
        try:
            for row in rows:
                fields = [text.strip() for text in row]
                if any(fields):
                    if header is None:
                        header = self._header(line, fields)
                        if header is None:
                            return
                    elif self._is_as_wide_as(header, line, fields):
                        cells = dict(zip(header, fields, strict=False))
                        yield Row(self._file, line, cells, self._findings, len(self._findings.problems))
                line = rows.line_num + 1
        except csv.Error as error:
            problem = f"is no CSV from here on ({error})"
            self._problem(line, self._columns.file, problem, "quotes are closed and doubled inside")
        else:
            if header is None:
                self._problem(1, self._columns.file, "has no header", self._columns.allowed)

    def _problem(self, line: int, parameter: str, problem: str, allowed: str) -> None:
        self.is_complete = False
        self._findings.problems.append(Diagnostic(self._file, line, parameter, problem, allowed))

    def _header(self, line: int, fields: list[str]) -> tuple[str, ...] | None:
        columns = self._columns
        header = tuple(text.lower() for text in fields)
        while header and not header[-1]:
            header = header[:-1]
        if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
            problem = "the columns are not separated by commas"
            self._problem(line, "header", problem, "a comma between columns is wanted")
            return None
        for column in header:
            if column not in columns.known and column not in columns.unused:
                self._problem(line, "header", f"{quoted(column)} is no column", columns.allowed)
        for column in dict.fromkeys(header):
            if header.count(column) > 1:
                problem = f"{quoted(column)} is there more than once"
                self._problem(line, "header", problem, "each column once")
        for column in columns.required:
            if column not in header:
                self._problem(line, "header", f"column {column} is missing", columns.allowed)
        return header if self.is_complete else None

    def _is_as_wide_as(self, header: tuple[str, ...], line: int, fields: list[str]) -> bool:
        if not any(fields[len(header) :]):
            return True
        allowed = f"the header has {len(header)}; quote text with commas"
        self._problem(line, self._columns.file, f"has {len(fields)} fields", allowed)
        return False


class Claims:
    """Names that are taken within one file, compared without case."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lines: dict[str, int] = {}

    def claim(self, row: Row, column: str, name: str) -> None:
        """Take a name for a row; reported where another row has it."""
        first = self._lines.setdefault(name.lower(), row.line)
        if name and first != row.line:
            row.problem(
                column,
                f"{quoted(name)} is also the {self._what} in line {first}",
                "names are unique, in any case",
            )
