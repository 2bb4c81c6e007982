"""The tail against scipy, and its intervals against what was drawn."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from changeover.forecast.tail import EPISODES_MIN, fit_tail

EXPOSURE = 1000.0
SHAPES = (0.5, 0.1, 0.0, -0.1, -0.4, -0.8)


def drawn(shape: float, count: int, seed: int, scale: float = 3.0) -> tuple[float, ...]:
    rng = np.random.default_rng(seed)
    values = stats.genpareto.rvs(shape, scale=scale, size=count, random_state=rng)
    return tuple(np.atleast_1d(values).tolist())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [30, 400])
def test_the_likelihood_is_as_great_as_scipys(shape: float, count: int) -> None:
    excesses = drawn(shape, count, seed=count)
    tail = fit_tail(10.0, excesses, EXPOSURE)
    found, _, scale = stats.genpareto.fit(excesses, floc=0)

    def likelihood(c: float, s: float) -> float:
        return float(stats.genpareto.logpdf(excesses, c, scale=s).sum())

    assert tail.shape is not None and tail.scale is not None
    if found >= -0.99:
        assert likelihood(tail.shape, tail.scale) > likelihood(found, scale) - 1e-4
        assert tail.shape == pytest.approx(found, abs=2e-3)
    for t in (10.0, 12.0, 20.0):
        exact = stats.genpareto.sf(t - 10.0, tail.shape, scale=tail.scale)
        assert tail.survival(t) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_time_does_not_matter(unit: float) -> None:
    excesses = drawn(0.3, 100, seed=1)
    plain, scaled = fit_tail(10.0, excesses, EXPOSURE), None
    scaled = fit_tail(10.0 * unit, tuple(unit * y for y in excesses), EXPOSURE)
    assert scaled.shape == pytest.approx(plain.shape, rel=1e-6)
    assert scaled.rate_above(30.0 * unit) == pytest.approx(plain.rate_above(30.0), rel=1e-6)


@pytest.mark.parametrize("shape", [0.5, 0.0, -0.4])
@pytest.mark.parametrize("expected", [15, 60, 300])
@pytest.mark.parametrize("share", [0.3, 0.03, 0.002])
def test_the_interval_covers_the_truth(shape: float, expected: int, share: float) -> None:
    """95 % of them should; two hundred draws tell 88 from 99."""
    rng = np.random.default_rng([round(100 * shape) % 97, expected, round(1000 * share)])
    t, truth = stats.genpareto.isf(share, shape, scale=3.0), expected / EXPOSURE * share
    covered = 0
    draws = 200
    for _ in range(draws):
        excesses = stats.genpareto.rvs(shape, scale=3.0, size=rng.poisson(expected), random_state=rng)
        low, high = fit_tail(0.0, tuple(excesses.tolist()), EXPOSURE).rate_above(t)[1:]
        covered += low <= truth <= high
    assert 0.88 <= covered / draws <= 0.99


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rate_inside_the_data_is_what_was_counted(shape: float) -> None:
    excesses = drawn(shape, 400, seed=7)
    tail = fit_tail(5.0, excesses, EXPOSURE)
    for share in (0.5, 0.1):
        t = 5.0 + float(np.quantile(excesses, 1 - share))
        rate, low, high = tail.rate_above(t)
        assert rate == pytest.approx(400 * share / EXPOSURE, rel=0.2)
        assert low < 400 * share / EXPOSURE < high


def test_at_the_threshold_the_interval_is_poissons() -> None:
    tail = fit_tail(5.0, drawn(0.2, 100, seed=3), EXPOSURE)
    rate, low, high = tail.rate_above(5.0)
    assert rate == pytest.approx(0.1)
    # By likelihood: n (x − 1 − log x) = 1.92 for x times the rate seen.
    assert (low, high) == pytest.approx((0.0817, 0.1210), rel=0.01)


def test_more_of_everything_narrows_the_interval_and_further_out_is_rarer() -> None:
    few, many = fit_tail(0.0, drawn(0.1, 40, seed=5), 100.0), fit_tail(0.0, drawn(0.1, 400, seed=5), 1000.0)
    assert (
        many.rate_above(9.0).high / many.rate_above(9.0).low
        < 0.5 * few.rate_above(9.0).high / few.rate_above(9.0).low
    )
    rates = [many.rate_above(t) for t in (0.0, 1.0, 3.0, 9.0, 27.0, 81.0)]
    for one, next_one in pairwise(rates):
        assert one.rate > next_one.rate
        assert one.low >= next_one.low
        assert one.high > next_one.high


def test_few_episodes_are_bounded_not_fitted() -> None:
    none = fit_tail(10.0, (), 600.0)
    assert (none.shape, none.scale, none.survival(20.0)) == (None, None, None)
    rate, low, high = none.rate_above(10.0)
    assert (rate, low) == (0.0, 0.0)
    assert high == pytest.approx(-math.log(0.05) / 600.0) == pytest.approx(3.0 / 600.0, rel=0.002)
    some = fit_tail(10.0, (1.0, 2.0, 30.0), 600.0)
    assert some.rate_above(11.5).rate == pytest.approx(2 / 600.0)
    assert some.rate_above(11.5).high == pytest.approx(stats.chi2.ppf(0.95, 6) / 2 / 600.0)
    assert some.rate_above(11.5).low == pytest.approx(stats.chi2.ppf(0.05, 4) / 2 / 600.0)
    assert some.rate_above(50.0).high == pytest.approx(3.0 / 600.0, rel=0.002)
    assert fit_tail(0.0, (1.0,) * (EPISODES_MIN - 1), 1.0).shape is None


def test_what_had_not_ended_makes_the_tail_heavier() -> None:
    excesses = drawn(0.0, 60, seed=9)
    without, with_it = fit_tail(0.0, excesses, EXPOSURE), fit_tail(0.0, excesses, EXPOSURE, (20.0, 25.0))
    assert with_it.episodes == 62
    assert with_it.rate_above(30.0).rate > without.rate_above(30.0).rate
    assert fit_tail(0.0, (), 600.0, (20.0,)).rate_above(50.0).high > 4.7 / 600.0


def test_equal_excesses_are_no_trouble() -> None:
    tail = fit_tail(0.0, (2.0,) * 50, EXPOSURE)
    rate, low, high = tail.rate_above(1.0)
    assert 0.0 <= low <= rate <= high
    assert math.isfinite(high)


def test_below_the_threshold_nothing_is_said() -> None:
    tail = fit_tail(5.0, drawn(0.2, 100, seed=3), EXPOSURE)
    with pytest.raises(ValueError, match="the tail begins at 5"):
        tail.rate_above(4.9)
    with pytest.raises(ValueError, match="nothing was watched"):
        fit_tail(5.0, (), 0.0).rate_above(6.0)


def test_it_is_the_same_each_time() -> None:
    excesses = drawn(0.2, 50, seed=3)
    assert fit_tail(5.0, excesses, 9.0).rate_above(50.0) == fit_tail(5.0, excesses, 9.0).rate_above(50.0)


@pytest.mark.parametrize("mean", [0.1, 0.05, 0.03, 0.01, 0.001])
def test_one_that_was_given_up_among_very_short_ones_leaves_a_rate(mean: float) -> None:
    """A minute beyond excesses of microseconds: the likelihood ends within 1e-6 of zero."""
    tail = fit_tail(1.0, drawn(0.0, 50, seed=2, scale=mean), 86_400.0, (59_999.0,))
    assert tail.shape is not None
    for beyond in (2.0, 100.0, 60_000.0):
        rate = tail.rate_above(beyond)
        assert 0 <= rate.low <= rate.rate <= rate.high < math.inf
