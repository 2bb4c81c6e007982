"""One I/O server at work: how much of a core and how much memory it takes, and how fast it can go.

A project of 50 devices with 2,000 registers each and one client that shows all of them is written into a
temporary folder and run as a user runs it: `changeover run` for the server, processes of their own for the
devices and for the client, real sockets on loopback. Every register changes between two scans, so every tag
of every scan is an update: the worst case. Tags are UINT in one row, 17 reads of at most 125 registers each.

The server has one core for itself, devices and client share the other. Two runs:

* the load: a page scan of 1 s, devices by `changeover plc` (pymodbus);
* the highest rate: the page scan is shortened until values arrive later than their scan. Here the devices
  are a plain answerer, since pymodbus would be the limit; even so it shares its core with the client. The
  limit is the process whose core is full; "sustained" means that of all answers that were due (one per device
  and page scan) 99 % came before the next page scan.

`page scan` is the time from the client's requests to the last device's answer, over all devices. CPU is in
shares of one core, from /proc, kernel time included; memory is the resident set. `others` is what processes
that are not ours took of the two cores: with more than a few per cent the highest rate is too low.

    python benchmarks/bench_io_server.py [--devices 50] [--registers 2000] [--seconds 5] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from changeover.config.project import load_project
from changeover.core.machine import Present, SendFrame
from changeover.core.messages import ReadRequest
from changeover.model.moment import MILLISECOND
from changeover.runtime.client import ClientHost
from changeover.runtime.process import run_loop
from changeover.runtime.trace_file import NoTrace

NET = "127.89"
DEVICE_PORT = 5020
MAX_PENDING = 4
STEP_MS = 20
SUSTAINED_SHARE = 0.99
FULL_CORE = 0.9
FOREIGN_SHARE_MAX = 0.1
REFINEMENTS = 4
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
FASTEST_SCAN_MS = 10


def device_address(number: int) -> str:
    return f"{NET}.20.{number}:{DEVICE_PORT}"


def write_project(folder: Path, devices: int, registers: int, scan_ms: int) -> None:
    with socket.socket() as sock:
        sock.bind((f"{NET}.10.1", 0))
        port = sock.getsockname()[1]
    text = f"""[plant]
name = "benchmark"
version = "5.0"
[[lan]]
name = "LAN_A"
subnet = "{NET}.10.0/24"
[[lan]]
name = "FIELD"
subnet = "{NET}.20.0/24"
[[computer]]
name = "SCADA1"
addresses = {{ LAN_A = "{NET}.10.1", FIELD = "{NET}.20.254" }}
[[computer]]
name = "HMI"
addresses = {{ LAN_A = "{NET}.10.2" }}
[[io_server]]
name = "IOServer1"
computer = "SCADA1"
port = {port}
[[client]]
name = "HMI1"
computer = "HMI"
page_scan_ms = {scan_ms}
"""
    tags = ["name,type,unit,addr,raw_zero,raw_full,eng_zero,eng_full,eng_units,deadband,comment"]
    for number in range(1, devices + 1):
        text += f"""[[io_device]]
