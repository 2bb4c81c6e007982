"""The alarm store at its sizes: durable transactions, 20,000 alarms, 5,000 active, pages of a long journal.

Every round does the same on a file that grows; `lowest` and `highest` are over the rounds, of `records in
batches` over the batches of 5,000 that fill the journal, as a partner's are fetched. A transaction is
one record and one state, as an alarm that becomes active or returns makes it, and is on disk when it returns;
`disk` beside it is what this disk needs for nothing but appending 8 KiB and syncing it, the least that such a
transaction can cost. Everything runs in one thread, as in the alarm server.

    python benchmarks/bench_alarm_store.py [--rounds 7] [--records 500000] [--folder …] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import apsw
from msgspec import structs

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition
from changeover.storage.alarm_store import AlarmStore

SECOND = 1_000_000_000
AT = 1_795_000_000 * SECOND
EVER = 2**62
PAGE = 1000
BATCH = 5000
ORIGINS = ("AlarmServer1", "AlarmServer2")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Plant:
    """Alarms that become active and return in a random order, and the journal of both servers."""

    def __init__(self, alarms: int) -> None:
        self.tags = [f"Area{n % 50}.Pump{n}.Pressure.High" for n in range(alarms)]
        self.numbers = dict.fromkeys(ORIGINS, 0)
        self.utc = AT
        self._random = Random(1)

    def record(self) -> JournalRecord:
        """The next line of the journal: of either server, of any alarm, 0.1 s after the one before."""
        origin = ORIGINS[self._random.random() < 0.2]
        self.numbers[origin] += 1
        self.utc += SECOND // 10
        event = AlarmEvent.ACTIVE if self._random.random() < 0.5 else AlarmEvent.RETURNED
        tag = self._random.choice(self.tags)
        return JournalRecord(origin, self.numbers[origin], self.utc, tag, event, Condition.HIGH, 91.5)

    def acknowledgement(self, tag: str) -> JournalRecord:
        """What an operator's acknowledgement of everything writes of one alarm."""
        self.numbers[ORIGINS[0]] += 1
        number = self.numbers[ORIGINS[0]]
        event, condition = AlarmEvent.ACKNOWLEDGED, Condition.HIGH
        return JournalRecord(
            ORIGINS[0], number, self.utc, tag, event, condition, 0.0, f"HMI1-{self.utc}", "operator", "HMI1"
        )

    def state(self, tag: str, active: bool) -> AlarmState:
        """An alarm that is active since now, or has been and is acknowledged."""
        self.utc += 1
        if active:
            return AlarmState(tag, Condition.HIGH, False, self.utc, value=91.5, changed_utc=self.utc)
        times = (self.utc - SECOND, self.utc, self.utc)
        return AlarmState(tag, Condition.NORMAL, True, *times, "operator", 91.5, changed_utc=self.utc)

    def states(self, active: int) -> list[AlarmState]:
        """Every alarm, the first of them active."""
        return [self.state(tag, number < active) for number, tag in enumerate(self.tags)]


