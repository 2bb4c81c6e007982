"""The page of the csv files: its examples are a project, its tables name every column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from changeover.config import alarms, categories, reports, trends
from changeover.config.csv_table import Columns

from .conftest import Folder

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "project-files.md").read_text("utf-8")
FILES = {
    columns.file: columns for columns in (alarms.COLUMNS, categories.COLUMNS, trends.COLUMNS, reports.COLUMNS)
}


def section(file: str) -> str:
    return PAGE.split(f"\n## {file}\n")[1].partition("\n## ")[0]


def example(file: str) -> str:
    return section(file).split("```csv\n")[1].partition("```")[0]


def test_the_examples_are_a_project_without_a_warning(bare: Folder) -> None:
    for file in FILES:
        bare.write(file, example(file))
    project = bare.load()
    plant = project.plant
    assert project.warnings == ()
    assert (len(plant.alarms), len(plant.trends), len(plant.reports)) == (4, 3, 2)
    assert {alarm.category.name for alarm in plant.alarms} == {"Critical", "Warning"}


@pytest.mark.parametrize("columns", FILES.values(), ids=FILES)
def test_the_tables_name_every_column_and_no_other(columns: Columns) -> None:
    rows = re.findall(r"^\| (`.*?`) \|", section(columns.file), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(columns.known)
