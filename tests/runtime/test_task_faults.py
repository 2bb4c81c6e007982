"""Pairs as processes under faults: killed, frozen, stopped, both down in turn; what is on both disks then."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from test_task_scene import ALARM, PAIRS, REPORT, TREND, Layout, Pairs, until

from changeover.core.alarm_merge import merge
from changeover.core.alarm_records import AlarmEvent
from changeover.core.report_records import RunEvent
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.server import Function

pytestmark = pytest.mark.long

ACTIVE, RETURNED = AlarmEvent.ACTIVE, AlarmEvent.RETURNED
ENDS = (RunEvent.FINISHED, RunEvent.FAILED, RunEvent.SKIPPED)
FOLD_WINDOW = 500 * MILLISECOND
"""Two scans of 250 ms."""
SETTLES = 5 * SECOND
"""What is younger is on its way to the disk, or to the partner."""


class Work(ABC):
    """What a pair does beside its faults, and what both its disks must hold in the end."""

    def __init__(self, plant: Pairs, function: Function) -> None:
        self.plant = plant
        self.pair = PAIRS[function]

    @abstractmethod
    def do(self, by: str) -> None:
        """Something that a server must keep; it has kept it when this returns."""

    @abstractmethod
    def check(self) -> None:
        """Both servers have the same, and nothing lacks or is there twice; their processes have ended."""


class Alarms(Work):
    """One coil after the other goes on and off."""

    def __init__(self, plant: Pairs, function: Function) -> None:
        super().__init__(plant, function)
        self._coil, self._on = 20, False
        self._told: dict[str, list[AlarmEvent]] = {}

    def do(self, by: str) -> None:
        self._on = not self._on
        tag = f"A{self._coil}"
        self._told.setdefault(tag, []).append(ACTIVE if self._on else RETURNED)
        self.plant.switch(self._coil, self._on)
        until(lambda: self._merged(by, tag) == self._told[tag], f"{by} has logged {self._told}")
        if not self._on:
            self._coil += 1

    def check(self) -> None:
        first, second = (set(self.plant.journal(name)) for name in self.pair)
        assert first == second
        for tag, told in self._told.items():
            assert self._merged(self.pair[0], tag) == told

    def _merged(self, server: str, tag: str) -> list[AlarmEvent]:
        records = (record for record in self.plant.journal(server) if record.tag == tag)
        return [record.event for record in merge(records, FOLD_WINDOW).records]


class Trends(Work):
    """Time passes, and is recorded."""

    def __init__(self, plant: Pairs, function: Function) -> None:
        super().__init__(plant, function)
        self._spans: list[tuple[int, int]] = []

    def do(self, by: str) -> None:
        begin = self._revision(by)
        start = time.time_ns()
        until(lambda: self._revision(by) >= begin + 2, f"{by} has recorded two batches more")
        self._spans.append((start, start + SECOND))

    def check(self) -> None:
        first, second = (self.plant.samples(name) for name in self.pair)
        settled = max(utc for utc, _ in first | second) - SETTLES
        differ = {sample for sample in first ^ second if sample[0] < settled}
        assert differ == set()
        seconds = {utc for utc, _ in first}
        for start, end in self._spans:
            # One whole second at least is in each span of a second.
            if end < settled:
                assert any(start <= utc <= end for utc in seconds), f"nothing between {start} and {end}"

    def _revision(self, server: str) -> int:
        peer = self.plant.peer(server)
        revision = peer.poll().revision
        peer.close()
        return revision


class Reports(Work):
    """Every 2 s a report falls due."""

    def do(self, by: str) -> None:
        ended = len(self.plant.ends(by))
        until(lambda: len(self.plant.ends(by)) > ended, f"{by} knows of another run that ended")

    def check(self) -> None:
        first, second = (set(self.plant.log(name)) for name in self.pair)
        ends = Counter(record.scheduled_utc for record in first | second if record.event in ENDS)
        assert set(ends.values()) == {1}
        scheduled = sorted(ends)
        settled = scheduled[-1] - SETTLES
        one, other = ({r for r in log if r.scheduled_utc < settled} for log in (first, second))
        assert one == other
        assert scheduled == list(range(scheduled[0], scheduled[-1] + 1, 2 * SECOND)), "none lacks"


WORK: dict[Function, Callable[[Pairs, Function], Work]] = {ALARM: Alarms, TREND: Trends, REPORT: Reports}
FUNCTIONS = pytest.mark.parametrize("function", PAIRS, ids=lambda function: function.value)


def begin(plant: Pairs, function: Function) -> Work:
    """The pair works, and its first server is the active one."""
    plant.start_device()
    plant.start_pair(function)
    return WORK[function](plant, function)


def finish(plant: Pairs, work: Work) -> None:
    """Both go on for as long as anything takes to get to the other, and end."""
    until(lambda: all(plant.lines(name, "redundant") for name in work.pair), "redundant")
    # Whatever is told or fetched now was there before.
    time.sleep(1.5)
    plant.stop(*work.pair)
    work.check()


@FUNCTIONS
def test_a_killed_server_is_replaced_at_once_and_has_everything_when_it_is_back(
    tmp_path: Path, function: Function
) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        work = begin(plant, function)
        first, second = work.pair
        work.do(first)
        plant.kill(first)
        plant.await_active(second)
        work.do(second)
        since = plant.redundant_so_far(second)
        plant.start(first)
        plant.await_redundant(first)
        plant.await_redundant(second, since=since)
        assert not plant.is_active(first)
        work.do(first)
        finish(plant, work)


@FUNCTIONS
def test_a_frozen_server_is_replaced_and_distrusts_itself_when_it_wakes(
    tmp_path: Path, function: Function
) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        work = begin(plant, function)
        first, second = work.pair
        work.do(first)
        plant.freeze(first)
        plant.await_active(second)
        work.do(second)
        since = plant.redundant_so_far(first, second)
        plant.thaw(first)
        plant.await_redundant(first, second, since=since)
        assert [plant.is_active(name) for name in work.pair].count(True) == 1
        assert plant.lines(first, "woke-late")
        work.do(first)
        finish(plant, work)


@FUNCTIONS
def test_a_server_that_is_stopped_hands_over_and_takes_what_it_missed(
    tmp_path: Path, function: Function
) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        work = begin(plant, function)
        first, second = work.pair
        work.do(first)
        plant.stop(first)
        plant.await_active(second)
        work.do(second)
        plant.start(first)
        plant.await_redundant(first)
        # The standby's end changes nothing either.
        plant.stop(first)
        work.do(second)
        since = plant.redundant_so_far(second)
        plant.start(first)
        plant.await_redundant(first)
        plant.await_redundant(second, since=since)
        finish(plant, work)


@FUNCTIONS
def test_both_down_in_turn_leave_the_same_on_both_disks(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        work = begin(plant, function)
        first, second = work.pair
        work.do(first)
        plant.kill(first)
        plant.await_active(second)
        work.do(second)
        plant.kill(second)
        plant.start(first)
        plant.await_active(first)
        work.do(first)
        plant.start(second)
        plant.await_redundant(first, second)
        work.do(second)
        finish(plant, work)
