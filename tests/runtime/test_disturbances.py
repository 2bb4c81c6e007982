"""Disturbances as people write them."""

import pytest

from changeover.model.moment import MILLISECOND, MINUTE, SECOND
from changeover.runtime.disturbances import disturbance_in_words, parse_disturbance, parse_spells
from changeover.scenario.disturbance import Pauses, SlowAnswers, Spells
from changeover.scenario.impairment import Bursts, Impairment


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("loss:2%", Impairment(loss=0.02)),
        ("loss:0.5", Impairment(loss=0.5)),
        ("bursts:300ms/10s", Impairment(bursts=Bursts(10 * SECOND, 300 * MILLISECOND))),
        ("delay:5ms+2ms, loss:1%", Impairment(delay=5 * MILLISECOND, jitter=2 * MILLISECOND, loss=0.01)),
        ("pauses:2s/1m", Pauses(Spells(gap=MINUTE, length=2 * SECOND))),
        ("slow-device:1.5s/1m", SlowAnswers(Spells(gap=MINUTE, length=1500 * MILLISECOND))),
    ],
)
def test_what_is_written_is_what_is_done(text, wanted):
    assert parse_disturbance(text) == wanted
    assert disturbance_in_words(wanted)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no disturbance"),
        ("rain", "no disturbance"),
        ("loss:150%", "a probability is from 0 to 1"),
        ("loss:x", "no share"),
        ("loss:1%,loss:2%", "stands there twice"),
        ("bursts:300ms", "has no gap"),
        ("pauses:2s/0s", "gap is 0 ns, it must be above 0"),
        ("pauses:2s/1m,loss:1%", "no disturbance here"),
        ("slow-device:soon/1m", "is no time"),
        ("delay:2m", "must be from 0 to"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text, why):
    with pytest.raises(ValueError, match=why) as refused:
        parse_disturbance(text)
    assert "slow-device:LENGTH/GAP" in str(refused.value)


def test_spells_need_both_of_their_means():
    with pytest.raises(ValueError, match="length is 0 ns"):
        parse_spells("0s/1m")
