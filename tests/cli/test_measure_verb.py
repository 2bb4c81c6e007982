"""`changeover measure` beside a plant that runs, and between two hosts."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from task_plant import Running, eventually, run_plant, verb

from changeover.cli import measure_view
from changeover.config.measurement import read_measurement
from changeover.model.network import Kind, Network
from changeover.survey import measuring
from changeover.survey.board import Board
from changeover.survey.measuring import Measuring, Plan, Progress
from changeover.survey.record import record_of
from delays import Feeder, lognormal
from loopback import command, end, free_port, make_project

WAYS = ("IOServer1", "IOServer2", "Alarm1", "Alarm2", "Trend1", "Trend2", "Report1", "Report2")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A plant with all functions under `changeover up`."""
    with run_plant(tmp_path_factory.mktemp("plant") / "p") as plant:
        eventually(lambda: verb("watch", plant.folder, "--once").exit_code == 0, "I/O data is served")
        yield plant


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "network.json"


def measure(*words: str | Path, status: int = 0) -> str:
    words = (sys.executable, "-m", "changeover", "measure", *map(str, words))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr if status else done.stdout


def test_every_way_and_every_device_of_a_computer_without_a_client(running: Running, out: Path) -> None:
    plant = running.project.plant
    text = measure(running.folder, "--computer", "scada1", "--for", "1500ms", "--out", out, "--json")
    network = read_measurement(out)
    assert json.loads(text) == json.loads(out.read_text())
    assert (network.plant, network.computer, network.runs) == (plant.name, "SCADA1", 1)
    for server in WAYS:
        stream = network.stream(Kind.SESSION, f"{server}/LAN_A")
        assert stream is not None and stream.messages >= 10, server
        assert stream.quantiles_ms is not None and 0 < stream.quantiles_ms.max < 60_000
        assert stream.period_ms == 50 and 0 < stream.seconds < 30
        assert stream.sent_bytes_mean > 0 and stream.answer_bytes_mean > 0
    answered = [s for s in network.streams if s.kind is Kind.ROUND_TRIP and s.messages]
    assert {stream.function for stream in answered} == {"io-data", "alarm", "trend", "report"}
    (device,) = (stream for stream in network.streams if stream.kind is Kind.DEVICE)
    assert (device.name, device.messages > 10) == ("IOServer1.PLC1@1", True)
    assert network.load.messages_s > 0 and network.load.memory_mb > 1


def test_it_goes_on_after_sigint_and_refuses_what_is_another_measurement(running: Running, out: Path) -> None:
    words = (running.folder, "--computer", "HMI", "--out", str(out))
    process = command("measure", *words)
    time.sleep(1.5)
    assert "is being written by another changeover measure" in measure(*words, status=2)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    text, errors = end(process)
    assert f"written: {out}" in text and "Traceback" not in errors
    first = read_measurement(out)
    measure(*words, "--for", "700ms")
    second = read_measurement(out)
    assert (second.runs, second.began_utc) == (2, first.began_utc)
    for before, after in zip(first.streams, second.streams, strict=True):
        assert (before.kind, before.name) == (after.kind, after.name)
        assert after.messages > before.messages or not after.messages
        assert after.seconds >= before.seconds
    said = measure(running.folder, "--computer", "SCADA1", "--out", out, status=2)
    assert said == (f"changeover: {out} cannot be gone on with: it was measured at HMI. Take another --out\n")
    assert read_measurement(out) == second


