"""The load of a drill: waves that are slow enough, and what they make of the alarms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.drill.campaign import drillable
from changeover.drill.load import operators_client, outage, plan_load
from changeover.drill.truth import split, transitions
from changeover.drivers.modbus.address import parse_address
from changeover.model.alarm import Alarm, AlarmType, Category, Condition
from changeover.model.moment import MILLISECOND, SECOND, seconds
from changeover.model.plant import Plant
from changeover.model.report import Report, ReportFormat, Schedule
from changeover.model.tag import Tag, TagType
from changeover.runtime.plc_waves import Wave
from changeover.scenario.audit import TrueTransition
from plants import timing_for, two_server_plant

START = 1_795_000_000 * SECOND
CATEGORY = Category(1, "process", 1)


def alarm(tag: str, *variables: str, inverted: tuple[bool, ...] = (False,), delay: int = 0) -> Alarm:
    return Alarm(tag, tag, AlarmType.DIGITAL, CATEGORY, variables, inverted, delay=delay)


def plant_with_alarms() -> Plant:
    plant = two_server_plant("C", lans=2, timing=timing_for("C", send_timeout=1000, watch=1000))
    tags = tuple(Tag(f"T{n}", TagType.DIGITAL, "PLC1", f"{n:05}") for n in range(1, 10))
    tags += (Tag("Twin", TagType.DIGITAL, "PLC1", "00003"), Tag("Bit", TagType.DIGITAL, "PLC1", "40030.2"))
    alarms = tuple(alarm(f"A_{tag.name}", tag.name) for tag in tags)
    silent = Category(2, "unlogged", 9, logs=False)
    alarms += (replace(alarm("A_quiet", "T1"), category=silent), alarm("A_level", "PLC1_T1"))
    return replace(plant, tags=(*plant.tags, *tags), alarms=alarms)


def test_every_variable_of_a_digital_alarm_has_a_wave_that_outlasts_every_outage() -> None:
    plant = plant_with_alarms()
    strikes = drillable(plant, None, None)
    load = plan_load(plant, strikes)
    assert set(load.squares) == {f"T{n}" for n in range(1, 10)} | {"Twin", "Bit"}
    longest = max(row.changeover.maximum for s in strikes for row in s.rows if row.changeover)
    least = max(outage(plant, strike) for strike in strikes)
    assert load.blind > seconds(longest) + least
    waves = [square.wave for square in load.squares.values()]
    assert all(wave.half_period > load.blind for wave in waves)
    assert all(wave.half_period % (100 * MILLISECOND) == 0 for wave in waves), "a PLC moves in such steps"
    assert all(wave.phase % (100 * MILLISECOND) == 0 for wave in waves)
    assert len({(wave.half_period, wave.phase) for wave in waves}) >= len(waves) - 1


def test_tags_of_one_address_follow_one_wave_and_a_plc_has_it_once() -> None:
    plant = plant_with_alarms()
    load = plan_load(plant, drillable(plant, None, None))
    assert load.squares["Twin"].wave == load.squares["T3"].wave
    device = plant.io_devices[0]
    for unit in device.units:
        squares = load.at(plant, str(unit.address))
        assert len(squares) == 10
        assert parse_address("40030.2", TagType.DIGITAL) in [square.address for square in squares]
    assert load.at(plant, "10.0.0.1:5020") == ()


def test_only_logged_alarms_whose_variables_are_switched_are_audited() -> None:
    plant = plant_with_alarms()
    audited = {one.tag for one in plan_load(plant, drillable(plant, None, None)).audited(plant)}
    assert audited == {f"A_T{n}" for n in range(1, 10)} | {"A_Twin", "A_Bit"}


def test_a_cut_pair_stays_cut_until_a_frequent_report_has_fallen_due() -> None:
    plant = two_server_plant("C")
    (cut,) = drillable(plant, "report", "partner-cut")
    often = Report("Often", Schedule(period=5 * SECOND), "t", (ReportFormat.HTML,))
    rarely = Report("Rarely", Schedule(period=3600 * SECOND), "t", (ReportFormat.HTML,))
    without = outage(plant, cut)
    assert outage(replace(plant, reports=(rarely,)), cut) == without
    assert outage(replace(plant, reports=(rarely, often)), cut) == without + 5 * SECOND


def test_the_operator_sits_where_alarms_are_reached() -> None:
    plant = plant_with_alarms()
    client = operators_client(plant)
    assert client is not None
    assert client.name == "HMI1"
    assert operators_client(replace(plant, alarms=())) is None
    assert operators_client(replace(plant, task_servers=())) is None


# ---- what happens to the alarms -------------------------------------------------------------------------


def told(found: tuple[TrueTransition, ...], start: int = START) -> list[tuple[str, float]]:
    return [(one.condition.value, (one.utc - start) / SECOND) for one in found]


SLOW, FAST = Wave(10 * SECOND, START), Wave(4 * SECOND, START)


def test_a_wave_makes_an_alarm_and_its_end() -> None:
    found = transitions(alarm("A", "s"), {"s": SLOW}, START, START + 45 * SECOND)
    assert told(found) == [("normal", 0.0), ("on", 10.0), ("normal", 20.0), ("on", 30.0), ("normal", 40.0)]


def test_not_turns_it_round_and_a_delay_comes_after_the_beginning_alone() -> None:
    waves = {"s": SLOW}
    turned = transitions(alarm("A", "s", inverted=(True,)), waves, START, START + 25 * SECOND)
    assert told(turned) == [("on", 0.0), ("normal", 10.0), ("on", 20.0)]
    late = transitions(alarm("A", "s", delay=3 * SECOND), waves, START, START + 25 * SECOND)
    assert told(late) == [("normal", 0.0), ("on", 13.0), ("normal", 20.0)]
    never = transitions(alarm("A", "s", delay=10 * SECOND), waves, START, START + 25 * SECOND)
    assert never == ()


def test_what_is_on_for_hardly_less_than_the_delay_may_be_seen() -> None:
    """A server's reading may be dated a little before: what it tells then is not doubled."""
    close = alarm("A", "s", delay=10 * SECOND + MILLISECOND)
    found = transitions(close, {"s": SLOW}, START, START + 25 * SECOND, 2 * MILLISECOND)
    assert told(found) == [("on", 0.001), ("normal", 0.0), ("on", 20.001), ("normal", 20.0)]
    had_to, _ = split(found, START, START + 25 * SECOND, 5 * SECOND)
    assert had_to == []


