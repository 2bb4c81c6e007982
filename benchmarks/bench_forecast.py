"""How long the forecast of a whole plant takes, after start-up: the bound is 0.2 s.

    .venv/bin/python benchmarks/forecast_speed.py

Rows, their figures (min, mean, quantiles, max) and the JSON text are all counted. Every round works on other
parameters, so nothing comes from a cache of the round before; the plant of 50 devices has 50 different driver
timings.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from changeover.forecast.as_json import document
from changeover.forecast.rules import forecast_plant
from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant
from plants import timing_for, two_server_plant

ROUNDS = 9
BOUND_S = 0.2


def small(family: str, number: int) -> Plant:
    return two_server_plant(family, lans=2, timing=timing_for(family, send_timeout=2000 + number))


def large(family: str, number: int) -> Plant:
    timing = timing_for(family, send_timeout=2000 + number, heartbeat=30000 + number)
    plant = two_server_plant(family, devices=50, servers=4, clients=4, lans=2, timing=timing)
    devices = []
    for index, device in enumerate(plant.io_devices):
        driver = DriverTiming(timeout=(1000 + 7 * index + number) * MILLISECOND)
        units = tuple(replace(unit, timing=driver) for unit in device.units)
        turned = index % len(units)
        units = (*units[turned:], *units[:turned])
        devices.append(replace(device, units=units))
    return replace(plant, io_devices=tuple(devices))


def main() -> int:
    worst = 0.0
    for name, build in (("2 servers, 1 device", small), ("4 servers, 50 devices, 4 clients", large)):
        for family in "ABC":
            spans = []
            rows = 0
            for number in range(ROUNDS):
                plant = build(family, number)
                start = time.perf_counter()
                answer = document(plant, forecast_plant(plant))
                json.dumps(answer)
                spans.append(time.perf_counter() - start)
                rows = len(answer["forecasts"])
            worst = max(worst, statistics.median(spans))
            print(
                f"{name:34} family {family}  {rows:4} rows  "
                f"median {statistics.median(spans) * 1e3:6.1f} ms  slowest {max(spans) * 1e3:6.1f} ms"
            )
    print(f"bound {BOUND_S * 1e3:.0f} ms: {'kept' if worst <= BOUND_S else 'MISSED'}")
    return 0 if worst <= BOUND_S else 1


if __name__ == "__main__":
    sys.exit(main())
