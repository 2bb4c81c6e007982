"""Registry exports: which lines of a .reg file count, and what is said of those that do not."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.config.diagnostics import Findings
from changeover.config.registry import (
    INTERFACES_KEY,
    PARAMETERS_KEY,
    REGISTRY_ROWS,
    parse_registry,
    read_registry,
)
from changeover.config.registry_values import RegistryChange, registry_text

FIVE = "Windows Registry Editor Version 5.00\r\n\r\n"
DATA, CONNECT, RTT = "TcpMaxDataRetransmissions", "TcpMaxConnectRetransmissions", "TcpInitialRtt"
KEY = f"[{PARAMETERS_KEY}]\r\n"
NIC = f"[{INTERFACES_KEY}\\{{8D1F0C2A-0001}}]\r\n"


def numbered(number: int, key: str = KEY) -> str:
    return key.replace("CurrentControlSet", f"ControlSet{number:03}")


def read(data: str | bytes) -> tuple[dict[str, float], list[str], list[str]]:
    """What counts by name, problems and warnings; a text without a header is one of Version 5.00."""
    if isinstance(data, str):
        data = codecs.BOM_UTF16_LE + (FIVE + data).encode("utf-16-le")
    findings = Findings()
    entries = parse_registry(data, "t.reg", findings)
    found = {entry.row.registry: entry.value for entry in entries}
    return found, [str(one) for one in findings.problems], [str(one) for one in findings.warnings]


def values(data: str | bytes) -> dict[str, float]:
    found, problems, warnings = read(data)
    assert (problems, warnings) == ([], [])
    return found


def problem(data: str | bytes) -> str:
    _, problems, warnings = read(data)
    assert (len(problems), warnings) == (1, [])
    return problems[0]


EXPORT = (
    f'{KEY}"Hostname"="SCADA1"\r\n"DataBasePath"=hex(2):25,00,53,00,79,00,\\\r\n  73,00,00,00\r\n'
    f'"{DATA}"=dword:00000003\r\n@="default"\r\n"{CONNECT}"=dword:00000001\r\n\r\n'
    f'{NIC}"EnableDHCP"=dword:00000000\r\n"IPAddress"=hex(7):31,00,30,00,\\\r\n  00,00\r\n'
    f'"{RTT}"=dword:00001388\r\n"Lease"=hex(b):00,00,00,00,00,00,00,00\r\n'
)
SAID = {DATA: 3, CONNECT: 1, RTT: 5000}


@pytest.mark.parametrize(
    "encoded",
    [
        codecs.BOM_UTF16_LE + (FIVE + EXPORT).encode("utf-16-le"),
        codecs.BOM_UTF16_LE + (FIVE + EXPORT).replace("\r", "").encode("utf-16-le"),
        codecs.BOM_UTF8 + (FIVE + EXPORT).encode(),
        (FIVE + EXPORT).encode(),
        (FIVE + EXPORT).replace("\r\n", "\r").encode(),
        ("REGEDIT4\r\n\r\n" + EXPORT).encode("cp1252"),
        ("REGEDIT4\n\n; Gebäude\n" + EXPORT).encode("cp1252"),
        ("  REGEDIT4 \n" + EXPORT.lower().replace("hkey", "HKEY")).encode(),
    ],
    ids=["utf-16", "utf-16 lf", "utf-8 bom", "utf-8", "cr", "regedit4", "cp1252", "lower case"],
)
def test_what_an_export_says_in_every_encoding(encoded: bytes) -> None:
    assert values(encoded) == SAID


def test_an_entry_names_its_key_and_its_line() -> None:
    entries = parse_registry((FIVE + EXPORT).encode(), "t.reg", Findings())
    assert [(str(entry), entry.line) for entry in entries] == [
        (rf"Tcpip\Parameters\{DATA}", 7),
        (rf"Tcpip\Parameters\{CONNECT}", 9),
        (rf"Tcpip\Parameters\Interfaces\{{8D1F0C2A-0001}}\{RTT}", 15),
    ]
    assert [entry.key for entry in entries] == [PARAMETERS_KEY, PARAMETERS_KEY, NIC.strip("[]\r\n")]


LINES = [
    (f'"{DATA}"=dword:a', 10),
    (f'"{DATA}"=dword:0000000A', 10),
    (f'  "{DATA}"\t =\t dword:\t0a ; ten', 10),
    (f'"{DATA.upper()}"=dword:0000000a;ten', 10),
    (f'"{DATA}"=hex(4):0a,00,00,00', 10),
    (f'"{DATA}"=hex(04):a,\\\r\n  00,\\;ten\r\n\t 00,00 ; ten', 10),
    (f'"{DATA}"=dword:00000003\r\n"{DATA}"=dword:0000000a', 10),
    (f'"{DATA}"="3"\r\n"{DATA}"=dword:0000000a', 10),
    (f'"{DATA}"=dword:00000003\r\n"{DATA}"=-', 5),
    (f'"{DATA}"=-; gone\r\n"{DATA}"=dword:0000000a', 10),
    (f'; "{DATA}"=dword:00000003', None),
    (f'#"{DATA}"=dword:00000003', None),
    (f'"x\\"{DATA}"=dword:00000003', None),
    (f'"x"="{DATA}"', None),
    (f'"{DATA}s"=dword:00000003', None),
    (f'"a\\\\b\\"c"="d\\\\e\\"f"\r\n"{DATA}"=dword:0000000a', 10),
    (f'"text"="first\r\nsecond"\r\n"{DATA}"=dword:0000000a', 10),
    (f'; comment\\\r\n"{DATA}"=dword:0000000a', 10),
    (f'@=-\r\n"{DATA}"=dword:0000000a', 10),
]


@pytest.mark.parametrize(("lines", "number"), LINES, ids=[line for line, _ in LINES])
def test_a_value_counts_where_regedit_takes_it(lines: str, number: int | None) -> None:
    assert values(f"{KEY}{lines}\r\n") == ({} if number is None else {DATA: number})
    assert values(f"{KEY}{lines}") == ({} if number is None else {DATA: number})


FAULTS = [
    (f'"{DATA}"="3"', "'\"3\"' is a REG_SZ, which Windows ignores here"),
    (f'"{DATA}"="3', "'\"3' is a REG_SZ, which Windows ignores here"),
    (f'"{DATA}"=hex:03,00,00,00', "'hex:03,00,00,00' is a REG_BINARY, which Windows ignores here"),
    (f'"{DATA}"=hex(b):03,00,00,00,00,00,00,00', "is a REG_QWORD, which Windows ignores here"),
    (f'"{DATA}"=hex(7):33,00,\\\r\n  00,00', "'hex(7):33,00,\\' is a REG_MULTI_SZ, which Windows"),
    (f'"{DATA}"=hex(4):03,00', "is no REG_DWORD of four bytes"),
    (f'"{DATA}"=hex(4):03,00,00,\\\r\n"x"="y"', "is no REG_DWORD of four bytes"),
    (f'"{DATA}"=hex(4):03,00,00,00,00', "is no REG_DWORD of four bytes"),
    (f'"{DATA}"=hex(ffff):03', "is a type ffff"),
    (f'"{DATA}"=hex({"f" * 9000}):03', "…' is no value"),
    (f'"{DATA}"=dword:000000003', "is no value: regedit skips the line"),
    (f'"{DATA}"=dword:', "is no value"),
    (f'"{DATA}"=dword:0x3', "is no value"),
    (f'"{DATA}"=DWORD:3', "is no value"),
    (f'"{DATA}"=dword:3 # three', "is no value"),
    (f'"{DATA}"=3', "'3' is no value"),
    (f'"{DATA}"=', "'' is no value"),
    (f"{DATA}=dword:3", "has no quotes around its name: regedit skips the line"),
    (f'"{DATA}=dword:3', "has no quotes around its name"),
    (f'"{DATA}"=dword:00000100', "256 (dword:00000100) is out of range, allowed are 0 to 255"),
]


@pytest.mark.parametrize(("lines", "said"), FAULTS, ids=[line for line, _ in FAULTS])
def test_a_value_that_nobody_would_take_is_a_problem(lines: str, said: str) -> None:
    told = problem(f"{KEY}{lines}\r\n")
    assert told.startswith(rf"t.reg:4: Tcpip\Parameters\{DATA}: ")
    assert said in told
    assert "allowed are 0 to 255" in told
    assert values(f'{KEY}{lines}\r\n"{DATA}"=dword:00000003\r\n') == {DATA: 3}


@pytest.mark.parametrize(("number", "said"), [(3, "3 (dword:00000003)"), (299, "299"), (65_536, "65536")])
def test_a_first_wait_that_may_be_in_seconds_is_a_problem(number: int, said: str) -> None:
    told = problem(f'{NIC}"{RTT}"=dword:{number:08x}\r\n')
    assert f"{said}" in told
    assert "is out of range, allowed are 300 to 65535, in milliseconds" in told


def test_a_value_in_the_wrong_key_is_a_warning() -> None:
    found, problems, warnings = read(f'{KEY}"{RTT}"=dword:00000bb8\r\n{NIC}"{DATA}"=dword:00000003\r\n')
    assert (found, problems) == ({}, [])
    assert warnings == [
        rf"t.reg:4: Tcpip\Parameters\{RTT}: has no effect in this key, Windows reads it in {INTERFACES_KEY}"
        r"\{…}",
        rf"t.reg:6: Tcpip\Parameters\Interfaces\{{8D1F0C2A-0001}}\{DATA}: has no effect in this key, Windows"
        rf" reads it in {PARAMETERS_KEY}",
    ]


@pytest.mark.parametrize(
    "other",
    [
        r"[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip]",
        r"[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Winsock]",
        r"[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip6\Parameters]",
        r"[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\NetBT\Parameters]",
        r"[HKEY_CURRENT_USER\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters]",
        r"[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces]",
        rf"[-{PARAMETERS_KEY}\Winsock]",
        "[x",
    ],
)
def test_a_value_in_a_key_of_something_else_is_none_of_ours(other: str) -> None:
    lines = f'{other}\r\n"{DATA}"=dword:00000009\r\n"{RTT}"=dword:00001388\r\n'
    assert values(f'{KEY}"{DATA}"=dword:00000003\r\n{lines}') == {DATA: 3}
    assert values(f'{lines}{KEY}"{DATA}"=dword:00000003\r\n') == {DATA: 3}


@pytest.mark.parametrize(
    "key", [rf"[{PARAMETERS_KEY}\]", f" \t[{PARAMETERS_KEY}] ; comment", f"[{PARAMETERS_KEY}]x"]
)
def test_spellings_of_a_key(key: str) -> None:
    assert values(f'{key}\r\n"{DATA}"=dword:00000003\r\n') == {DATA: 3}


def test_an_abbreviated_key_is_a_problem() -> None:
    told = problem('[HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters]\r\n"x"=dword:3\r\n')
    assert told == (
        r"t.reg:3: [HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters]: is no key in a file: regedit"
        " skips it, write HKEY_LOCAL_MACHINE in full"
    )
    assert values(f"[HKLM\\SYSTEM]\r\n{KEY}") == {}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n", b"\xff\xfe", b"[LAN]\r\nSendTimeout=2000\r\n", b"MZ\x90\0\x03", b"regf\0\0\0\0",
        b"regedit4\r\n", b"REGEDIT\r\n", b"REGEDIT5\r\n", b"windows registry editor version 5.00\r\n",
        codecs.BOM_UTF16_BE + FIVE.encode("utf-16-be"), b"\x89PNG\r\n\x1a\n", FIVE.encode("utf-16-le"),
    ],
)  # fmt: skip
def test_what_is_no_export_is_refused(data: bytes) -> None:
    told = problem(data)
    assert told.startswith("t.reg: t.reg: is empty" if not data else "t.reg: t.reg: is no registry export")
    assert told.endswith("a file that regedit or reg export has written is wanted")


def test_an_export_of_another_key_is_refused() -> None:
    assert problem("[HKEY_LOCAL_MACHINE\\SOFTWARE]\r\n") == (
        f"t.reg: t.reg: holds no key {PARAMETERS_KEY}, export that key"
    )


# ---- deletions ------------------------------------------------------------------------------------------

SET = f'"{DATA}"=dword:00000003\r\n'
WAIT = f'"{RTT}"=dword:00001388\r\n'
BOTH_DEFAULT = {DATA: 5, CONNECT: 2}


@pytest.mark.parametrize(
    "above",
    [
        PARAMETERS_KEY, PARAMETERS_KEY.lower(), PARAMETERS_KEY.removesuffix(r"\Parameters"),
        r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet", r"HKEY_LOCAL_MACHINE\SYSTEM", "HKEY_LOCAL_MACHINE",
    ],
)  # fmt: skip
def test_a_key_that_is_deleted_takes_all_below_it(above: str) -> None:
    assert values(f"{KEY}{SET}{NIC}{WAIT}[-{above}]\r\n") == BOTH_DEFAULT
    assert values(f"{KEY}{SET}{NIC}{WAIT}[-{above}]\r\n{SET}") == BOTH_DEFAULT
    assert values(f"{KEY}{SET}{NIC}{WAIT}[-{above}]\r\n{KEY}{SET}{NIC}{WAIT}") == BOTH_DEFAULT | {
        DATA: 3,
        RTT: 5000,
    }
    assert values(f'{KEY}"{DATA}"="3"\r\n[-{above}]\r\n') == BOTH_DEFAULT


@pytest.mark.parametrize("gone", [f"[-{INTERFACES_KEY}]", NIC.replace("[", "[-").lower().strip()])
def test_an_interface_that_is_deleted_says_nothing(gone: str) -> None:
    assert values(f"{KEY}{SET}{NIC}{WAIT}{gone}\r\n") == {DATA: 3}
    assert values(f'{KEY}{SET}{NIC}"{RTT}"="x"\r\n{gone}\r\n') == {DATA: 3}


def test_a_first_wait_that_is_deleted_is_the_default() -> None:
    assert values(f'{NIC}{WAIT}"{RTT}"=-\r\n') == {RTT: 3000}


# ---- control sets ---------------------------------------------------------------------------------------


def test_the_current_control_set_wins() -> None:
    other = f'{numbered(1)}"{DATA}"="9"\r\n'
    assert values(f"{other}{KEY}{SET}") == {DATA: 3}
    assert values(f"{KEY}{SET}{other}") == {DATA: 3}
    assert values(f"{KEY}{numbered(1)}{SET}") == {}


def test_a_numbered_control_set_counts_where_it_is_alone() -> None:
    entries = parse_registry((FIVE + numbered(2) + SET).encode(), "t.reg", Findings())
    assert [(entry.number, entry.key) for entry in entries] == [(3, numbered(2).strip("[]\r\n"))]


def test_numbered_control_sets_that_agree() -> None:
    assert values(f"{numbered(1)}{SET}{numbered(2)}{SET}") == {DATA: 3}
    assert values(f'{numbered(1)}{numbered(2)}"{DATA}"=dword:5\r\n') == {}


def test_numbered_control_sets_that_differ_are_a_problem() -> None:
    assert problem(f'{numbered(1)}{SET}{numbered(2)}"{DATA}"=dword:4\r\n') == (
        rf"t.reg:6: Tcpip\Parameters\{DATA}: is 3 in ControlSet001 (t.reg:4) and is 4 in ControlSet002"
        " (t.reg:6), export CurrentControlSet, or take out all sets but one"
    )
    assert "is not set in ControlSet001 and is 5000 ms in ControlSet003" in problem(
        f"{numbered(1)}{numbered(3, NIC)}{WAIT}"
    )
    assert "is 3 in ControlSet001 (t.reg:4) and is not set in ControlSet002" in problem(
        f"{numbered(1)}{SET}{numbered(2)}"
    )


# ---- files ----------------------------------------------------------------------------------------------


def read_file(path: Path) -> list[str]:
    findings = Findings()
    read_registry(path, findings)
    return [str(one) for one in findings.problems]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.reg"
    with huge.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    assert read_file(huge) == [f"{huge}: huge.reg: is 67108865 bytes long, at most 67108864 are read"]
    assert "does not exist" in read_file(tmp_path / "none.reg")[0]
    assert "is no regular file" in read_file(tmp_path)[0]


def test_a_whole_hive_is_searched_for_a_few_lines(tmp_path: Path) -> None:
    other = "".join(
        f"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Service{number}]\r\n"
        f'"ImagePath"=hex(2):{"5c,00,41,00," * 20}\\\r\n  00,00\r\n"Start"=dword:00000003\r\n\r\n'
        for number in range(5000)
    )
    text = FIVE + other + KEY + SET + other
    path = tmp_path / "system.reg"
    path.write_bytes(codecs.BOM_UTF16_LE + text.encode("utf-16-le"))
    findings = Findings()
    (entry,) = read_registry(path, findings)
    assert (entry.number, entry.line, findings.problems) == (3, 3 + 5 * 5000 + 1, [])


# ---- writing --------------------------------------------------------------------------------------------

_interfaces = st.uuids().map(lambda one: f"{INTERFACES_KEY}\\{{{str(one).upper()}}}")


@st.composite
def _changes(draw: st.DrawFn) -> list[RegistryChange]:
    changes = {}
    for row in draw(st.lists(st.sampled_from(REGISTRY_ROWS), max_size=8)):
        key = draw(_interfaces) if row.of_interface else PARAMETERS_KEY
        numbers = st.integers(int(row.minimum), int(row.maximum))
        changes[key, row.key] = RegistryChange(row, key, draw(st.none() | numbers), draw(numbers))
    return list(changes.values())


@given(_changes())
def test_what_is_written_is_read_back(changes: list[RegistryChange]) -> None:
    data = registry_text(changes)
    assert data.startswith(codecs.BOM_UTF16_LE + FIVE.encode("utf-16-le"))
    text = data.decode("utf-16")
    assert text.count("\n") == text.count("\r\n")
    findings = Findings()
    entries = parse_registry(data, "t.reg", findings)
    if changes:
        assert (findings.problems, findings.warnings) == ([], [])
    assert {(one.key, one.row, one.number) for one in entries} == {(c.key, c.row, c.new) for c in changes}
    assert text.count("=") == len(changes)


def test_a_written_file() -> None:
    data, connect, rtt = REGISTRY_ROWS
    nic = rf"{INTERFACES_KEY}\{{1}}"
    changes = [
        RegistryChange(rtt, nic, None, 1500),
        RegistryChange(data, PARAMETERS_KEY, 5, 3),
        RegistryChange(connect, PARAMETERS_KEY, None, 1),
    ]
    assert registry_text(changes).decode("utf-16").replace("\r\n", "\n") == (
        "Windows Registry Editor Version 5.00\n\n"
        f"[{nic}]\n; TcpInitialRtt: was not set (3000 ms), becomes 1500 ms\n"
        '"TcpInitialRtt"=dword:000005dc\n\n'
        f"[{PARAMETERS_KEY}]\n; TcpMaxDataRetransmissions: was 5, becomes 3\n"
        '"TcpMaxDataRetransmissions"=dword:00000003\n'
        "; TcpMaxConnectRetransmissions: was not set (2), becomes 1\n"
        '"TcpMaxConnectRetransmissions"=dword:00000001\n\n'
    )


# ---- damage ---------------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        KEY, NIC, numbered(1), numbered(2, NIC), SET, WAIT, f'"{DATA}"=-\n', f'"{DATA}"="x\n',
        f'"{CONNECT}"=hex(4):01,\\\n00,00,00\n', f"[-{PARAMETERS_KEY}]\n", f"[-{INTERFACES_KEY}]\n",
        "[-HKEY_LOCAL_MACHINE]\n", "[", "]\n", '"', "=", "\\", "\r", ";", "dword:", "hex(4):", "HKLM\\", "\0",
        "\ud800", "Å", "\u2028",
    ]
)  # fmt: skip


def _check(data: bytes) -> None:
    findings = Findings()
    entries = parse_registry(data, "t.reg", findings)
    for entry in entries:
        assert entry.row.minimum <= entry.value <= entry.row.maximum
        assert entry.line > 1
    for one in (*findings.problems, *findings.warnings):
        assert len(str(one).splitlines()) == 1
        assert str(one).isprintable()
        assert len(str(one)) < 2000


@given(st.lists(_PIECES, max_size=12))
def test_any_lines(pieces: list[str]) -> None:
    _check(codecs.BOM_UTF16_LE + (FIVE + "".join(pieces)).encode("utf-16-le", "surrogatepass"))
    _check((FIVE + "".join(pieces)).encode("utf-8", "replace"))


@settings(max_examples=300)
@given(st.data(), st.sampled_from(["utf-8", "utf-16"]))
def test_a_damaged_export(draw: st.DataObject, encoding: str) -> None:
    data = bytearray((FIVE + EXPORT).encode(encoding))
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, len(data)))
        data[place : place + draw.draw(st.integers(0, 40))] = draw.draw(st.binary(max_size=8))
    _check(bytes(data))


@given(st.binary(max_size=300), st.sampled_from([b"", codecs.BOM_UTF16_LE, codecs.BOM_UTF8, b"REGEDIT4\n"]))
def test_any_bytes(data: bytes, start: bytes) -> None:
    _check(start + data)
