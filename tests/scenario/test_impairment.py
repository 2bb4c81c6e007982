from dataclasses import asdict

import pytest

from changeover.model.moment import MILLISECOND, MINUTE
from changeover.scenario.impairment import DELAY_MAX, PERIOD_MIN, Bursts, Impairment, Passage


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"delay": -1}, "delay is -1 ns, it must be from 0 to 60000000000 ns"),
        ({"delay": DELAY_MAX + 1}, "delay is 60000000001 ns"),
        ({"jitter": -1}, "jitter is -1 ns"),
        ({"reorder_by": DELAY_MAX + 1}, "reorder_by is 60000000001 ns"),
        ({"loss": -0.1}, "loss is -0.1, a probability is from 0 to 1"),
        ({"loss": 1.1}, "loss is 1.1"),
        ({"loss": float("nan")}, "loss is nan"),
        ({"duplicate": 2.0}, "duplicate is 2"),
        ({"reorder": 2.0, "reorder_by": 1}, "reorder is 2"),
        ({"reorder": 0.5}, "reorder is 0.5 and reorder_by 0 ns: both must be above 0, or both 0"),
        ({"reorder_by": 5}, "reorder is 0 and reorder_by 5 ns"),
    ],
)
def test_what_cannot_be_is_refused_and_the_bound_is_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        Impairment(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mean_good": PERIOD_MIN - 1}, "mean_good is 99999 ns, the least is 100000 ns"),
        ({"mean_bad": 0}, "mean_bad is 0 ns"),
        ({"loss_bad": 1.5}, "loss_bad is 1.5, a probability is from 0 to 1"),
    ],
)
def test_bursts_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Bursts(**{"mean_good": MINUTE, "mean_bad": MILLISECOND} | wrong)


def test_the_bounds_themselves_are_allowed():
    bursts = Bursts(PERIOD_MIN, PERIOD_MIN, loss_bad=0)
    worst = Impairment(DELAY_MAX, DELAY_MAX, 1, bursts, 1, 1, DELAY_MAX, cut=True)
    assert asdict(worst)["bursts"] == {"mean_good": PERIOD_MIN, "mean_bad": PERIOD_MIN, "loss_bad": 0}
    assert not any(asdict(Impairment()).values())


def test_bursts_know_their_long_run():
    assert Bursts(95 * MILLISECOND, 5 * MILLISECOND).loss == pytest.approx(0.05)
    assert Bursts(95 * MILLISECOND, 5 * MILLISECOND, loss_bad=0.5).loss == pytest.approx(0.025)


def test_passages_add_up_and_say_what_is_under_way():
    one = Passage(seen=10, delivered=6, lost_at_random=1, lost_in_bursts=1, lost_to_cut=1, duplicated=3)
    other = Passage(seen=5, delivered=4, refused=1, bad_periods=2, bad_time=7, late_max=9)
    assert (one.under_way, other.under_way) == (4, 0)
    both = one + other + Passage(late_max=8)
    assert (both.seen, both.under_way, both.bad_periods, both.late_max) == (15, 4, 2, 9)
