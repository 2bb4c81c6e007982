"""Numbers of network stacks: plant.toml and a registry export together."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.config.registry import INTERFACES_KEY, PARAMETERS_KEY, REGISTRY_ROWS
from changeover.config.registry_values import RegistryChange, registry_text
from changeover.model.moment import MILLISECOND
from changeover.model.stack import WindowsStack

from .conftest import Folder

DATA, CONNECT, RTT = REGISTRY_ROWS


def export(folder: Folder, *numbers: int, data: int | None = 3, name: str = "tcp.reg") -> None:
    """An export with TcpMaxDataRetransmissions, and TcpInitialRtt of some interfaces."""
    changes = [] if data is None else [RegistryChange(DATA, PARAMETERS_KEY, None, data)]
    interfaces = (rf"{INTERFACES_KEY}\{{{number}}}" for number in range(len(numbers)))
    changes += [RegistryChange(RTT, key, None, ms) for key, ms in zip(interfaces, numbers, strict=True)]
    folder.path.joinpath(name).parent.mkdir(exist_ok=True)
    folder.write(name, registry_text(changes))


def windows(folder: Folder, *lines: str, registry: str = '"tcp.reg"') -> None:
    folder.append("plant.toml", "\n".join(["", "[windows]", f"registry = {registry}", *lines, ""]))


def test_what_an_export_says_is_the_stack(folder: Folder) -> None:
    export(folder, 5000)
    windows(folder, "rto_ms = 300")
    project = folder.load()
    assert project.plant.windows == WindowsStack(
        data_retransmissions=3,
        connect_retransmissions=2,
        rto=300 * MILLISECOND,
        initial_rtt=5000 * MILLISECOND,
    )
    assert project.warnings == ()
    line = folder.line("plant.toml", "rto_ms")
    told = [str(one).replace(f"{folder.path}/", "") for one in project.stacks.settings.values()]
    assert told[:5] == [
        "[windows] tcp_max_data_retransmissions = 3, tcp.reg:5, default 5",
        "[windows] tcp_max_connect_retransmissions = 2, the default",
        f"[windows] rto_ms = 300 ms, plant.toml:{line}, default 200",
        "[windows] tcp_initial_rtt_ms = 5000 ms, tcp.reg:9, default 3000",
        "[linux] tcp_retries2 = 15, the default",
    ]


def test_the_export_is_one_of_the_projects_files(folder: Folder) -> None:
    export(folder, name="registry/scada1.reg")
    windows(folder, registry='"registry/scada1.reg"')
    project = folder.load()
    assert [path.name for path in project.files][:3] == ["plant.toml", "scada1.reg", "citect.ini"]
    assert project.stacks.registry == folder.path / "registry" / "scada1.reg"


def test_a_value_that_both_set_must_be_the_same(folder: Folder) -> None:
    export(folder)
    windows(folder, "tcp_max_data_retransmissions = 3", "tcp_max_connect_retransmissions = 1")
    stack = folder.load().plant.windows
    assert (stack.data_retransmissions, stack.connect_retransmissions) == (3, 1)
    line = folder.line("plant.toml", "tcp_max_data")
    folder.replace("plant.toml", "tcp_max_data_retransmissions = 3", "tcp_max_data_retransmissions = 4")
    assert folder.problems() == [
        f"plant.toml:{line}: windows.tcp_max_data_retransmissions: is 4, but 3 in {folder.path}/tcp.reg:5,"
        " take one of the two out"
    ]


def test_a_deletion_says_that_the_default_counts(folder: Folder) -> None:
    folder.write("tcp.reg", f'REGEDIT4\n[{PARAMETERS_KEY}]\n"{DATA.registry}"=-\n')
    windows(folder, "tcp_max_data_retransmissions = 3")
    (problem,) = folder.problems()
    assert f"is 3, but 5 in {folder.path}/tcp.reg:3" in problem


def test_a_value_that_is_wrong_in_itself_is_told_once(folder: Folder) -> None:
    export(folder, 5000)
    windows(folder, 'tcp_max_data_retransmissions = "3"', "tcp_initial_rtt_ms = 70000")
    assert [one.split(": ", 2)[1:] for one in folder.problems()] == [
        ["windows.tcp_max_data_retransmissions", "'3' is not a whole number, allowed are 0 to 255"],
        ["windows.tcp_initial_rtt_ms", "is out of range, allowed are 300 to 65535"],
    ]


def test_every_fault_of_both_files_is_listed_in_order(folder: Folder) -> None:
    folder.write(
        "tcp.reg",
        f'REGEDIT4\n[{PARAMETERS_KEY}]\n"{DATA.registry}"="3"\n"{CONNECT.registry}"=dword:00000100\n'
        f'[{INTERFACES_KEY}\\{{1}}]\n"{RTT.registry}"=dword:00000003\n',
    )
    windows(folder, "rto = 3")
    folder.replace("citect.ini", "SendTimeout=2000", "SendTimeout=x")
    places = [one.split(": ")[:2] for one in folder.problems()]
    assert places == [
        [f"plant.toml:{folder.line('plant.toml', 'rto = 3')}", "windows.rto"],
        ["tcp.reg:3", r"Tcpip\Parameters\TcpMaxDataRetransmissions"],
        ["tcp.reg:4", r"Tcpip\Parameters\TcpMaxConnectRetransmissions"],
        ["tcp.reg:6", r"Tcpip\Parameters\Interfaces\{1}\TcpInitialRtt"],
        [f"citect.ini:{folder.line('citect.ini', 'SendTimeout')}", "[LAN]SendTimeout"],
    ]


def test_of_interfaces_that_differ_the_largest_counts(folder: Folder) -> None:
    export(folder, 4000, 6000, 5000)
    windows(folder)
    project = folder.load()
    assert project.plant.windows.initial_rtt == 6000 * MILLISECOND
    assert [str(one).removeprefix(f"{folder.path}/") for one in project.warnings] == [
        r"tcp.reg:13: Tcpip\Parameters\Interfaces\{1}\TcpInitialRtt: is 6000 ms, and in another interface"
        f" 4000 ms ({folder.path}/tcp.reg:9), the largest counts; take out what leads to no server"
    ]


def test_a_first_wait_below_the_default_is_a_warning(folder: Folder) -> None:
    export(folder, 1000, data=None)
    windows(folder)
    project = folder.load()
    assert project.plant.windows.initial_rtt == 1000 * MILLISECOND
    (warning,) = project.warnings
    assert str(warning).endswith(
        "is 1000 ms, less than the default of Windows, 3000 ms, only more is supported (Microsoft 170359):"
        " measure how long a connect takes"
    )


PATHS = [
    ('"none.reg"', "'none.reg' does not exist"),
    ('"../tcp.reg"', "'../tcp.reg' leads out of the project's folder"),
    ('"/tmp/tcp.reg"', "'/tmp/tcp.reg' leads out of the project's folder"),
    (r"'registry\tcp.reg'", r"'registry\tcp.reg' has a backslash, '/' stands between folders"),
    ('"reports"', "'reports' is no file"),
    ("3", "'3' is not a text"),
    ('" "', "' ' is blank"),
    ('"a\\u0000b"', "blank or holds control characters"),
]


@pytest.mark.parametrize(("text", "said"), PATHS, ids=[text for text, _ in PATHS])
def test_a_path_that_leads_to_no_file_of_the_project(folder: Folder, text: str, said: str) -> None:
    windows(folder, registry=text)
    (problem,) = folder.problems()
    place = f"plant.toml:{folder.line('plant.toml', 'registry =')}: windows.registry: "
    assert problem.startswith(place)
    assert said in problem


def test_a_link_out_of_the_project_is_no_file_of_it(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "outside.reg").write_bytes(registry_text([]))
    (folder.path / "tcp.reg").symlink_to(tmp_path / "outside.reg")
    windows(folder)
    (problem,) = folder.problems()
    assert "'tcp.reg' leads out of the project's folder" in problem


def test_a_file_that_is_no_export(folder: Folder) -> None:
    windows(folder, registry='"citect.ini"')
    assert folder.problems() == [
        "citect.ini: citect.ini: is no registry export, a file that regedit or reg export has written is"
        " wanted"
    ]


def test_only_windows_has_a_registry(folder: Folder) -> None:
    folder.append("plant.toml", '[linux]\nregistry = "tcp.reg"\n')
    assert "linux.registry: unknown key" in folder.problems()[0]