def test_two_hosts(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    listener = command("measure", "--listen", f"127.0.0.1:{port}")
    assert listener.stdout is not None
    try:
        assert listener.stdout.readline().startswith(f"listens on 127.0.0.1:{port}")
        words = ("--connect", f"127.0.0.1:{port}", "--period", "10ms", "--size", "200", "--answer", "5000")
        both = [command("measure", *words, "--for", "1s", "--out", str(tmp_path / name)) for name in "ab"]
        assert [process.wait(60) for process in both] == [0, 0]
        for process in both:
            end(process)
        for name in "ab":
            network = read_measurement(tmp_path / name)
            one, two = network.streams
            assert (one.kind, two.kind) == (Kind.SESSION, Kind.ROUND_TRIP)
            assert one.messages > 10 and two.messages > 10 and one.closed == two.closed == 0
            assert (two.sent_bytes_mean, round(two.answer_bytes_mean, -2)) == (200.0, 5000.0)
        listener.send_signal(signal.SIGINT)
        assert listener.wait(30) == 0
    finally:
        text, errors = end(listener)
    assert errors == ""
    assert text.count("measures, answers of 5000 bytes") == text.count("gone after") == 2


def test_nobody_answers(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    out = tmp_path / "n.json"
    said = measure("--connect", f"127.0.0.1:{port}", "--for", "200ms", "--out", out, status=1)
    assert said == "changeover: nothing was measured: nobody answered\n"


def refused(*words: str | Path) -> str:
    result = verb("measure", *map(str, words))
    assert result.exit_code == 2, result.output
    return result.stderr.strip().removeprefix("changeover: ")


def test_refusals(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    folder = project.folder
    assert refused(folder) == "--computer NAME is needed, this project has: SCADA1, SCADA2, HMI"
    assert refused(folder, "--computer", "PC7").startswith("no computer PC7 in this project, it has: SCADA1")
    assert refused("--listen", "a:1", "--connect", "b:2").startswith("--listen on one host")
    assert refused().startswith("PROJECT is missing")
    assert refused("--listen", "here").startswith("here is no address: write ADDRESS:PORT")
    assert refused(folder, "--computer", "HMI", "--size", "3").startswith("--size, --answer and --period go")
    nowhere = tmp_path / "no" / "n.json"
    assert (
        refused(folder, "--computer", "HMI", "--out", nowhere)
        == f"{nowhere}: there is no folder {nowhere.parent}"
    )
    assert "write HH:MM:SS" in refused(folder, "--for", "soon")
    text = (folder / "plant.toml").read_text()
    address = str(project.plant.computer("HMI").address_on("LAN_A"))
    (folder / "plant.toml").write_text(text.replace(address.removesuffix("100"), "192.0.2."))
    assert refused(folder, "--computer", "HMI").endswith("is not this machine's: measure on HMI")


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    (folder / "network.json").write_text('{"format": "changeover net')
    said = refused(folder, "--computer", "HMI")
    assert "network.json: ends in the middle, the file is damaged" in said
    assert said.endswith("is left as it is: mend it, move it away, or take another --out")
    assert (folder / "network.json").read_text() == '{"format": "changeover net'


def test_a_full_disk_is_said_and_the_last_good_file_stays(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out.write_text("the last good one")

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(measuring, "write_whole", full)
    monkeypatch.setattr(measuring, "WRITE_SECONDS", 0.05)
    lines = measure_view.Lines(quiet=False)

    async def story() -> int:
        run = Measuring(Board("", "here", {}), Plan(0.2, out), list, lines.show)
        assert await run.run() == 1
        return len(run.trouble)

    assert asyncio.run(story())
    said = capsys.readouterr().err
    assert said == f"not written, measuring goes on: {out}: No space left on device\n"
    assert out.read_text() == "the last good one"


def drawn(network: Network, width: int, height: int) -> list[str]:
    progress = Progress(network, 75.0, 525.0, "n.json: No space left on device")
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(measure_view.screen(progress, height, width))
    text: Any = console.file
    return list(text.getvalue().splitlines())


def test_the_screen_says_everything_and_fits() -> None:
    feeder = Feeder().feed(lognormal(2000, 1)).feed_ms(6200).feed(lognormal(500, 2))
    feeder.feed(lognormal(100, 3, 0.3, 40.0)).feed(lognormal(100, 4))
    stream = feeder.finish()
    network = Board("water works", "HMI", {}).network([stream] * 30, fits=False)
    lines = drawn(network, width=110, height=40)
    text = "\n".join(lines)
    assert len(lines) <= 40 and max(map(len, lines)) <= 110
    for part in (
        "water works",
        "8.8 min left",
        "long answer 2026",
        "backup 2026",
        "load added:",
        "No space left",
    ):
        assert part in text, part
    assert max(map(len, drawn(network, width=60, height=20))) <= 60
    assert "█" in measure_view.bar(record_of(stream, feeder.now))


def test_progress_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = measure_view.Lines(quiet=False)
    network = Board("water works", "HMI", {}).network([], fits=False)
    for seconds in (1.0, 9.0, 10.5, 12.0, 21.0):
        lines.show(Progress(network, seconds, 100.0 - seconds, ""))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].startswith("10 s, 90 s left: 0 delays, 0 backups, 0 long answers; load added: ")


def test_a_terminal_is_taken_and_given_back(running: Running, out: Path) -> None:
    words = ("measure", running.folder, "--computer", "HMI", "--for", "1500ms", "--out", str(out))
    ours, theirs = os.openpty()
    words = (sys.executable, "-m", "changeover", *words)
    with subprocess.Popen(words, stdout=theirs, stderr=subprocess.STDOUT) as process:
        os.close(theirs)
        said = b""
        # A terminal whose other end is closed fails to be read.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                said += piece
        os.close(ours)
        assert process.wait(60) == 0
    assert said.count(b"\x1b[?1049h") == said.count(b"\x1b[?1049l") == 1
    assert b"acknowledged" in said and b"load added" in said and b"written: " in said