class Bench:
    """One file, and what is measured of it."""

    def __init__(self, folder: Path, alarms: int, active: int, records: int, transactions: int) -> None:
        self.path = folder / "alarms.sqlite"
        self.plant = Plant(alarms)
        self.active, self.records, self.transactions = active, records, transactions
        self.measured: dict[tuple[str, str], list[float]] = {}
        self.bytes_a_record = 0.0

    def note(self, name: str, unit: str, figure: float) -> None:
        """Keep a figure of a round."""
        self.measured.setdefault((name, unit), []).append(figure)

    def time(self, name: str, work: Callable[[], object]) -> None:
        """Keep how long something takes."""
        self.note(name, "ms", 1000 * seconds(work))

    def run(self, rounds: int) -> dict[str, dict[str, object]]:
        """All rounds; median, lowest and highest of every figure."""
        with closing(AlarmStore(self.path)) as store:
            store.write(self.plant.states(self.active), [])
        empty = self.path.stat().st_size
        with closing(AlarmStore(self.path)) as store:
            for begun in range(0, self.records, BATCH):
                batch = [self.plant.record() for _ in range(min(BATCH, self.records - begun))]
                took = seconds(lambda b=batch: store.write([], b))
                self.note("records in batches", "1/s", len(batch) / took)
        self.bytes_a_record = (self.path.stat().st_size - empty) / self.records
        for _ in range(rounds):
            self.time("open, with check", lambda: AlarmStore(self.path).close())
            self._sync_alone()
            with closing(AlarmStore(self.path)) as store:
                self._write(store)
                self._read(store)
        return {
            name: {
                "unit": unit,
                "median": statistics.median(figures),
                "lowest": min(figures),
                "highest": max(figures),
            }
            for (name, unit), figures in self.measured.items()
        }

    def _sync_alone(self) -> None:
        data = bytes(8192)
        with (self.path.parent / "sync").open("wb", buffering=0) as file:

            def append() -> None:
                file.write(data)
                os.fdatasync(file.fileno())

            took = [seconds(append) for _ in range(self.transactions)]
        (self.path.parent / "sync").unlink()
        self.note("disk", "1/s", len(took) / sum(took))

    def _write(self, store: AlarmStore) -> None:
        plant, took = self.plant, []
        for _ in range(self.transactions):
            record = plant.record()
            state = plant.state(record.tag, record.event is AlarmEvent.ACTIVE)
            took.append(seconds(lambda s=state, r=record: store.write([s], [r])))
        took.sort()
        self.note("transactions", "1/s", len(took) / sum(took))
        self.note("transaction, 99 %", "ms", 1000 * took[len(took) * 99 // 100])
        states = plant.states(self.active)
        self.time("write all", lambda: store.write(states, []))
        active = states[: self.active]
        returned = [
            structs.replace(s, condition=Condition.NORMAL, returned_utc=s.active_utc + 1) for s in active
        ]
        self.time("write the active, returned", lambda: store.write(returned, []))
        known = [structs.replace(s, acknowledged=True, acknowledged_utc=plant.utc) for s in returned]
        records = [plant.acknowledgement(s.tag) for s in known]
        self.time("… all acknowledged", lambda: store.write(known, records))

    def _read(self, store: AlarmStore) -> None:
        plant = self.plant
        middle = AT + (plant.utc - AT) // 2
        number = plant.numbers[ORIGINS[0]] // 2
        self.time("restore", store.restore)
        self.time("journal page", lambda: store.journal(0, EVER, limit=PAGE, newest_first=True))
        self.time("journal page, middle", lambda: store.journal(middle, EVER, limit=PAGE))
        self.time("journal of one tag", lambda: store.journal(0, EVER, plant.tags[:1], limit=PAGE))
        self.time("journal of 1000 tags", lambda: store.journal(0, EVER, plant.tags[:1000], limit=PAGE))
        self.time("summary page", lambda: store.summary(0, EVER, limit=PAGE, newest_first=True))
        self.time("summary of one tag", lambda: store.summary(0, EVER, plant.tags[:1], limit=PAGE))
        self.time("records for the partner", lambda: store.records(ORIGINS[0], number, PAGE))
        self.time("action known?", lambda: store.knows_action("HMI1-1"))
        self.time("actions known", lambda: store.actions(20_000))
        self.time("prune, one piece", lambda: store.prune(middle))


def print_report(report: dict[str, object], figures: dict[str, dict[str, object]]) -> None:
    print(
        f"{report['alarms']:,} alarms, {report['active']:,} active, a journal of {report['records']:,} "
        f"records ({report['bytes_a_record']:.0f} bytes each with indices); {report['rounds']} rounds, "
        f"SQLite {report['sqlite']}, Python {report['python']}"
    )
    print(f"{'':30}{'median':>12}{'lowest':>12}{'highest':>12}")
    for name, figure in figures.items():
        digits = 2 if figure["unit"] == "ms" else 0
        row = "".join(f"{figure[which]:>12,.{digits}f}" for which in ("median", "lowest", "highest"))
        print(f"{name:30}{row}  {figure['unit']}")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to measure; the temporary folder's otherwise"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers: does it work?")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    alarms, active, transactions = (2000, 500, 50) if given.quick else (20_000, 5000, 1000)
    records, rounds = (5000, 2) if given.quick else (given.records, given.rounds)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        bench = Bench(Path(folder), alarms, active, records, transactions)
        figures = bench.run(rounds)
    report = {
        "alarms": alarms,
        "active": active,
        "records": records,
        "rounds": rounds,
        "bytes_a_record": bench.bytes_a_record,
        "sqlite": apsw.sqlite_lib_version(),
        "python": platform.python_version(),
    }
    if given.json:
        print(json.dumps(report | {"figures": figures}, indent=2))
    else:
        print_report(report, figures)


if __name__ == "__main__":
    main()
