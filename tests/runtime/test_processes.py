"""Servers as processes of their own: frozen, killed, stopped, started twice, broken."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from changeover.model.lan import Endpoint
from loopback import Project, World, accepts, command, end, make_project, until

STOPS_SECONDS = 30


def run(project: Project, story: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World(project) as world:
            await story(world)

    asyncio.run(main())


def address_of(project: Project, name: str) -> Endpoint:
    server = project.plant.io_server(name)
    return Endpoint(str(project.plant.computer(server.computer).address_on("LAN_A")), server.port)


def test_a_frozen_server_is_left_and_taken_back_and_delays_no_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        frozen = await world.process_serves("IOServer1")
        world.serve("IOServer2")
        client = world.show()
        await until(lambda: client.active.get("PLC1") == "IOServer1.PLC1@1", "served")
        await until(lambda: all(link.is_open for link in client.machine.links.values()), "both open")
        frozen.send_signal(signal.SIGSTOP)
        await until(lambda: client.active["PLC1"] == "IOServer2.PLC1@2", "changeover")
        assert client.texts() == ["Session Timeout", "Stand-by I/O Device activated"]
        answers = len(client.presented["PLC1"])
        await until(lambda: len(client.presented["PLC1"]) > answers + 20, "the other server's pace")
        assert client.value("Steps") is not None
        frozen.send_signal(signal.SIGCONT)
        await until(lambda: client.active["PLC1"] == "IOServer1.PLC1@1", "return")
        assert (await client.write("Setpoint", 3)).outcome == "done"

    run(make_project(tmp_path, send_timeout_ms=1000), story)


def test_while_a_server_is_frozen_the_devices_of_others_keep_their_pace(tmp_path: Path) -> None:
    """PLC1 runs by the frozen server, PLC2 by the healthy one; until detection both are asked."""

    async def story(world: World) -> None:
        frozen = await world.process_serves("IOServer1")
        world.serve("IOServer2")
        client = world.show()
        await until(lambda: len(client.active) == 2, "served")
        await until(lambda: client.active["PLC1"].startswith("IOServer1"), "by its primary")
        assert client.active["PLC2"].startswith("IOServer2")
        frozen.send_signal(signal.SIGSTOP)
        before = len(client.presented["PLC2"])
        await until(lambda: "Session Timeout" in client.texts(), "detection")
        # 40 page scans of 50 ms are in 2 s; a machine that is busy leaves some out.
        assert len(client.presented["PLC2"]) - before >= 10

    run(make_project(tmp_path, devices=2, primaries=(1, 2)), story)


def test_a_killed_server_is_attached_again_after_its_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        killed = await world.process_serves("IOServer1")
        world.serve("IOServer2")
        client = world.show()
        await until(lambda: client.active.get("PLC1") == "IOServer1.PLC1@1", "served")
        killed.kill()
        await until(lambda: client.active["PLC1"] == "IOServer2.PLC1@2", "changeover")
        assert client.texts()[0] == "Session Closed"
        await world.process_serves("IOServer1")
        await until(lambda: client.active["PLC1"] == "IOServer1.PLC1@1", "return")

    run(make_project(tmp_path), story)


def test_sigterm_stops_cleanly_and_clients_hear_it_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        stopped = await world.process_serves("IOServer1")
        client = world.show()
        await until(lambda: client.presented["PLC1"], "served")
        stopped.terminate()
        await until(lambda: client.texts(), "heard")
        assert client.texts() == ["Session Closed"]
        assert await asyncio.to_thread(stopped.wait, STOPS_SECONDS) == 0
        assert end(stopped)[0] == "IOServer1 runs\n"
        assert not accepts(address_of(world.project, "IOServer1"))

    # The session's own time-out could not tell within the bound of `until`.
    run(make_project(tmp_path, send_timeout_ms=60_000), story)


def test_a_client_process_stops_cleanly_too(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    client = command("run", str(tmp_path), "--computer", "HMI", "--node", "HMI1")
    assert client.stdout is not None
    assert client.stdout.readline() == "HMI1 runs\n"
    client.send_signal(signal.SIGINT)
    assert client.wait(STOPS_SECONDS) == 0
    assert end(client)[1] == ""
    assert project.plant.clients[0].name == "HMI1"


def test_a_second_instance_says_which_address_is_taken(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.process_serves("IOServer1")
        second = world.process("run", str(tmp_path), "--computer", "SCADA1", "--node", "IOServer1")
        assert await asyncio.to_thread(second.wait, STOPS_SECONDS) == 1
        address = address_of(world.project, "IOServer1")
        assert end(second)[1] == f"IOServer1: cannot listen on {address}: Address already in use\n"

    run(make_project(tmp_path), story)


BROKEN = """
import sys
from pathlib import Path
from changeover.config.project import load_project
from changeover.core.io_server import IoServer
from changeover.core.machine import Accepted
from changeover.runtime.process import Place, run_node

def broken(server, stimulus, now):
    return 1 // 0

IoServer.TABLE[Accepted] = broken
folder = Path(sys.argv[1])
sys.exit(run_node(load_project(folder).plant, "IOServer1", Place(folder, folder / "data", None)))
"""


def test_an_exception_in_a_callback_ends_the_process_with_status_70(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", BROKEN, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "IOServer1 runs\n"
    assert accepts(address_of(project, "IOServer1"))
    assert process.wait(STOPS_SECONDS) == 70
    assert "ZeroDivisionError" in end(process)[1]


def test_a_supervisor_restarts_what_was_killed_and_stops_everything(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        supervisor = world.process("run", str(tmp_path), "--computer", "SCADA1")
        client = world.show()
        await until(lambda: client.presented["PLC1"], "served")
        os.kill(child_of(supervisor.pid), signal.SIGKILL)
        await until(lambda: "Session Closed" in client.texts(), "killed")
        answers = len(client.presented["PLC1"])
        await until(lambda: len(client.presented["PLC1"]) > answers, "served again")
        supervisor.terminate()
        assert await asyncio.to_thread(supervisor.wait, STOPS_SECONDS) == 0
        assert client.texts() == ["Session Closed"] * 2
        out, err = end(supervisor)
        assert err == ""
        assert "IOServer1 was ended by signal 9, starts again in 1 s" in out

    run(make_project(tmp_path, modes=("primary",)), story)


def test_a_supervisor_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        supervisor = world.process("run", str(tmp_path), "--computer", "SCADA1")
        address = address_of(world.project, "IOServer1")
        await until(lambda: accepts(address), "serves")
        child = child_of(supervisor.pid)
        supervisor.kill()
        await until(lambda: not is_alive(child), "its child goes too")
        assert not accepts(address)

    run(make_project(tmp_path, modes=("primary",)), story)


def child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def is_alive(pid: int) -> bool:
    try:
        state = re.search(r"^State:\s+(\w)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state is not None and state[1] not in "ZX"
