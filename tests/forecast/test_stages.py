"""The distributions against exact fractions, scipy and simulation."""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_right
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from changeover.forecast.stages import (
    ZERO,
    Constant,
    Distribution,
    Max,
    Min,
    Shared,
    Sum,
    Uniform,
    add,
    later,
    sooner,
    wait,
)


def exact_cdf(widths: list[Fraction], x: Fraction) -> float:
    """The generalised Irwin–Hall distribution by inclusion and exclusion, without any rounding."""
    n = len(widths)
    total = Fraction(0)
    for chosen in itertools.product((0, 1), repeat=n):
        rest = x - sum(w for w, c in zip(widths, chosen, strict=True) if c)
        if rest > 0:
            total += (-1) ** sum(chosen) * rest**n
    return float(total / (math.factorial(n) * math.prod(widths)))


def sample(distribution: Distribution, rng: random.Random) -> float:
    match distribution:
        case Constant(value):
            return value
        case Uniform(low, high):
            return rng.uniform(low, high)
        case Sum(parts):
            return sum(sample(part, rng) for part in parts)
        case Max(parts):
            return max(sample(part, rng) for part in parts)
        case Min(parts):
            return min(sample(part, rng) for part in parts)
    raise AssertionError(distribution)


@pytest.mark.parametrize(
    "widths",
    [
        ["0.25", "2", "2", "30", "0.002"],
        ["0.25", "2"],
        ["30", "30", "0.25"],
        ["0.25", "2", "2", "30", "0.002", "5", "7", "11"],
        ["0.000001", "600", "0.25"],
    ],
)
def test_sums_of_uniforms_are_exact_however_different_their_widths(widths: list[str]) -> None:
    exact = [Fraction(width) for width in widths]
    total = add(*(wait(float(width)) for width in exact))
    end = sum(exact)
    assert total.maximum == pytest.approx(float(end))
    for k in range(1, 40):
        x = end * k / 40
        assert total.cdf(float(x)) == pytest.approx(exact_cdf(exact, x), abs=1e-9)


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=5), st.integers(1, 99))
@settings(deadline=None, max_examples=60)
def test_any_sum_of_uniforms_is_exact(milliseconds: list[int], percent: int) -> None:
    widths = [Fraction(ms, 1000) for ms in milliseconds]
    x = sum(widths) * percent / 100
    total = add(*(wait(float(width)) for width in widths))
    assert total.cdf(float(x)) == pytest.approx(exact_cdf(widths, x), abs=1e-9)


def test_equal_uniforms_are_scipys_irwin_hall() -> None:
    total = add(*(wait(1.0) for _ in range(6)))
    for x in (0.4, 1.5, 2.9, 3.0, 4.4, 5.8):
        assert total.cdf(x) == pytest.approx(stats.irwinhall(6).cdf(x), abs=1e-12)
    assert total.quantile(0.99) == pytest.approx(stats.irwinhall(6).ppf(0.99), abs=1e-9)


def test_the_soonest_of_equal_waits_is_scipys_beta() -> None:
    soonest = sooner(*(wait(30.0) for _ in range(4)))
    for x in (0.5, 7.5, 20.0):
        assert soonest.cdf(x) == pytest.approx(stats.beta(1, 4).cdf(x / 30), abs=1e-12)
    assert soonest.mean == pytest.approx(6.0)


@pytest.mark.parametrize(
    "distribution",
    [
        add(sooner(wait(30), wait(20), wait(10)), wait(0.25), Constant(3)),
        add(sooner(wait(30), Constant(8)), sooner(wait(0.25), wait(0.5), wait(1))),
        add(later(wait(1), Constant(0.4), Uniform(0.2, 0.9)), later(ZERO, Uniform(-1, 1)), wait(0.1)),
        add(sooner(*(wait(0.25) for _ in range(20))), wait(30), Uniform(0.0035, 0.007)),
        later(add(wait(2), wait(3)), sooner(add(wait(1), Constant(2)), wait(8))),
    ],
)
def test_nested_distributions_agree_with_simulation(distribution: Distribution) -> None:
    rng = random.Random(7)
    count = 20_000
    drawn = sorted(sample(distribution, rng) for _ in range(count))
    # Kolmogorov's distance beyond 1.95/√n has a chance of 0.1 %; the seed makes it one fixed draw. Only where
    # the curve jumps does the step of the sample itself lie on one side.
    for index in range(0, count, 37):
        x = drawn[index]
        below = bisect_right(drawn, x)
        assert abs(distribution.cdf(x) - below / count) < 1.95 / math.sqrt(count)
    assert distribution.mean == pytest.approx(sum(drawn) / count, abs=5 * math.sqrt(drawn[-1] ** 2 / count))
    assert distribution.minimum <= drawn[0]
    assert drawn[-1] <= distribution.maximum


