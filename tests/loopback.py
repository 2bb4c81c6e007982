"""Small plants that really run: projects on loopback addresses of their own, and what runs them.

Every project gets a network 127.N of its own and ports that were free when it was made. Nothing here
measures time: `until` waits for something to happen at all, with a bound that only a fault reaches.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

from changeover.config.project import load_project
from changeover.core.machine import Present
from changeover.drivers.modbus.address import check_address
from changeover.model.lan import Endpoint
from changeover.model.plant import Plant
from changeover.runtime.client import ClientHost
from changeover.runtime.io_server import IoServerHost
from changeover.runtime.plc import MovingValues, PlcSettings, SimulatedPlc
from changeover.runtime.trace_file import NoTrace

HAPPENS_SECONDS = 20.0
TAGS = (
    "Level,INT,{device},40002,-10000,10000,0,100,m,,",
    "Steps,UINT,{device},40001,,,,,,,",
    "Setpoint,INT,{device},40030,0,1000,0,10,m,,",
    "Pump,DIGITAL,{device},00020,,,,,,,",
    "Valve,DIGITAL,{device},40040.3,,,,,,,",
    "Recipe,STRING,{device},40050:len=8,,,,,,,",
    "Flow,INT,{device},30002,-10000,10000,0,100,m3/h,,",
)
_networks = count(os.getpid())


@dataclass(frozen=True)
class Project:
    """A project on disk, and the plant in it."""

    folder: Path
    plant: Plant

    def devices(self) -> tuple[Endpoint, ...]:
        """Addresses of all devices."""
        return tuple(dict.fromkeys(u.address for d in self.plant.io_devices for u in d.units))


_given: set[int] = set()


def free_port(host: str) -> int:
    """A port that nobody listens on, and each time another one."""
    while True:
        with socket.socket() as sock:
            sock.bind((host, 0))
            port = int(sock.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def make_project(
    folder: Path,
    *,
    modes: Sequence[str] = ("primary", "standby"),
    devices: int = 1,
    primaries: Sequence[int] = (),
    tags: Sequence[str] = TAGS,
    version: str = "5.0",
    send_timeout_ms: int = 2000,
    page_scan_ms: int = 50,
    ini: str = "",
) -> Project:
    """I/O servers IOServer1, … on SCADA1, …, one per mode, I/O devices PLC1, … with a unit on each.

    Args:
        folder: Where to.
        modes: Of each device's units, in the order of the servers.
        devices: How many; with more than one, tags have the device's name before theirs.
        primaries: By device, the number of the server that has its primary; the modes are then ignored.
        tags: Lines of tags.csv with `{device}` for the I/O device.
        version: The version.
        send_timeout_ms: [LAN]SendTimeout.
        page_scan_ms: Of the one client HMI1.
        ini: Further sections of citect.ini.
    """
    net = 64 + next(_networks) % 160
    lines = [f'[plant]\nname = "loopback"\nversion = "{version}"']
    lines += [f'[[lan]]\nname = "LAN_A"\nsubnet = "127.{net}.10.0/24"']
    lines += [f'[[lan]]\nname = "FIELD"\nsubnet = "127.{net}.20.0/24"']
    for n in range(1, len(modes) + 1):
        addresses = f'{{ LAN_A = "127.{net}.10.{n}", FIELD = "127.{net}.20.{n}" }}'
        lines += [f'[[computer]]\nname = "SCADA{n}"\naddresses = {addresses}']
    lines += [f'[[computer]]\nname = "HMI"\naddresses = {{ LAN_A = "127.{net}.10.100" }}']
    for n in range(1, len(modes) + 1):
        port = free_port(f"127.{net}.10.{n}")
        lines += [f'[[io_server]]\nname = "IOServer{n}"\ncomputer = "SCADA{n}"\nport = {port}']
    for d in range(1, devices + 1):
        lines += [f'[[io_device]]\nname = "PLC{d}"\nnumber = {d}\nprotocol = "MODNET"']
        own_modes = modes
        if primaries:
            own_modes = ["primary" if primaries[d - 1] == n else "standby" for n in range(1, len(modes) + 1)]
        for n, mode in enumerate(own_modes, 1):
            host = f"127.{net}.20.{100 * n + d}" if n < 3 else f"127.{net}.20.{50 + d}"
            lines += [
                f'[[io_device.unit]]\nio_server = "IOServer{n}"\nmode = "{mode}"\n'
                f'address = "{host}:{free_port(host)}"'
            ]
    lines += [f'[[client]]\nname = "HMI1"\ncomputer = "HMI"\npage_scan_ms = {page_scan_ms}']
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plant.toml").write_text("\n".join(lines) + "\n")
    (folder / "citect.ini").write_text(
        f"[LAN]\nSendTimeout={send_timeout_ms}\nClientRetryTime=300\n[IOSERVER]\nHeartTime=2000\n"
        f"[MODNET]\nTimeout=1000\nWatchTime=1\n{ini}"
    )
    columns = "name,type,unit,addr,raw_zero,raw_full,eng_zero,eng_full,eng_units,deadband,comment"
    rows = [
        (f"PLC{d}_" if devices > 1 else "") + line.format(device=f"PLC{d}")
        for d in range(1, devices + 1)
        for line in tags
    ]
    (folder / "tags.csv").write_text("\n".join([columns, *rows]) + "\n")
    return Project(folder, load_project(folder, check_address=check_address).plant)


async def until(condition: Callable[[], object], what: str = "", seconds: float = HAPPENS_SECONDS) -> None:
    """Wait until a condition holds; a failure of the test when it does not within the bound."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not happen within {seconds} s: {what or condition}"
        await asyncio.sleep(0.01)


