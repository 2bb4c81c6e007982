from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from changeover.cli import import_, main
from changeover.config.project import load_project
from changeover.config.task_files import TASK_FILES
from citect_projects import citect_tables, table, write_backup, write_folder
from plants import two_server_plant

INI = b"[LAN]\r\nSendTimeout=2000\r\nx=\xe4\r\n"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(import_.command, [str(word) for word in words])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "site", {**citect_tables(two_server_plant()), "CITECT.INI": INI})


def everything(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_folder_becomes_a_project(site: Path, tmp_path: Path) -> None:
    result = run(site, tmp_path / "deep" / "out")
    assert result.exit_code == 0, result.output
    out = tmp_path / "deep" / "out"
    assert everything(out) == {"plant.toml", "citect.ini", "tags.csv", "import-notes.csv"}
    assert (out / "citect.ini").read_bytes() == INI
    assert load_project(out).plant.name == "site"
    assert result.output.startswith("site: 2 I/O servers, 1 I/O device, 1 tag, 0 alarms, 0 trends\n")
    assert f"next: changeover check {out}" in result.output


def test_a_backup_becomes_the_same_project(site: Path, tmp_path: Path) -> None:
    backup = write_backup(tmp_path / "site.ctz", {path.name: path.read_bytes() for path in site.iterdir()})
    assert run(site, tmp_path / "a").exit_code == 0
    assert run(backup, tmp_path / "b").exit_code == 0
    for name in ("plant.toml", "citect.ini", "tags.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_every_note_is_in_the_file_and_the_first_of_each_kind_are_printed(site: Path, tmp_path: Path) -> None:
    rows = [{"NAME": f"T{n}", "TYPE": "BYTE", "UNIT": "PLC1", "ADDR": "40001"} for n in range(40)]
    (site / "variable.dbf").write_bytes(table(rows))
    result = run(site, tmp_path / "out")
    assert result.exit_code == 0
    with (tmp_path / "out" / "import-notes.csv").open(encoding="utf-8", newline="") as file:
        notes = list(csv.DictReader(file))
    left_out = [note for note in notes if note["kind"] == "left out"]
    assert [note["record"] for note in left_out] == [str(n) for n in range(1, 41)]
    assert {(note["field"], note["value"]) for note in left_out} == {("TYPE", "BYTE")}
    assert "left out: 40, records that have no counterpart" in result.output
    assert "… 35 more" in result.output


def test_json_is_for_a_program(site: Path, tmp_path: Path) -> None:
    result = run(site, tmp_path / "out", "--json", "--version", "3.40")
    answer = json.loads(result.stdout)
    assert answer["counts"]["I/O device"] == 1
    assert answer["files"] == ["plant.toml", "citect.ini", "tags.csv", "import-notes.csv"]
    fields = {note["field"] for note in answer["notes"] if note["kind"] == "placeholder"}
    assert "plant.network_protocol" in fields and "plant.version" not in fields
    assert load_project(tmp_path / "out").plant.version == "3.40"


def test_another_ini_may_be_named(site: Path, tmp_path: Path) -> None:
    ini = tmp_path / "Citect_site.ini"
    ini.write_bytes(b"[LAN]\nSendTimeout=5000\n")
    assert run(site, tmp_path / "out", "--ini", ini).exit_code == 0
    assert (tmp_path / "out" / "citect.ini").read_bytes() == ini.read_bytes()


def test_without_an_ini_the_defaults_count_and_a_note_says_so(site: Path, tmp_path: Path) -> None:
    (site / "CITECT.INI").unlink()
    result = run(site, tmp_path / "out")
    assert result.exit_code == 0
    assert "holds no citect.ini: every parameter has its default" in result.output
    assert load_project(tmp_path / "out").ini.entries == ()


def refused(result: Result, tmp_path: Path) -> str:
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
    [line] = result.stderr.splitlines()
    return line


def test_a_damaged_table_is_refused_by_name_and_nothing_is_written(site: Path, tmp_path: Path) -> None:
    data = (site / "variable.dbf").read_bytes()
    (site / "variable.dbf").write_bytes(data[:-10])
    line = refused(run(site, tmp_path / "out"), tmp_path)
    assert line.startswith(f"changeover: {site}/variable.dbf: record 1: is cut off")


def test_a_bad_value_in_the_ini_is_refused_with_its_line(site: Path, tmp_path: Path) -> None:
    (site / "CITECT.INI").write_bytes(b"[LAN]\nSendTimeout=soon\n")
    line = refused(run(site, tmp_path / "out"), tmp_path)
    assert line.startswith(f"changeover: {site}/CITECT.INI:2: [LAN]SendTimeout: 'soon' is not a whole number")


def test_an_ini_that_is_no_text_is_refused(site: Path, tmp_path: Path) -> None:
    (site / "CITECT.INI").write_bytes(b"[LAN]\n\0")
    assert f"{site}/CITECT.INI:2: holds NUL bytes" in refused(run(site, tmp_path / "out"), tmp_path)


@pytest.mark.parametrize("what", ["missing", "text", "empty"])
def test_what_is_no_project_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "site"
    if what == "text":
        path.write_text("hello")
    elif what == "empty":
        path.mkdir()
    assert str(path) in refused(run(path, tmp_path / "out"), tmp_path)


def test_a_used_folder_is_left_alone(site: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    result = run(site, tmp_path / "out")
    assert result.exit_code == 2
    assert "is not empty" in result.output
    assert everything(tmp_path / "out") == {"mine"}


def test_a_failure_to_write_leaves_nothing(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail_at_last(self: Path, target: Path) -> Path:
        if self.name == "import-notes.csv":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_last)
    assert "No space left" in refused(run(site, tmp_path / "out"), tmp_path)


def test_a_version_that_is_none_is_a_usage_error(site: Path, tmp_path: Path) -> None:
    result = run(site, tmp_path / "out", "--version", "8.40")
    assert result.exit_code == 2
    assert "--version" in result.stderr and "1.0 to 7.20" in result.stderr


def test_the_verb_is_in_the_list() -> None:
    assert "import" in main.VERBS
    answer = CliRunner().invoke(main.main, ["import", "--help"])
    assert answer.exit_code == 0
    assert "FOLDER|BACKUP.ctz OUT" in answer.output
    assert not set(TASK_FILES) & {import_.NOTES_FILE}


def test_it_runs_as_a_command(site: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "changeover", "import", str(site), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
