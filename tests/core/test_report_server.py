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
from changeover.core.task_messages import Batch, PairStatus, Poll
from changeover.model.moment import SECOND
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from core.playbook import Playbook
from core.task_scene import (
    ACTIVE,
    INACTIVE,
    STARTING,
    TELLING,
    a_report_server,
    accepted,
    connected,
    partner_opens,
    says,
)

STARTED, FINISHED, FAILED, SKIPPED, PREPARED = RunEvent
LOST = ("note partner-lost Report2", "note server-active Report1")


def shift(missed: MissedRuns = MissedRuns.ONCE) -> Report:
    return Report("shift", Schedule(period=10 * SECOND), "shift.html.j2", (ReportFormat.HTML,), missed)


def a_record(
    origin: str, number: int, scheduled: int, event: RunEvent, utc: int = 0, report: str = "shift"
) -> RunRecord:
    detail = ("shift.html",) if event in (PREPARED, FINISHED) else ()
    return RunRecord(origin, number, utc * SECOND, report, scheduled * SECOND, event, detail)


def log(origin: str, scheduled: int, *events: RunEvent) -> tuple[RunRecord, ...]:
    """The whole log of an archive: these steps of one run."""
    return tuple(a_record(origin, number, scheduled, event) for number, event in enumerate(events, start=1))


def kept(*records: RunRecord) -> KeptRuns:
    """The archive R1, which holds these records."""
    numbers = {record.origin: record.number for record in records}
    return KeptRuns("R1", tuple(numbers.items()), records, max((r.utc for r in records), default=0))


def clock(play: Playbook, at_ms: float, utc: float, *expected: str) -> None:
    """The host tells what second of UTC it is."""
    play(at_ms, WallClock(round(utc * SECOND)), *expected)


def started(number: int, second: int) -> str:
    return f"keep R1#{number} shift@{second} STARTED"


def prepared(number: int, second: int) -> str:
    return f"keep R1#{number} shift@{second} PREPARED shift.html"


def published(number: int, second: int) -> tuple[str, str]:
    """What is seen of the end of a run."""
    return f"publish shift@{second}", f"keep R1#{number} shift@{second} FINISHED shift.html"


def rendered(play: Playbook, at_ms: float, second: int, *expected: str) -> None:
    play(at_ms, RunRendered("shift", second * SECOND, ("shift.html",), ()), *expected)


def run_starts(play: Playbook, at_ms: float, second: int, number: int = 1) -> None:
    """A run falls due at a second of UTC, and is started."""
    clock(play, at_ms, second, started(number, second), f"run shift@{second}")


def alone(
    missed: MissedRuns = MissedRuns.ONCE, held: KeptRuns | None = None, hide: str = "-"
) -> tuple[ReportServer, Playbook]:
    """The active server of a plant that has no other."""
    server, play = a_report_server(hide, partner=False, reports=[shift(missed)], kept=held)
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


def partner_wrote(play: Playbook, at_ms: float, *records: RunRecord, session: int = 2) -> None:
    """The active partner has written these records of its archive, and they are fetched."""
    last = records[-1]
    told = says(ACTIVE, (last.origin, last.number))
    play(
        at_ms,
        play.says(session, told),
        f"{session}: FetchRecords {last.origin} after {records[0].number - 1}",
    )
    play.hide = (*play.hide, "keep R2")
    play(at_ms, play.says(session, Batch(True, runs=records)))


def back(play: Playbook, at_ms: float, lost_ms: float, *expected: str, session: int = 4) -> None:
    """The link that was lost at an instant stands again, as session 4 where nothing else is said."""
    play.wait(lost_ms + 5000, f"open {session} Report2/A")
    partner_opens(play, at_ms, *expected, session=session)


# --- due ---


def test_a_due_run_is_started_in_the_log_rendered_prepared_published_and_finished_in_the_log() -> None:
    _, play = alone()
    clock(play, 1, 3)
    clock(play, 2, 9.9)
    run_starts(play, 3, 10)
    rendered(play, 4, 10, prepared(2, 10), *published(3, 10))
    clock(play, 5, 19.9)
    run_starts(play, 6, 20, number=4)


def test_a_run_that_is_under_way_is_not_started_again() -> None:
    _, play = alone()
    clock(play, 1, 3)
    run_starts(play, 2, 10)
    clock(play, 3, 11)
    clock(play, 4, 19)
    run_starts(play, 5, 20, number=2)
    rendered(play, 6, 20, prepared(3, 20), *published(4, 20))
    rendered(play, 7, 10, prepared(5, 10), *published(6, 10))