def test_a_sum_with_a_minimum_matches_quadrature() -> None:
    """X = min(U(0,3), U(0,5)), Y = max(U(0,2), 1), Z = U(0, 0.5): integrated numerically by hand."""
    total = add(sooner(wait(3), wait(5)), later(wait(2), Constant(1)), wait(0.5))

    def soonest(x: float) -> float:
        return 0.0 if x <= 0 else 1.0 if x >= 3 else 1 - (1 - x / 3) * (1 - x / 5)

    def without_z(x: float) -> float:
        steps = 400
        spread = sum(soonest(x - 1 - (k + 0.5) / steps) for k in range(steps)) / steps
        return 0.5 * soonest(x - 1) + 0.5 * spread

    for x in (1.2, 2.0, 3.3, 4.6):
        numeric = sum(without_z(x - (k + 0.5) / 800) for k in range(400)) / 400
        assert total.cdf(x) == pytest.approx(numeric, abs=2e-5)


def test_quantiles_invert_the_distribution() -> None:
    total = add(wait(0.25), wait(2), wait(30), Constant(15))
    for p in (0.0, 0.01, 0.5, 0.95, 0.99, 1.0):
        assert total.cdf(total.quantile(p)) == pytest.approx(p, abs=1e-9)
    assert total.quantile(0.5) == pytest.approx(total.mean, abs=1e-9)


def test_a_constant_is_an_atom() -> None:
    assert Constant(2.0).cdf(1.999) == 0.0
    assert Constant(2.0).cdf(2.0) == 1.0
    assert Constant(2.0).quantile(0.01) == 2.0
    assert Uniform(2.0, 2.0).quantile(0.5) == 2.0


def test_an_atom_inside_keeps_its_mass() -> None:
    """max(0, U(−1, 3)): a quarter of it is exactly zero."""
    clipped = later(ZERO, Uniform(-1, 3))
    assert clipped.cdf(-1e-9) == 0.0
    assert clipped.cdf(0.0) == pytest.approx(0.25)
    assert clipped.quantile(0.2) == 0.0
    assert clipped.mean == pytest.approx(9 / 8)
    shifted = add(clipped, Constant(1), wait(1e-9))
    assert shifted.cdf(1.0 + 1e-8) == pytest.approx(0.25, abs=1e-6)


def test_builders_fold_what_never_moves() -> None:
    assert add(Constant(1), Constant(2)) == Constant(3)
    assert add() == ZERO
    assert add(wait(2), ZERO) == wait(2)
    assert later(Constant(5), wait(2)) == Constant(5)
    assert later(Constant(0), add(wait(2), Constant(1))) == add(wait(2), Constant(1))
    assert sooner(Constant(1), Uniform(2, 3)) == Constant(1)
    assert sooner(wait(2)) == wait(2)
    assert wait(0) == ZERO
    assert add(add(wait(1), Constant(1)), wait(2), Constant(1)) == Sum((wait(1), wait(2), Constant(2)))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="cannot end"):
        Uniform(2, 1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        wait(1).quantile(1.5)


@pytest.mark.parametrize(("early", "late"), [(0.0, 0.3), (0.2, 0.25), (0.1, 0.1), (0.0, 2.0)])
@pytest.mark.parametrize("others", [wait(1.0), sooner(wait(0.7), wait(0.4)), Constant(0.5)])
def test_a_wait_that_is_shared_with_others(others: Distribution, early: float, late: float) -> None:
    shared = Shared(wait(1.0), others, early, late)
    rng = random.Random(5)
    drawn = []
    for _ in range(40_000):
        own, other = rng.random(), sample(others, rng)
        drawn.append(max(own + early, min(own, other) + late))
    assert min(drawn) >= shared.minimum - 1e-12
    assert max(drawn) <= shared.maximum + 1e-12
    assert shared.mean == pytest.approx(sum(drawn) / len(drawn), abs=0.006)
    drawn.sort()
    for place in (0.2, 0.5, 0.8, 0.99):
        assert shared.quantile(place) == pytest.approx(drawn[int(place * len(drawn))], abs=0.015)
