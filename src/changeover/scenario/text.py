"""The scenario file format: prose, a plant in a few words, a timeline, and the trace that must come of it.

    # Whatever helps a reader.
    plant: family C, lans 2
    parameters: SendTimeout 2 s, TimeOut 8 s
    phases: 0.5

    at 2.000 s: server-silent IOServer1
    at 6 s: repair server-silent IOServer1
    run until 10 s
    ----
        4.1250  HMI1       session-timeout  IOServer1/LAN_A

`plant` counts family, lans, servers (of I/O data), devices and clients, and with alarm, trend and report the
servers of these functions. `parameters` are those of `PARAMETERS`, durations with their unit. `phases` are
shares of the free-running timers' periods, handed out in turn in the order in which the timers start (each
I/O server's heartbeat and its units' watch; the tick of each other server that has a partner; each client's
page scan for I/O data; then for each client and function its page scan and the watch of each way); `seed`
draws them instead. Below the separator stands the golden trace, one line per `TraceLine` worth reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.device import OfflineRule
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.policy import POLICIES, Family
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.timeline import Scenario, Sketch, Step, Timeline

SEPARATOR = "----"
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s)")
_STEP = re.compile(r"at (.+?): (repair )?([a-z-]+) (\S+)")
_COUNTS = ("lans", "servers", "devices", "clients", "alarm", "trend", "report")


class ScenarioError(ValueError):
    """A scenario file cannot be read; says in which line, and why."""


def parse_span(text: str) -> Duration:
    """A duration with its unit, `2 s` or `250 ms`; ValueError when it is none."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()!r} is no time, write it like 2.5 s or 250 ms")
    return round(float(match[1]) * (SECOND if match[2] == "s" else MILLISECOND))


def _in_timing(field: str) -> Callable[[Sketch, str], Sketch]:
    def change(sketch: Sketch, text: str) -> Sketch:
        value: dict[str, Any] = {field: parse_span(text)}
        return replace(sketch, timing=replace(sketch.timing, **value))

    return change


def _in_driver(field: str, read: Callable[[str], Any]) -> Callable[[Sketch, str], Sketch]:
    return lambda sketch, text: replace(sketch, driver=replace(sketch.driver, **{field: read(text)}))


def _watchdog(sketch: Sketch, text: str) -> Sketch:
    return replace(sketch, timing=replace(sketch.timing, watchdog=bool(int(text))))


PARAMETERS: dict[str, Callable[[Sketch, str], Sketch]] = {
    "SendTimeout": _in_timing("send_timeout"),
    "TimeOut": _in_timing("request_timeout"),
    "HeartTime": _in_timing("heartbeat"),
    "ClientRetryTime": _in_timing("client_retry"),
    "WatchTime": _in_timing("watch"),
    "WatchDog": _watchdog,
    "DeviceTimeout": _in_driver("timeout", parse_span),
    "DeviceRetry": _in_driver("retry", int),
    "DeviceWatchTime": _in_driver("watch", parse_span),
    "DeviceMaxPending": _in_driver("max_pending", int),
    "OfflineRule": _in_driver("offline_rule", lambda text: OfflineRule[text.upper()]),
    "PageScan": lambda sketch, text: replace(sketch, page_scan=parse_span(text)),
    "RoundTrip": lambda sketch, text: replace(sketch, round_trip=parse_span(text)),
    "StandbyPriority": lambda sketch, text: replace(sketch, standby_priority=int(text)),
}
"""Name in a scenario file → how it changes the sketch; `Device…` are the driver's."""


def parse(text: str) -> Scenario:
    """Read a scenario file.

    Raises:
        ScenarioError: With the line's number, for whatever is wrong.
    """
    above, _, below = text.partition(f"\n{SEPARATOR}\n")
    reader = _Reader()
    for number, line in enumerate(above.splitlines(), start=1):
        try:
            reader.read(line.strip())
        except (ValueError, KeyError) as error:
            raise ScenarioError(f"line {number}: {error}") from error
    try:
        return reader.scenario(tuple(line for line in below.splitlines() if line.strip()))
    except ValueError as error:
        raise ScenarioError(f"line {len(above.splitlines())}: {error}") from error