class CountingClient(ClientHost):
    """A client that keeps when each device was presented.

    Attributes:
        presented: By I/O device, the units that delivered, one entry per answer.
    """

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant, plant.client("HMI1"), NoTrace(), Random(1))
        self.presented: dict[str, list[str]] = {device: [] for device in self.image.devices}
        original = self._performers[Present]

        def present(effect: Any) -> None:
            original(effect)
            self.presented[effect.device].append(effect.unit)

        self._performers[Present] = present

    def value(self, name: str) -> float | str | None:
        """What it shows for a tag; None for anything but a good value."""
        tag = self.image.find(name)
        assert tag is not None
        image = self.image.devices[tag.device]
        shown = image.at(image.names.index(tag.name))
        return shown.value if shown.quality.is_good else None

    def texts(self) -> list[str]:
        """Texts of the hardware alarms."""
        return [alarm.text for alarm in self.alarms]


class World:
    """Devices, servers and clients of one project in the running loop; what a callback raises fails the test.

    Attributes:
        plcs: By address, the simulated devices.
        errors: What the loop's callbacks raised.
    """

    def __init__(self, project: Project, registers: int = 200) -> None:
        self.project = project
        self.plant = project.plant
        self.plcs: dict[Endpoint, SimulatedPlc] = {}
        self.errors: list[dict[str, Any]] = []
        self._registers = registers
        self._hosts: list[IoServerHost | ClientHost] = []
        self._processes: list[subprocess.Popen[str]] = []

    async def __aenter__(self) -> World:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.errors.append(context))
        for address in self.project.devices():
            await self.start_plc(address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self._hosts:
            host.stop()
        for process in self._processes:
            end(process)
        for plc in self.plcs.values():
            await plc.stop()
        await asyncio.sleep(0)
        if kind is None:
            assert self.errors == []

    async def start_plc(self, address: Endpoint) -> None:
        settings = PlcSettings(self._registers)
        plc = SimulatedPlc(settings, MovingValues(settings))
        await plc.start(address)
        self.plcs[address] = plc

    async def stop_plc(self, address: Endpoint) -> None:
        await self.plcs.pop(address).stop()

    def serve(self, name: str) -> IoServerHost:
        """Run an I/O server in this loop."""
        host = IoServerHost(self.plant, self.plant.io_server(name), NoTrace(), Random(1))
        host.start()
        self._hosts.append(host)
        return host

    def show(self) -> CountingClient:
        """Run the client in this loop."""
        host = CountingClient(self.plant)
        host.start()
        self._hosts.append(host)
        return host

    def process(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Run the command; ended with the world."""
        process = command(*arguments, **options)
        self._processes.append(process)
        return process

    async def process_serves(self, name: str) -> subprocess.Popen[str]:
        """Run an I/O server as a process of its own, and wait until it listens."""
        server = self.plant.io_server(name)
        arguments = ("run", str(self.project.folder), "--computer", server.computer, "--node", name)
        process = self.process(*arguments)
        address = self.plant.computer(server.computer).address_on("LAN_A")
        await until(lambda: accepts(Endpoint(str(address), server.port)), f"{name} listens")
        return process


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """The changeover command as a process, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "changeover", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill a process that may stand still; what it said."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    if process.stdout is not None and process.stdout.closed:
        return "", ""
    out, err = process.communicate()
    return out or "", err or ""


def accepts(address: Endpoint) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((address.host, address.port)) == 0
