"""Holding a drill against its forecast: what passes, and what must not."""

import pytest

from changeover.drill.result import Campaign, Drill, hold_against

NOTHING = {"changeover_s": None, "com_s": None, "detection_s": None, "return_s": None}


def forecast(outcome: str, **intervals: tuple[float, float]) -> dict:
    found = {f"{name}_s": {"min": low, "max": high} for name, (low, high) in intervals.items()}
    return {"outcome": outcome} | NOTHING | found


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


def drill(repetition: int, late: bool, repeats: int | None = None) -> Drill:
    row = forecast("changeover", changeover=(2.0, 2.25))
    seconds = measured(changeover=9.0 if late else 2.1)
    return Drill(
        "io-data", "server-silent", "IOServer1", repetition, "cut", None, seconds["changeover_s"], None, None,
        None, None, None, row, hold_against(row, seconds), repeats=repeats,
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
