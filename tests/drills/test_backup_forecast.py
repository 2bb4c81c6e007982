"""False time-outs during a backup, predicted from a probe."""

from random import Random

import pytest

from changeover.drill.backup_forecast import episodes, predict

PERIOD = 0.05


def a_run(seconds: float, per_s: float, mean_s: float, seed: int) -> list[float]:
    """Delays of 1 ms, now and then one that is exponential; what waits behind it is shorter by as much."""
    rng = Random(seed)
    found = []
    left = 0.0
    for _ in range(round(seconds / PERIOD)):
        if rng.random() < per_s * PERIOD:
            left = max(left, rng.expovariate(1 / mean_s))
        found.append(max(0.001, left))
        left = max(0.0, left - PERIOD)
    return found


def test_a_run_of_long_delays_is_one_episode_with_its_longest() -> None:
    delays = [0.001] * 20 + [0.9, 0.85, 0.8] + [0.001] * 60 + [0.4] + [0.001] * 10
    assert episodes(delays, PERIOD, 0.25) == [0.9, 0.4]
    assert episodes(delays, PERIOD, 0.5) == [0.9]
    assert episodes(delays, PERIOD, 1.0) == []


def test_what_is_still_under_way_goes_on_being_the_same_episode() -> None:
    """A message of two seconds is answered after those behind it were asked for."""
    delays = [2.0] + [0.001] * 45 + [0.5]
    assert episodes(delays, PERIOD, 0.25) == [2.0]


@pytest.mark.parametrize("send_timeout_s", [0.5, 1.0])
def test_a_prediction_holds_what_another_run_counts(send_timeout_s: float) -> None:
    held = 0
    for seed in range(40):
        others = [a_run(120, 0.1, 0.5, 100 + 2 * seed), a_run(120, 0.1, 0.5, 101 + 2 * seed)]
        found = predict(others, PERIOD, send_timeout_s, 3, 120.0, 0.0)
        counted = 3 * len(episodes(a_run(120, 0.1, 0.5, seed), PERIOD, send_timeout_s))
        assert found is not None
        assert found.low <= found.mean <= found.high
        held += found.low <= counted <= found.high
    assert held >= 36


def test_without_another_run_or_a_session_nothing_is_predicted() -> None:
    assert predict([], PERIOD, 1.0, 3, 60.0, 0.0) is None
    assert predict([a_run(10, 0.1, 0.5, 1)], PERIOD, 1.0, 0, 60.0, 0.0) is None


def test_where_the_probe_saw_nothing_few_are_to_be_expected() -> None:
    found = predict([[0.001] * 2400], PERIOD, 1.0, 1, 60.0, 0.0)
    assert found is not None
    assert (found.mean, found.low) == (0.0, 0)
    assert 1 <= found.high <= 6
