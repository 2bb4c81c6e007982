"""Standard output as a console for tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_PIPED_COLUMNS = 200
"""Where no terminal cuts lines off."""


def make_console() -> Console:
    """A console on standard output; as wide as it takes where that is no terminal."""
    console = Console(highlight=False)
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        console.width = _PIPED_COLUMNS
    return console


def add_alike(table: Table, rows: Iterable[tuple[str, ...]]) -> None:
    """Add rows; functions that differ in nothing share one."""
    functions: dict[tuple[str, ...], list[str]] = {}
    for function, *rest in rows:
        functions.setdefault(tuple(rest), []).append(function)
    for cells, names in functions.items():
        table.add_row(", ".join(names), *cells)


def fits(console: Console, table: Table) -> bool:
    """Whether a table's longest cells stand on one line each."""
    wanted = Measurement.get(console, console.options.update(max_width=10_000), table)
    return wanted.maximum <= console.width


def two_lines(name: str) -> str:
    """A parameter's name as a column's heading: its section on a line of its own."""
    section, bracket, parameter = name.rpartition("]")
    return f"{section}{bracket}\n{parameter}" if bracket else name
