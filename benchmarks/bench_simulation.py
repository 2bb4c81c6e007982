"""How many faults the simulation tries in a second, on one core.

    python benchmarks/bench_simulation.py [--trials 300] [--json]

The plant is the template's: two I/O servers, one device, one client. Every I/O fault of families A, B and C,
at the families' defaults and at small values.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from changeover.cli.new import write_project
from changeover.config.project import load_project
from changeover.scenario.fault import Fault, Injection
from changeover.simulation.trial import trials

TARGETS = {Fault.LAN_SILENT: "LAN_A"}
VERSIONS = {"A": "3.30", "B": "4.50", "C": "5.0"}
SMALL = (
    "[LAN]\nSendTimeout=1500\nTimeOut=1000\nClientRetryTime=1000\n"
    "[IOSERVER]\nHeartTime=3000\n[MODNET]\nWatchTime=2\n"
)


def main() -> None:
    """Time each cell; print milliseconds per trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = []
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "plant"
        write_project(project)
        for values, ini in (("defaults", "\n"), ("small", SMALL)):
            (project / "citect.ini").write_text(ini)
            for family, version in VERSIONS.items():
                plant = load_project(project, version=version).plant
                for fault in Fault:
                    target = TARGETS.get(fault, "PLC1" if fault.is_device else "IOServer1")
                    start = time.perf_counter()
                    for _ in trials(plant, Injection(fault, target), options.trials, seed=1):
                        pass
                    each = (time.perf_counter() - start) / options.trials * 1000
                    name = f"{values:9} {family} {fault.value:22}"
                    results.append({"values": values, "family": family, "fault": fault.value, "ms": each})
                    if not options.json:
                        print(f"{name} {each:6.2f} ms a trial, 1,000 in {each:.1f} s")
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
