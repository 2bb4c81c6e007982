"""Whatever is done to a project's files, the answer is a project or a list of one-line diagnostics."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.cli.new import write_project
from changeover.config import alarms, categories, reports, tags, trends
from changeover.config.diagnostics import ConfigurationError
from changeover.config.project import FILES, load_project
from changeover.model.tag import TagType

TEMPLATE = "reports/shift.html.j2"

with tempfile.TemporaryDirectory() as _folder:
    write_project(Path(_folder) / "x")
    ORIGINAL = {name: (Path(_folder) / "x" / name).read_bytes() for name in (*FILES, TEMPLATE)}


def _write(folder: str, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


_values = st.sampled_from([
    b"1", b"-1", b"1e999", b"nan", b"true", b"''", b"[]", b"{}", b"[{}]", b"{a=1}", b"1979-05-27", b'"PLC1"',
    b'"127.20.0.101:5020"', b'"\\u0000"', b"\xff", b"\0", b"9999999999999999999", b"=", b"[[", b"]", b'"""',
    b"\n", b"[[io_device]]\n", b"[lan]\n", b"SCADA1", b",,,,", b'"', b"00:00:01", b"NOT Inflow", b"-0.0",
    b"* * * * *", b"../..", b"analogue", b"Basin_Level", b"html;csv",
])  # fmt: skip
_mutation = st.tuples(
    st.sampled_from(FILES),
    st.sampled_from(["value", "delete", "double", "insert", "swap"]),
    st.integers(0, 10**4),
    _values,
)


def _mutate(data: bytes, kind: str, place: int, value: bytes) -> bytes:
    lines = data.split(b"\n")
    index = place % len(lines)
    line = lines[index]
    match kind:
        case "value":
            separator = b"=" if b"=" in line else b","
            lines[index] = line.partition(separator)[0] + separator + value
        case "delete":
            del lines[index]
        case "double":
            lines.insert(index, line)
        case "insert":
            lines[index] = line[: place % (len(line) + 1)] + value + line[place % (len(line) + 1) :]
        case "swap":
            other = place * 7919 % len(lines)
            lines[index], lines[other] = lines[other], line
    return b"\n".join(lines)


@settings(max_examples=300, deadline=None)
@given(st.lists(_mutation, min_size=1, max_size=4))
def test_mutated_projects(mutations: list[tuple[str, str, int, bytes]]) -> None:
    files = dict(ORIGINAL)
    for name, kind, place, value in mutations:
        files[name] = _mutate(files[name], kind, place, value)
    with tempfile.TemporaryDirectory() as folder:
        _write(folder, files)
        try:
            project = load_project(Path(folder))
        except ConfigurationError as error:
            assert error.diagnostics
            lines = [str(diagnostic) for diagnostic in error.diagnostics]
        else:
            lines = [str(warning) for warning in project.warnings]
            assert all(device.primary.address.port for device in project.plant.io_devices)
        assert all(len(line.splitlines()) == 1 and line.isprintable() for line in lines)
        assert all(line.startswith(folder) for line in lines)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FILES), st.binary(max_size=200))
def test_any_bytes_in_any_file(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _write(folder, ORIGINAL | {name: data})
        try:
            load_project(Path(folder))
        except ConfigurationError as error:
            assert error.diagnostics


REGISTRY = b'\n[windows]\nregistry = "tcp.reg"\ntcp_max_data_retransmissions = 3\n'
EXPORT = (
    b"Windows Registry Editor Version 5.00\r\n\r\n"
    b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters]\r\n"
    b'"TcpMaxDataRetransmissions"=dword:00000003\r\n"TcpMaxConnectRetransmissions"=dword:00000001\r\n'
    b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters\\Interfaces\\{1}]\r\n"
    b'"TcpInitialRtt"=dword:00000bb8\r\n'
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_mutation, max_size=4), st.booleans())
def test_mutated_registry_exports(mutations: list[tuple[str, str, int, bytes]], in_utf_16: bool) -> None:
    data = EXPORT
    for _, kind, place, value in mutations:
        data = _mutate(data, kind, place, value)
    export = data.decode("latin-1").encode("utf-16") if in_utf_16 else data
    files = ORIGINAL | {"plant.toml": ORIGINAL["plant.toml"] + REGISTRY, "tcp.reg": export}
    with tempfile.TemporaryDirectory() as folder:
        _write(folder, files)
        try:
            project = load_project(Path(folder))
        except ConfigurationError as error:
            lines = [str(diagnostic) for diagnostic in error.diagnostics]
            assert lines
        else:
            lines = [str(warning) for warning in project.warnings]
            assert project.plant.windows.data_retransmissions == 3
        assert all(len(line.splitlines()) == 1 and line.isprintable() for line in lines)
        assert all(line.startswith(folder) for line in lines)


_HEADERS = {
    name: ",".join(columns.known).encode() + b"\n"
    for name, columns in (
        ("tags.csv", tags.COLUMNS),
        ("categories.csv", categories.COLUMNS),
        ("alarms.csv", alarms.COLUMNS),
        ("trends.csv", trends.COLUMNS),
        ("reports.csv", reports.COLUMNS),
    )
}
_cell = st.one_of(
    _values,
    st.sampled_from([b"digital", b"time-stamped", b"periodic", b"event", b"Pump1_Run", b"0", b"2", b""]),
    st.binary(max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(_HEADERS)), st.lists(st.lists(_cell, max_size=26), max_size=4))
def test_any_cells_below_a_sound_header(name: str, rows: list[list[bytes]]) -> None:
    data = _HEADERS[name] + b"\n".join(b",".join(row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        _write(folder, ORIGINAL | {name: data})
        try:
            project = load_project(Path(folder))
        except ConfigurationError as error:
            lines = [str(diagnostic) for diagnostic in (*error.diagnostics, *error.warnings)]
            assert error.diagnostics
        else:
            lines = [str(warning) for warning in project.warnings]
            plant = project.plant
            known = {tag.name for tag in plant.tags if tag.type is not TagType.STRING}
            assert known.issuperset(name for alarm in plant.alarms for name in alarm.variables)
            assert known.issuperset(trend.tag for trend in plant.trends)
        assert all(len(line.splitlines()) == 1 and line.isprintable() for line in lines)
        assert all(line.startswith(folder) for line in lines)
