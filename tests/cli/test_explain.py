"""The verb: a parameter, a changeover, the matrix; with a project and without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from changeover.cli.explain import command
from changeover.cli.new import write_project
from changeover.config.registry import PARAMETERS_KEY, REGISTRY_ROWS
from changeover.config.registry_values import RegistryChange, registry_text


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path / "plant")
    return tmp_path / "plant"


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_parameter_in_a_project(project: Path) -> None:
    result = explain(project, "sendtimeout")
    assert result.exit_code == 0
    assert "[LAN]SendTimeout = 2000 ms" in result.stdout
    (line,) = (line for line in result.stdout.splitlines() if "alarm, trend, report" in line and "+2" in line
               and "server-silent" in line)  # fmt: skip
    assert "+2.00  +2.00" in line
    assert "try the silent way (T3): server-silent, server-frozen" in result.stdout


def test_a_parameter_as_json(project: Path) -> None:
    answer = json.loads(explain(project, "[MODNET]Timeout", "--json").stdout)
    by_fault = {one["fault"]: one for one in answer["influences"] if one["function"] == "io-data"}
    assert by_fault["device-silent"]["one_unit_more"]["longest"] == pytest.approx(0.001)
    assert by_fault["server-silent"]["one_unit_more"]["longest"] == pytest.approx(0)
    assert answer["family"] == "C"


def test_a_changeover(project: Path) -> None:
    result = explain(project, "--function", "io-data", "--fault", "device-silent")
    assert result.exit_code == 0
    assert "unit offline" in result.stdout
    assert "no effect: [LAN]SendTimeout" in result.stdout


def test_a_changeover_that_the_network_stack_decides(project: Path) -> None:
    toml = project / "plant.toml"
    text = toml.read_text("utf-8").replace(
        'network_protocol = "acknowledged"', 'network_protocol = "windows"'
    )
    toml.write_text(text + '\n[windows]\nregistry = "tcp.reg"\nrto_ms = 300\n', "utf-8")
    row = REGISTRY_ROWS[0]
    export = registry_text([RegistryChange(row, PARAMETERS_KEY, None, 3)])
    (project / "tcp.reg").write_bytes(export)
    result = explain(project, "--function", "io-data", "--fault", "server-silent")
    assert result.exit_code == 0
    assert f"[windows] tcp_max_data_retransmissions = 3, {project}/tcp.reg:5, default 5" in result.stdout
    assert f"[windows] rto_ms = 300 ms, {toml}:" in result.stdout
    assert "[windows] tcp_initial_rtt_ms = 3000 ms, the default" in result.stdout
    assert "[linux]" not in result.stdout
    device = explain(project, "--function", "io-data", "--fault", "device-silent").stdout
    assert "[windows]tcp_max_data_retransmissions" in device.partition("no effect:")[2]
    assert "[windows] " not in device, "its numbers are told where they count only"


def test_the_matrix_of_a_project_and_of_another_version(project: Path) -> None:
    now, before = explain(project).stdout, explain(project, "--version", "3.30").stdout
    assert "HeartTime" not in now.partition("on no changeover:")[0]
    assert "HeartTime" in before.partition("on no changeover:")[0]


def test_a_matrix_that_is_too_wide_is_a_list(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "alarm, trend, report server-closed, 4.00 s: [LAN]WatchTime +2.00" in explain(project).stdout


def test_in_a_projects_folder_it_needs_no_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert explain("WatchTime").stdout == explain(".", "WatchTime").stdout
    assert "WatchTime" in explain().stdout.partition("on no changeover:")[0]


def test_without_a_project_it_is_the_row_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = explain("HeartTime")
    assert result.exit_code == 0
    assert result.stdout.startswith("[IOSERVER]HeartTime: default 30000")
    (row,) = json.loads(explain("HeartTime", "--json").stdout)
    assert row["defaults"] == {"A": 30000, "B": 30000, "C": 30000}
    result = explain("--function", "io-data")
    assert (result.exit_code, "holds no plant.toml" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("SendTimout", 2, "did you mean SendTimeout?"),
        ("[MODBUS]Timeout", 1, "in this project there is"),
        ("ScanTime", 1, "It moves no changeover"),
    ],
)
def test_what_is_no_parameter_here(project: Path, name: str, status: int, said: str) -> None:
    result = explain(project, name)
    assert result.exit_code == status
    assert said in result.stderr


def test_no_such_project(tmp_path: Path) -> None:
    result = explain(tmp_path / "nothing")
    assert (result.exit_code, "does not exist" in result.stderr) == (2, True)
