"""What the sheet says in words: figures, what was done, what should happen, and why a drill passed or not."""

from __future__ import annotations

from typing import Any

from changeover.drill.result import Drill, Miss
from changeover.drill.sheet_group import Group, measure_name, repeated_as
from changeover.forecast.wording import figure

_DONE = {
    "server-silent": "The computer of {target} lost every LAN, the field too: nothing answers for it.",
    "server-closed": "The process of {target} ended, and its operating system said so to its clients.",
    "server-frozen": "The process of {target} stood still; its operating system went on to acknowledge.",
    "lan-silent": "{target} carried nothing: every port of it was shut.",
    "device-silent": "The device of {target}’s primary unit, or the way to it, answered nothing.",
    "device-closed": "The process of {target}’s primary device ended, and its host refused connections.",
    "partner-cut": "{target} did not hear each other any more, on no LAN; everybody else heard both.",
    "standby-device-silent": "The device of {target}’s standby unit answered nothing; the primary was well.",
}
_LABS = {
    "namespaces": "Network namespaces on one machine: one for each computer and each device, one bridge "
    "for each LAN, field LANs too. Real processes, real sockets, real faults.",
    "loopback": "Loopback addresses of one machine, without namespaces: real processes and real sockets; "
    "no cable could be pulled.",
}


def exact(amount: float) -> str:
    """Seconds without their unit, to the millisecond, which is what a drill can tell: `2.126`."""
    shown = f"{amount:.3f}"
    return shown.replace("-", "" if float(shown) == 0.0 else "−")


def seconds(amount: float) -> str:
    """The same with its unit, never parted from it: `2.126 s`."""
    return f"{exact(amount)}\u00a0s"


def span(interval: dict[str, float]) -> str:
    """From the shortest to the longest: `2.00 to 2.25 s`."""
    low, high = figure(interval["min"]), figure(interval["max"])
    return f"{high}\u00a0s" if low == high else f"{low} to {high}\u00a0s"


def count(number: int, noun: str) -> str:
    """A number and its noun: `1 drill`, `2 drills`."""
    return f"{number} {noun if number == 1 else noun + 's'}"


def lab(name: str) -> str:
    """How the lab was built."""
    return _LABS.get(name, name)


def done(group: Group) -> str:
    """What was injected."""
    drill = group.first
    sentence = _DONE.get(drill.fault, "{fault} struck {target}.")
    return sentence.format(fault=drill.fault, target=drill.target.replace("+", " and "))


def ways(group: Group) -> str:
    """How it was made, in the drill's own words."""
    variants = [(way, number) for way, number in group.variants if way]
    if len(variants) == 1:
        return variants[0][0]
    return "; ".join(f"{way} ({count(number, 'time')})" for way, number in variants)


def expected(forecast: dict[str, Any]) -> list[str]:
    """What should happen, by the forecast's row, in sentences."""
    detection, com, back = forecast["detection_s"], forecast["com_s"], forecast["return_s"]
    outcome, changeover = forecast["outcome"], forecast["changeover_s"]
    sentences = []
    if outcome == "changeover" and changeover is not None:
        sentences.append(f"The client should be served by another way after {span(changeover)}.")
    elif outcome == "lost":
        sentences.append("Nothing is left to change over to until the repair.")
    elif outcome == "unaffected":
        sentences.append("The client should go on as before: no changeover.")
    if com is not None:
        shown = (
            "No tag should show #COM." if com["max"] < 0.0005 else f"Tags should show #COM for {span(com)}."
        )
        sentences.append(shown)
    if detection is not None and outcome != "changeover":
        sentences.append(f"The loss should be noticed after {span(detection)}.")
    if back is not None:
        sentences.append(f"After the repair the primary should serve again after {span(back)}.")
    return sentences


def verdict(group: Group) -> list[str]:
    """Why the fault passed or failed: a sentence, then one for each drill that did not pass."""
    counted = len(group.drills) - len(group.made_good)
    if not group.failures:
        everything = f"{count(counted, 'drill')}, every measured time inside the forecast."
        if group.made_good:
            everything += f" {len(group.made_good)} more missed and passed when repeated:"
        return [everything, *(_one(drill, group) for drill in group.made_good)]
    spoiled = sum(1 for drill in group.failures if drill.spoiled)
    missed = len(group.failures) - spoiled
    parts = [f"{missed} of {count(counted, 'drill')} outside the forecast"] if missed else []
    if spoiled:
        parts.append(f"{spoiled} of {count(counted, 'drill')} spoiled, so that nothing is proven by them")
    return [f"{'; '.join(parts)}.", *(_one(d, group) for d in group.drills if not d.passed)]


def reproach(miss: Miss) -> str:
    """One miss, with what was allowed and by how much it was missed."""
    name = measure_name(miss.measure)
    found = "not seen" if miss.measured_s is None else seconds(miss.measured_s)
    if miss.earliest_s is None or miss.latest_s is None:
        return f"{name} {found}, by the forecast there is none"
    limits = f"{exact(max(0.0, miss.earliest_s))} to {seconds(miss.latest_s)}"
    if miss.measured_s is None:
        return f"{name} {found}, allowed are {limits}"
    if miss.measured_s > miss.latest_s:
        off, side = miss.measured_s - miss.latest_s, "later"
    else:
        off, side = miss.earliest_s - miss.measured_s, "earlier"
    return f"{name} {found}, {seconds(off)} {side} than the {limits} allowed"


def why(drill: Drill) -> str:
    """Why one drill did not pass."""
    return f"spoiled: {drill.spoiled}" if drill.spoiled else "; ".join(map(reproach, drill.misses))


def _one(drill: Drill, group: Group) -> str:
    again = repeated_as(drill, group.drills)
    then = ""
    if again:
        end = "passed" if drill in group.made_good else "did not pass either"
        then = f" It was repeated as number {', '.join(map(str, again))}, which {end}; both are shown."
    return f"Repetition {drill.repetition}: {why(drill)}.{then}"
