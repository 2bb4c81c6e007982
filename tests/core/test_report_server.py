"""Playbooks of report runs: due, missed, run again, dropped. One report, `shift`, runs every 10 s of UTC.

S = 2 s and [Report]WatchTime 1 s, so a run that is more than 6 s late was missed. Runs are told as
`report@second`; see `task_scene` for sessions.
"""

from __future__ import annotations

import pytest

from changeover.core import report_server
from changeover.core.machine import Closed, ConnectFailed, RunRendered, Start, WallClock
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.report_server import KeptRuns, ReportServer
from changeover.core.task_messages import Batch, PairStatus
from changeover.model.moment import SECOND
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from core.playbook import Playbook
from core.task_scene import (
    ACTIVE,
    INACTIVE,
    STARTING,
    a_report_server,
    connected,
    partner_opens,
    says,
)

STARTED, FINISHED, FAILED, SKIPPED = RunEvent
LOST = ("note partner-lost Report2", "note server-active Report1")


def shift(missed: MissedRuns = MissedRuns.ONCE) -> Report:
    return Report("shift", Schedule(period=10 * SECOND), "shift.html.j2", (ReportFormat.HTML,), missed)


def a_record(
    origin: str, number: int, scheduled: int, event: RunEvent, utc: int = 0, report: str = "shift"
) -> RunRecord:
    detail = ("shift.html",) if event is FINISHED else ()
    return RunRecord(origin, number, utc * SECOND, report, scheduled * SECOND, event, detail)


def kept(*records: RunRecord) -> KeptRuns:
    """The archive R1, which holds these records."""
    numbers = {record.origin: record.number for record in records}
    return KeptRuns("R1", tuple(numbers.items()), records, max((r.utc for r in records), default=0))


def clock(play: Playbook, at_ms: float, utc: float, *expected: str) -> None:
    """The host tells what second of UTC it is."""
    play(at_ms, WallClock(round(utc * SECOND)), *expected)


def rendered(play: Playbook, at_ms: float, token: int, *expected: str) -> None:
    play(at_ms, RunRendered(token, ("shift.html",), ()), *expected)


def alone(
    missed: MissedRuns = MissedRuns.ONCE, held: KeptRuns | None = None
) -> tuple[ReportServer, Playbook]:
    """The active server of a plant that has no other."""
    server, play = a_report_server(partner=False, reports=[shift(missed)], kept=held)
    play(0, Start(), "note server-active Report1")
    return server, play


def paired(
    status: PairStatus, *numbers: tuple[str, int], held: KeptRuns | None = None, first: bool = True
) -> tuple[ReportServer, Playbook]:
    """A server of a pair; the partner has these logs, and the first look at the clock was at second 1."""
    server, play = connected("note redundant", reports=[shift()], kept=held, first=first)
    if status is ACTIVE:
        play(1, play.says(2, says(STARTING, saved=-1)), "note server-active Report1")
        play(1, play.says(2, says(INACTIVE, *numbers)))
    else:
        play(1, play.says(2, says(ACTIVE, *numbers)))
    assert server.status is status
    clock(play, 2, 1)
    return server, play


def fetched(play: Playbook, at_ms: float, record: RunRecord, told: str) -> None:
    """The active partner has written a record, and it is fetched."""
    told_of = says(ACTIVE, (record.origin, record.number))
    play(at_ms, play.says(2, told_of), f"2: FetchRecords {record.origin} after {record.number - 1}")
    play(at_ms, play.says(2, Batch(True, runs=(record,))), f"keep {told}")


def run_started(play: Playbook, at_ms: float, second: int, token: int = 1, number: int = 1) -> None:
    """A run falls due at a second of UTC, and is started."""
    clock(play, at_ms, second, f"keep R1#{number} shift@{second} STARTED", f"run {token} shift@{second}")


# --- due ---


def test_a_due_run_is_started_in_the_log_then_rendered_then_published_then_finished_in_the_log() -> None:
    _, play = alone()
    clock(play, 1, 3)
    clock(play, 2, 9.9)
    run_started(play, 3, 10)
    rendered(play, 4, 1, "publish 1", "keep R1#2 shift@10 FINISHED shift.html")
    clock(play, 5, 19.9)
    run_started(play, 6, 20, token=2, number=3)


