"""Reports of a pair from their schedule to the files on disk, whatever their templates and servers do."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from test_task_scene import REPORT, Layout, Pairs, until

from changeover.core.report_records import RunEvent, RunRecord
from changeover.model.moment import SECOND

pytestmark = pytest.mark.long

STARTED, FINISHED, FAILED, SKIPPED, PREPARED = RunEvent
FIRST, SECOND_SERVER = PAIR = ("Report1", "Report2")
SLOW = (
    "{% set work = namespace(n=0) %}{% for i in range(100) %}{% for j in range(1000) %}"
    "{% set work.n = work.n + 1 %}{% endfor %}{% endfor %}<html><body><p>{{ work.n }}</body></html>"
)
"""Some tenths of a second of work."""
BAD = {
    "unknown.j2": "<html><body><p>{{ tag('NoSuchTag') }}</body></html>",
    "undefined.j2": "<html><body><p>{{ nothing.of.the.kind }}</body></html>",
    "syntax.j2": "<html><body>{% for %}</body></html>",
    "wall.j2": "<html><body><p>{{ ''.__class__.__mro__ }}</body></html>",
    "memory.j2": "<html><body><p>{{ 'x' * 10**10 }}</body></html>",
    "nothing.j2": "",
}
BAD_LINES = tuple(f"{name[:-3].capitalize()},,2s,{name},html;csv,all" for name in BAD)
ENDLESS = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
PERIOD = 2 * SECOND
"""Of every report here."""
ATTEMPTS = 40


def published(plant: Pairs, name: str) -> set[str]:
    """Names of the files that a server has published."""
    folder = plant.data / name / "reports"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def staged(plant: Pairs, name: str) -> set[str]:
    """Folders in which a server has runs that are not published."""
    folder = plant.data / name / "staging"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def of(log: tuple[RunRecord, ...], event: RunEvent, origin: str = "") -> set[tuple[str, int]]:
    """Runs of which a log tells an event, by servers whose archive is named so."""
    found = (r for r in log if r.event is event and r.origin.startswith(origin))
    return {(record.report, record.scheduled_utc) for record in found}


def check(plant: Pairs) -> None:
    """After the end of both: every run has one end, every file of it is there once, and no other file."""
    first, second = (plant.log(name) for name in PAIR)
    log = tuple(dict.fromkeys((*first, *second)))
    ends = Counter((r.report, r.scheduled_utc) for r in log if r.event in (FINISHED, FAILED, SKIPPED))
    assert ends and set(ends.values()) == {1}
    for report in {report for report, _ in ends}:
        scheduled = sorted(utc for name, utc in ends if name == report)
        every = range(scheduled[0], scheduled[-1] + 1, PERIOD)
        assert scheduled == list(every), f"none of {report} lacks"
    told = Counter(file for record in log if record.event is FINISHED for file in record.detail)
    there = Counter(file for name in PAIR for file in published(plant, name))
    assert there == told
    assert set(there.values()) <= {1}
    # What both ended in the middle of is on its way.
    settled = max(scheduled for _, scheduled in ends) - 2 * PERIOD
    one, other = ({r for r in told if r.scheduled_utc < settled} for told in (first, second))
    assert one == other


def finish(plant: Pairs) -> None:
    """Both go on for a while without a fault, and end."""
    done = max(scheduled for _, scheduled in plant.ends(FIRST))

    def goes_on() -> bool:
        known = set(plant.ends(FIRST)) & set(plant.ends(SECOND_SERVER))
        return max(scheduled for _, scheduled in known) >= done + 3 * PERIOD

    until(goes_on, "three runs more")
    plant.stop(*PAIR)
    for name in PAIR:
        # Of what was under way at the end a folder may be left, for the next start.
        assert len(staged(plant, name)) <= len(open_runs(plant.log(name)))
    check(plant)


def open_runs(log: tuple[RunRecord, ...]) -> set[tuple[str, int]]:
    """Runs that have no end yet."""
    begun = {(record.report, record.scheduled_utc) for record in log}
    return begun - of(log, FINISHED) - of(log, FAILED) - of(log, SKIPPED)


def strike(what: Callable[[], bool]) -> None:
    """Try again and again until a moment is caught."""
    for _ in range(ATTEMPTS):
        if what():
            return
    raise AssertionError(f"the moment was missed {ATTEMPTS} times")


def test_every_run_is_published_once_by_one_of_the_pair(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((REPORT,))) as plant:
        plant.start_device()
        plant.start_pair(REPORT)
        until(lambda: len(of(plant.log(FIRST), FINISHED)) >= 2, "two runs")
        assert published(plant, SECOND_SERVER) == set()
        page = next(iter((plant.data / FIRST / "reports").glob("*.html"))).read_text()
        assert "<caption>Now</caption>" in page
        finish(plant)
        names = published(plant, FIRST)
        assert {name.rpartition(".")[2] for name in names} == {"html", "csv"}


def test_templates_that_fail_end_as_failed_and_say_why_and_others_run(tmp_path: Path) -> None:
    layout = Layout((REPORT,), reports=(*Layout().reports, *BAD_LINES), templates=BAD, alone=True)
    with Pairs(tmp_path, layout) as plant:
        plant.start_device()
        plant.start(FIRST)
        wanted = {line.partition(",")[0] for line in layout.reports}
        until(lambda: {report for report, _ in plant.ends(FIRST)} == wanted, "each has ended once")
        log = plant.log(FIRST)
        why = {record.report: record.detail[0] for record in log if record.event is FAILED}
        assert {"Syntax", "Wall", "Memory"} <= set(why)
        assert all(why.values())
        assert "syntax.j2" in why["Syntax"]
        assert "Now" in {report for report, _ in of(log, FINISHED)}
        assert plant.runs(FIRST)
        plant.stop(FIRST)
        # What was under way is given up; whatever was published is told of.
        told = {file for record in plant.log(FIRST) if record.event is FINISHED for file in record.detail}
        assert published(plant, FIRST) == told


def test_a_template_without_end_keeps_no_other_report_waiting(tmp_path: Path) -> None:
    reports = (*Layout().reports, "Endless,,1s,endless.j2,html,all")
    layout = Layout((REPORT,), reports=reports, templates={"endless.j2": ENDLESS}, alone=True)
    with Pairs(tmp_path, layout) as plant:
        plant.start_device()
        plant.start(FIRST)
        until(lambda: of(plant.log(FIRST), FAILED), "the template was killed", pause=0.5)
        # It took 20 s; of the report that runs every 2 s most have ended by now.
        log = plant.log(FIRST)
        begun = {run for run in of(log, STARTED) if run[0] == "Now"}
        ended = {run for run in of(log, FINISHED) if run[0] == "Now"}
        assert len(ended) >= len(begun) // 2


def test_a_run_whose_server_is_killed_while_it_renders_is_run_by_the_other(tmp_path: Path) -> None:
    layout = Layout((REPORT,), reports=("Now,,2s,slow.j2,html;csv,all",), templates={"slow.j2": SLOW})
    with Pairs(tmp_path, layout) as plant:
        plant.start_pair(REPORT)

        def caught() -> bool:
            until(lambda: open_runs(plant.log(FIRST)), "a run is under way", pause=0.005)
            # Its process is at work when it has read the template.
            worker = until(lambda: workers_of(plant, FIRST), "its process")[0]
            plant.freeze(FIRST)
            log = plant.log(FIRST)
            if open_runs(log) - of(log, PREPARED) and is_there(worker):
                return True
            plant.thaw(FIRST)
            return False

        strike(caught)
        (run,) = open_runs(plant.log(FIRST))
        workers = workers_of(plant, FIRST)
        plant.kill(FIRST)
        until(lambda: not any(is_there(worker) for worker in workers), "the rendering ends with its server")
        plant.await_active(SECOND_SERVER)
        until(lambda: run in of(plant.log(SECOND_SERVER), FINISHED), "the other one has run it")
        since = plant.redundant_so_far(SECOND_SERVER)
        plant.start(FIRST)
        assert staged(plant, FIRST) == set(), "what was half done is swept"
        plant.await_redundant(SECOND_SERVER, since=since)
        assert run not in of(plant.log(FIRST), FINISHED, FIRST)
        finish(plant)


def workers_of(plant: Pairs, name: str) -> list[int]:
    """The processes that a server has started."""
    pid = plant.process(name).pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_a_run_that_is_prepared_and_told_waits_for_its_server(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((REPORT,))) as plant:
        plant.start_pair(REPORT)

        def caught() -> bool:
            """Freeze the first one when the other knows a run as prepared, and it has not published it."""

            def is_told() -> set[tuple[str, int]]:
                log = plant.log(SECOND_SERVER)
                return of(log, PREPARED) - of(log, FINISHED)

            until(is_told, "told", pause=0)
            plant.freeze(FIRST)
            log = plant.log(FIRST)
            if of(log, PREPARED) - of(log, FINISHED):
                return True
            plant.thaw(FIRST)
            return False

        strike(caught)
        log = plant.log(FIRST)
        (run,) = of(log, PREPARED) - of(log, FINISHED)
        plant.kill(FIRST)
        plant.await_active(SECOND_SERVER)
        later = run[1] + PERIOD
        until(lambda: (run[0], later) in of(plant.log(SECOND_SERVER), FINISHED), "the other one goes on")
        assert run not in of(plant.log(SECOND_SERVER), STARTED, SECOND_SERVER)
        plant.start(FIRST)
        until(lambda: run in of(plant.log(FIRST), FINISHED, FIRST), "published when its server is back")
        until(lambda: run in of(plant.log(SECOND_SERVER), FINISHED), "and the other one knows")
        finish(plant)


def test_a_run_that_is_prepared_and_not_told_is_run_by_the_other_and_thrown_away(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((REPORT,))) as plant:
        plant.start_pair(REPORT)

        def caught() -> bool:
            """While the other one stands still, a run is prepared; kill its server before it has waited."""
            until(lambda: open_runs(plant.log(FIRST)), "a run is under way", pause=0.005)
            plant.freeze(SECOND_SERVER)
            before = time.monotonic()
            while time.monotonic() < before + 5:
                log = plant.log(FIRST)
                if of(log, PREPARED) - of(log, FINISHED):
                    os.kill(plant.process(FIRST).pid, signal.SIGKILL)
                    break
                time.sleep(0.002)
            plant.thaw(SECOND_SERVER)
            if not plant.runs(FIRST) or plant.status(FIRST) < 0:
                log = plant.log(FIRST)
                return bool(of(log, PREPARED) - of(log, FINISHED) - of(plant.log(SECOND_SERVER), PREPARED))
            return False

        strike(caught)
        log = plant.log(FIRST)
        (run,) = of(log, PREPARED) - of(log, FINISHED)
        assert staged(plant, FIRST)
        plant.await_active(SECOND_SERVER)
        until(lambda: run in of(plant.log(SECOND_SERVER), FINISHED), "the other one has run it")
        plant.start(FIRST)
        plant.await_redundant(FIRST)
        until(lambda: staged(plant, FIRST) == set(), "what was prepared is thrown away")
        assert run not in of(plant.log(FIRST), FINISHED, FIRST)
        finish(plant)
