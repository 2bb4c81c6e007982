from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from changeover.cli import new
from changeover.config.project import load_project
from changeover.drivers.modbus.address import parse_address
from changeover.model.moment import MILLISECOND, SECOND

FILES = {"plant.toml", "citect.ini", "tags.csv"}


def run(folder: Path | str) -> Result:
    return CliRunner().invoke(new.command, [str(folder)])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_example_is_a_project_without_a_warning(tmp_path: Path) -> None:
    result = run(tmp_path / "deep" / "my plant")
    assert result.exit_code == 0, result.output
    project = load_project(tmp_path / "deep" / "my plant")
    assert project.warnings == ()
    assert project.plant.timing.send_timeout == 2 * SECOND
    assert project.plant.timing.client_retry == SECOND
    device = project.plant.io_device("PLC1")
    assert [str(unit.address) for unit in device.units] == ["127.20.0.101:5020", "127.20.0.102:5020"]
    assert device.primary.timing.watch == 2 * SECOND
    assert project.plant.client("HMI1").page_scan == 250 * MILLISECOND
    assert len(project.plant.tags) == 12
    assert len({tag.type for tag in project.plant.tags}) >= 5
    assert project.plant.client_lans() == ("LAN_A",)


def test_the_driver_can_read_every_address(tmp_path: Path) -> None:
    run(tmp_path / "p")
    for tag in load_project(tmp_path / "p").plant.tags:
        parse_address(tag.address, tag.type)


def test_an_empty_folder_may_be_there_and_be_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    assert run(".").exit_code == 0
    assert names(tmp_path) == FILES
    assert tmp_path.stat().st_ino == before


def test_a_used_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text("mine")
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "is not empty" in result.output and "Choose a new folder" in result.output
    assert names(tmp_path) == {"plant.toml"}
    assert (tmp_path / "plant.toml").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file").exit_code == 2
    result = run(tmp_path / "file" / "below")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    if existing:
        (tmp_path / "a").mkdir()
    rename = Path.rename

    def fail_at_last(self: Path, target: Path) -> Path:
        if self.name == "tags.csv":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_last)
    result = run(tmp_path / "a" if existing else tmp_path / "a" / "b")
    assert result.exit_code == 2
    assert "No space left" in result.output
    assert list(tmp_path.rglob("*")) == ([tmp_path / "a"] if existing else [])