def test_a_run_that_is_under_way_is_not_started_again() -> None:
    _, play = alone()
    clock(play, 1, 3)
    run_started(play, 2, 10)
    clock(play, 3, 11)
    clock(play, 4, 19)
    run_started(play, 5, 20, token=2, number=2)
    rendered(play, 6, 2, "publish 2", "keep R1#3 shift@20 FINISHED shift.html")
    rendered(play, 7, 1, "publish 1", "keep R1#4 shift@10 FINISHED shift.html")


def test_a_run_that_failed_has_ended_and_is_not_repeated() -> None:
    _, play = alone()
    clock(play, 1, 3)
    run_started(play, 2, 10)
    failed = RunRendered(1, (), ("no template",))
    play(3, failed, "drop 1", "keep R1#2 shift@10 FAILED no template")
    clock(play, 4, 12)


def test_what_lies_before_the_first_look_at_the_clock_is_nobodys_debt() -> None:
    _, play = alone()
    clock(play, 1, 1000)
    clock(play, 2, 1009)
    run_started(play, 3, 1010)


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    _, play = alone()
    clock(play, 1, 3)
    run_started(play, 2, 10)
    rendered(play, 3, 1, "publish 1", "keep R1#2 shift@10 FINISHED shift.html")
    clock(play, 4, 5)
    clock(play, 5, 10)
    clock(play, 6, 12)
    run_started(play, 7, 20, token=2, number=3)


def test_a_period_that_the_clock_jumps_over_is_missed() -> None:
    _, play = alone()
    clock(play, 1, 3)
    due = (
        "keep R1#1 shift@10 SKIPPED; R1#2 shift@20 SKIPPED",
        "keep R1#3 shift@30 STARTED",
        "run 1 shift@30",
    )
    clock(play, 2, 31, *due)


def test_t6_an_inactive_server_runs_nothing() -> None:
    _, play = paired(INACTIVE)
    for second in (10, 20, 30):
        clock(play, second, second)


# --- missed ---

LAST = kept(a_record("R1", 1, 10, STARTED), a_record("R1", 2, 10, FINISHED))
"""The last run before the outage was that of second 10."""
NEXT, OLD = "keep R1#{} shift@{} STARTED", "R1#{} shift@{} SKIPPED"


@pytest.mark.parametrize(
    ("missed", "second", "skipped", "run"),
    [
        (MissedRuns.ONCE, 45, (20, 30), (40,)),
        (MissedRuns.ONCE, 48, (20, 30), (40,)),
        (MissedRuns.ONCE, 20, (), (20,)),
        (MissedRuns.ONCE, 28, (), (20,)),
        (MissedRuns.SKIP, 45, (20, 30), (40,)),
        (MissedRuns.SKIP, 48, (20, 30, 40), ()),
        (MissedRuns.ALL, 45, (), (20, 30, 40)),
        (MissedRuns.ALL, 48, (), (20, 30, 40)),
    ],
    ids=lambda one: str(getattr(one, "value", one)),
)
def test_runs_that_nobody_could_run_in_time_follow_the_reports_policy(
    missed: MissedRuns, second: int, skipped: tuple[int, ...], run: tuple[int, ...]
) -> None:
    _, play = alone(missed, LAST)
    expected = []
    if skipped:
        places = enumerate(skipped, start=3)
        expected.append("keep " + "; ".join(OLD.format(number, due) for number, due in places))
    for token, due in enumerate(run, start=1):
        expected += [NEXT.format(2 + len(skipped) + token, due), f"run {token} shift@{due}"]
    clock(play, 1, second, *expected)
    clock(play, 2, second + 0.5)


def test_of_very_many_missed_runs_it_is_still_the_latest_that_is_run_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_server, "MISSED_MAX", 3)
    _, play = alone(MissedRuns.ONCE, LAST)
    play.hide = (*play.hide, "keep")
    clock(play, 1, 88, "run 1 shift@80")


