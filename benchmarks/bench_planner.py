"""How long a plan takes: for 200 I/O devices and 20 servers, bound 2 s at the longest; and for small plants.

    .venv/bin/python benchmarks/bench_planner.py [ROUNDS]

CPU seconds of one process, start-up not counted. The large plant has four protocols and ten nested driver
sections, so fourteen parameters of drivers beside the four of servers and clients. The small ones are the
example's with the defaults of each family, for every target between what they take and what they can reach,
at the longest, at 99 of 100 and on average: what is slowest there is shown with its target.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from changeover.config.driver_table import find_driver
from changeover.config.ini import IniFile, parse_ini
from changeover.config.timing import driver_settings, read_timing
from changeover.guide.cells import Measure
from changeover.guide.planner import Planner
from changeover.model.plant import Plant
from plants import two_server_plant

DEVICES, IO_SERVERS, CLIENTS = 200, 14, 10
PROTOCOLS = ("MODNET", "MODBUS", "OPC", "ABTCP")
PORTS = 10
TARGETS_S = (10.0, 5.0, 3.0)
STEPS = 24
BOUND_S = 2.0


def large(family: str) -> tuple[Plant, IniFile]:
    """200 devices, each on two of 14 I/O servers, with three pairs of task servers: 20 servers."""
    text = "".join(f"[{name}]\nTimeout={900 + 130 * n}\nRetry={n % 2}\n" for n, name in enumerate(PROTOCOLS))
    text += "".join(f"[MODNET.Port{n}]\nTimeout={700 + 90 * n}\n" for n in range(PORTS))
    ini = parse_ini(text.encode(), "citect.ini")
    plant = two_server_plant(family, devices=DEVICES, servers=IO_SERVERS, clients=CLIENTS, lans=2)
    plant = replace(plant, timing=read_timing(ini, plant.policy.family))
    devices = []
    for index, device in enumerate(plant.io_devices):
        protocol = PROTOCOLS[index % len(PROTOCOLS)]
        driver = find_driver(protocol)
        assert driver is not None
        port = f"Port{index // len(PROTOCOLS)}" if index < PORTS * len(PROTOCOLS) else ""
        first = index % IO_SERVERS
        pair = (device.units[first], device.units[(first + 1) % IO_SERVERS])
        timing = driver_settings(ini, driver, port, device.name, plant.policy.family).timing
        units = tuple(
            replace(unit, priority=place + 1, port_name=port, timing=timing, mode=device.units[place].mode)
            for place, unit in enumerate(pair)
        )
        devices.append(replace(device, protocol=protocol, units=units))
    return replace(plant, io_devices=tuple(devices)), ini


def small(family: str, lans: int) -> tuple[Plant, IniFile]:
    """The defaults of a family."""
    return two_server_plant(family, lans=lans), parse_ini(b"", "citect.ini")


def spent(plant: Plant, ini: IniFile, target_s: float, measure: Measure) -> float:
    """CPU seconds of one plan."""
    start = time.process_time()
    Planner(plant, ini, measure, lambda row: True).plan(target_s)
    return time.process_time() - start


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    over = False
    print(
        f"{DEVICES} I/O devices, {IO_SERVERS + 6} servers, {CLIENTS} clients, 2 LANs:"
        f" least / median / most CPU s of {rounds} rounds"
    )
    for family in "ABC":
        plant, ini = large(family)
        for measure in Measure:
            for target in TARGETS_S:
                found = [spent(plant, ini, target, measure) for _ in range(rounds)]
                over |= measure is Measure.MAX and statistics.median(found) > BOUND_S
                least, middle, most = min(found), statistics.median(found), max(found)
                print(f"  {family} {measure.value:4} {target:4g} s: {least:.2f} / {middle:.2f} / {most:.2f}")
    print(f"2 servers, 1 I/O device, {STEPS} targets: slowest plan")
    for family in "ABC":
        for lans in (1, 2):
            plant, ini = small(family, lans)
            for measure in Measure:
                planner = Planner(plant, ini, measure, lambda row: True)
                span = planner.now_s - planner.least_s
                targets = [planner.least_s + span * (step / STEPS) ** 2 for step in range(1, STEPS)]
                slowest, target = max((spent(plant, ini, target, measure), target) for target in targets)
                over |= slowest > BOUND_S
                print(f"  {family} {lans} LAN {measure.value:4}: {slowest:.2f} at {target:.2f} s")
    print("over the bound" if over else f"every plan for the longest within {BOUND_S:g} s")
    return int(over)


if __name__ == "__main__":
    raise SystemExit(main())
