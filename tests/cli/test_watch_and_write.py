"""`changeover watch` and `changeover write` beside a plant that runs."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from changeover.cli.watch_screen import age, screen
from changeover.cli.watched import Wanted, WatchedClient, value_text
from changeover.model.quality import Quality
from changeover.model.tag import Scaling, Tag, TagType
from changeover.runtime.tag_image import TagValue
from loopback import Project, World, command, end, make_project, until

NAMES = ["Level", "Steps", "Setpoint", "Pump", "Valve", "Recipe", "Flow"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A plant under `changeover up`."""
    project = make_project(tmp_path_factory.mktemp("running"), modes=("primary", "standby_write"))
    process = command("up", str(project.folder))
    try:
        done = run("watch", project, "--once", "--seconds", "30")
        assert done.returncode == 0, done.stderr
        yield project
    finally:
        process.terminate()
        assert process.wait(30) == 0
        end(process)


@pytest.fixture
def stopped(tmp_path: Path) -> Project:
    """A plant of which nothing runs."""
    return make_project(tmp_path)


def run(verb: str, project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "changeover", verb, str(project.folder), *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_once_prints_each_tag_once(running: Project) -> None:
    done = run("watch", running, "--client", "hmi1", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    fields = [line.split("  ") for line in done.stdout.splitlines()]
    assert [field[1] for field in fields] == NAMES
    assert {field[-1] for field in fields} == {"IOServer1.PLC1@1"}
    assert fields[0][2].endswith(" m")
    assert fields[0][3] == "good"


def test_changes_come_as_json(running: Project) -> None:
    done = run("watch", running, "--json", "--tag", "st*", "--seconds", "1.5")
    assert done.returncode == 0
    found = objects(done.stdout)
    values = [line for line in found if line["kind"] == "value"]
    assert {line["tag"] for line in values} == {"Steps"}
    assert len({line["value"] for line in values}) == len(values) > 2, "one line per change"
    assert {(line["quality"], line["server"], line["lan"]) for line in values} == {
        ("GOOD", "IOServer1", "LAN_A")
    }
    ways = [(line["way"], line["state"]) for line in found if line["kind"] == "link"]
    assert ("IOServer2/LAN_A", "open") in ways


def test_nothing_there_is_shown_as_waiting(stopped: Project) -> None:
    done = run("watch", stopped, "--once", "--seconds", "0.2")
    assert done.returncode == 1
    assert [line.split("  ")[1:3] for line in done.stdout.splitlines()] == [[name, "#WAIT"] for name in NAMES]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(running: Project, number: signal.Signals) -> None:
    process = command("watch", str(running.folder), "--plain")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(number)
    assert process.wait(30) == 0
    assert end(process)[1] == ""


def test_a_reader_that_goes_away_ends_it_quietly(running: Project) -> None:
    process = command("watch", str(running.folder))
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_unknown_names_are_refused(stopped: Project) -> None:
    done = run("watch", stopped, "--client", "HMI7")
    assert (done.returncode, done.stderr) == (2, "changeover: no client HMI7 in this project, it has: HMI1\n")
    done = run("watch", stopped, "--tag", "Nope*")
    assert (done.returncode, done.stderr) == (2, "changeover: no tag of this project is like Nope*\n")


def test_a_write_is_done(running: Project) -> None:
    done = run("write", running, "setpoint", "4.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "done: Setpoint = 4.5 m by IOServer1.PLC1@1\n"
    assert "  4.500 m  " in run("watch", running, "--once", "--tag", "Setpoint").stdout
    assert run("write", running, "Setpoint", "-1").returncode == 0, "a negative value is no option"
    assert "  -1.000 m  " in run("watch", running, "--once", "--tag", "Setpoint").stdout


def test_a_text_is_written(running: Project) -> None:
    done = run("write", running, "Recipe", "Brine 7", "--json")
    assert objects(done.stdout) == [
        {"tag": "Recipe", "value": "Brine 7", "outcome": "done", "why": "", "unit": "IOServer1.PLC1@1"}
    ]
    assert "  Brine 7  " in run("watch", running, "--once", "--tag", "Recipe").stdout


@pytest.mark.parametrize(
    ("tag", "value", "why"),
    [
        ("Flow", "1", "Flow is an input register, which cannot be written"),
        ("Setpoint", "high", "Setpoint is INT, it takes a number, not 'high'"),
        ("Setpoin", "1", "no tag Setpoin in this project, did you mean Setpoint?"),
        ("Setpoint", "nan", "Setpoint: nan is no number that a device can hold"),
    ],
)
def test_a_write_is_refused(running: Project, tag: str, value: str, why: str) -> None:
    done = run("write", running, tag, value)
    assert done.returncode == 1
    assert done.stdout.startswith(f"refused: {tag} = {value}")
    assert done.stdout.endswith(f": {why}\n")


def test_a_write_waits_for_somebody_who_serves_and_gives_up(stopped: Project) -> None:
    done = run("write", stopped, "Setpoint", "1", "--wait", "1.2", "--json")
    assert done.returncode == 1
    (found,) = objects(done.stdout)
    assert found["outcome"] == "refused"
    assert str(found["why"]).startswith("no unit of PLC1 served within 1.2 s (IOServer1/LAN_A waiting,")
    assert done.stderr.startswith("waiting for PLC1: IOServer1/LAN_A waiting")


def test_a_write_to_a_server_that_freezes_is_unknown(tmp_path: Path) -> None:
    """The device answers reads and keeps silent about the write, and then its server freezes."""
    project = make_project(tmp_path, modes=("primary",), tags=("Setpoint,INT,{device},40030,,,,,,,",))

    async def story() -> None:
        async with World(project) as world:
            address = project.devices()[0]
            await world.stop_plc(address)
            written = asyncio.Event()

            async def device(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while len(head := await reader.read(12)) == 12:
                    if head[7] == 6:
                        written.set()
                    else:
                        writer.write(head[:4] + bytes([0, 5, head[6], head[7], 2, 0, 7]))
                writer.close()

            listener = await asyncio.start_server(device, address.host, address.port)
            server = await world.process_serves("IOServer1")
            writing = world.process("write", str(tmp_path), "Setpoint", "1")
            await written.wait()
            server.send_signal(signal.SIGSTOP)
            assert await asyncio.to_thread(writing.wait, 30) == 3
            out, err = end(writing)
            assert out.startswith("unknown: Setpoint = 1 by IOServer1.PLC1@1: the session was lost")
            assert "sent to IOServer1.PLC1@1, waiting for its answer" in err
            listener.close()

    asyncio.run(story())


def screen_text(client: WatchedClient, height: int | None = None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(screen(client, time.time_ns(), height))
    text = console.file.getvalue()
    assert isinstance(text, str)
    return text


def test_the_screen_shows_who_serves_then_com_and_the_alarms(stopped: Project) -> None:
    async def story() -> None:
        async with World(stopped) as world:
            servers = [world.serve(name) for name in ("IOServer1", "IOServer2")]
            client = WatchedClient(Wanted(stopped.plant, stopped.plant.clients[0], (), False, None))
            assert "no value yet" in screen_text(client)
            client.start()
            await until(lambda: client.is_complete, "served")
            text = screen_text(client)
            assert "IOServer1.PLC1@1  IOServer1/LAN_A  primary" in text
            assert "IOServer2/LAN_A open" in text
            assert "none since the start" in text
            servers[0].stop()
            await until(lambda: client.active["PLC1"] == "IOServer2.PLC1@2", "changeover")
            text = screen_text(client)
            assert "IOServer2.PLC1@2  IOServer2/LAN_A  standby" in text
            assert "Session Closed  IOServer1/LAN_A" in text
            servers[1].stop()
            await until(lambda: client.image.devices["PLC1"].shows_com, "#COM")
            text = screen_text(client)
            assert text.count("#COM") == 1 + len(NAMES), "the device and every tag"
            assert "hardware alarms: 3" in text
            client.stop()

    asyncio.run(story())


def test_a_small_screen_says_what_it_leaves_out(stopped: Project) -> None:
    async def story() -> None:
        client = WatchedClient(Wanted(stopped.plant, stopped.plant.clients[0], (), False, None))
        text = screen_text(client, height=15, width=60)
        assert len(text.splitlines()) <= 15
        assert "more: " in text
        assert all(len(line) <= 60 for line in text.splitlines())
        client.stop()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("kind", "scaling", "value", "text"),
    [
        (TagType.DIGITAL, None, 1.0, "1"),
        (TagType.LONG, None, -123456.0, "-123456"),
        (TagType.INT, Scaling(0, 27648, 0, 250), 12.34567, "12.35"),
        (TagType.INT, Scaling(0, 27648, 0, 6.5), 3.21987, "3.220"),
        (TagType.INT, Scaling(0, 27648, 0, 100_000), 123.4, "123"),
        (TagType.REAL, None, 0.5, "0.500"),
        (TagType.REAL, None, 1.5e12, "1.5e+12"),
        (TagType.STRING, None, "Brine\0\0", "Brine"),
    ],
)
def test_values_have_the_decimals_of_their_scale(
    kind: TagType, scaling: Scaling | None, value: float | str, text: str
) -> None:
    tag = Tag("T", kind, "PLC1", "40001", scaling)
    assert value_text(tag, TagValue(value, Quality.GOOD, 1, "U")) == text
    assert value_text(tag, TagValue(value, Quality.COM, 1, "U")) == "#COM"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.2 s"), (-3, "0.0 s"), (99.9, "99.9 s"), (120, "2 min"), (7200, "2 h")]
)
def test_ages_are_for_people(seconds: float, text: str) -> None:
    now = 10**18
    assert age(now, now - round(seconds * 1e9)) == text
    assert age(now, 0) == "–"
