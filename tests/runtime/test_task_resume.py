"""Servers killed in the middle of what they fetch: they go on where they were, and in the end have it all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np
import pytest
from test_task_scene import ALARM, PERIODIC, SWITCHED, TREND, Layout, Pairs, until

from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.core.trend_records import Covered, Samples
from changeover.model.alarm import Condition
from changeover.model.moment import SECOND
from changeover.storage.alarm_store import AlarmStore
from changeover.storage.trend_archive import TrendArchive

pytestmark = pytest.mark.long

RECORDS = 5000
GAP_SECONDS = 3600
ATTEMPTS = 10
EVENTS = (AlarmEvent.ACTIVE, AlarmEvent.RETURNED)


def write_journal(plant: Pairs, name: str) -> None:
    """An archive of a server that has logged for a while."""
    folder = plant.data / name
    folder.mkdir(parents=True)
    store = AlarmStore(folder / "alarms.sqlite")
    origin = store.origin(f"{name}~before")
    begin = time.time_ns() - RECORDS * SECOND
    records = [
        JournalRecord(
            origin, n, begin + n * SECOND, SWITCHED[n // 2 % len(SWITCHED)], EVENTS[n % 2], Condition.ON
        )
        for n in range(1, RECORDS + 1)
    ]
    store.write((), records)
    store.close()


def write_trends(plant: Pairs, name: str) -> None:
    """An archive of a server that has recorded for an hour until now."""
    folder = plant.data / name
    folder.mkdir(parents=True)
    archive = TrendArchive(folder, plant.plant.trends, dict.fromkeys(PERIODIC, "PLC1"), time.time_ns())
    begin = (time.time_ns() // SECOND - GAP_SECONDS - 10) * SECOND
    utc = np.repeat(begin + np.arange(GAP_SECONDS) * SECOND, len(PERIODIC))
    positions = np.tile(np.arange(len(PERIODIC)), GAP_SECONDS)
    samples = Samples(
        PERIODIC,
        positions.astype("<i4").tobytes(),
        utc.astype("<i8").tobytes(),
        np.arange(len(utc)).astype("<f8").tobytes(),
        bytes(len(utc)),
    )
    archive.append(samples, [Covered("PLC1", begin, begin + GAP_SECONDS * SECOND)])
    archive.close()


def records_of(plant: Pairs, name: str) -> int:
    """How many records a server's journal holds just now."""
    path = plant.data / name / "alarms.sqlite"
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        with connection:
            count: int = connection.execute("SELECT count(*) FROM journal").get
        connection.close()
    except apsw.Error:
        return 0
    return count


def in_the_middle(strike: Callable[[], bool]) -> None:
    """Strike until it was in the middle of something."""
    for _ in range(ATTEMPTS):
        if strike():
            return
    raise AssertionError(f"{ATTEMPTS} times it was over too soon")


def test_a_transfer_of_the_journal_goes_on_after_either_was_killed_in_the_middle(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((ALARM,))) as plant:
        write_journal(plant, "Alarm1")
        plant.start("Alarm1")
        plant.await_active("Alarm1")

        def strike(victim: str) -> bool:
            """Kill a server once something is there, and not all; else begin anew."""
            plant.start("Alarm1", "Alarm2")
            until(lambda: records_of(plant, "Alarm2") > held, pause=0.001)
            plant.freeze(victim)
            found = records_of(plant, "Alarm2")
            plant.kill(victim)
            if found < RECORDS:
                return True
            plant.kill("Alarm2")
            shutil.rmtree(plant.data / "Alarm2")
            return False

        held = 0
        in_the_middle(lambda: strike("Alarm2"))
        held = records_of(plant, "Alarm2")
        assert 0 < held < RECORDS
        plant.start("Alarm2")
        plant.await_redundant("Alarm2")
        assert plant.lines("Alarm2", "partner-found")
        plant.kill("Alarm2")
        shutil.rmtree(plant.data / "Alarm2")
        held = 0
        in_the_middle(lambda: strike("Alarm1"))
        plant.await_active("Alarm2")
        plant.start("Alarm1")
        plant.await_redundant("Alarm1")
        until(lambda: records_of(plant, "Alarm2") == RECORDS, "all of it")
        plant.stop("Alarm1", "Alarm2")
        assert set(plant.journal("Alarm1")) == set(plant.journal("Alarm2"))


def test_a_back_fill_goes_on_after_either_was_killed_in_the_middle(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((TREND,))) as plant:
        write_trends(plant, "Trend1")
        plant.start("Trend1", "Trend2")
        until(lambda: len(plant.lines("Trend2", "back-filled")) >= 3, pause=0.001)
        plant.kill("Trend2")
        first = sum(line["new"] for line in plant.lines("Trend2", "back-filled"))
        assert 0 < first < GAP_SECONDS * len(PERIODIC)
        plant.start("Trend2")
        until(lambda: len(plant.lines("Trend2", "back-filled")) >= 3, pause=0.001)
        plant.kill("Trend1")
        plant.await_active("Trend2")
        second = sum(line["new"] for line in plant.lines("Trend2", "back-filled"))
        assert first + second < GAP_SECONDS * len(PERIODIC), "there was something left to do"
        since = plant.redundant_so_far("Trend2")
        plant.start("Trend1")
        plant.await_redundant("Trend1")
        plant.await_redundant("Trend2", since=since)
        plant.stop("Trend1", "Trend2")
        whole = plant.samples("Trend1")
        assert len(whole) == GAP_SECONDS * len(PERIODIC)
        assert plant.samples("Trend2") == whole
        asked = [line["samples"] for line in plant.lines("Trend2", "back-filled")]
        news = [line["new"] for line in plant.lines("Trend2", "back-filled")]
        again = sum(asked) - sum(news)
        assert again <= 2 * plant.plant.timing.trend_samples_max, "what was there is not fetched once more"
