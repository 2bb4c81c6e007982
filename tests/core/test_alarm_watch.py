"""From values to seen conditions: told as "at this millisecond, these values, that is seen"."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.alarm_watch import CLOCK_SLACK, STAMP_AGE_MAX, AlarmWatch, Seen
from changeover.model.alarm import Alarm, AlarmType, Category, Condition, Limit
from changeover.model.moment import MILLISECOND, SECOND, milliseconds

UTC = 1_700_000_000 * SECOND
CATEGORY = Category(1)
HH, H, L, LL = Condition.HIGH_HIGH, Condition.HIGH, Condition.LOW, Condition.LOW_LOW


def digital(tag: str = "A", *variables: str, delay_ms: float = 0, inverted: tuple[bool, ...] = ()) -> Alarm:
    variables = variables or ("V",)
    return Alarm(
        tag,
        "",
        AlarmType.DIGITAL,
        CATEGORY,
        variables,
        inverted or tuple(False for _ in variables),
        delay=milliseconds(delay_ms),
    )


def analogue(*limits: tuple[Condition, float] | tuple[Condition, float, float], **options: object) -> Alarm:
    built = tuple(Limit(condition, value, milliseconds(sum(ms))) for condition, value, *ms in limits)
    return Alarm("A", "", AlarmType.ANALOGUE, CATEGORY, ("V",), limits=built, **options)


class Scene:
    """A watch, with monotonic time and UTC in step, in milliseconds."""

    def __init__(self, *alarms: Alarm) -> None:
        self.watch = AlarmWatch(alarms)

    def __call__(self, ms: float, **values: float | None) -> list[str]:
        return self.told(self.watch.handle_values(values.items(), UTC + milliseconds(ms), milliseconds(ms)))

    def wait(self, ms: float) -> list[str]:
        """The next delay ends with the delivery of this millisecond, and with none before it."""
        assert self(ms - 1) == []
        return self(ms)

    @property
    def is_quiet(self) -> bool:
        """Whether no delay runs: a delivery of an hour later tells nothing."""
        return self(3_600_000) == []

    @staticmethod
    def told(seen: tuple[Seen, ...]) -> list[str]:
        return [f"{(s.utc - UTC) / MILLISECOND:g} {s.tag} {s.condition.value} {s.value:g}" for s in seen]


# --- digital ---


def test_a_digital_alarm_comes_and_goes_with_its_variable() -> None:
    scene = Scene(digital())
    assert scene(0, V=0.0) == []
    assert scene(10, V=1.0) == ["10 A on 1"]
    assert scene(20, V=1.0) == []
    assert scene(30, V=2.0) == []
    assert scene(40, V=0.0) == ["40 A normal 0"]


def test_an_inverted_variable_alarms_when_it_is_off() -> None:
    scene = Scene(digital(inverted=(True,)))
    assert scene(0, V=1.0) == []
    assert scene(10, V=0.0) == ["10 A on 0"]


def test_two_variables_must_both_be_on_and_both_be_known() -> None:
    scene = Scene(digital("A", "V", "W", inverted=(False, True)))
    assert scene(0, V=1.0) == []
    assert scene.watch.known("A") is None
    assert scene(10, W=1.0) == []
    assert scene.watch.known("A") is Condition.NORMAL
    assert scene(20, W=0.0) == ["20 A on 1"]
    assert scene(30, V=None) == []
    assert scene(40, W=1.0) == []
    assert scene(50, V=1.0) == ["50 A normal 1"]


def test_two_variables_that_change_in_one_delivery_are_judged_together() -> None:
    scene = Scene(digital("A", "V", "W"))
    scene(0, V=1.0, W=0.0)
    assert scene(10, V=0.0, W=1.0) == []


def test_a_delay_must_be_held_without_interruption() -> None:
    scene = Scene(digital(delay_ms=100))
    scene(0, V=0.0)
    assert scene(10, V=1.0) == []
    assert scene(100, V=0.0) == []
    assert scene.is_quiet
    assert scene(120, V=1.0) == []
    assert scene(150, V=1.0) == []
    assert scene.wait(220) == ["220 A on 1"]
    assert scene(230, V=0.0) == ["230 A normal 0"]


def test_a_bad_value_keeps_what_is_seen_and_starts_a_delay_anew() -> None:
    scene = Scene(digital(delay_ms=100))
    scene(0, V=0.0)
    scene(10, V=1.0)
    assert scene(60, V=None) == []
    assert scene.is_quiet
    assert scene.watch.known("A") is Condition.NORMAL
    assert scene(80, V=1.0) == []
    assert scene.wait(180) == ["180 A on 1"]
    assert scene(190, V=float("nan")) == []
    assert scene.watch.known("A") is Condition.ON
    assert scene(200, V=1.0) == []
    assert scene(210, V=None) == []
    assert scene(220, V=0.0) == ["220 A normal 0"]
    assert scene(230, V=float("nan")) == []
    assert scene.is_quiet


def test_the_utc_of_a_delayed_alarm_is_that_of_its_value_plus_the_delay() -> None:
    watch = AlarmWatch((digital(delay_ms=100),))
    watch.handle_values([("V", 0.0)], UTC, 0)
    watch.handle_values([("V", 1.0)], UTC + 7, milliseconds(30))
    (seen,) = watch.handle_values((), UTC + milliseconds(490), milliseconds(500))
    assert seen.utc == UTC + 7 + milliseconds(100)


def test_a_delay_is_over_when_a_value_from_after_its_end_says_so() -> None:
    """A value of before says nothing of its end; the next one may have changed meanwhile."""
    scene = Scene(digital(delay_ms=100))
    scene(0, V=0.0)
    scene(10, V=1.0)
    assert scene(130, V=0.0) == []
    scene(200, V=1.0)
    of_before = scene.watch.handle_values((), UTC + milliseconds(299), milliseconds(350))
    assert of_before == ()
    assert scene(400) == ["300 A on 1"]


def test_a_clock_that_was_set_back_holds_no_delay_for_long() -> None:
    watch = AlarmWatch((digital(delay_ms=100),))
    watch.handle_values([("V", 0.0)], UTC, 0)
    watch.handle_values([("V", 1.0)], UTC, 0)
    hour = 3600 * SECOND
    assert watch.handle_values((), UTC - hour, CLOCK_SLACK) == ()
    (seen,) = watch.handle_values((), UTC - hour, CLOCK_SLACK + milliseconds(100))
    assert seen.utc == UTC + milliseconds(100)


def test_a_clock_that_was_set_ahead_ends_no_delay() -> None:
    watch = AlarmWatch((digital(delay_ms=100),))
    watch.handle_values([("V", 0.0)], UTC, 0)
    watch.handle_values([("V", 1.0)], UTC, 0)
    hour = 3600 * SECOND
    assert watch.handle_values((), UTC + hour, milliseconds(99)) == ()
    assert watch.handle_values([("V", 0.0)], UTC + hour, milliseconds(100)) == ()


def test_a_delay_waits_for_every_device_of_its_alarm_and_for_no_other() -> None:
    watch = AlarmWatch((digital("A", "V", "W", delay_ms=100),), {"V": "PLC1", "W": "PLC2", "X": "PLC3"})
    end = (UTC + milliseconds(100), milliseconds(100))
    watch.handle_values([("V", 1.0)], UTC, 0, "PLC1")
    watch.handle_values([("W", 1.0)], UTC, 0, "PLC2")
    assert watch.handle_values((), *end, "PLC3") == ()
    assert watch.handle_values((), *end, "PLC1") == ()
    assert [seen.tag for seen in watch.handle_values((), *end, "PLC2")] == ["A"]


# --- at the start ---


def test_what_holds_at_the_start_is_seen_and_what_does_not_is_known() -> None:
    scene = Scene(digital("A"), digital("B", "W"), digital("C", "X"))
    assert [scene.watch.known(tag) for tag in "ABC"] == [None, None, None]
    assert scene(0, V=0.0, W=1.0, X=None) == ["0 B on 1"]
    assert [scene.watch.known(tag) for tag in "ABC"] == [Condition.NORMAL, Condition.ON, None]
    assert scene.watch.known("D") is None


def test_who_doubts_a_state_is_told_what_is_seen_now() -> None:
    watch = AlarmWatch((analogue((H, 80)),))
    assert watch.sight("A", UTC, Condition.NORMAL) is None
    watch.handle_values([("V", 85.0)], UTC, 0)
    watch.handle_values([("V", 86.0)], UTC, 0)
    assert watch.sight("A", UTC + 5, Condition.NORMAL) == Seen("A", H, 86.0, UTC + 5)
    watch.handle_unknown(["V"], UTC, 0)
    assert watch.sight("A", UTC, Condition.NORMAL) is None
    assert watch.sight("gone", UTC, Condition.NORMAL) is None


def test_what_may_be_true_because_its_delay_runs_cannot_be_doubted() -> None:
    """Who could not see the device for a while is late with what the partner has told already."""
    scene = Scene(digital(delay_ms=100))
    scene(0, V=0.0)
    scene.watch.handle_unknown(["V"], UTC, milliseconds(10))
    scene(50, V=1.0)
    assert scene.watch.known("A") is Condition.NORMAL
    assert scene.watch.sight("A", UTC, Condition.ON) is None
    scene(120, V=0.0)
    assert scene.watch.sight("A", UTC, Condition.ON) == Seen("A", Condition.NORMAL, 0.0, UTC)


def test_who_asks_is_told_of_normal_too_and_only_once() -> None:
    scene = Scene(digital("A"), digital("B", "W"))
    scene.watch.ask(["A", "gone"])
    assert scene(0, V=0.0, W=0.0) == ["0 A normal 0"]
    assert scene(10, V=0.0) == []


def test_an_alarm_whose_first_delay_runs_is_not_called_normal() -> None:
    scene = Scene(digital(delay_ms=100))
    scene.watch.ask(["A"])
    assert scene(0, V=1.0) == []
    assert scene.watch.known("A") is None
    assert scene(50, V=0.0) == ["50 A normal 0"]


def test_no_alarm_is_normal_while_one_of_its_limits_is_unknown_but_what_is_wrong_is_told() -> None:
    scene = Scene(analogue((H, 80), (Condition.DEVIATION, 5), set_point="SP"))
    scene.watch.ask(["A"])
    assert scene(0, V=50.0) == []
    assert scene.watch.known("A") is None
    assert scene(10, V=90.0) == ["10 A high 90"]
    assert scene(20, V=50.0) == ["20 A normal 50"]
    assert scene(30, SP=40.0) == ["30 A deviation 50"]


# --- analogue ---


def test_of_several_limits_the_first_in_order_counts() -> None:
    scene = Scene(analogue((HH, 90), (LL, 10), (H, 80), (L, 20)))
    assert scene(0, V=50.0) == []
    assert scene(10, V=95.0) == ["10 A high high 95"]
    assert scene(20, V=85.0) == ["20 A high 85"]
    assert scene(30, V=5.0) == ["30 A low low 5"]
    assert scene(40, V=15.0) == ["40 A low 15"]
    assert scene(50, V=20.0) == ["50 A normal 20"]
    assert scene(60, V=80.0) == []
    assert scene(70, V=80.1) == ["70 A high 80.1"]


def test_a_condition_ends_when_the_value_is_back_by_the_deadband() -> None:
    scene = Scene(analogue((HH, 90), (LL, 10), (H, 80), (L, 20), deadband=2.0))
    scene(0, V=50.0)
    assert scene(10, V=91.0) == ["10 A high high 91"]
    assert scene(20, V=88.5) == []
    assert scene(30, V=88.0) == ["30 A high 88"]
    assert scene(40, V=89.9) == []
    assert scene(50, V=78.1) == []
    assert scene(60, V=78.0) == ["60 A normal 78"]
    assert scene(70, V=79.0) == []
    assert scene(80, V=19.0) == ["80 A low 19"]
    assert scene(90, V=21.9) == []
    assert scene(100, V=22.0) == ["100 A normal 22"]


def test_each_limit_has_its_own_delay() -> None:
    scene = Scene(analogue((HH, 90, 100), (H, 80, 30)))
    scene(0, V=50.0)
    assert scene(10, V=95.0) == []
    assert scene.wait(40) == ["40 A high 95"]
    assert scene.wait(110) == ["110 A high high 95"]
    assert scene(120, V=85.0) == ["120 A high 85"]
    assert scene(130, V=95.0) == []
    assert scene(140, V=85.0) == []
    assert scene.is_quiet


def test_the_deadband_does_not_keep_a_delay_running() -> None:
    scene = Scene(analogue((H, 80, 100), deadband=5.0))
    scene(0, V=50.0)
    scene(10, V=85.0)
    scene(50, V=79.0)
    assert scene.is_quiet


def test_delays_that_end_together_are_one_change() -> None:
    scene = Scene(analogue((HH, 90, 100), (H, 80, 100)))
    scene(0, V=50.0)
    scene(10, V=95.0)
    assert scene.wait(110) == ["110 A high high 95"]


def test_alarms_whose_delays_end_together_come_in_their_order() -> None:
    scene = Scene(digital("A", "V", delay_ms=50), digital("B", "W", delay_ms=100))
    scene(0, V=0.0, W=0.0)
    scene(10, W=1.0)
    scene(60, V=1.0)
    assert scene.wait(110) == ["110 A on 1", "110 B on 1"]


def test_who_wakes_late_tells_each_change_at_its_time() -> None:
    watch = AlarmWatch((analogue((HH, 90, 100), (H, 80, 30)),))
    watch.handle_values([("V", 50.0)], UTC, 0)
    watch.handle_values([("V", 95.0)], UTC, 0)
    assert Scene.told(watch.handle_values((), UTC + SECOND, SECOND)) == ["30 A high 95", "100 A high high 95"]


@pytest.mark.parametrize(("graver", "milder", "far", "near"), [(HH, H, 95.0, 85.0), (LL, L, 5.0, 15.0)])
def test_stepping_down_from_a_graver_limit_needs_no_delay(
    graver: Condition, milder: Condition, far: float, near: float
) -> None:
    limits = {HH: 90.0, LL: 10.0, H: 80.0, L: 20.0}
    scene = Scene(analogue((graver, limits[graver]), (milder, limits[milder], 100)))
    scene(0, V=50.0)
    assert scene(10, V=far) == [f"10 A {graver.value} {far:g}"]
    assert scene(20, V=near) == [f"20 A {milder.value} {near:g}"]
    assert scene.is_quiet
    assert scene(30, V=50.0) == ["30 A normal 50"]


def test_stepping_down_needs_no_delay_either_where_the_graver_limit_had_one() -> None:
    scene = Scene(analogue((HH, 90, 30), (H, 80, 100)))
    scene(0, V=50.0)
    scene(10, V=95.0)
    assert scene.wait(40) == ["40 A high high 95"]
    assert scene(50, V=85.0) == ["50 A high 85"]
    assert scene.is_quiet


@pytest.mark.parametrize("set_point", [50.0, "SP"])
def test_deviation_is_measured_from_a_number_or_a_variable(set_point: float | str) -> None:
    scene = Scene(analogue((Condition.DEVIATION, 5), set_point=set_point, deadband=1.0))
    scene(0, V=50.0, SP=50.0)
    assert scene(10, V=55.0) == []
    assert scene(20, V=44.9) == ["20 A deviation 44.9"]
    assert scene(30, V=45.5) == []
    assert scene(40, V=46.0) == ["40 A normal 46"]


def test_a_moving_set_point_alarms_and_a_bad_one_suspends_deviation_alone() -> None:
    scene = Scene(analogue((H, 80), (Condition.DEVIATION, 5, 100), set_point="SP"))
    scene(0, V=50.0, SP=50.0)
    scene(10, SP=60.0)
    assert scene(20, SP=None) == []
    assert scene.is_quiet
    assert scene(30, V=90.0) == ["30 A high 90"]
    assert scene(40, SP=60.0) == []
    assert scene(50, V=70.0) == ["50 A normal 70"]
    assert scene.wait(140) == ["140 A deviation 70"]


def test_a_deadband_wider_than_the_deviation_does_not_keep_it_for_ever() -> None:
    scene = Scene(analogue((Condition.DEVIATION, 5), set_point=50.0, deadband=9.0))
    assert scene(0, V=60.0) == ["0 A deviation 60"]
    assert scene(10, V=50.1) == []
    assert scene(20, V=50.0) == ["20 A normal 50"]


# --- rate of change ---


def test_rate_is_measured_from_one_good_value_to_the_next() -> None:
    scene = Scene(analogue((Condition.RATE, 10)))
    assert scene(0, V=0.0) == []
    assert scene.watch.known("A") is None
    assert scene(1000, V=10.0) == []
    assert scene.watch.known("A") is Condition.NORMAL
    assert scene(2000, V=-0.5) == ["2000 A rate of change -0.5"]
    assert scene(3000, V=-0.5) == ["3000 A normal -0.5"]
    assert scene(4000, V=None) == []
    assert scene(5000, V=19.6) == ["5000 A rate of change 19.6"]


def test_two_values_of_one_moment_have_no_rate_and_hide_no_jump() -> None:
    scene = Scene(analogue((Condition.RATE, 10)))
    scene(0, V=0.0)
    scene(1000, V=1.0)
    assert scene(1000, V=50.0) == []
    assert scene(2000, V=50.0) == ["2000 A rate of change 50"]


def test_after_a_backward_utc_the_rate_is_measured_anew() -> None:
    watch = AlarmWatch((analogue((Condition.RATE, 10)),))
    for value, utc in ((0.0, UTC), (1.0, UTC + SECOND), (90.0, UTC - 3600 * SECOND)):
        assert watch.handle_values([("V", value)], utc, 0) == ()
    assert watch.handle_values([("V", 95.0)], UTC - 3599 * SECOND, 0) == ()
    (seen,) = watch.handle_values([("V", 110.0)], UTC - 3598 * SECOND, 0)
    assert seen.condition is Condition.RATE


def test_a_delayed_rate_must_go_on_and_an_equal_utc_does_not_interrupt_it() -> None:
    scene = Scene(analogue((Condition.RATE, 10, 1500)))
    scene(0, V=0.0)
    scene(1000, V=20.0)
    scene(1000, V=20.0)
    scene(2000, V=40.0)
    assert scene.wait(2500) == ["2500 A rate of change 40"]
    assert scene(3000, V=40.0) == ["3000 A normal 40"]
    scene(4000, V=60.0)
    scene(5000, V=60.0)
    assert scene.is_quiet


def test_a_set_point_that_comes_between_does_not_disturb_the_rate() -> None:
    scene = Scene(analogue((Condition.DEVIATION, 1000), (Condition.RATE, 10), set_point="SP"))
    scene(0, V=0.0, SP=0.0)
    assert scene(1000, V=20.0) == ["1000 A rate of change 20"]
    assert scene(1500, SP=1.0) == []


# --- time-stamped ---

STAMPED = Alarm("A", "", AlarmType.TIME_STAMPED, CATEGORY, ("V",), timer="T")


def stamp(ms: float) -> float:
    """What the timer tag holds at a millisecond."""
    return UTC / MILLISECOND + ms


def test_a_time_stamped_alarm_tells_when_it_happened() -> None:
    scene = Scene(STAMPED)
    scene(0, V=0.0, T=stamp(-5000))
    assert scene(1000, V=1.0, T=stamp(400)) == ["400 A on 1"]
    assert scene(1500, T=stamp(1400)) == []
    assert scene(2000, V=0.0) == ["1400 A normal 0"]


@pytest.mark.parametrize(
    "timer",
    [
        None,
        float("nan"),
        float("inf"),
        0.0,
        -1.0,
        stamp(1000.5),
        stamp(0),
        stamp(-5000),
    ],
    ids=["bad", "nan", "infinite", "1970", "before 1970", "future", "of before", "older"],
)
def test_a_time_that_is_not_plausible_gives_way_to_the_reading(timer: float | None) -> None:
    scene = Scene(STAMPED)
    scene(0, V=0.0, T=stamp(0))
    assert scene(1000, V=1.0, T=timer) == ["1000 A on 1"]


@pytest.mark.parametrize(("older_ms", "told_ms"), [(0, 1000 - STAMP_AGE_MAX // MILLISECOND), (1, 1000)])
def test_a_time_may_be_as_old_as_a_device_buffers_and_no_older(older_ms: int, told_ms: int) -> None:
    (seen,) = AlarmWatch((STAMPED,)).handle_values(
        [("V", 1.0), ("T", stamp(1000 - STAMP_AGE_MAX // MILLISECOND - older_ms))], UTC + SECOND, 0
    )
    assert seen.utc == UTC + milliseconds(told_ms)


def test_a_time_that_came_while_the_trigger_was_bad_belongs_to_what_is_read_next() -> None:
    scene = Scene(STAMPED)
    scene(0, V=0.0, T=stamp(-5))
    scene(100, V=None, T=stamp(50))
    assert scene(200, V=1.0) == ["50 A on 1"]


# --- all together ---


def test_changes_come_in_the_order_of_the_alarms_whatever_the_order_of_values() -> None:
    alarms = tuple(digital(f"A{n}", f"V{n}") for n in range(50))
    values = [(f"V{n}", 1.0) for n in range(50)]
    Random(1).shuffle(values)
    seen = AlarmWatch(alarms).handle_values(values, UTC, 0)
    assert [one.tag for one in seen] == [alarm.tag for alarm in alarms]


def test_variables_that_no_alarm_looks_at_are_left_out() -> None:
    scene = Scene(digital())
    assert scene(0, strange=1.0) == []


LIMITS = ((HH, 90.0, 30), (LL, 10.0, 0), (H, 80.0, 20), (L, 20.0, 50))


def plainly_seen(history: list[tuple[int, float | None]], limit: tuple[Condition, float, int]) -> bool | None:
    """Whether one limit is seen after a history of (ms, value), by reading it from the beginning."""
    condition, bound, delay = limit
    sign = 1 if condition in (HH, H) else -1
    seen: bool | None = None
    since: int | None = None
    for ms, value in history:
        if value is None:
            since = None
            continue
        if not (sign * value > sign * bound - (3.0 if seen else 0.0)):
            seen, since = False, None
            continue
        since = ms if since is None else since
        if seen or ms >= since + delay:
            seen = True
    return seen


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.none() | st.sampled_from([5, 11, 15, 21, 50, 78, 79, 85, 88, 95])),
        min_size=1,
        max_size=25,
    )
)
def test_two_limits_agree_with_a_plain_reading_of_the_history(steps: list[tuple[int, float | None]]) -> None:
    """Of HIGH_HIGH and LOW_LOW, which nothing covers: at each moment what a rereading of all values says."""
    limits = LIMITS[:2]
    watch = AlarmWatch((analogue(*limits, deadband=3.0),))
    ms, history, told = 0, [], Condition.NORMAL
    for span, value in steps:
        ms += span
        history.append((ms, value))
        seen = watch.handle_values([("V", value)], UTC + milliseconds(ms), milliseconds(ms))
        told = [told, *(one.condition for one in seen)][-1]
        expected = [limit[0] for limit in limits if plainly_seen(history, limit)]
        assert told is (expected[0] if expected else Condition.NORMAL)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 100)), min_size=1, max_size=40))
def test_values_that_are_told_again_make_no_difference(steps: list[tuple[int, float]]) -> None:
    once, twice = (AlarmWatch((analogue(*LIMITS, deadband=3.0),)) for _ in range(2))
    ms = 0
    for span, value in steps:
        ms += span
        delivery = ([("V", value)], UTC + milliseconds(ms), milliseconds(ms))
        assert once.handle_values(*delivery) == twice.handle_values(*delivery)
        assert twice.handle_values(*delivery) == ()
        assert once.known("A") is twice.known("A")
