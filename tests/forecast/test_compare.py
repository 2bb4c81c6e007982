"""Holding measurements against a forecast: each of the three demands rejects what it should."""

from random import Random

from changeover.forecast.compare import compare
from changeover.forecast.stages import Constant, Uniform, add


def drawn(count, low, high, seed=1):
    rng = Random(seed)
    return [low + rng.random() * (high - low) for _ in range(count)]


def test_true_forecasts_are_rejected_about_once_in_a_thousand():
    forecast = Uniform(2.0, 3.0)
    rejected = sum(not compare(forecast, drawn(200, 2.0, 3.0, seed)).holds for seed in range(1000))
    assert rejected <= 8


def test_a_measurement_outside_is_seen():
    agreement = compare(Uniform(2.0, 3.0), [*drawn(100, 2.0, 3.0), 3.001])
    assert agreement.outside == 1
    assert not agreement.holds
    assert "1 of 101 outside" in str(agreement)


def test_another_mean_is_seen():
    agreement = compare(Uniform(2.0, 3.0), drawn(1000, 2.1, 3.0))
    assert not agreement.holds
    assert "mean off" in str(agreement)


def test_another_shape_with_the_same_mean_is_seen():
    measured = [2.25 + 0.5 * (n % 2) for n in range(400)]
    agreement = compare(Uniform(2.0, 3.0), measured)
    assert agreement.outside == 0
    assert abs(agreement.mean_off_s) < 0.005
    assert not agreement.holds
    assert "KS" in str(agreement)


def test_constants_compare_as_constants():
    assert compare(Constant(0.0025), [0.0025] * 50).holds
    assert not compare(Constant(0.0025), [0.0025] * 49 + [0.004]).holds


def test_sums_compare_by_their_own_shape():
    forecast = add(Constant(1.0), Uniform(0.0, 0.25), Uniform(0.0, 3.0))
    rng = Random(3)
    measured = [1.0 + rng.random() * 0.25 + rng.random() * 3.0 for _ in range(2000)]
    assert compare(forecast, measured).holds


def test_nothing_measured_is_no_agreement():
    agreement = compare(Constant(1.0), [])
    assert not agreement.holds
    assert str(agreement) == "nothing was measured"