name = "PLC{number}"
number = {number}
protocol = "MODNET"
[[io_device.unit]]
io_server = "IOServer1"
mode = "primary"
address = "{device_address(number)}"
"""
        tags += [f"PLC{number}_T{n},UINT,PLC{number},{40000 + n},,,,,,," for n in range(1, registers + 1)]
    (folder / "plant.toml").write_text(text)
    (folder / "tags.csv").write_text("\n".join(tags) + "\n")
    (folder / "citect.ini").write_text(f"[LAN]\nSendTimeout=5000\n[MODNET]\nMaxPending={MAX_PENDING}\n")


# --- the devices of the second run ---


class Answerer(asyncio.Protocol):
    """One connection to a device that answers reads of registers: all alike, counting up every 20 ms."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request of twelve bytes."""
        data = self._rest + data
        whole = len(data) - len(data) % 12
        step = struct.pack(">H", time.monotonic_ns() // (STEP_MS * MILLISECOND) & 0xFFFF)
        answers = []
        for at in range(0, whole, 12):
            octets = 2 * data[at + 11]
            answers.append(
                data[at : at + 5] + bytes((3 + octets,)) + data[at + 6 : at + 8] + bytes((octets,))
            )
            answers.append(step * data[at + 11])
        self._rest = data[whole:]
        self._transport.write(b"".join(answers))


async def serve_devices(devices: int) -> int:
    loop = asyncio.get_running_loop()
    for number in range(1, devices + 1):
        host, port = device_address(number).split(":")
        await loop.create_server(Answerer, host, int(port))
    print("listening", flush=True)
    await asyncio.Event().wait()
    return 0


# --- the client ---


class MeasuringClient(ClientHost):
    """Counts what it is shown, and how long each page scan takes."""

    def __init__(self, folder: Path, scan_ms: int) -> None:
        plant = load_project(folder).plant
        client = replace(plant.clients[0], page_scan=scan_ms * MILLISECOND)
        super().__init__(plant, client, NoTrace(), Random(1))
        self.devices = len(plant.io_devices)
        self._send, self._show = self._performers[SendFrame], self._performers[Present]
        self._performers[SendFrame] = self._timed_send
        self._performers[Present] = self._timed_show
        self.begin()

    def begin(self) -> None:
        """Forget what was measured so far."""
        self.asked_at: dict[str, float] = {}
        self.scans: dict[float, list[float]] = {}
        self.updates = 0
        self._scan = 0.0

    def figures(self, span: float) -> dict[str, object]:
        """What was measured in so many seconds since `begin`; the last page scan does not count."""
        period = self.client.page_scan / 1e9
        scans = [took for at, took in self.scans.items() if at < time.perf_counter() - period]
        due = self.devices * max(len(scans), int(span / period) - 2)
        whole = [max(took) for took in scans if len(took) == self.devices] or [float("inf")]
        return {
            "updates_per_s": self.updates / span,
            "answered_share": sum(map(len, scans)) / due if due else 0.0,
            "in_time_share": sum(t <= period for took in scans for t in took) / due if due else 0.0,
            "page_scan_ms": [1000 * float(np.percentile(whole, p)) for p in (50, 99, 100)],
            "alarms": len(self.alarms),
        }

    def _timed_send(self, effect: SendFrame) -> None:
        message = effect.frame.message
        if isinstance(message, ReadRequest):
            now = time.perf_counter()
            # Requests of one page scan leave in one burst.
            if now - self._scan > self.client.page_scan / 2e9:
                self._scan = now
                self.scans[now] = []
            self.asked_at[message.unit] = self._scan
        self._send(effect)

    def _timed_show(self, effect: Present) -> None:
        self._show(effect)
        assert effect.data is not None
        self.updates += len(effect.data.positions) // 4
        scan = self.asked_at.pop(effect.unit, None)
        if scan is not None:
            self.scans[scan].append(time.perf_counter() - scan)


async def measure_client(folder: Path, scan_ms: int, warm_up: float, seconds: float) -> int:
    host = MeasuringClient(folder, scan_ms)
    host.start()
    while len(host.active) < host.devices:
        await asyncio.sleep(0.05)
    await asyncio.sleep(warm_up)
    print("measuring", flush=True)
    began = time.perf_counter()
    host.begin()
    await asyncio.sleep(seconds)
    figures = host.figures(time.perf_counter() - began)
    host.stop()
    print(json.dumps(figures), flush=True)
    return 0


# --- the runs ---


@dataclass(frozen=True)
class Cores:
    """Which cores: the server's, and everybody else's."""

    server: int
    others: int


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def busy_seconds(core: int) -> float:
    """How long a core was busy since it started, whoever it worked for."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _waiting, hard, soft, stolen, *_ = map(int, ticks)
            return (user + nice + system + hard + soft + stolen) / TICKS_PER_SECOND
    raise RuntimeError(f"no core {core}")


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} is gone")


@contextlib.contextmanager
def process(words: Sequence[str], core: int, ready: str, count: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A process on a core, from its `count`-th line with `ready` in it until it is killed."""
    with subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    ) as running:
        try:
            assert running.stdout is not None
            for _ in range(count):
                if ready not in (line := running.stdout.readline()):
                    raise RuntimeError(f"{' '.join(words[:4])} did not start: {line}")
            yield running
        finally:
            running.kill()


