"""The trace of a process, and what happens when it cannot be written."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.core.trace import TraceKind
from changeover.runtime.trace_file import TraceFile


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


def lines_of(path: Path) -> list[dict[str, object]]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_lines_are_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = TraceFile(path, "IOServer1")
    trace.note(TraceKind.UNIT_OFFLINE, "U", "why")
    trace.line("value", tag="T", value=1.5)
    first, second = lines_of(path)
    assert (first["source"], first["kind"], first["subject"]) == ("IOServer1", "unit-offline", "U")
    assert (second["tag"], second["value"]) == ("T", 1.5)
    assert isinstance(second["at"], int) and isinstance(second["utc"], int)
    trace.close()


def test_an_earlier_life_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    for _ in range(2):
        trace = TraceFile(path, "S")
        trace.line("listening")
        trace.close()
    assert len(lines_of(path)) == 2


def test_a_folder_that_is_not_there_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gone" / "t.jsonl"
    trace = TraceFile(path, "S")
    assert not trace.is_open
    trace.line("a")
    trace.note(TraceKind.UNIT_ONLINE, "U")
    trace.close()
    assert capfd.readouterr().err == f"S: no trace from here on, {path}: No such file or directory\n"


def test_a_full_disk_is_said_once_and_every_line_is_whole(
    tiny_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tiny_disk / "t.jsonl"
    trace = TraceFile(path, "S")
    written = 0
    while trace.is_open and written < 10_000:
        trace.lines([("value", {"tag": "T" * 50, "n": n}) for n in range(7)])
        written += 7
    kept = lines_of(path)
    assert 100 < len(kept) < written
    assert len(kept) % 7 == 0, "what is written together is kept together"
    trace.line("after")
    assert capfd.readouterr().err == f"S: no trace from here on, {path}: No space left on device\n"


def test_a_file_at_its_size_limit_is_no_reason_to_die(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    script = (
        "import sys; from pathlib import Path; from changeover.runtime.trace_file import TraceFile\n"
        "trace = TraceFile(Path(sys.argv[1]), 'S')\n"
        "for n in range(1000): trace.line('value', n=n)\n"
        "print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.stdout == "alive\n"
    assert done.stderr.count("no trace from here on") == 1
    assert len(lines_of(path)) > 50
