"""How far a count may be off by chance."""

import math


def assert_is_binomial(count, trials, probability):
    """Wrong by chance about once in a million draws of the dice; which here are loaded, by a seed."""
    assert abs(count - trials * probability) <= 1 + 5 * math.sqrt(trials * probability * (1 - probability))
