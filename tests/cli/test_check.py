"""`changeover check`: what it prints, its exit statuses, and what programs get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from changeover.cli.main import main
from folders import Folder, folder

__all__ = ["folder"]

KEYS = ["project", "plant", "version", "family", "counts", "findings"]
FINDING_KEYS = ["rule", "severity", "file", "line", "parameter", "problem", "why", "fix"]


def run(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", str(path), *options])


def warned(folder: Folder) -> Folder:
    folder.write("citect.ini", "[LAN]\nSendTimeout=2000\nSendTimeout=500\n")
    return folder


def broken(folder: Folder) -> Folder:
    """An error in the first file, a warning and an error in the second."""
    folder.replace("plant.toml", "page_scan_ms = 250", "page_scan = 250")
    folder.write("citect.ini", "[OPC]\nTimeout=never\n[LAN]\nSendTimeout=2 s\n")
    return folder


def test_a_new_project_has_notes_alone(folder: Folder) -> None:
    result = run(folder.path)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[-1] == "0 errors, 0 warnings, 2 notes"
    assert lines[-2].startswith(
        "water works: version 5.0 (family C), 3 computers, 2 I/O servers, 1 I/O device, "
    )
    assert run(folder.path, "--strict").exit_code == 0


def test_a_warning_is_shown_and_fails_only_when_strict(folder: Folder) -> None:
    result = run(warned(folder).path)
    assert (result.exit_code, result.stderr) == (0, "")
    expected = (
        f"{folder.path}/citect.ini:3: warning: [LAN]SendTimeout: '500' is ignored, line 2 sets '2000' first"
        " [shadowed-duplicate]\n"
        "    why: of duplicates the first wins, also across repeated sections\n"
        "    fix: take one of the two lines out\n"
    )
    assert expected in result.stdout
    assert result.stdout.endswith("0 errors, 1 warning, 2 notes\n")
    strict = run(folder.path, "--strict")
    assert (strict.exit_code, strict.stdout) == (1, result.stdout)


@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_errors_forbid_the_projects_use(folder: Folder, options: tuple[str, ...]) -> None:
    result = run(broken(folder).path, *options)
    assert (result.exit_code, result.stderr) == (2, "")
    line = folder.line("plant.toml", "page_scan =")
    assert result.stdout.splitlines() == [
        f"{folder.path}/plant.toml:{line}: error: client.page_scan: unknown key [project-file]",
        "    fix: allowed here are name, computer, page_scan_ms",
        f"{folder.path}/citect.ini:4: error: [LAN]SendTimeout: '2 s' is not a whole number [not-a-number]",
        "    fix: allowed are 50 to 600000, in milliseconds",
        f"{folder.path}/citect.ini:2: warning: [OPC]Timeout: 'never' is not a whole number [not-a-number]",
        "    fix: allowed are 0 to 32000, in milliseconds",
        "2 errors, 1 warning, 0 notes",
    ]


def test_the_document_of_a_project(folder: Folder) -> None:
    result = run(warned(folder).path, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert list(document) == KEYS
    assert document["project"] == str(folder.path)
    assert (document["plant"], document["version"], document["family"]) == ("water works", "5.0", "C")
    assert document["counts"] == {"error": 0, "warning": 1, "note": 2}
    assert {tuple(one) for one in document["findings"]} == {tuple(FINDING_KEYS)}
    limits, lan, duplicate = document["findings"]
    assert (limits["rule"], limits["severity"], limits["line"]) == ("limits-unmeasured", "note", None)
    assert (lan["rule"], lan["line"]) == ("single-lan", folder.line("plant.toml", "[[lan]]"))
    assert duplicate == {
        "rule": "shadowed-duplicate",
        "severity": "warning",
        "file": f"{folder.path}/citect.ini",
        "line": 3,
        "parameter": "[LAN]SendTimeout",
        "problem": "'500' is ignored, line 2 sets '2000' first",
        "why": "of duplicates the first wins, also across repeated sections",
        "fix": "take one of the two lines out",
    }
    assert run(folder.path, "--json", "--strict").exit_code == 1


def test_the_document_of_a_project_that_cannot_be_used(folder: Folder) -> None:
    result = run(broken(folder).path, "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    document = json.loads(result.stdout)
    assert list(document) == KEYS
    assert (document["plant"], document["version"], document["family"]) == (None, None, None)
    assert document["counts"] == {"error": 2, "warning": 1, "note": 0}
    assert [(one["rule"], one["severity"], one["why"]) for one in document["findings"]] == [
        ("project-file", "error", None),
        ("not-a-number", "error", None),
        ("not-a-number", "warning", None),
    ]


def test_a_folder_that_is_not_there_is_an_error_for_programs_too(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    (one,) = json.loads(result.stdout)["findings"]
    assert (one["rule"], one["line"], one["problem"]) == ("project-file", None, "does not exist")
    assert run(tmp_path / "nowhere").stdout.endswith("1 error, 0 warnings, 0 notes\n")


def test_what_the_file_holds_cannot_steer_the_terminal(folder: Folder) -> None:
    folder.write("citect.ini", "[LAN]\nSendTimeout=\x1b[2Jx\n")
    result = run(folder.path)
    assert "\x1b" not in result.stdout
    assert "\\x1b[2Jx" in result.stdout


def test_the_order_is_that_of_files_and_lines(folder: Folder) -> None:
    folder.replace("plant.toml", "127.20.0.102:5020", "127.20.0.101:5020")
    warned(folder)
    folder.append("citect.ini", "[MODNET]\nTimeout=5\n")
    places = [
        (one["file"], one["line"] or 0) for one in json.loads(run(folder.path, "--json").stdout)["findings"]
    ]
    files = [str(folder.path / name) for name in ("plant.toml", "citect.ini")]
    assert places == sorted(places, key=lambda place: (files.index(place[0]), place[1]))
    assert len(places) == 5
