"""Measure a plant in the lab while a backup and a slow PLC are made, and see whether both were found.

    make site                      32 minutes
    make site ARGS="--minutes 5"

The plant is the template's, in namespaces. `changeover measure` runs twice: on the operator's computer, and
on the primary's, from which it asks the PLC too. After a third of the time a backup goes from the one to the
other for a tenth of it; the PLC answers nothing now and then. The exit status is 1 when one was not found.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drill_project import write_drill_project

from changeover.config.project import load_project
from changeover.drill.backup import course_of
from changeover.drill.lab import Bottleneck
from changeover.drill.lab_backup import BackupLoad
from changeover.drill.nemesis import Backup
from changeover.drill.started import World, started
from changeover.drivers.modbus.address import check_address
from changeover.model.moment import MILLISECOND, SECOND
from changeover.scenario.disturbance import Spells

SUSTAINED = BackupLoad(
    Bottleneck(rate_bit_s=20_000_000, queue_delay=400 * MILLISECOND), streams=4, on=SECOND, off=0, seed=1
)
"""One long copy: the queue before the primary's computer is full as long as it lasts."""
INI = {
    "LAN": {"SendTimeout": 10_000, "TimeOut": 10_000, "WatchTime": 2, "ClientRetryTime": 1000},
    "MODNET": {"Timeout": 10_000, "WatchTime": 5},
}


def main() -> int:
    """Measure, disturb, and look what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/site"))
    parser.add_argument("--minutes", type=float, default=32.0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.out.mkdir(parents=True)
    folder = write_drill_project(options.out / "project", INI, lans=1)
    project = load_project(folder, check_address=check_address)
    course = course_of(project.plant)
    assert course is not None
    seconds = options.minutes * 60
    spells = Spells(gap=round(seconds / 8 * SECOND), length=2 * SECOND)
    world = World(slow={project.plant.io_devices[0].primary.name: spells})
    work = options.out / "processes"
    work.mkdir()
    with started(project, {}, work, check_address, world, print) as product:
        measuring = [
            _measure(product, work / "project", options.out, computer, seconds)
            for computer in (course.source, course.target)
        ]
        time.sleep(seconds / 3)
        backup = Backup(product.lab, course.source, course.target, course.lan, SUSTAINED)
        began = time.time()
        backup.inject()
        print(
            f"backup from {time.strftime('%H:%M:%S', time.gmtime(began))} UTC for {seconds / 10:.0f} s",
            flush=True,
        )
        time.sleep(seconds / 10)
        backup.repair()
        for process in measuring:
            process.wait()
    found = [_told(options.out / f"{computer}.json") for computer in (course.source, course.target)]
    return 0 if found[0][0] and found[1][1] else 1


def _measure(
    product: Any, project: Path, out: Path, computer: str, seconds: float
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "changeover", "measure", str(project), "--computer", computer]
    command += ["--for", f"{seconds:g}s", "--out", str(out.resolve() / f"{computer}.json"), "--plain"]
    log = (out / f"{computer}.log").open("wb")
    return subprocess.Popen(product.lab.command(computer, command), stdout=log, stderr=subprocess.STDOUT)


def _told(path: Path) -> tuple[bool, bool]:
    """Print what was found; whether a backup and a long answer of a device are among it."""
    network = json.loads(path.read_text())
    load = network["load"]
    print(f"{path.name}: {network['seconds']:.0f} s, load {load}")
    backups = answers = False
    for stream in network["streams"]:
        quantiles = stream["quantiles_ms"] or {}
        shown = {key: round(value, 2) for key, value in quantiles.items()}
        print(f"  {stream['kind']:10} {stream['name']:22} {stream['messages']:>7} {shown}")
        for one in stream["backups"]:
            backups = True
            print(f"    backup {one['from_utc']} to {one['to_utc']}: median {one['median_ms']:.0f} ms")
        for one in stream["long_answers"][:8]:
            answers = answers or stream["kind"] == "device"
            print(f"    long answer {one['at_utc']}: {one['ms']:.0f} ms")
    return backups, answers


if __name__ == "__main__":
    raise SystemExit(main())
