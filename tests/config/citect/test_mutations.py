"""Whatever is in the tables, the answer is a project that loads, or one line that refuses them.

`CHANGEOVER_FUZZ=100000` tries more of each kind.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.cli.new import write_project
from changeover.config.citect.importing import Imported, import_project
from changeover.config.citect.notes import NoteKind, notes_csv
from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.source import DiskSource
from changeover.config.project import load_project
from changeover.drivers.modbus.address import check_address
from citect_projects import citect_tables, table, write_folder

EXAMPLES = int(os.environ.get("CHANGEOVER_FUZZ", "100"))


@cache
def original() -> dict[str, bytes]:
    """The tables and the ini of the example project."""
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder) / "p")
        tables = citect_tables(load_project(Path(folder) / "p").plant)
        return {**tables, "citect.ini": (Path(folder) / "p" / "citect.ini").read_bytes()}


def import_or_refuse(files: dict[str, bytes]) -> Imported | None:
    """Import; where that is not refused, what came out of it must load."""
    with tempfile.TemporaryDirectory() as folder:
        site = write_folder(Path(folder) / "site", files)
        try:
            imported = import_project(DiskSource(site), check_address=check_address)
        except RefusedError as error:
            assert str(error).startswith(folder)
            assert len(str(error).splitlines()) == 1
            return None
        assert all(len(str(note).splitlines()) == 1 and str(note).isprintable() for note in imported.notes)
        assert len(notes_csv(imported.notes).splitlines()) == len(imported.notes) + 1
        out = write_folder(Path(folder) / "out", dict(imported.files))
        plant = load_project(out, check_address=check_address).plant
        assert len(plant.tags) == imported.counts["tag"]
        assert len(plant.io_devices) == imported.counts["I/O device"]
        assert len(plant.alarms) == imported.counts["alarm"]
        return imported


_place = st.tuples(
    st.sampled_from(sorted(original())), st.floats(0, 1, exclude_max=True), st.integers(0, 255)
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(_place, min_size=1, max_size=6), st.sampled_from(sorted(original())), st.floats(0, 3))
def test_damaged_bytes(edits: list[tuple[str, float, int]], cut: str, end: float) -> None:
    files = {name: bytearray(data) for name, data in original().items()}
    for name, place, value in edits:
        files[name][int(place * len(files[name]))] = value
    if end < 1:
        files[cut] = files[cut][: int(end * len(files[cut]))]
    import_or_refuse({name: bytes(data) for name, data in files.items()})


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(sorted(original())), st.binary(max_size=300))
def test_any_bytes_as_a_file(name: str, data: bytes) -> None:
    import_or_refuse({**original(), name: data})


_COLUMNS = {
    "units.dbf": ["SERVER", "NAME", "NUMBER", "ADDR", "PROTOCOL", "PORT", "MODE", "PRIORITY", "EXCLUSIVE"],
    "boards.dbf": ["SERVER", "NAME", "TYPE"],
    "ports.dbf": ["SERVER", "NAME", "BOARD", "SPECIAL"],
    "variable.dbf": [
        "NAME", "TYPE", "UNIT", "ADDR", "RAW_ZERO", "RAW_FULL", "ENG_ZERO", "ENG_FULL", "DEADBAND", "COMMENT",
    ],
    "digalm.dbf": ["TAG", "NAME", "VAR_A", "VAR_B", "DELAY", "CATEGORY", "AREA"],
    "advalm.dbf": ["TAG", "EXPR", "DELAY", "CATEGORY"],
    "anaalm.dbf": [
        "TAG", "VAR", "SETPOINT", "HIGHHIGH", "HIGH", "LOW", "LOWLOW", "HHDELAY", "LDELAY",
        "DEVIATION", "RATE",
    ],
    "hresalm.dbf": ["TAG", "VAR", "TIMER"],
    "category.dbf": ["CATEGORY", "NAME", "PRIORITY", "LOGDEV"],
    "trend.dbf": ["NAME", "EXPR", "TYPE", "SAMPLEPER", "TRIGGER", "AREA"],
    "reports.dbf": ["NAME", "TIME", "PERIOD"],
    "param.dbf": ["SECTION", "NAME", "VALUE"],
    "include.dbf": ["NAME"],
}  # fmt: skip
_text = st.one_of(
    st.sampled_from([
        "", "0", "1", "2", "-1", "1e999", "nan", "99999999999999999999", "PLC1", "plc1", "IOServer1",
        "IOServer2",
        "MODNET", "modbus", "MELSEC", "GENERIC", "Primary", "Standby", "StandbyWrite", "TRUE", "P1",
        "P1_1", "COM1",
        "TCPIP", "B", "-I10.0.0.1 -P502 -T", "-I10.0.0.255 -P1", "-I127.10.0.11 -P502",
        "-I255.255.255.255", "-P", "-",
        "INT", "DIGITAL", "REAL", "STRING", "DOUBLE", "40001", "40001.1", "00001", "1454", "D100",
        "40001:len=3",
        "Inflow", "Pump1_Run", "NOT Pump1_Run", "Inflow > 3", "Basin_Level", "00:00:05", "5", "soon",
        "25:00:00",
        "TRN_PERIODIC", "TRN_EVENT", "Critical", "North", "LAN", "SendTimeout", "SCADA1", "HMI",
        "site", "..", "a/b",
    ]),
    st.text(st.characters(codec="cp1251"), max_size=12),
    st.text(max_size=6),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> dict[str, bytes]:
    """Some tables with any cells, some of their columns missing."""
    chosen = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=5, unique=True))
    encoding = draw(st.sampled_from(["cp1251", "cp932", "cp1252"]))
    made = {}
    for name in chosen:
        columns = draw(st.lists(st.sampled_from(_COLUMNS[name]), min_size=1, unique=True))
        rows = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, _text)), min_size=1, max_size=6))
        known = [
            {column: cell.encode(encoding, "ignore").decode(encoding) for column, cell in row.items()}
            for row in rows
        ]
        made[name] = table(known, encoding=encoding)
    return made


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(tables())
def test_any_cells(made: dict[str, bytes]) -> None:
    import_or_refuse({**original(), **made})


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(_COLUMNS["variable.dbf"], _text)), min_size=1, max_size=12)
)
def test_every_record_of_a_tag_is_imported_or_noted(rows: list[dict[str, str]]) -> None:
    known = [{c: cell.encode("cp1252", "ignore").decode("cp1252") for c, cell in row.items()} for row in rows]
    imported = import_or_refuse({**original(), "variable.dbf": table(known)})
    assert imported is not None
    noted = [
        n.record for n in imported.notes if n.kind is NoteKind.LEFT_OUT and n.file.endswith("variable.dbf")
    ]
    assert len(noted) == len(set(noted))
    assert len(noted) + imported.counts["tag"] == len(rows)
