"""The long drills: every I/O fault of families A, B and C, N times each, in namespaces, dual LAN.

    make drills                    10 of each, about 40 minutes; sheets and records in out/drills
    make drills ARGS="--repeat 2"

The parameters are small, and such that S, T and H can be told apart. The three families run side by side,
each in a lab of its own. The exit status is 1 when a drill missed its forecast.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from changeover.cli.new import write_project

HEARTBEAT_INI = {
    "LAN": {"SendTimeout": 6000, "TimeOut": 1000, "ClientRetryTime": 1000},
    "IOSERVER": {"HeartTime": 3000},
    "MODNET": {"Timeout": 500, "WatchTime": 2},
}
ANNOUNCING_INI = {
    "LAN": {"SendTimeout": 1500, "ClientRetryTime": 1000},
    "MODNET": {"Timeout": 1000, "WatchTime": 2},
}
FAMILIES = {"A": ("3.30", HEARTBEAT_INI), "B": ("4.50", HEARTBEAT_INI), "C": ("5.0", ANNOUNCING_INI)}
MEASURES = ("detection_s", "changeover_s", "com_s", "return_s")


def write_family(folder: Path, version: str, ini: dict[str, dict[str, int]]) -> None:
    """The template's plant with a second LAN for clients, another version and another ini."""
    write_project(folder)
    plant = (folder / "plant.toml").read_text()
    plant = plant.replace('version = "5.0"', f'version = "{version}"')
    second = '[[lan]]\nname = "LAN_B"\nsubnet = "127.11.0.0/16"\n\n[[lan]]\nname = "FIELD"'
    plant = plant.replace('[[lan]]\nname = "FIELD"', second)
    for host in (11, 12, 21):
        address = f'LAN_A = "127.10.0.{host}"'
        if address not in plant:
            raise SystemExit(f"the template has no {address}")
        plant = plant.replace(address, f'{address}, LAN_B = "127.11.0.{host}"')
    (folder / "plant.toml").write_text(plant)
    sections = (
        f"[{section}]\n" + "".join(f"{name}={value}\n" for name, value in values.items())
        for section, values in ini.items()
    )
    (folder / "citect.ini").write_text("\n".join(sections))


def summarise(family: str, records: Path) -> tuple[int, int]:
    """Print a line per fault and measure; how many drills there were, and how many failed for good."""
    drills = json.loads(records.read_text())["drills"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for drill in drills:
        groups.setdefault((drill["fault"], drill["target"]), []).append(drill)
    for (fault, target), members in groups.items():
        for measure in MEASURES:
            forecast = members[0]["forecast"][measure]
            seen = sorted(d[measure] for d in members if d[measure] is not None)
            if forecast is None or not seen:
                continue
            inside = f"{forecast['min']:.3f} to {forecast['max']:.3f}"
            middle = seen[len(seen) // 2]
            print(
                f"{family} {fault:22} {target:10} {measure:13} n={len(seen):<3} "
                f"{seen[0]:.3f} / {middle:.3f} / {seen[-1]:.3f} s, forecast {inside}"
            )
    for drill in drills:
        if not drill["pass"]:
            print(f"{family} MISS {drill['fault']} {drill['target']} {drill['repetition']}: {drill['why']}")
    return len(drills), sum(not drill["pass"] for drill in drills)


def main() -> int:
    """Run all families side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("out/drills"))
    parser.add_argument("--families", default="ABC")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    running = {}
    for family in options.families:
        version, ini = FAMILIES[family]
        write_family(options.out / f"project-{family}", version, ini)
        command = [sys.executable, "-m", "changeover", "drill", str(options.out / f"project-{family}")]
        command += ["--repeat", str(options.repeat), "--seed", str(options.seed)]
        command += ["--out", str(options.out / family)]
        log = (options.out / f"{family}.log").open("wb")
        running[family] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        print(f"family {family}: follow it with tail -f {options.out / f'{family}.log'}", flush=True)
    try:
        statuses = {family: process.wait() for family, process in running.items()}
    except KeyboardInterrupt:
        for process in running.values():
            process.terminate()
        statuses = {family: process.wait() for family, process in running.items()}
    for family, status in statuses.items():
        records = options.out / family / "drills.json"
        if records.exists():
            count, missed = summarise(family, records)
            print(f"family {family}: {count} drills, {missed} missed, status {status}")
        else:
            print(f"family {family}: no records, status {status}: see {options.out / f'{family}.log'}")
    return max(statuses.values())


if __name__ == "__main__":
    raise SystemExit(main())
