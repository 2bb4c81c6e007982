"""Disturbances as people write them: `loss:2%`, `bursts:300ms/10s`, `pauses:2s/1m`, `slow-device:2s/1m`."""

from __future__ import annotations

from changeover.config.durations import duration_text, parse_duration
from changeover.model.moment import Duration
from changeover.scenario.disturbance import Disturbance, Pauses, SlowAnswers, Spells
from changeover.scenario.impairment import Bursts, Impairment

SHAPES = (
    "loss:SHARE like loss:2%, bursts:LENGTH/GAP like bursts:300ms/10s, delay:SPAN or delay:SPAN+JITTER like "
    "delay:5ms+2ms (these with commas between), pauses:LENGTH/GAP or slow-device:LENGTH/GAP"
)


def parse_disturbance(text: str) -> Disturbance:
    """A disturbance as written.

    Raises:
        ValueError: It is none; the text says what is wrong and what is allowed.
    """
    parts = [part.strip().partition(":") for part in text.split(",")]
    kinds = [kind for kind, _, _ in parts]
    try:
        if kinds in (["pauses"], ["slow-device"]):
            spells = parse_spells(parts[0][2])
            return Pauses(spells) if kinds == ["pauses"] else SlowAnswers(spells)
        impairment = Impairment()
        for kind, _, value in parts:
            if kind not in ("loss", "bursts", "delay") or kinds.count(kind) > 1:
                raise ValueError(f"{kind!r} is no disturbance here, or stands there twice")
            impairment = _with(impairment, kind, value)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; write {SHAPES}") from None
    return impairment


def parse_spells(text: str) -> Spells:
    """Mean length and mean gap of something that happens now and then, like `2s/1m`.

    Raises:
        ValueError: It is not of this form, or not above 0.
    """
    length, stroke, gap = text.partition("/")
    if not stroke:
        raise ValueError(f"{text!r} has no gap, write LENGTH/GAP like 2s/1m")
    return Spells(gap=parse_duration(gap), length=parse_duration(length))


def disturbance_in_words(disturbance: Disturbance) -> str:
    """What it does, for people."""
    if isinstance(disturbance, Pauses):
        return f"the I/O server's process stands still for {_spells(disturbance.spells)}"
    if isinstance(disturbance, SlowAnswers):
        return f"the primary device answers nothing for {_spells(disturbance.spells)}"
    found = []
    if disturbance.loss:
        found.append(f"{disturbance.loss:.3g} of all frames are lost, each by itself")
    if disturbance.bursts is not None:
        good, bad = _text(disturbance.bursts.mean_good), _text(disturbance.bursts.mean_bad)
        found.append(f"everything is lost for {bad} on average, after {good} on average")
    if disturbance.delay or disturbance.jitter:
        jitter = f" and up to {_text(disturbance.jitter)} more" if disturbance.jitter else ""
        found.append(f"frames take {_text(disturbance.delay)} longer{jitter}")
    return "; ".join(found) or "nothing is done to it"


def _with(impairment: Impairment, kind: str, value: str) -> Impairment:
    loss, bursts = impairment.loss, impairment.bursts
    delay, jitter = impairment.delay, impairment.jitter
    if kind == "loss":
        loss = _share(value)
    elif kind == "bursts":
        spells = parse_spells(value)
        bursts = Bursts(mean_good=spells.gap, mean_bad=spells.length)
    else:
        least, _, more = value.partition("+")
        delay, jitter = parse_duration(least), parse_duration(more) if more else 0
    return Impairment(delay=delay, jitter=jitter, loss=loss, bursts=bursts)


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"{text!r} is no share") from None
    return value / 100 if text.endswith("%") else value


def _spells(spells: Spells) -> str:
    return f"{_text(spells.length)} on average, after {_text(spells.gap)} on average"


def _text(span: Duration) -> str:
    return duration_text(span)