def test_two_variables_must_both_be_on() -> None:
    both = alarm("A", "s", "f", inverted=(False, False))
    found = transitions(both, {"s": SLOW, "f": FAST}, START, START + 40 * SECOND)
    assert told(found) == [
        ("normal", 0.0), ("on", 12.0), ("normal", 16.0), ("on", 30.0), ("normal", 32.0), ("on", 36.0)
    ]  # fmt: skip


@given(
    st.integers(1, 40), st.integers(0, 80), st.integers(1, 40), st.integers(0, 80), st.booleans(),
    st.integers(0, 12), st.integers(0, 200),
)  # fmt: skip
def test_transitions_are_what_a_patient_observer_writes_down(
    half: int, phase: int, other_half: int, other_phase: int, inverted: bool, delay: int, start: int
) -> None:
    waves = {"a": Wave(half, phase), "b": Wave(other_half, other_phase)}
    one = alarm("A", "a", "b", inverted=(False, inverted), delay=delay)
    end = start + 150
    on_since, is_on, seen = None, None, []
    for utc in range(start - 400, end):
        holds = waves["a"].is_on(utc) and waves["b"].is_on(utc) != inverted
        on_since = (utc if on_since is None else on_since) if holds else None
        now_on = on_since is not None and utc - on_since >= delay
        # An alarm that would begin in the very instant of its end does not begin.
        if now_on and not (waves["a"].is_on(utc) and waves["b"].is_on(utc) != inverted):
            now_on = False
        if is_on is not None and now_on != is_on and utc >= start:
            seen.append(TrueTransition("A", Condition.ON if now_on else Condition.NORMAL, utc))
        is_on = now_on
    assert list(transitions(one, waves, start, end)) == seen


def test_what_is_short_or_outside_may_be_seen_or_not() -> None:
    times = [0, 20, 40, 43, 60, 80, 100]
    found = [
        TrueTransition("A", Condition.NORMAL if place % 2 else Condition.ON, START + at * SECOND)
        for place, at in enumerate(times)
    ]
    had_to, may = split(found, START + 10 * SECOND, START + 90 * SECOND, 15 * SECOND)
    assert [(one.utc - START) // SECOND for one in had_to] == [20, 60, 80]
    assert [(one.utc - START) // SECOND for one in may] == [0, 40, 43, 100]


@pytest.mark.parametrize("family", "ABC")
def test_waves_are_not_slower_than_they_have_to_be(family: str) -> None:
    plant = two_server_plant(family, timing=timing_for(family, send_timeout=1000, watch=1000, heartbeat=1000))
    tags = (Tag("T1", TagType.DIGITAL, "PLC1", "00001"),)
    plant = replace(plant, tags=(*plant.tags, *tags), alarms=(alarm("A", "T1"),))
    load = plan_load(plant, drillable(plant, None, None))
    assert load.squares["T1"].wave.half_period < 2 * load.blind
