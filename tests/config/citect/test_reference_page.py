"""The page of the import names every table, column, kind of note and bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.config.citect import archive, ports, source, units
from changeover.config.citect.convert_alarms import NO_COUNTERPART, TABLES
from changeover.config.citect.convert_trends import EXPRESSIONS
from changeover.config.citect.encoding import CODECS
from changeover.config.citect.notes import NoteKind
from changeover.config.citect.tables import CELLS_MAX, IMPORTED, UNITS_MAX

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "reference" / "citect-import.md").read_text("utf-8")
HOW_TO = (DOCS / "how-to" / "import-a-citect-project.md").read_text("utf-8")


@pytest.mark.parametrize("name", IMPORTED)
def test_every_table_is_named(name: str) -> None:
    assert f"`{name.removesuffix('.dbf')}`" in PAGE or name in PAGE


@pytest.mark.parametrize(
    "column",
    [*units._USED, *ports._OPTIONS, *ports._PORT, *ports._BOARD, *ports._BOARD_TYPE, *EXPRESSIONS],
)
def test_every_column_is_named(column: str) -> None:
    assert f"`{column}`" in PAGE


def test_every_kind_of_note_is_named() -> None:
    assert all(f"| `{kind.value}` |" in PAGE for kind in NoteKind)


def test_every_alarm_table_says_what_it_becomes() -> None:
    for one in TABLES:
        row = next(line for line in PAGE.splitlines() if f"`{one.file.removesuffix('.dbf')}`" in line)
        assert f"`{one.type.value}`" in row
    assert all(f"`{name.removesuffix('.dbf')}` | no counterpart" in PAGE for name in NO_COUNTERPART)


def test_the_bounds_are_those_in_force() -> None:
    assert f"over {archive.ENTRIES_MAX:,} files" in HOW_TO
    assert f"over {archive.RATIO_MAX} times as large" in " ".join(HOW_TO.split())
    assert f"over {source.FILE_BYTES_MAX // 2**20} MiB" in HOW_TO
    assert f"over {CELLS_MAX:,} cells or {UNITS_MAX:,} units" in " ".join(HOW_TO.split())
    assert f"over {source.TOTAL_BYTES_MAX // 2**20} MiB together" in HOW_TO
    assert all(f"`{name}`" in HOW_TO or f"--encoding {name}`" in HOW_TO for name in CODECS)
