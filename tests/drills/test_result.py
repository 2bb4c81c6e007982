"""Holding a drill against its forecast: what passes, and what must not."""

from dataclasses import replace

import pytest

from changeover.drill.result import RUNS, TRANSITIONS, Audit, Campaign, Drill, hold_against

NOTHING = {"changeover_s": None, "com_s": None, "detection_s": None, "return_s": None}


def forecast(outcome: str, function: str = "io-data", **intervals: tuple[float, float]) -> dict:
    found = {f"{name}_s": {"min": low, "max": high} for name, (low, high) in intervals.items()}
    return {"outcome": outcome, "function": function} | NOTHING | found


def measured(**seconds: float | None) -> dict:
    return {f"{name}_s": value for name, value in seconds.items()}


@pytest.mark.parametrize(
    ("seconds", "passes"),
    [(2.0, True), (2.25, True), (1.951, True), (1.949, False), (2.399, True), (2.401, False), (None, False)],
)
def test_a_measurement_may_be_50_ms_early_and_150_ms_late(seconds, passes):
    row = forecast("changeover", changeover=(2.0, 2.25))
    assert (hold_against(row, measured(changeover=seconds)) == ()) is passes


def test_the_last_tag_is_held_against_the_changeover_too():
    row = forecast("changeover", changeover=(2.0, 2.25))
    (miss,) = hold_against(row, measured(changeover=2.1, changeover_last=3.0))
    assert miss.is_late
    assert str(miss) == "changeover, last tag: 3.000 s, allowed 1.950 to 2.400 s"


def test_what_is_lost_must_not_change_over():
    row = forecast("lost", detection=(1.0, 1.25))
    assert hold_against(row, measured(detection=1.1, changeover=None)) == ()
    (miss,) = hold_against(row, measured(detection=1.1, changeover=2.0))
    assert "by the forecast there is none" in str(miss)
    assert not miss.is_late


def test_what_is_unaffected_must_not_show_com():
    row = forecast("unaffected", detection=(1.0, 3.0))
    assert hold_against(row, measured(detection=2.0, com=0.0)) == ()
    (miss,) = hold_against(row, measured(detection=2.0, com=0.02))
    assert miss.measure == "com_s"


@pytest.mark.parametrize("function", ["alarm", "trend", "report"])
@pytest.mark.parametrize("moved", ["detection", "changeover", "return"])
def test_a_task_client_that_is_unaffected_must_not_lose_its_way(function, moved):
    row = forecast("unaffected", function)
    still = measured(detection=None, changeover=None, changeover_last=None, com=None, **{"return": None})
    assert hold_against(row, still) == ()
    (miss,) = hold_against(row, still | {f"{moved}_s": 0.4})
    assert miss.measure == f"{moved}_s"
    assert not miss.is_late


def test_a_task_client_stays_on_the_standby_unless_the_forecast_says_otherwise():
    row = forecast("changeover", "alarm", detection=(1.0, 1.25), changeover=(3.0, 6.25))
    found = measured(detection=1.1, changeover=4.0, changeover_last=4.0)
    assert hold_against(row, found | {"return_s": None}) == ()
    (miss,) = hold_against(row, found | {"return_s": 0.5})
    assert str(miss) == "return: 0.5 s, by the forecast there is none"


def test_nothing_is_said_of_how_soon_a_task_client_that_lost_every_server_is_back():
    row = forecast("lost", "trend", detection=(1.0, 1.25))
    assert hold_against(row, measured(detection=1.1, changeover=None) | {"return_s": 0.5}) == ()


def drill(repetition: int, late: bool, repeats: int | None = None) -> Drill:
    row = forecast("changeover", changeover=(2.0, 2.25))
    seconds = measured(changeover=9.0 if late else 2.1)
    return Drill(
        "io-data", "server-silent", "IOServer1", repetition, "cut", None, seconds["changeover_s"], None, None,
        None, None, None, None, row, hold_against(row, seconds), repeats=repeats,
    )  # fmt: skip


def campaign(*drills: Drill) -> Campaign:
    return Campaign("p", "5.0", "C", "loopback", "2026-01-01T00:00:00+00:00", (), (), (), drills)


def test_a_late_drill_is_made_good_by_the_repetition_that_passes():
    assert campaign(drill(1, late=True), drill(2, late=False, repeats=1)).failures == ()
    twice = campaign(drill(1, late=True), drill(2, late=True, repeats=1))
    assert [d.repetition for d in twice.failures] == [1, 2]


def test_the_record_has_what_the_issue_asks_for():
    record = campaign(drill(1, late=True)).as_json()["drills"][0]
    wanted = {
        "function",
        "fault",
        "target",
        "detection_s",
        "changeover_s",
        "com_s",
        "return_s",
        "forecast",
        "pass",
        "why",
    }
    assert wanted <= set(record)
    assert record["pass"] is False
    assert "changeover" in record["why"]


def audit(kind: str = TRANSITIONS, lost: int = 0, doubled: int = 0, is_cut: bool = False) -> Audit:
    return Audit(kind, "server-silent SCADA1 1", is_cut, 10, lost, doubled, 0)


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        (audit(), True),
        (audit(lost=1), False),
        (audit(doubled=1), False),
        (audit(doubled=1, is_cut=True), False),
        (audit(RUNS, doubled=1), False),
        (audit(RUNS, doubled=1, is_cut=True), True),
        (audit(RUNS, lost=1, is_cut=True), False),
    ],
)
def test_only_runs_of_a_pair_that_was_cut_may_be_doubled(found, passes):
    whole = replace(campaign(drill(1, late=False)), audits=(audit(), found))
    assert whole.failures == ()
    assert found.passed is passes
    assert whole.passed is passes
    assert [record["pass"] for record in whole.as_json()["audits"]] == [True, passes]


def test_a_drill_that_failed_fails_the_campaign_whatever_the_audits_say():
    whole = replace(campaign(drill(1, late=True)), audits=(audit(),))
    assert whole.found_wanting == ()
    assert not whole.passed
