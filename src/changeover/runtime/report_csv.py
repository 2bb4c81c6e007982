"""The tables of a page as CSV, so that one template gives both.

Every `<table>` becomes rows, with its caption in a row of its own before them and an empty row between two
tables. A cell is its text; what stands in `<data value="…">` or `<time datetime="…">` is taken from that
attribute, so that the page may round what the file gives in full. Merged cells leave empty ones.
`<table data-csv="no">` stays out.
"""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

_COLSPAN_MAX, _ROWSPAN_MAX = 1000, 65534
"""What HTML itself allows."""
_MACHINE = {"data": "value", "time": "datetime"}
_SILENT = frozenset(("script", "style", "template"))
_BOM = "\ufeff"
"""Without it, spreadsheets take UTF-8 for the code page of their country, and show m³ as mÂ³."""
_STARTS_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_HARMLESS = re.compile(r"-|[+-]?[0-9.,:]*[0-9](?:[eE][+-]?[0-9]+)?%?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def tables_as_csv(page: str) -> bytes | None:
    """The tables of an HTML page.

    Returns:
        RFC 4180 (comma, CRLF) in UTF-8 with a byte order mark; None where the page has no table.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    if not reader.tables:
        return None
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for position, table in enumerate(reader.tables):
        if position:
            writer.writerow(())
        if caption := _clean(table.caption):
            writer.writerow((defused(caption),))
        writer.writerows([defused(_clean(cell)) for cell in row] for row in table.rows if row)
    return (_BOM + text.getvalue()).encode(errors="replace")


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe stands before what would begin one."""
    return f"'{cell}" if cell.startswith(_STARTS_FORMULA) and not _HARMLESS.fullmatch(cell) else cell


def _clean(pieces: list[str]) -> str:
    return " ".join(_CONTROL.sub(" ", "".join(pieces)).split())


class _Table:
    """One table while it is read."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.caption: list[str] = []
        self.rows: list[list[list[str]]] = []
        self.text: list[str] | None = None
        self._held: dict[int, int] = {}
        self._covered: set[int] = set()

    def begin_row(self) -> None:
        """The next row; cells that reach into it from above cover their columns."""
        self.rows.append([])
        self._covered = set(self._held)
        self._held = {column: left - 1 for column, left in self._held.items() if left > 1}

    def begin_cell(self, columns: int, rows: int) -> None:
        """The next cell, which text goes to from here on."""
        if not self.rows:
            self.begin_row()
        row = self.rows[-1]
        while len(row) in self._covered:
            row.append([])
        first = len(row)
        row.extend([] for _ in range(columns))
        if rows > 1:
            self._held.update(dict.fromkeys(range(first, first + columns), rows - 1))
        self.text = row[first]


class _Reader(HTMLParser):
    """Finds the tables; end tags that HTML lets one leave out may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[_Table] = []
        self._open: list[_Table] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self._begin_table(given)
        elif not self._open or self._silent:
            return
        elif tag == "tr":
            self._open[-1].begin_row()
            self._open[-1].text = None
        elif tag in ("td", "th"):
            columns = _count(given.get("colspan"), _COLSPAN_MAX)
            self._open[-1].begin_cell(columns, _count(given.get("rowspan"), _ROWSPAN_MAX))
        elif tag == "caption":
            self._open[-1].text = self._open[-1].caption
        elif tag in _MACHINE and (value := given.get(_MACHINE[tag])) is not None:
            self._say(value)
            self._silent = tag
        elif tag in _SILENT:
            self._silent = tag
        elif tag in ("br", "p", "div", "li"):
            self._say(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        elif tag == "table" and self._open:
            self._open.pop()
            self._silent = ""
        elif tag in ("td", "th", "caption", "tr") and self._open:
            self._open[-1].text = None
            self._silent = ""

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._say(data)

    def _begin_table(self, given: dict[str, str | None]) -> None:
        table = _Table(given.get("data-csv") != "no")
        if table.wanted:
            self.tables.append(table)
        self._open.append(table)
        self._silent = ""

    def _say(self, text: str) -> None:
        if self._open and self._open[-1].text is not None:
            self._open[-1].text.append(text)


def _count(given: str | None, most: int) -> int:
    if given is None or not re.fullmatch(r"\s*[0-9]{1,9}\s*", given):
        return 1
    # None at all means: to the end.
    return min(int(given) or most, most)