def test_a_run_that_failed_has_ended_and_is_not_repeated() -> None:
    _, play = alone()
    clock(play, 1, 3)
    run_starts(play, 2, 10)
    failed = RunRendered("shift", 10 * SECOND, (), ("no template",))
    play(3, failed, "drop shift@10", "keep R1#2 shift@10 FAILED no template")
    clock(play, 4, 12)


def test_what_lies_before_the_first_look_at_the_clock_is_nobodys_debt() -> None:
    _, play = alone()
    clock(play, 1, 1000)
    clock(play, 2, 1009)
    run_starts(play, 3, 1010)


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    _, play = alone()
    clock(play, 1, 3)
    run_starts(play, 2, 10)
    rendered(play, 3, 10, prepared(2, 10), *published(3, 10))
    for at, second in ((4, 5), (5, 10), (6, 12)):
        clock(play, at, second)
    run_starts(play, 7, 20, number=4)


def test_runs_that_the_clock_jumps_over_are_missed() -> None:
    _, play = alone()
    clock(play, 1, 3)
    skipped = "keep R1#1 shift@10 SKIPPED; R1#2 shift@20 SKIPPED"
    clock(play, 2, 31, skipped, started(3, 30), "run shift@30")


def test_t6_an_inactive_server_runs_nothing() -> None:
    _, play = paired(INACTIVE)
    for second in (10, 20, 30):
        clock(play, second, second)


# --- missed ---

LAST = kept(*log("R1", 10, STARTED, PREPARED, FINISHED))
"""The last run before the outage was that of second 10."""


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
    _, play = alone(missed, LAST, hide="drop")
    expected = []
    if skipped:
        lines = (f"R1#{number} shift@{due} SKIPPED" for number, due in enumerate(skipped, start=4))
        expected.append("keep " + "; ".join(lines))
    for number, due in enumerate(run, start=4 + len(skipped)):
        expected += [started(number, due), f"run shift@{due}"]
    clock(play, 1, second, *expected)
    clock(play, 2, second + 0.5)


def test_of_very_many_missed_runs_it_is_still_the_latest_that_is_run_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_server, "MISSED_MAX", 3)
    _, play = alone(MissedRuns.ONCE, LAST, hide="drop")
    play.hide = (*play.hide, "keep")
    clock(play, 1, 88, "run shift@80")


def test_t6_what_the_partner_did_not_run_before_it_was_lost_is_run_in_its_place() -> None:
    _, play = paired(INACTIVE)
    partner_wrote(play, 10, *log("R2", 10, STARTED, PREPARED, FINISHED))
    clock(play, 30, 19)
    play(40, Closed(2), *LOST)
    run_starts(play, 50, 20)


def test_a_server_that_starts_late_owes_what_its_partners_log_leaves_open() -> None:
    _, play = connected("note redundant", reports=[shift()])
    clock(play, 1, 5)
    partner_wrote(play, 2, *log("R2", 10, SKIPPED))
    play(3, Closed(2), *LOST)
    run_starts(play, 4, 20)


# --- run again ---


def test_t6_a_run_that_its_server_did_not_end_is_run_again_when_that_is_gone() -> None:
    _, play = paired(INACTIVE)
    partner_wrote(play, 10, *log("R2", 10, STARTED))
    clock(play, 20, 12)
    play(30, Closed(2), *LOST)
    clock(play, 40, 13, started(1, 10), "run shift@10")
    rendered(play, 50, 10, prepared(2, 10), *published(3, 10))


@pytest.mark.parametrize("end", [FINISHED, FAILED, SKIPPED])
def test_t6_a_run_that_has_an_end_is_never_repeated(end: RunEvent) -> None:
    _, play = paired(INACTIVE)
    partner_wrote(play, 10, *log("R2", 10, STARTED, end))
    play(30, Closed(2), *LOST)
    clock(play, 40, 13)


def test_a_prepared_run_belongs_to_its_server_also_when_that_is_gone() -> None:
    _, play = paired(INACTIVE)
    partner_wrote(play, 10, *log("R2", 10, STARTED, PREPARED))
    play(30, Closed(2), *LOST)
    clock(play, 40, 13)


def test_a_run_that_was_started_before_this_server_ended_is_run_again() -> None:
    _, play = alone(held=kept(*log("R1", 10, STARTED)))
    clock(play, 1, 13, "keep R1#2 shift@10 STARTED", "run shift@10")


def test_a_run_that_was_prepared_before_this_server_ended_is_published_when_it_starts() -> None:
    held = kept(*log("R1", 10, STARTED, PREPARED))
    _, play = a_report_server(partner=False, reports=[shift()], kept=held)
    play(0, Start(), *published(3, 10), "note server-active Report1")
    clock(play, 1, 13)


def test_a_run_that_was_finished_before_this_server_ended_is_left_alone() -> None:
    _, play = a_report_server(partner=False, reports=[shift()], kept=LAST)
    play(0, Start(), "note server-active Report1")


