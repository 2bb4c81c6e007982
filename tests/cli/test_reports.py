"""`changeover reports` beside a plant that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from task_plant import Running, eventually, make_task_project, run_plant, told, verb

from changeover.cli.attached import Answerer
from changeover.cli.reports_view import print_runs, run_fields
from changeover.core.report_records import RunEvent
from changeover.model.moment import SECOND
from changeover.protocol.queries import RunRow
from loopback import Project


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_plant(tmp_path_factory.mktemp("reports")) as plant:
        eventually(lambda: {"finished", "failed"} <= states(plant), "each report ran")
        yield plant


def states(plant: Running) -> set[str]:
    result = verb("reports", plant.folder, "--json")
    return {run["state"] for run in told("reports", plant.folder)["runs"]} if result.exit_code == 0 else set()


@pytest.fixture
def stopped(tmp_path: Path) -> Project:
    """A plant of which nothing runs."""
    return make_task_project(tmp_path)


def test_runs_come_with_their_server_and_files(running: Running) -> None:
    document = told("reports", running.folder, "--report", "steps")
    assert (document["server"], document["lan"]) == ("Report1", "LAN_A")
    runs = [run for run in document["runs"] if run["state"] == "finished"]
    assert runs
    times = [run["scheduled_utc"] for run in runs]
    assert times == sorted(times, reverse=True)
    assert {time % (2 * SECOND) for time in times} == {0}
    for run in runs:
        assert (run["report"], run["finished"], run["doubled"], run["why"]) == ("Steps", 1, False, [])
        folder = running.project.folder / "data" / run["server"] / "reports"
        assert [name.endswith(".csv") for name in run["files"]] == [True]
        assert all((folder / name).is_file() for name in run["files"])


def test_a_run_that_failed_says_why(running: Running) -> None:
    runs = told("reports", running.folder, "--report", "Broken")["runs"]
    failed = [run for run in runs if run["state"] == "failed"]
    assert failed
    assert {run["report"] for run in runs} == {"Broken"}
    assert all(run["files"] == [] and "Nope" in run["why"][0] for run in failed)


def test_the_table_says_the_same_in_words(running: Running) -> None:
    result = verb("reports", running.folder, "--limit", "2", "--from", "-1h")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:5] == ["report", "scheduled", "state", "since", "server"]
    assert lines[-1].startswith(
        "the latest 2 runs, --limit shows more, doubled: 0; times in UTC; told by Rep"
    )


def test_wrong_words_are_refused(stopped: Project) -> None:
    result = verb("reports", str(stopped.folder), "--report", "Shift")
    assert (result.exit_code, result.stderr) == (
        2,
        "changeover: no report Shift in this project, it has: Steps, Broken\n",
    )
    result = verb("reports", str(stopped.folder), "--from", "later")
    assert (result.exit_code, "'later' is no time" in result.stderr) == (2, True)


def test_nobody_there_is_told(stopped: Project) -> None:
    result = verb("reports", str(stopped.folder), "--wait", "0.2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("changeover: no report server answered within 0.2 s (Report1/LAN_A ")


def test_a_doubled_run_is_marked(stopped: Project, capsys: pytest.CaptureFixture[str]) -> None:
    at = 1_772_431_200 * SECOND
    runs = [
        RunRow("Steps", at, RunEvent.FINISHED, "Report2~1f", at + 3 * SECOND, ("a.csv", "a.html"), 2),
        RunRow("Steps", at - SECOND, RunEvent.SKIPPED, "Report1~1f", at, (), 0),
        RunRow("Steps", at - 2 * SECOND, RunEvent.STARTED, "Report1~1f", at, (), 0),
    ]
    print_runs(stopped.plant, runs, Answerer("Report1", "LAN_A", False), False, 50)
    _, first, second, *rest, last = capsys.readouterr().out.splitlines()
    assert first.split() == [
        *("Steps", "2026-03-02", "06:00:00", "finished,", "doubled:", "2"),
        *("2026-03-02", "06:00:03", "Report2", "a.csv"),
    ]
    assert second.split() == ["a.html"]
    assert ["skipped" in line or "runs" in line for line in rest] == [True, True]
    assert last == "3 runs, doubled: 1; times in UTC; told by Report1 on LAN_A, not the active one"
    assert run_fields(runs[0])["doubled"]
    assert [run_fields(run)["state"] for run in runs] == ["finished", "skipped", "runs"]