class _Reader:
    """Takes the lines above the separator one by one."""

    def __init__(self) -> None:
        self._sketch: Sketch | None = None
        self._steps: list[Step] = []
        self._phases: tuple[float, ...] = ()
        self._seed = 0
        self._until: Duration | None = None

    def read(self, line: str) -> None:
        if not line or line.startswith("#"):
            return
        if line.startswith("run until "):
            self._until = parse_span(line.removeprefix("run until "))
        elif line.startswith("at "):
            self._steps.append(_step(line))
        else:
            self._read_setting(*(part.strip() for part in line.partition(":")[::2]))

    def _read_setting(self, word: str, value: str) -> None:
        if word == "plant":
            self._sketch = _sketch(value)
        elif word == "parameters":
            self._sketch = _with_parameters(self._given_sketch(), value)
        elif word == "phases":
            self._phases = tuple(map(float, value.split()))
        elif word == "seed":
            self._seed = int(value)
        else:
            raise ValueError(f"{word!r} is unknown, write plant, parameters, phases, seed, at or run until")

    def scenario(self, golden: tuple[str, ...]) -> Scenario:
        if self._until is None:
            raise ValueError("`run until` is missing")
        instants = [step.at for step in self._steps]
        if instants != sorted(instants) or any(at > self._until for at in instants):
            raise ValueError("steps must follow in the order of their times, the end last")
        timeline = Timeline(tuple(self._steps), self._until)
        return Scenario(self._given_sketch(), timeline, self._phases, self._seed, golden)

    def _given_sketch(self) -> Sketch:
        if self._sketch is None:
            raise ValueError("`plant` must come first")
        return self._sketch


def _sketch(text: str) -> Sketch:
    words = dict(_pair(item) for item in text.split(","))
    try:
        family = Family[words.pop("family")]
    except KeyError:
        raise ValueError("a plant needs `family A`, B or C") from None
    unknown = sorted(words.keys() - set(_COUNTS))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown, a plant has {', '.join(_COUNTS)}")
    counts: dict[str, Any] = {word: int(count) for word, count in words.items()}
    sketch = Sketch(family, **counts)
    timing = replace(sketch.timing, watch=POLICIES[family].watch_period_default)
    return replace(sketch, timing=timing)


def _with_parameters(sketch: Sketch, text: str) -> Sketch:
    for name, value in map(_pair, text.split(",")):
        change = PARAMETERS.get(name)
        if change is None:
            raise ValueError(f"parameter {name!r} is unknown, there are {', '.join(PARAMETERS)}")
        sketch = change(sketch, value)
    return sketch


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.strip().partition(" ")
    return name, value.strip()


def _step(line: str) -> Step:
    match = _STEP.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} is no step, write it like `at 2 s: server-silent IOServer1`")
    return Step(parse_span(match[1]), Injection(Fault(match[3]), match[4]), bool(match[2]))


# --- the golden trace ---


def format_line(line: TraceLine) -> str:
    """One line of a golden trace: seconds, who, what, about whom."""
    text = f"{line.at / SECOND:10.4f}  {line.source:<10} {line.kind.value:<16} {line.subject} {line.detail}"
    return text.rstrip()


def format_trace(lines: Iterable[TraceLine]) -> tuple[str, ...]:
    """The lines of a trace worth reading.

    Of the `values` lines only those that end a #COM, or come from another unit or way than the last ones.
    """
    shown: dict[tuple[str, str], str] = {}
    formatted: list[str] = []
    for line in lines:
        if line.kind in (TraceKind.VALUES, TraceKind.COM):
            key = (line.source, line.subject)
            if shown.get(key) == line.detail:
                continue
            shown[key] = line.detail
        formatted.append(format_line(line))
    return tuple(formatted)


def with_golden(text: str, golden: Iterable[str]) -> str:
    """A scenario file with its golden trace replaced; all above the separator stays as it was written."""
    above = text.partition(f"\n{SEPARATOR}\n")[0].rstrip()
    return "\n".join([above, SEPARATOR, *golden]) + "\n"
