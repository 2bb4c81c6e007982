"""How long a starting alarm server takes to fetch states, summary and journal from its partner.

    python benchmarks/bench_alarm_transfer.py [--alarms 20000] [--active 5000] [--rounds 5] [--json]

The partner's archive holds every alarm, so many of them active, and a journal with each of their transitions
(two more for every active one that came and went before). The other server starts with an empty archive, on
loopback, and the time is taken from its trace: from listening to the line `redundant`, with which both have
whatever the other has.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition
from changeover.runtime.supervisor import own_command
from changeover.storage.alarm_store import AlarmStore

NAMES = ("Alarm1", "Alarm2")
COMPUTERS = ("SCADA1", "SCADA2")
GIVE_UP_SECONDS = 120.0
FIRST_COIL = 100


def make_project(folder: Path, alarms: int) -> tuple[str, ...]:
    """The sample project with so many digital alarms more; their tags."""
    subprocess.run(own_command("new", str(folder)), check=True, stdout=subprocess.DEVNULL)
    plant = folder / "plant.toml"
    # Addresses of its own: the sample plant may run beside.
    plant.write_text(plant.read_text().replace('"127.10.', '"127.77.'))
    names = [f"Bench{i:05d}" for i in range(alarms)]
    _append(
        folder / "tags.csv",
        (
            {"name": n, "type": "DIGITAL", "unit": "PLC1", "addr": f"{FIRST_COIL + i:06d}"}
            for i, n in enumerate(names)
        ),
    )
    tags = tuple(f"Alarm_{name}" for name in names)
    _append(
        folder / "alarms.csv",
        (
            {"tag": t, "type": "digital", "var_a": n, "category": "1"}
            for t, n in zip(tags, names, strict=True)
        ),
    )
    return tags


def _append(path: Path, rows) -> None:
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    with path.open("a", newline="") as file:
        csv.DictWriter(file, header, restval="").writerows(rows)


def fill(path: Path, tags: tuple[str, ...], active: int) -> int:
    """Write the partner's archive; how many records its journal has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = AlarmStore(path)
    origin = store.origin("Alarm1~bench")
    utc = time.time_ns() - 3600 * 10**9
    events = (AlarmEvent.ACTIVE, AlarmEvent.RETURNED, AlarmEvent.ACTIVE)
    records, states = [], []
    for place, tag in enumerate(tags):
        told = events if place < active else events[:2]
        for step, event in enumerate(told):
            at = utc + (place * 3 + step) * 1000
            records.append(JournalRecord(origin, len(records) + 1, at, tag, event, Condition.ON, 1.0))
        states.append(
            AlarmState(
                tag,
                Condition.ON if place < active else Condition.NORMAL,
                acknowledged=False,
                active_utc=records[-1].utc if place < active else records[-2].utc,
                returned_utc=0 if place < active else records[-1].utc,
                value=1.0,
                changed_utc=records[-1].utc,
            )
        )
    store.write(states, records)
    store.close()
    return len(records)


class Node:
    """One server's process."""

    def __init__(self, project: Path, place: int, data: Path, traces: Path) -> None:
        self.trace = traces / f"{NAMES[place]}.trace.jsonl"
        where = ("--computer", COMPUTERS[place], "--node", NAMES[place])
        files = ("--data", str(data), "--trace-dir", str(traces))
        command = own_command("run", str(project), *where, *files)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def when(self, kind: str) -> int:
        """The instant of the first line of a kind, waited for."""
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up:
            for text in self.trace.read_text().splitlines() if self.trace.exists() else ():
                line = json.loads(text)
                if line["kind"] == kind:
                    return int(line["at"])
            if self.process.poll() is not None:
                raise SystemExit(f"{self.trace.name}: the process ended with {self.process.returncode}")
            time.sleep(0.02)
        raise SystemExit(f"{self.trace.name}: no line {kind} within {GIVE_UP_SECONDS:g} s")

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def one_round(alarms: int, active: int) -> tuple[float, int]:
    """Seconds from listening to redundant, and how many records were fetched."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project, data, traces = folder / "project", folder / "data", folder / "traces"
        traces.mkdir()
        tags = make_project(project, alarms)
        records = fill(data / "Alarm1" / "alarms.sqlite", tags, active)
        first = Node(project, 0, data, traces)
        try:
            first.when("server-active")
            second = Node(project, 1, data, traces)
            try:
                began = second.when("listening")
                seconds = (second.when("redundant") - began) / 1e9
            finally:
                second.stop()
        finally:
            first.stop()
        store = AlarmStore(data / "Alarm2" / "alarms.sqlite")
        states = store.restore()
        kept = sum(store.numbers().values())
        store.close()
        assert kept >= records, f"{kept} of {records} records"
        assert sum(state.is_active for state in states) >= active, "active states are missing"
    return seconds, records


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alarms", type=int, default=20_000)
    parser.add_argument("--active", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = [one_round(arguments.alarms, arguments.active) for _ in range(arguments.rounds)]
    seconds = sorted(s for s, _ in found)
    result = {
        "alarms": arguments.alarms,
        "active": arguments.active,
        "records": found[0][1],
        "rounds": arguments.rounds,
        "min_s": seconds[0],
        "median_s": statistics.median(seconds),
        "max_s": seconds[-1],
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(
            f"{result['alarms']} alarms, {result['active']} active, {result['records']} journal records: "
            f"fetched in {result['median_s']:.2f} s ({result['min_s']:.2f} to {result['max_s']:.2f}), "
            f"{len(seconds)} rounds"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
