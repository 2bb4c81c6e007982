"""Archives in trouble: full, read-only, damaged, in use, gone. One server ends, and the other goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_task_scene import ALARM, PAIRS, REPORT, STOPS_SECONDS, TREND, Layout, Pairs, until

from changeover.drill.archives import journal, runs, samples
from changeover.model.moment import SECOND
from changeover.model.server import Function

pytestmark = pytest.mark.long

FUNCTIONS = pytest.mark.parametrize("function", PAIRS, ids=lambda function: function.value)
SIZES = {ALARM: "1m", TREND: "6m", REPORT: "2m"}
ARCHIVES = {ALARM: "alarms.sqlite", TREND: "trends.duckdb", REPORT: "runs.sqlite"}
SETTLES = 5 * SECOND
"""Samples that are younger are on their way."""
PERIOD = 2 * SECOND
"""Of the report that runs; its last run may be under way."""
ENOUGH_RUNS = 4
ARCHIVE_FAILED = 74
COULD_NOT_START = 1


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts small disks of a size such as `4m`; the test is skipped where that is not allowed."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            pytest.skip(f"no tmpfs may be mounted here: {made.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take what room is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    return filler


def begin(plant: Pairs, function: Function, first_data: Path | None = None) -> tuple[str, str]:
    """The pair works, and its first server is the active one."""
    plant.start_device()
    return plant.start_pair(function, first_data)


def kept(plant: Pairs, name: str, data: Path) -> set[object]:
    """What a server that has ended holds, but for samples that were on their way."""
    server = plant.plant.task_server(name)
    if server.function is ALARM:
        return set(journal(data, server, 0))
    if server.function is REPORT:
        return set(runs(data, server, 0))
    found, _ = samples(data, server, plant.plant, 0, 2**62)
    return set(found)


def stop_both(plant: Pairs, function: Function) -> None:
    """Stop the pair; of report runs so many have ended that the last ones need not be looked at."""
    first, second = PAIRS[function]
    if function is REPORT:
        until(lambda: len(plant.ends(second)) >= ENOUGH_RUNS, "runs have ended")
    plant.stop(first, second)


def assert_same(plant: Pairs, function: Function, first_data: Path) -> None:
    first, second = PAIRS[function]
    one, other = kept(plant, first, first_data), kept(plant, second, plant.data)
    if function is TREND:
        settled = max(utc for utc, _ in one | other) - SETTLES
        one = {sample for sample in one if sample[0] < settled}
        other = {sample for sample in other if sample[0] < settled}
    elif function is REPORT:
        settled = max(record.scheduled_utc for record in one | other) - PERIOD
        one = {record for record in one if record.scheduled_utc < settled}
        other = {record for record in other if record.scheduled_utc < settled}
    assert one
    assert one == other


@FUNCTIONS
def test_on_a_full_disk_a_server_ends_its_partner_goes_on_and_with_room_it_catches_up(
    tmp_path: Path, tiny_disk: Callable[[str], Path], function: Function
) -> None:
    disk = tiny_disk(SIZES[function])
    with Pairs(tmp_path, Layout((function,))) as plant:
        first, second = begin(plant, function, disk)
        filler = fill(disk)
        switched = False

        def ended() -> bool:
            nonlocal switched
            switched = not switched
            plant.switch(20, switched)
            return not plant.runs(first)

        until(ended, f"{first} ends", pause=0.3)
        assert plant.status(first) == ARCHIVE_FAILED
        said = plant.said(first)
        assert said.startswith(f"{first}: {disk}")
        assert "no room" in said or "No space" in said
        plant.await_active(second)
        plant.launch(first, disk)
        assert plant.status(first) in (ARCHIVE_FAILED, COULD_NOT_START), "there is still no room"
        plant.switch(21, True)
        filler.unlink()
        since = plant.redundant_so_far(second)
        plant.start(first, data=disk)
        plant.await_redundant(first)
        plant.await_redundant(second, since=since)
        assert not plant.is_active(first)
        stop_both(plant, function)
        assert_same(plant, function, disk)


@FUNCTIONS
def test_a_read_only_folder_is_said_at_the_start(
    tmp_path: Path, tiny_disk: Callable[[str], Path], function: Function
) -> None:
    disk = tiny_disk(SIZES[function])
    with Pairs(tmp_path, Layout((function,))) as plant:
        name = PAIRS[function][0]
        plant.start(name, data=disk)
        plant.stop(name)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        plant.launch(name, disk)
        assert plant.status(name) == ARCHIVE_FAILED
        said = plant.said(name)
        assert said.startswith(f"{name}: {disk / name}")
        assert "Read-only file system" in said


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, tiny_disk: Callable[[str], Path]) -> None:
    disk = tiny_disk("1m")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with Pairs(tmp_path, Layout()) as plant:
        plant.launch("Alarm1", disk)
        assert plant.status("Alarm1") == ARCHIVE_FAILED
        said = plant.said("Alarm1")
        assert "Read-only file system" in said
        assert str(disk) in said


@FUNCTIONS
def test_a_second_instance_says_what_is_taken(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        name = PAIRS[function][0]
        plant.start(name)
        command = ["run", str(plant.folder), "--computer", "SCADA1", "--node", name, "--data"]
        same = plant.once(*command, str(plant.data))
        assert same.returncode == ARCHIVE_FAILED
        assert same.stderr.startswith(f"{name}: {plant.data / name}")
        assert f"process {plant.process(name).pid}" in same.stderr or "Conflicting lock" in same.stderr
        other = plant.once(*command, str(tmp_path / "other"))
        assert other.returncode == COULD_NOT_START
        taken = plant.endpoint(name)
        assert other.stderr == f"{name}: cannot listen on {taken}: Address already in use\n"
        plant.await_active(name)


@FUNCTIONS
def test_a_damaged_archive_is_said_and_a_new_one_gets_everything_back(
    tmp_path: Path, function: Function
) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        first, second = begin(plant, function)
        plant.switch(20, True)
        if function is not TREND:
            until(lambda: kept(plant, first, plant.data), "something is kept")
        plant.stop(first)
        archive = plant.data / first / ARCHIVES[function]
        whole = archive.read_bytes()
        archive.write_bytes(whole[: len(whole) // 2])
        plant.launch(first)
        assert plant.status(first) == ARCHIVE_FAILED
        said = plant.said(first)
        assert str(archive) in said
        assert "move" in said, "it says what to do"
        plant.await_active(second)
        archive.unlink()
        since = plant.redundant_so_far(second)
        plant.start(first)
        plant.await_redundant(first)
        plant.await_redundant(second, since=since)
        stop_both(plant, function)
        assert_same(plant, function, plant.data)


@FUNCTIONS
def test_a_data_folder_that_was_deleted_comes_back_from_the_partner(
    tmp_path: Path, function: Function
) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        first, second = begin(plant, function)
        plant.switch(20, True)
        if function is not TREND:
            until(lambda: kept(plant, first, plant.data), "something is kept")
        plant.stop(first)
        before = kept(plant, first, plant.data)
        subprocess.run(["rm", "-r", str(plant.data / first)], check=True)
        since = plant.redundant_so_far(second)
        plant.start(first)
        plant.await_redundant(first)
        plant.await_redundant(second, since=since)
        plant.stop(second)
        plant.await_active(first)
        plant.switch(20, False)
        plant.switch(21, True)
        if function is not TREND:
            until(lambda: len({r.origin for r in kept(plant, first, plant.data)}) > 1, "a new origin")
        plant.start(second)
        plant.await_redundant(first, second)
        stop_both(plant, function)
        assert_same(plant, function, plant.data)
        assert before <= kept(plant, first, plant.data)


def test_one_damaged_archive_keeps_no_other_server_of_the_computer_from_running(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout()) as plant:
        (plant.data / "Alarm1").mkdir(parents=True)
        (plant.data / "Alarm1" / ARCHIVES[ALARM]).write_bytes(b"no archive" * 1000)
        arguments = ["run", str(plant.folder), "--computer", "SCADA1", "--data", str(plant.data)]
        computer = plant.spawn("SCADA1", [*arguments, "--trace-dir", str(plant.traces)])
        assert computer.stdout is not None
        for line in computer.stdout:
            assert "everything stops" not in line
            if "Alarm1" in line and "again" in line:
                break
        until(lambda: plant.lines("IOServer1", "listening"), "the I/O server runs")
        computer.terminate()
        assert computer.wait(STOPS_SECONDS) == 0