def test_a_run_of_a_partner_that_was_started_anew_is_run_again_by_the_active_server() -> None:
    server, play = paired(INACTIVE)
    partner_wrote(play, 10, *log("R2", 10, STARTED))
    play(30, Closed(2), *LOST)
    back(play, 5031, 30)
    play(5032, play.says(4, says(STARTING, ("R2", 1))))
    clock(play, 5033, 13, started(1, 10), "run shift@10")
    assert server.is_active


def test_a_run_of_an_active_partner_is_left_to_it() -> None:
    """Both are active for a moment when they meet again: the second has yet to yield."""
    server, play = paired(INACTIVE)
    play(10, Closed(2), *LOST)
    back(play, 5011, 10)
    partner_wrote(play, 5012, *log("R2", 10, STARTED), session=4)
    clock(play, 5013, 12)
    assert server.is_active


def test_a_run_of_a_report_that_is_no_longer_there_is_left_open() -> None:
    _, play = alone(held=kept(a_record("R1", 1, 10, STARTED, report="old")))
    clock(play, 1, 13)


# --- is it still ours? ---


def test_t6_a_prepared_run_is_published_when_the_partner_knows_of_it() -> None:
    _, play = paired(ACTIVE)
    run_starts(play, 10, 10)
    rendered(play, 11, 10, prepared(2, 10))
    play(12, play.says(2, says(INACTIVE, ("R1", 1))))
    play(13, play.says(2, says(INACTIVE, ("R1", 2))), *published(3, 10))


def test_t6_a_prepared_run_is_published_when_the_partner_is_gone() -> None:
    _, play = paired(ACTIVE)
    run_starts(play, 10, 10)
    rendered(play, 11, 10, prepared(2, 10))
    play(12, Closed(2), "note partner-lost Report2", *published(3, 10))


def slept_while_rendering() -> tuple[ReportServer, Playbook]:
    """An active server starts a run, its partner knows, it sleeps; its new link is session 4."""
    server, play = paired(ACTIVE)
    run_starts(play, 10, 10)
    play(11, play.says(2, says(INACTIVE, ("R1", 1))))
    play.sleep(3100)
    play.late("note woke-late Report1", "reset listener", "close 2", "open 4 Report2/A")
    return server, play


@pytest.mark.parametrize("theirs", [(STARTED, FINISHED), (STARTED, PREPARED)], ids=["finished", "prepared"])
def test_a_server_that_slept_drops_what_its_partner_did_meanwhile(theirs: tuple[RunEvent, ...]) -> None:
    server, play = slept_while_rendering()
    rendered(play, 3100, 10, prepared(2, 10))
    partner_opens(play, 3101, session=4)
    play.hide = (*play.hide, "keep R2")
    told = says(ACTIVE, ("R1", 1), ("R2", 2))
    play(3102, play.says(4, told), "4: FetchRecords R2 after 0")
    play(3103, play.says(4, Batch(True, runs=log("R2", 10, *theirs))), "drop shift@10")
    play(3104, play.says(4, says(ACTIVE, ("R1", 2), ("R2", 2))))
    assert server.status is INACTIVE


def test_a_server_that_slept_drops_what_its_partner_has_under_way() -> None:
    _, play = slept_while_rendering()
    partner_opens(play, 3101, session=4)
    partner_wrote(play, 3102, *log("R2", 10, STARTED), session=4)
    rendered(play, 3104, 10, "drop shift@10")


def test_a_server_that_slept_and_finds_its_partner_gone_publishes_after_two_minutes() -> None:
    server, play = slept_while_rendering()
    play.hide = (*play.hide, "open", "close")
    rendered(play, 3100, 10, prepared(2, 10))
    play(3101, ConnectFailed(4), *LOST)
    assert server.is_active
    clock(play, 3102, 13)
    clock(play, 123_100, 14)
    clock(play, 123_101, 15, *published(3, 10))


def test_a_server_that_comes_back_without_its_partner_runs_what_falls_due_from_then_on() -> None:
    held = kept(*log("R1", 10, STARTED, PREPARED, FINISHED))
    server, play = a_report_server("open", reports=[shift()], kept=held)
    play(0, Start())
    play(1, ConnectFailed(2), *LOST)
    clock(play, 2, 25)
    run_starts(play, 3, 30, number=4)
    assert server.is_active


def test_what_fell_due_while_it_was_away_waits_for_the_partner_who_may_have_run_it() -> None:
    held = kept(*log("R1", 10, STARTED, PREPARED, FINISHED))
    _, play = a_report_server(*TELLING, "note redundant", "keep", reports=[shift()], kept=held)
    play(0, Start(), "open 2 Report2/A")
    play(1, ConnectFailed(2), *LOST)
    clock(play, 2, 21)
    back(play, 5002, 1, session=4)
    play(5003, play.says(4, says(STARTING, ("R2", 2))), "4: FetchRecords R2 after 0")
    play(5004, play.says(4, Batch(True, runs=log("R2", 20, STARTED, FINISHED))))
    play(5005, play.says(4, says(INACTIVE, ("R1", 3), ("R2", 2))))
    clock(play, 5006, 22)


