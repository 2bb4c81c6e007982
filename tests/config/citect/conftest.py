"""A small Citect project as rows, and its import."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from changeover.config.citect.importing import Imported, import_project
from changeover.config.citect.notes import NoteKind
from changeover.config.citect.plant_text import Assumptions
from changeover.config.citect.source import DiskSource
from changeover.config.project import Project, load_project
from changeover.drivers.modbus.address import check_address
from citect_projects import Row, table, write_folder


def unit(server: str, name: str, mode: str, port: str, **more: object) -> Row:
    row = {"SERVER": server, "NAME": name, "NUMBER": 1, "ADDR": "1", "PROTOCOL": "MODNET", "PORT": port}
    return {**row, "MODE": mode, **more}


@dataclass
class Site:
    """A project's rows by table, to be changed by a test before it is imported."""

    folder: Path
    tables: dict[str, list[Row]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    encoding: str = "cp1252"

    def write(self, folder: Path | None = None) -> Path:
        tables = {name: table(rows, encoding=self.encoding) for name, rows in self.tables.items() if rows}
        return write_folder(folder or self.folder, {**tables, **self.files})

    def run(self, encoding: str | None = None, assumed: Assumptions | None = None) -> Result:
        if not self.folder.exists():
            self.write()
        source = DiskSource(self.folder)
        imported = import_project(source, encoding=encoding, assumed=assumed, check_address=check_address)
        return Result(imported, self.folder)


@dataclass
class Result:
    imported: Imported
    folder: Path

    def rows(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.imported.files[name].decode())))

    def load(self) -> Project:
        """The project as every verb loads it."""
        out = self.folder.parent / "loaded"
        write_folder(out, dict(self.imported.files))
        return load_project(out, check_address=check_address)

    def notes(self, kind: NoteKind, file: str = "") -> list[tuple[int | None, str, str, str]]:
        """Record, column, value and reason of the notes of a kind about a file."""
        return [
            (note.record, note.field, note.value, note.why)
            for note in self.imported.notes
            if note.kind is kind and note.file.lower().endswith(file)
        ]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return small_site(tmp_path / "site")


@pytest.fixture
def other_site(tmp_path: Path) -> Callable[[str], Site]:
    """Another project beside the first."""
    return lambda name: Site(tmp_path / name)


def small_site(folder: Path) -> Site:
    return Site(
        folder,
        {
            "units.dbf": [
                unit("IOServer1", "PLC1", "Primary", "P1"),
                unit("IOServer2", "PLC1_Stby", "Standby", "P2"),
            ],
            "boards.dbf": [{"NAME": "B", "TYPE": "TCPIP"}],
            "ports.dbf": [
                {"NAME": "P1", "BOARD": "B", "SPECIAL": "-I192.168.1.10 -P502 -T"},
                {"NAME": "P2", "BOARD": "B", "SPECIAL": "-I192.168.1.11 -P502 -T"},
            ],
            "variable.dbf": [
                {"NAME": "Run", "TYPE": "DIGITAL", "UNIT": "PLC1", "ADDR": "00001"},
                {"NAME": "Trip", "TYPE": "DIGITAL", "UNIT": "PLC1", "ADDR": "10002"},
                {"NAME": "Level", "TYPE": "INT", "UNIT": "PLC1", "ADDR": "40001"},
            ],
        },
    )
