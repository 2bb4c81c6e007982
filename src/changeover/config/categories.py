"""categories.csv: what alarms have in common."""

from __future__ import annotations

from changeover.config.csv_table import Claims, Columns, CsvTable, Row
from changeover.config.diagnostics import Findings, quoted
from changeover.model.alarm import Category

NUMBER_MAX = 16_375
PRIORITY_MAX = 255

COLUMNS = Columns("categories.csv", ("category", "name", "priority", "log"), ("category",))

_FLAGS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class Categories:
    """The categories of a project. One that alarms name by number need not be listed.

    Attributes:
        is_complete: Whether all that are listed were read; where not, a name that is not known says nothing.
    """

    def __init__(self) -> None:
        self.is_complete = True
        self._by_number: dict[int, Category] = {}
        self._by_name: dict[str, Category] = {}

    def add(self, category: Category) -> None:
        """Add one that is listed."""
        self._by_number[category.number] = category
        if category.name:
            self._by_name[category.name.lower()] = category

    def refer(self, row: Row) -> Category | None:
        """The category that an alarm names, by number or by name; 0 where it names none.

        Args:
            row: The alarm's row.

        Returns:
            The category; None where it is not known, which is reported.
        """
        text = row.text("category")
        named = self._by_name.get(text.lower())
        if named is not None:
            return named
        if text and not text.isdecimal():
            if self.is_complete:
                row.problem("category", f"{quoted(text)} is no category", self._allowed)
            return None
        number = row.whole("category", 0, NUMBER_MAX) if text else 0
        return None if number is None else self._by_number.setdefault(number, Category(number))

    @property
    def _allowed(self) -> str:
        names = [category.name for category in self._by_name.values()]
        listed = f", or {', '.join(names)}" if names else ""
        return f"allowed are 0 to {NUMBER_MAX}{listed}"


def read_categories(data: bytes, file: str, findings: Findings) -> Categories:
    """Read a categories.csv.

    Args:
        data: Content in utf-8, else cp1252.
        file: Name for diagnostics.
        findings: Takes the diagnostics.
    """
    categories, numbers, names = Categories(), Claims("category"), Claims("name of the category")
    table = CsvTable(data, file, COLUMNS, findings)
    for row in table:
        category = _read_category(row, numbers, names)
        if category is None:
            categories.is_complete = False
        else:
            categories.add(category)
    categories.is_complete &= table.is_complete
    return categories


def _read_category(row: Row, numbers: Claims, names: Claims) -> Category | None:
    number = row.whole("category", 0, NUMBER_MAX)
    if not row.text("category"):
        row.problem("category", "is empty", f"allowed are 0 to {NUMBER_MAX}")
    if number is not None:
        numbers.claim(row, "category", str(number))
    name = row.text("name")
    if name.isdecimal():
        row.problem("name", f"{quoted(name)} is a number", "a name has other characters, alarms may use it")
    names.claim(row, "name", name)
    priority = row.whole("priority", 0, PRIORITY_MAX)
    logs = row.choice("log", _FLAGS) if row.text("log") else True
    if not row.is_sound or number is None or logs is None:
        return None
    return Category(number, name, priority or 0, logs)
