"""Two trend servers at work: how they record while one of them gives, and the other takes, an hour's gap.

A project of N tags at 1 s is written into a temporary folder and run as processes on loopback: stand-in
devices that answer at once (those of `bench_io_server.py`; every register changes between two scans), one
I/O server, two trend servers. Each trend server is the product's own host, with a clock at its batches.

For each N two measurements:

* `level`: both record, neither lacks anything;
* `filling`: the archive of Trend1 holds an hour that Trend2 lacks, and Trend2 fetches it meanwhile.

`recorded` are samples that were made durable in batches of one second. A batch takes from the moment at
which it is sealed until it is durable; it is late when that is longer than the second until the next one.
`between` is the longest time between two durable batches. `filled` are the samples that came from the
partner, per second. CPU is in shares of one core; `others` is what processes that are not ours took of all
cores: the more that is, the lower are the figures.

    python benchmarks/bench_trend_recording.py [--tags 2000 10000] [--batch 500] [--seconds 30] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import bench_io_server
import numpy as np
from bench_io_server import cpu_seconds, resident_mb

from changeover.config.project import load_project
from changeover.core import machine as core
from changeover.core.trend_records import Covered, Samples
from changeover.model.moment import SECOND
from changeover.model.plant import Plant
from changeover.runtime.process import run_loop
from changeover.runtime.supervisor import own_command
from changeover.runtime.trace_file import NoTrace
from changeover.runtime.trend_server import TrendServerHost
from changeover.storage.trend_archive import TrendArchive

NET = "127.151"
REGISTERS = 1000
SERVERS = ("Trend1", "Trend2")
LEVEL, FILLING = "level", "filling"
STATIONS = (("SCADA2", 2), ("HMI", 3))
"""Computers beside SCADA1, with the last part of their addresses."""
LATE_SECONDS = 1.0
INSTANTS_AT_ONCE = 60


# --- the project ---


def free_port(host: str) -> int:
    with socket.socket() as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def tag_names(tags: int) -> list[tuple[str, int]]:
    """Names of the tags, each with its device's number."""
    return [(f"PLC{n // REGISTERS + 1}_T{n % REGISTERS + 1}", n // REGISTERS + 1) for n in range(tags)]


def write_project(folder: Path, tags: int, batch: int) -> Plant:
    """Two computers, an I/O server and a trend server on the first, a trend server on the second."""
    lines = ['[plant]\nname = "benchmark"\nversion = "5.0"']
    lines += [f'[[lan]]\nname = "LAN_A"\nsubnet = "{NET}.10.0/24"']
    lines += [f'[[lan]]\nname = "FIELD"\nsubnet = "{NET}.20.0/24"']
    addresses = f'{{ LAN_A = "{NET}.10.1", FIELD = "{NET}.20.254" }}'
    lines += [f'[[computer]]\nname = "SCADA1"\naddresses = {addresses}']
    lines += [f'[[computer]]\nname = "{c}"\naddresses = {{ LAN_A = "{NET}.10.{n}" }}' for c, n in STATIONS]
    lines += [f'[[io_server]]\nname = "IOServer1"\ncomputer = "SCADA1"\nport = {free_port(f"{NET}.10.1")}']
    for n, (name, mode) in enumerate(zip(SERVERS, ("primary", "standby"), strict=True), 1):
        port = free_port(f"{NET}.10.{n}")
        lines += [f'[[trend_server]]\nname = "{name}"\ncomputer = "SCADA{n}"\nmode = "{mode}"\nport = {port}']
    names = tag_names(tags)
    for number in range(1, names[-1][1] + 1):
        lines += [f'[[io_device]]\nname = "PLC{number}"\nnumber = {number}\nprotocol = "MODNET"']
        address = f"{NET}.20.{number}:{bench_io_server.DEVICE_PORT}"
        lines += [f'[[io_device.unit]]\nio_server = "IOServer1"\nmode = "primary"\naddress = "{address}"']
    lines += ['[[client]]\nname = "HMI1"\ncomputer = "HMI"']
    (folder / "plant.toml").write_text("\n".join(lines) + "\n")
    rows = [f"{name},UINT,PLC{d},{40001 + n % REGISTERS},,,,,,," for n, (name, d) in enumerate(names)]
    head = "name,type,unit,addr,raw_zero,raw_full,eng_zero,eng_full,eng_units,deadband,comment"
    (folder / "tags.csv").write_text("\n".join([head, *rows]) + "\n")
    trends = [f"{name},periodic,1s" for name, _ in names]
    (folder / "trends.csv").write_text("\n".join(["tag,type,sampleper", *trends]) + "\n")
    (folder / "citect.ini").write_text(
        f"[LAN]\nSendTimeout=5000\n[MODNET]\nMaxPending={bench_io_server.MAX_PENDING}\n"
        f"[Trend]\nMaxRdnSamples={batch}\n"
    )
    return load_project(folder).plant


def write_hour(folder: Path, plant: Plant, seconds: int) -> None:
    """An archive that holds the time before now: all tags at 1 s, random walks."""
    device_of = {tag.name: tag.device for tag in plant.tags}
    tags = tuple(trend.tag for trend in plant.trends)
    folder.mkdir(parents=True)
    archive = TrendArchive(folder, plant.trends, device_of, time.time_ns())
    end = time.time_ns() // SECOND - 5
    walk = np.random.default_rng(1)
    raw = walk.integers(4_000, 28_000, len(tags))
    for begin in range(end - seconds, end, INSTANTS_AT_ONCE):
        instants = np.arange(begin, min(begin + INSTANTS_AT_ONCE, end)) * SECOND
        moves = np.cumsum(walk.integers(-3, 4, (len(instants), len(tags))), axis=0)
        values = raw + moves
        raw = values[-1]
        archive.append(
            Samples(
                tags,
                np.tile(np.arange(len(tags), dtype="<i4"), len(instants)).tobytes(),
                np.repeat(instants, len(tags)).astype("<i8").tobytes(),
                values.astype("<f8").tobytes(),
                bytes(values.size),
            ),
            [
                Covered(device, int(instants[0]), int(instants[-1]) + SECOND)
                for device in dict.fromkeys(device_of.values())
            ],
        )
    archive.close()


# --- a trend server ---


class MeasuringTrendServer(TrendServerHost):
    """A trend server that knows when its batches were sealed and when they were durable."""

    def begin(self) -> None:
        """Forget what was measured so far."""
        self.began = time.perf_counter()
        self.sealed: dict[int, tuple[float, int]] = {}
        self.kept: list[tuple[float, float, int]] = []
        self.filled: list[tuple[float, int]] = []
        self._taken = 0

    def _take(self, effect: core.TakeSamples) -> None:
        super()._take(effect)
        self._taken += len(effect.tags)

    def _keep(self, effect: core.KeepBatch) -> None:
        self.sealed[effect.token] = time.perf_counter(), self._taken
        self._taken = 0
        super()._keep(effect)

    def _on_merged(self, effect: core.MergeSamples, new: int) -> None:
        self.filled.append((time.perf_counter(), new))
        super()._on_merged(effect, new)

    def feed(self, stimulus: core.Stimulus) -> None:
        """Hand over a stimulus, and note which batch is durable."""
        if isinstance(stimulus, core.BatchKept) and stimulus.token in self.sealed:
            at, samples = self.sealed.pop(stimulus.token)
            self.kept.append((time.perf_counter(), time.perf_counter() - at, samples))
        super().feed(stimulus)

    def figures(self) -> dict[str, float]:
        """What was measured since `begin`."""
        span = time.perf_counter() - self.began
        instants = [self.began, *(at for at, _, _ in self.kept), self.began + span]
        took = [seconds for _, seconds, _ in self.kept] or [float("inf")]
        fill_span = self.filled[-1][0] - self.filled[0][0] if len(self.filled) > 1 else 0.0
        return {
            "recorded_per_s": sum(samples for _, _, samples in self.kept) / span,
            "batches": len(self.kept),
            "batches_late": sum(seconds > LATE_SECONDS for seconds in took),
            "batch_s_median": float(np.median(took)),
            "batch_s_max": max(took),
            "between_s_max": float(np.max(np.diff(instants))),
            "filled_per_s": sum(new for _, new in self.filled[1:]) / fill_span if fill_span else 0.0,
            "fills": len(self.filled),
        }


async def serve(arguments: argparse.Namespace) -> int:
    plant = load_project(arguments.folder).plant
    server = plant.task_server(arguments.server)
    failures: list[str] = []
    host = MeasuringTrendServer(plant, server, NoTrace(), Random(1), arguments.data, failures.append)
    host.begin()
    host.start()
    while not host.kept and not failures:
        await asyncio.sleep(0.02)
    print("records", flush=True)
    # Whoever measures says when, so that both servers are there.
    await asyncio.to_thread(sys.stdin.readline)
    host.begin()
    await asyncio.sleep(arguments.seconds)
    figures: dict[str, object] = {**host.figures(), "failures": failures}
    host.stop()
    print(json.dumps(figures), flush=True)
    return 0


async def serve_devices(devices: int) -> int:
    bench_io_server.NET = NET
    return await bench_io_server.serve_devices(devices)


# --- the runs ---


@contextlib.contextmanager
def process(words: Sequence[str], ready: str) -> Iterator[subprocess.Popen[str]]:
    """A process, from its line with `ready` in it until it is killed."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            if ready not in (line := running.stdout.readline()):
                raise RuntimeError(f"{' '.join(words[:5])} did not start: {line}")
            yield running
        finally:
            running.kill()


@dataclass(frozen=True)
class Bench:
    """One plant, and how long to look at it.

    Attributes:
        tags: How many, each at 1 s.
        batch: [Trend]MaxRdnSamples.
        gap: How many seconds one archive lacks.
        warm_up: How long both record before they are measured.
        seconds: How long they are.
    """

    tags: int
    batch: int
    gap: int
    warm_up: float
    seconds: float

    def run(self, folder: Path) -> dict[str, object]:
        """Both measurements."""
        project = folder / "project"
        project.mkdir()
        plant = write_project(project, self.tags, self.batch)
        found: dict[str, object] = {"tags": self.tags, "batch": self.batch, "gap_s": self.gap}
        for phase in (LEVEL, FILLING):
            data = folder / phase
            if phase == FILLING:
                write_hour(data / SERVERS[0], plant, self.gap)
            found[phase] = self._measure(project, data)
            shutil.rmtree(data)
        return found

    def _measure(self, project: Path, data: Path) -> dict[str, object]:
        devices = tag_names(self.tags)[-1][1]
        io_server = own_command("run", str(project), "--computer", "SCADA1", "--node", "IOServer1")
        with contextlib.ExitStack() as stack:
            words = [sys.executable, __file__, "--devices-for", str(devices)]
            running = {"devices": stack.enter_context(process(words, "listening"))}
            running["I/O server"] = stack.enter_context(process(io_server, "IOServer1 runs"))
            for name in SERVERS:
                words = [sys.executable, __file__, "--server", name, "--folder", str(project)]
                words += ["--data", str(data), "--seconds", str(self.seconds)]
                running[name] = stack.enter_context(process(words, "records"))
            time.sleep(self.warm_up)
            return self._figures(running)

    def _figures(self, running: dict[str, subprocess.Popen[str]]) -> dict[str, object]:
        before = {name: cpu_seconds(each.pid) for name, each in running.items()}
        cores = sorted(os.sched_getaffinity(0))
        busy = sum(bench_io_server.busy_seconds(core) for core in cores)
        for name in SERVERS:
            stdin = running[name].stdin
            assert stdin is not None
            stdin.write("\n")
            stdin.flush()
        time.sleep(self.seconds * 0.95)
        span = self.seconds * 0.95
        shares = {name: (cpu_seconds(each.pid) - before[name]) / span for name, each in running.items()}
        worked = (sum(bench_io_server.busy_seconds(core) for core in cores) - busy) / span
        memory = {name: resident_mb(running[name].pid) for name in SERVERS}
        found: dict[str, object] = {"cores": shares, "memory_mb": memory}
        found["others"] = max(0.0, worked - sum(shares.values())) / len(cores)
        for name in SERVERS:
            stdout = running[name].stdout
            assert stdout is not None
            found[name] = json.loads(stdout.readline())
        return found


def print_report(report: dict[str, object]) -> None:
    cores = len(os.sched_getaffinity(0))
    print(f"both trend servers on {cores} cores, {report['loop']}, Python {report['python']}")
    head = ["recorded/s", "batches", "late", "median s", "max s", "between s", "filled/s", "CPU", "MB"]
    print(f"{'':40}" + "".join(f"{title:>11}" for title in head))
    for run in report["runs"]:
        for phase in (LEVEL, FILLING):
            found = run[phase]
            for name in SERVERS:
                f = found[name]
                title = f"{run['tags']:,} tags, {run['batch']} a message, {phase}, {name}"
                print(
                    f"{title:40}{f['recorded_per_s']:>11,.0f}{f['batches']:>11}{f['batches_late']:>11}"
                    f"{f['batch_s_median']:>11.3f}{f['batch_s_max']:>11.3f}{f['between_s_max']:>11.2f}"
                    f"{f['filled_per_s']:>11,.0f}{found['cores'][name]:>11.0%}"
                    f"{found['memory_mb'][name]:>11.0f}"
                )
            print(f"{'':40}others on these cores: {found['others']:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tags", type=int, nargs="+", default=[2000, 10_000])
    parser.add_argument("--batch", type=int, nargs="+", default=[500], help="[Trend]MaxRdnSamples")
    parser.add_argument("--gap", type=int, default=3600, help="seconds that one server lacks")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="a small plant and a few seconds: does it work?")
    parser.add_argument("--json", action="store_true")
    for hidden, kind in (("--server", str), ("--folder", Path), ("--data", Path), ("--devices-for", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.server:
        raise SystemExit(run_loop(lambda: serve(arguments)))
    if arguments.devices_for:
        raise SystemExit(run_loop(lambda: serve_devices(arguments.devices_for)))
    benches = [
        Bench(tags, batch, arguments.gap, 5.0, arguments.seconds)
        for tags in arguments.tags
        for batch in arguments.batch
    ]
    if arguments.quick:
        benches = [replace(benches[0], tags=200, batch=200, gap=300, warm_up=1.0, seconds=4.0)]
    runs = []
    for bench in benches:
        with tempfile.TemporaryDirectory() as folder:
            runs.append(bench.run(Path(folder)))
    report: dict[str, object] = {
        "runs": runs,
        "python": platform.python_version(),
        "loop": "uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


if __name__ == "__main__":
    main()
