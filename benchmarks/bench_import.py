"""How long the import of a Citect project of 20,000 tags takes, from its folder and from a backup of it.

    .venv/bin/python benchmarks/bench_import.py [ROUNDS]

The project is made of a plant of 50 I/O devices with two units each: 20,000 tags with comments in Russian,
half of them scaled, and 4,000 digital alarms, 1,000 analogue ones and 2,000 trends on them, in columns as
wide as the product's. Each round imports it into files that are loaded once, as the verb does; in the end the
tags and the forecast that came out are held against those that went in.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from changeover.cli.new import write_files
from changeover.config.citect.archive import ArchiveSource
from changeover.config.citect.importing import import_project
from changeover.config.citect.source import DiskSource, Source
from changeover.config.project import Project, load_project
from changeover.drivers.modbus.address import check_address
from changeover.forecast.as_json import document
from changeover.forecast.rules import forecast_plant
from changeover.model.alarm import Alarm, AlarmType, Category, Condition, Limit
from changeover.model.moment import SECOND
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.model.tag import Scaling, Tag, TagType
from changeover.model.trend import Trend, TrendType
from citect_projects import citect_tables, write_backup, write_folder
from plants import two_server_plant

DEVICES, TAGS = 50, 20_000
DIGITAL_ALARMS, ANALOGUE_ALARMS, TRENDS = 4_000, 1_000, 2_000
ROUNDS = 9
ENCODING = "cp1251"
COLUMN_BYTES_MIN = 64


def large_plant() -> Plant:
    plant = two_server_plant(devices=DEVICES, clients=[Client("HMI1", "HMI")], tags_per_device=0)
    tags = tuple(_tag(number) for number in range(TAGS))
    digital = [tag.name for tag in tags if tag.type is TagType.DIGITAL]
    analogue = [tag.name for tag in tags if tag.type is TagType.INT]
    category = Category(1, "", 2, True)
    alarms = [
        *(
            Alarm(
                f"A_{name}",
                name,
                AlarmType.DIGITAL,
                category,
                (name,),
                delay=5 * SECOND,
                description="авария",
            )
            for name in digital[:DIGITAL_ALARMS]
        ),
        *(
            Alarm(
                f"H_{name}",
                name,
                AlarmType.ANALOGUE,
                category,
                (name,),
                limits=(Limit(Condition.HIGH, 90.0),),
            )
            for name in analogue[:ANALOGUE_ALARMS]
        ),
    ]
    trends = [Trend(name, TrendType.PERIODIC, SECOND) for name in analogue[:TRENDS]]
    return replace(plant, tags=tags, alarms=tuple(alarms), trends=tuple(trends))


def _tag(number: int) -> Tag:
    device, place = f"PLC{number % DEVICES + 1}", number // DEVICES + 1
    if number % 2:
        return Tag(
            f"Pump_{number:05}_Run",
            TagType.DIGITAL,
            device,
            f"{place:05}",
            comment=f"Насос {number} работает",
        )
    scaling = Scaling(-32000, 32000, 0, 100)
    comment = f"Уровень в резервуаре {number}"
    return Tag(f"Level_{number:05}", TagType.INT, device, str(40000 + place), scaling, "%", 0.5, comment)


def forecasts(plant: Plant) -> object:
    return document(plant, forecast_plant(plant))["forecasts"]


def measure(open_source: Callable[[], Source], folder: Path, rounds: int) -> tuple[list[float], Project]:
    """Seconds of each round, from opening to files that were loaded once; and what they are."""
    spans: list[float] = []
    loaded: list[Project] = []
    for number in range(rounds):
        start = time.perf_counter()
        imported = import_project(open_source(), check_address=check_address)
        write_files(
            folder / str(number),
            imported.files,
            lambda stage: loaded.append(load_project(stage, check_address=check_address)),
        )
        spans.append(time.perf_counter() - start)
    return spans, loaded[-1]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    plant = large_plant()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {**citect_tables(plant, ENCODING, COLUMN_BYTES_MIN), "citect.ini": b"[LAN]\r\n"}
        write_folder(folder / "site", files)
        backup = write_backup(folder / "site.ctz", files)
        size, packed = sum(map(len, files.values())), backup.stat().st_size
        held = f"{len(plant.tags)} tags, {len(plant.alarms)} alarms, {len(plant.trends)} trends"
        print(f"{held}: {size} bytes of tables")
        same = True
        for what, source in (
            ("folder", lambda: DiskSource(folder / "site")),
            (f"backup of {packed} bytes, 1:{size / packed:.0f}", lambda: ArchiveSource(backup)),
        ):
            spans, project = measure(source, folder / what.split()[0], rounds)
            back = project.plant
            same &= forecasts(back) == forecasts(plant)
            same &= back.tags == plant.tags and len(back.alarms) == len(plant.alarms)
            print(
                f"{what:34} {rounds} rounds  median {statistics.median(spans):.2f} s  "
                f"fastest {min(spans):.2f} s  slowest {max(spans):.2f} s"
            )
    print(f"tags and forecast come back: {'yes' if same else 'NO'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