def test_what_fell_due_while_it_was_away_is_run_after_two_minutes_without_the_partner() -> None:
    held = kept(*log("R1", 10, STARTED, PREPARED, FINISHED))
    _, play = a_report_server("open", "close", reports=[shift()], kept=held)
    play(0, Start())
    play(1, ConnectFailed(2), *LOST)
    clock(play, 2, 21)
    clock(play, 120_000, 22)
    clock(play, 120_001, 23, started(4, 20), "run shift@20")


def test_of_two_that_were_cut_from_each_other_the_second_drops_what_the_first_has_under_way() -> None:
    server, play = paired(INACTIVE, first=False)
    play(5, Closed(2), *LOST)
    run_starts(play, 10, 10)
    back(play, 5006, 5)
    told = says(ACTIVE, ("R2", 1))
    play(5007, play.says(4, told), "note server-inactive Report1", "4: FetchRecords R2 after 0")
    play.hide = (*play.hide, "keep R2")
    play(5008, play.says(4, Batch(True, runs=log("R2", 10, STARTED))))
    rendered(play, 5009, 10, "drop shift@10")
    assert server.status is INACTIVE


def test_of_two_that_were_cut_from_each_other_both_may_have_run_and_neither_runs_again() -> None:
    """Two ends of one run: counted, not hidden."""
    _, play = paired(INACTIVE)
    play(5, Closed(2), *LOST)
    run_starts(play, 10, 10)
    rendered(play, 11, 10, prepared(2, 10), *published(3, 10))
    back(play, 5006, 5)
    partner_wrote(play, 5007, *log("R2", 10, STARTED, PREPARED, FINISHED), session=4)
    clock(play, 5009, 13)


@pytest.mark.parametrize(("mine", "theirs"), [("R1", "R2"), ("R2", "R1")])
def test_of_two_that_prepared_the_same_run_exactly_one_publishes(mine: str, theirs: str) -> None:
    """Whichever it is, both must come to the same: each is played with the other's log."""
    published_by = []
    for origin, other in ((mine, theirs), (theirs, mine)):
        held = KeptRuns(origin, ((origin, 2),), log(origin, 10, STARTED, PREPARED))
        _, play = connected("note redundant", "keep", reports=[shift()], kept=held)
        told = says(ACTIVE, (other, 2), (origin, 2))
        play(1, play.says(2, told), f"2: FetchRecords {other} after 0")
        batch = play.says(2, Batch(True, runs=log(other, 10, STARTED, PREPARED)))
        lines = play._told(play.machine.handle(batch, play.now))
        assert lines in (["publish shift@10"], ["drop shift@10"])
        published_by += [origin] if lines == ["publish shift@10"] else []
    assert len(published_by) == 1


def test_a_server_that_was_cut_off_learns_what_its_partner_did_before_it_publishes() -> None:
    server, play = paired(ACTIVE)
    play.hide = (*play.hide, "3: News")
    accepted(play, 3, 3, "HMI1", "3: Welcome Report1 ")
    run_starts(play, 10, 10)
    play(11, play.says(2, says(INACTIVE, ("R1", 1))))
    play.wait(1000)
    play.attends.discard(2)
    play(1001, play.says(3, Poll(1, 0)))
    play.wait(3125, "close 2", "note partner-lost Report2", "note server-inactive Report1")
    rendered(play, 3126, 10, prepared(2, 10))
    back(play, 8126, 3125)
    told = says(ACTIVE, ("R1", 1), ("R2", 3))
    play(8127, play.says(4, told), "4: FetchRecords R2 after 0")
    play.hide = (*play.hide, "keep R2")
    done = log("R2", 10, STARTED, PREPARED, FINISHED)
    play(8128, play.says(4, Batch(True, runs=done)), "drop shift@10")
    play(8129, play.says(4, says(ACTIVE, ("R1", 2), ("R2", 3))))
    assert server.status is INACTIVE


# --- clients ---


def test_the_revision_that_clients_are_told_grows_with_the_logs() -> None:
    _, play = alone()
    accepted(play, 1, 3, "HMI1", "3: Welcome Report1 ")
    clock(play, 2, 9)
    play(3, play.says(3, Poll(1, 0)), "3: News 1 rev 0 active")
    run_starts(play, 4, 10)
    play(5, play.says(3, Poll(2, 0)), "3: News 2 rev 1 active")
