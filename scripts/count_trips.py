"""False trips, predicted and counted, in the long run: every kind of disturbance, at three time-outs each.

    make trips                               about two and a half hours
    make trips ARGS="--seconds 120"
    make trips ARGS="--only loss:20%"

The plant has one pair of I/O servers and eight clients on one computer, page scan 100 ms. Sheets and records
are in out/trips. The exit status is 1 when a count lies outside its prediction; of twenty true ones one
does, so the whole is what counts: see the last line.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

from drill_project import write_drill_project

CLIENTS = 8
SEND_TIMEOUTS = "500,1000,2000"
DEVICE_TIMEOUTS = "300,600,1200"
DISTURBANCES = (
    "loss:10%",
    "loss:20%",
    "bursts:300ms/3s",
    "bursts:800ms/6s",
    "pauses:700ms/6s",
    "slow-device:500ms/5s",
)
INI = {
    "LAN": {"SendTimeout": 1000, "WatchTime": 1, "ClientRetryTime": 500},
    "MODNET": {"Timeout": 1000, "WatchTime": 1},
}


def write_project(folder: Path) -> None:
    """The template's plant with I/O data only, and many clients on one computer."""
    write_drill_project(folder, INI, lans=1, page_scan_ms=100)
    plant = folder / "plant.toml"
    text = plant.read_text()
    begin, end = text.index("# Alarm, trend and report servers"), text.index("# The operator's pages")
    text = text[:begin] + text[end:]
    for number in range(2, CLIENTS + 1):
        text += f'\n[[client]]\nname = "HMI{number}"\ncomputer = "HMI"\npage_scan_ms = 100\n'
    plant.write_text(text)
    for name in ("alarms.csv", "trends.csv", "reports.csv"):
        (folder / name).unlink(missing_ok=True)


def main() -> int:
    """Count what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/trips"))
    parser.add_argument("--seconds", type=float, default=480.0, help="at each value")
    parser.add_argument("--only", nargs="+", default=DISTURBANCES, metavar="WHAT")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.out.mkdir(parents=True)
    project = options.out / "project"
    write_project(project)
    points = inside = 0
    for disturbance in options.only:
        out = options.out / disturbance.replace("%", "").replace(":", "-").replace("/", "-").replace(",", "-")
        is_device = disturbance.startswith("slow-device")
        values = ("--device-timeouts", DEVICE_TIMEOUTS) if is_device else ("--send-timeouts", SEND_TIMEOUTS)
        command = [
            sys.executable,
            "-m",
            "changeover",
            "drill",
            str(project),
            "--disturb",
            disturbance,
            *values,
        ]
        command += ["--seconds", f"{options.seconds:g}", "--seed", str(options.seed), "--out", str(out)]
        subprocess.run(command, check=False)
        found = json.loads((out / "trips.json").read_text())["points"]
        points += len(found)
        inside += sum(point["holds"] for point in found)
        print(f"{disturbance}: {inside} of {points} so far inside", flush=True)
    print(f"{inside} of {points} counts inside the interval in which 95 of 100 runs lie")
    return 0 if inside == points else 1


if __name__ == "__main__":
    raise SystemExit(main())