def plc_words(devices: int, registers: int) -> list[str]:
    addresses = [word for n in range(1, devices + 1) for word in ("--address", device_address(n))]
    return ["-m", "changeover", "plc", *addresses, "--registers", str(max(100, registers))]


@dataclass(frozen=True)
class Bench:
    """One plant, and how long to look at it."""

    folder: Path
    devices: int
    registers: int
    cores: Cores
    warm_up: float
    seconds: float

    def trial(
        self, scan_ms: int, server: subprocess.Popen[str], plcs: subprocess.Popen[str]
    ) -> dict[str, object]:
        """Run the client once at a page scan; all figures."""
        words = [__file__, "--client", str(self.folder), "--scan-ms", str(scan_ms)]
        words += ["--warm-up", str(self.warm_up), "--seconds", str(self.seconds)]
        with process(words, self.cores.others, "measuring") as client:
            pids = {"server": server.pid, "plcs": plcs.pid, "client": client.pid}
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
            busy = {core: busy_seconds(core) for core in (self.cores.server, self.cores.others)}
            began = time.perf_counter()
            assert client.stdout is not None
            time.sleep(self.seconds * 0.95)
            span = time.perf_counter() - began
            cores = {name: (cpu_seconds(pid) - before[name]) / span for name, pid in pids.items()}
            worked = {core: (busy_seconds(core) - since) / span for core, since in busy.items()}
            memory = {name: resident_mb(pid) for name, pid in pids.items()}
            figures = json.loads(client.stdout.readline())
        foreign = max(0.0, sum(worked.values()) - sum(cores.values())) / len(worked)
        return {
            "scan_ms": scan_ms,
            "sustained": figures["in_time_share"] >= SUSTAINED_SHARE,
            "cores": cores,
            "foreign_share": foreign,
            "memory_mb": memory,
            **figures,
        }

    def run(self, quick: bool) -> dict[str, object]:
        """Both runs."""
        run_server = f"-m changeover run {self.folder} --computer SCADA1 --node IOServer1".split()
        load_ms = 200 if quick else 1000
        with process(run_server, self.cores.server, "IOServer1 runs") as server:
            words = plc_words(self.devices, self.registers)
            with process(words, self.cores.others, "listening", self.devices) as plcs:
                load = self.trial(load_ms, server, plcs)
        with (
            process(run_server, self.cores.server, "IOServer1 runs") as server,
            process([__file__, "--devices-for", str(self.devices)], self.cores.others, "listening") as plcs,
        ):
            trials = self._search(load_ms, load_ms if quick else FASTEST_SCAN_MS, server, plcs)
        return {"load": load, "highest": best(trials), "trials": trials, "limit": limit(trials)}

    def _search(
        self, slowest_ms: int, fastest_ms: int, server: subprocess.Popen[str], plcs: subprocess.Popen[str]
    ) -> list[dict[str, object]]:
        """Halve the page scan until it is not kept, then close in on the shortest that is."""
        trials: list[dict[str, object]] = []

        def keeps(scan_ms: int) -> bool:
            # Other work on this machine may spoil one measurement: what was not kept is tried once more.
            for _ in range(2):
                trials.append(self.trial(scan_ms, server, plcs))
                if trials[-1]["sustained"]:
                    return True
            return False

        good, bad = slowest_ms, 0
        while good >= fastest_ms and not bad:
            good, bad = (good // 2, 0) if keeps(good // 2) else (good, good // 2)
        for _ in range(REFINEMENTS if bad else 0):
            if good - bad <= max(2, good // 20):
                break
            middle = (good + bad) // 2
            good, bad = (middle, bad) if keeps(middle) else (good, middle)
        return trials


def best(trials: Sequence[dict[str, object]]) -> dict[str, object] | None:
    kept = [trial for trial in trials if trial["sustained"]]
    return min(kept, key=lambda trial: trial["scan_ms"]) if kept else None


def limit(trials: Sequence[dict[str, object]]) -> str:
    """Whose core was full in the trial nearest to the highest rate that was not kept."""
    missed = [trial for trial in trials if not trial["sustained"]]
    if not missed:
        return "none found"
    nearest = max(missed, key=lambda trial: trial["scan_ms"])
    cores = nearest["cores"]
    if cores["server"] >= FULL_CORE:
        return "the server's core"
    if cores["client"] + cores["plcs"] >= FULL_CORE:
        larger = "client" if cores["client"] >= cores["plcs"] else "devices"
        return f"the core that client and devices share, the {larger} most"
    if nearest["foreign_share"] > FOREIGN_SHARE_MAX:
        return "other work on this machine"
    return "neither core: the round trips themselves"


def print_report(report: dict[str, object]) -> None:
    print(
        f"{report['devices']} devices × {report['registers']} registers, every one changing; "
        f"MaxPending {MAX_PENDING}, {report['loop']}, Python {report['python']}, "
        f"server on core {report['cores'][0]}, client and devices on core {report['cores'][1]}"
    )
    head = ["page scan", "updates/s", "p50 ms", "p99 ms", "max ms"]
    head += ["server", "client", "devices", "others", "server MB"]
    print(f"{'':26}" + "".join(f"{title:>11}" for title in head))
    print_row("load, pymodbus devices", report["load"])
    for trial in sorted(report["trials"], key=lambda trial: -trial["scan_ms"]):
        print_row("kept" if trial["sustained"] else "not kept", trial)
    highest = report["highest"]
    if highest is not None:
        print(
            f"highest sustained: {highest['updates_per_s']:,.0f} updates/s at a page scan of "
            f"{highest['scan_ms']} ms; the limit: {report['limit']}"
        )


def print_row(name: str, trial: dict[str, object]) -> None:
    cores = trial["cores"]
    print(
        f"{name:26}{trial['scan_ms']:>8} ms{trial['updates_per_s']:>11,.0f}"
        + "".join(f"{value:>11.1f}" for value in trial["page_scan_ms"])
        + "".join(f"{cores[who]:>11.1%}" for who in ("server", "client", "plcs"))
        + f"{trial['foreign_share']:>11.1%}{trial['memory_mb']['server']:>11.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--registers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="a small plant and a few seconds: does it work?")
    parser.add_argument("--json", action="store_true")
    for hidden, kind in (
        ("--client", Path),
        ("--scan-ms", int),
        ("--warm-up", float),
        ("--devices-for", int),
    ):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        given = (arguments.client, arguments.scan_ms, arguments.warm_up, arguments.seconds)
        raise SystemExit(run_loop(lambda: measure_client(*given)))
    if arguments.devices_for:
        raise SystemExit(run_loop(lambda: serve_devices(arguments.devices_for)))
    devices, registers = (4, 300) if arguments.quick else (arguments.devices, arguments.registers)
    available = sorted(os.sched_getaffinity(0))
    cores = Cores(available[0], available[-1])
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), devices, registers, 1000)
        seconds, warm_up = (0.6, 0.2) if arguments.quick else (arguments.seconds, 3.0)
        bench = Bench(Path(folder), devices, registers, cores, warm_up, seconds)
        report = bench.run(arguments.quick)
    report |= {
        "devices": devices,
        "registers": registers,
        "python": platform.python_version(),
        "loop": "uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
        "cores": [cores.server, cores.others],
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


if __name__ == "__main__":
    main()
