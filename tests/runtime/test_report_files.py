"""Names of report files, and files that are whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.model.moment import SECOND
from changeover.model.report import ReportFormat
from changeover.runtime.report_files import file_name, sweep, write_whole

SCHEDULED = 1_795_183_200 * SECOND
NAMES = st.text(max_size=300) | st.text(alphabet="abc./\\%- _\x00é\u0301한ㅎ", max_size=12)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_name_says_which_run_it_is() -> None:
    assert file_name("Shift", SCHEDULED, ReportFormat.HTML) == "Shift-20261120T140000Z.html"
    assert file_name("Schicht Süd 2", SCHEDULED, ReportFormat.CSV) == "Schicht Süd 2-20261120T140000Z.csv"
    half = SCHEDULED + SECOND // 2
    assert file_name("Shift", half, ReportFormat.PDF) == "Shift-20261120T140000.500000000Z.pdf"


@pytest.mark.parametrize(
    ("report", "begin"),
    [
        ("../../etc/passwd", "%2E./%".replace("/", "%2F").removesuffix("%")),
        ("a/b", "a%2Fb-"),
        (".hidden", "%2Ehidden-"),
        ("-rf", "%2Drf-"),
        ("a\x00b", "a%00b-"),
        ("a\nb", "a%0Ab-"),
        ("100%", "100%25-"),
        ("\u202egpj", "%E2%80%AEgpj-"),
        ("\ud800", "%ED%A0%80-"),
        ("", "-2026"),
    ],
)
def test_odd_names_are_written_in_full(report: str, begin: str) -> None:
    assert file_name(report, SCHEDULED, ReportFormat.HTML).startswith(begin)


@given(NAMES)
def test_any_name_is_one_plain_file_of_a_length_that_file_systems_take(report: str) -> None:
    name = file_name(report, SCHEDULED, ReportFormat.HTML)
    assert Path(name).name == name
    assert not name.startswith(".")
    assert name.isprintable()
    assert 0 < len(os.fsencode(name)) <= 200


@given(NAMES, NAMES, st.sampled_from([0, 1, SECOND]))
def test_two_runs_never_have_one_name(one: str, other: str, later: int) -> None:
    first = file_name(one, SCHEDULED, ReportFormat.HTML)
    second = file_name(other, SCHEDULED + later, ReportFormat.HTML)
    assert (first == second) == (one == other and not later)


@pytest.mark.parametrize("length", [140, 150, 151, 200, 5000])
def test_long_names_differ_where_only_their_ends_do(length: int) -> None:
    names = {file_name("ä" * length + end, SCHEDULED, ReportFormat.HTML) for end in ("", "b", "c", "%", "%%")}
    assert len(names) == 5


@given(st.text(max_size=80))
def test_any_name_can_be_written(tmp_path_factory: pytest.TempPathFactory, report: str) -> None:
    folder = tmp_path_factory.mktemp("out", numbered=True)
    name = file_name(report, SCHEDULED, ReportFormat.HTML)
    write_whole(folder, name, b"x")
    assert [path.name for path in folder.iterdir()] == [name]
    (folder / name).unlink()
    folder.rmdir()


def test_a_file_is_written_into_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    write_whole(folder, "x.html", b"one")
    write_whole(folder, "x.html", b"two")
    assert (folder / "x.html").read_bytes() == b"two"
    assert len(list(folder.iterdir())) == 1


def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path, "x.html", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "x.html").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tiny_disk: Path) -> None:
    write_whole(tiny_disk, "x.html", b"older")
    with pytest.raises(OSError) as raised:
        write_whole(tiny_disk, "x.html", bytes(1_000_000))
    assert raised.value.errno == errno.ENOSPC
    assert [path.name for path in tiny_disk.iterdir()] == ["x.html"]
    assert (tiny_disk / "x.html").read_bytes() == b"older"


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_a_file_that_does_not_reach_the_disk_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(tmp_path, "x.html", b"one")
    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        what = "folder" if Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path.resolve() else "file"
        seen.append((what, (tmp_path / "x.html").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(tmp_path, "x.html", b"one")
    assert seen == [("file", False), ("folder", True)]


def test_what_a_killed_server_left_is_swept_but_not_what_is_being_written(tmp_path: Path) -> None:
    old, new, other = tmp_path / ".report-0.tmp", tmp_path / ".report-1.tmp", tmp_path / "x.html"
    for path in (old, new, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert not old.exists() and new.exists() and other.exists()
    sweep(tmp_path / "none")


def test_the_temporary_file_of_a_write_that_was_killed_is_what_a_sweep_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
    monkeypatch.setattr(Path, "rename", lambda path, target: (_ for _ in ()).throw(OSError("killed")))
    with pytest.raises(OSError, match="killed"):
        write_whole(tmp_path, "x.html", b"one")
    monkeypatch.undo()
    (left,) = tmp_path.iterdir()
    os.utime(left, (0, 0))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