def test_t6_what_the_partner_did_not_run_before_it_was_lost_is_run_in_its_place() -> None:
    _, play = paired(INACTIVE)
    fetched(play, 10, a_record("R2", 1, 10, STARTED), "R2#1 shift@10 STARTED")
    fetched(play, 20, a_record("R2", 2, 10, FINISHED), "R2#2 shift@10 FINISHED shift.html")
    clock(play, 30, 19)
    play(40, Closed(2), *LOST)
    run_started(play, 50, 20)


def test_a_server_that_starts_late_owes_what_its_partners_log_leaves_open() -> None:
    _, play = connected("note redundant", reports=[shift()])
    clock(play, 1, 5)
    fetched(play, 2, a_record("R2", 1, 10, SKIPPED), "R2#1 shift@10 SKIPPED")
    play(3, Closed(2), *LOST)
    run_started(play, 4, 20)


# --- run again ---


def test_t6_a_run_that_its_server_did_not_end_is_run_again_when_that_is_gone() -> None:
    _, play = paired(INACTIVE)
    fetched(play, 10, a_record("R2", 1, 10, STARTED), "R2#1 shift@10 STARTED")
    clock(play, 20, 12)
    play(30, Closed(2), *LOST)
    clock(play, 40, 13, "keep R1#1 shift@10 STARTED", "run 1 shift@10")
    rendered(play, 50, 1, "publish 1", "keep R1#2 shift@10 FINISHED shift.html")


@pytest.mark.parametrize("end", [FINISHED, FAILED, SKIPPED])
def test_t6_a_run_that_has_an_end_is_never_repeated(end: RunEvent) -> None:
    _, play = paired(INACTIVE)
    fetched(play, 10, a_record("R2", 1, 10, STARTED), "R2#1 shift@10 STARTED")
    files = " shift.html" if end is FINISHED else ""
    fetched(play, 11, a_record("R2", 2, 10, end), f"R2#2 shift@10 {end.name}{files}")
    play(30, Closed(2), *LOST)
    clock(play, 40, 13)


def test_a_run_that_was_started_before_this_server_ended_is_run_again() -> None:
    _, play = alone(held=kept(a_record("R1", 1, 10, STARTED)))
    clock(play, 1, 13, "keep R1#2 shift@10 STARTED", "run 1 shift@10")


def test_a_run_of_a_partner_that_was_started_anew_is_run_again_by_the_active_server() -> None:
    _, play = paired(ACTIVE, ("R2", 1), held=kept(a_record("R2", 1, 10, STARTED)))
    play(10, Closed(2), "note partner-lost Report2")
    play.wait(5010, "open 4 Report2/A")
    partner_opens(play, 5011, session=4)
    play(5012, play.says(4, says(STARTING, ("R2", 1))))
    assert play.machine.is_active


def test_a_run_of_an_active_partner_is_left_to_it() -> None:
    """Both are active for a moment when they meet again: the second to yield has not yet."""
    server, play = paired(INACTIVE)
    play(10, Closed(2), *LOST)
    play.wait(5010, "open 4 Report2/A")
    partner_opens(play, 5011, session=4)
    play(5012, play.says(4, says(ACTIVE, ("R2", 1))), "4: FetchRecords R2 after 0")
    batch = Batch(True, runs=(a_record("R2", 1, 10, STARTED),))
    play(5013, play.says(4, batch), "keep R2#1 shift@10 STARTED")
    clock(play, 5014, 12)
    assert server.is_active


def test_a_run_of_a_report_that_is_no_longer_there_is_left_open() -> None:
    _, play = alone(held=kept(a_record("R1", 1, 10, STARTED, report="old")))
    clock(play, 1, 13)


# --- is it still ours? ---


def test_t6_what_is_rendered_waits_until_the_partner_knows_that_it_was_started() -> None:
    _, play = paired(ACTIVE)
    run_started(play, 10, 10)
    rendered(play, 11, 1)
    play(12, play.says(2, says(INACTIVE)))
    done = ("publish 1", "keep R1#2 shift@10 FINISHED shift.html")
    play(13, play.says(2, says(INACTIVE, ("R1", 1))), *done)


def test_t6_what_is_rendered_is_published_when_the_partner_is_lost() -> None:
    _, play = paired(ACTIVE)
    run_started(play, 10, 10)
    rendered(play, 11, 1)
    done = ("publish 1", "keep R1#2 shift@10 FINISHED shift.html")
    play(12, Closed(2), "note partner-lost Report2", *done)


def slept_while_rendering() -> tuple[ReportServer, Playbook]:
    """An active server starts a run, its partner knows, it sleeps; the link stands again at 3101 ms."""
    server, play = paired(ACTIVE)
    run_started(play, 10, 10)
    play(11, play.says(2, says(INACTIVE, ("R1", 1))))
    play.sleep(3100)
    play.late("note woke-late Report1", "reset listener", "close 2", "open 4 Report2/A")
    return server, play


def test_a_server_that_slept_drops_what_its_partner_did_meanwhile() -> None:
    server, play = slept_while_rendering()
    rendered(play, 3100, 1)
    partner_opens(play, 3101, session=4)
    theirs = (a_record("R2", 1, 10, STARTED), a_record("R2", 2, 10, FINISHED))
    told = says(ACTIVE, ("R1", 1), ("R2", 2))
    play(3102, play.says(4, told), "4: FetchRecords R2 after 0")
    two = "keep R2#1 shift@10 STARTED; R2#2 shift@10 FINISHED shift.html"
    play(3103, play.says(4, Batch(True, runs=theirs)), two, "drop 1")
    assert server.status is INACTIVE


def test_a_server_that_slept_drops_what_its_partner_has_under_way() -> None:
    _, play = slept_while_rendering()
    partner_opens(play, 3101, session=4)
    told = says(ACTIVE, ("R1", 1), ("R2", 1))
    play(3102, play.says(4, told), "4: FetchRecords R2 after 0")
    batch = Batch(True, runs=(a_record("R2", 1, 10, STARTED),))
    play(3103, play.says(4, batch), "keep R2#1 shift@10 STARTED")
    rendered(play, 3104, 1, "drop 1")


def test_a_server_that_slept_publishes_what_nobody_else_took_over() -> None:
    server, play = slept_while_rendering()
    rendered(play, 3100, 1)
    done = ("publish 1", "keep R1#2 shift@10 FINISHED shift.html")
    play(3101, ConnectFailed(4), "note partner-lost Report2", *done, "note server-active Report1")
    assert server.is_active
    clock(play, 3102, 13)


def test_of_two_that_were_cut_from_each_other_the_second_drops_what_the_first_has_under_way() -> None:
    server, play = paired(INACTIVE, first=False)
    play(5, Closed(2), *LOST)
    run_started(play, 10, 10)
    play.wait(5005, "open 4 Report2/A")
    partner_opens(play, 5006, session=4)
    told = says(ACTIVE, ("R2", 1))
    play(5007, play.says(4, told), "note server-inactive Report1", "4: FetchRecords R2 after 0")
    batch = Batch(True, runs=(a_record("R2", 1, 10, STARTED),))
    play(5008, play.says(4, batch), "keep R2#1 shift@10 STARTED")
    rendered(play, 5009, 1)
    play(5010, play.says(4, says(ACTIVE, ("R2", 1), ("R1", 1))), "drop 1")
    assert server.status is INACTIVE


def test_of_two_that_were_cut_from_each_other_both_may_have_run_and_neither_runs_again() -> None:
    """Two ends of one run: counted, not hidden."""
    _, play = paired(INACTIVE)
    play(5, Closed(2), *LOST)
    run_started(play, 10, 10)
    rendered(play, 11, 1, "publish 1", "keep R1#2 shift@10 FINISHED shift.html")
    play.wait(5005, "open 4 Report2/A")
    partner_opens(play, 5006, session=4)
    play(5007, play.says(4, says(ACTIVE, ("R2", 2))), "4: FetchRecords R2 after 0")
    theirs = (a_record("R2", 1, 10, STARTED), a_record("R2", 2, 10, FINISHED))
    two = "keep R2#1 shift@10 STARTED; R2#2 shift@10 FINISHED shift.html"
    play(5008, play.says(4, Batch(True, runs=theirs)), two)
    clock(play, 5009, 13)


# --- clients ---


def test_the_revision_that_clients_are_told_grows_with_the_logs() -> None:
    server, play = alone(held=LAST)
    assert server._on_poll is not None
    clock(play, 1, 12)
