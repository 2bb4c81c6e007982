"""Drills: strike, measure at the client, repair, measure the return, hold both against the forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec

from changeover.drill.faults import NEEDS_NETWORK, Method, methods
from changeover.drill.lab import Lab
from changeover.drill.result import LATE_SECONDS, Drill, hold_against
from changeover.drill.rig import Rig
from changeover.drill.traces import notes_of, shown_of
from changeover.forecast.as_json import row as row_json
from changeover.forecast.result import Forecast, Outcome
from changeover.model.device import IoDevice
from changeover.model.moment import SECOND, Duration, Instant, to_seconds
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.scenario.fault import Injection
from changeover.scenario.measure import Measured, measure, measured_devices, struck_unit, way_in_use
from changeover.scenario.outage import measuring_client, phases, shortest_outage

STEADY_SECONDS_MAX = 60.0
PATIENCE_SECONDS = 5.0
"""How much longer than the forecast's maximum a drill waits before it calls something not seen."""
LEAD_SECONDS = 1.0
"""How much of the trace before the fault is kept."""

Say = Callable[[str], None]


class Driller:
    """Runs drills on a rig, one after the other.

    Args:
        plant: The plant as it runs.
        rig: The running product.
        lab: The rig's lab, None on loopback.
        traces: Folder that takes a folder of raw traces per drill.
        rng: Instants of faults and repairs come from here.
        say: Takes a word on what is going on, for people who wait.
    """

    def __init__(self, plant: Plant, rig: Rig, lab: Lab | None, traces: Path, rng: Random, say: Say) -> None:
        self._plant = plant
        self._rig = rig
        self._lab = lab
        self._traces = traces
        self._rng = rng
        self._say = say

    def obstacle(self, row: Forecast) -> str:
        """Why a row cannot be drilled here, empty when it can."""
        injection = Injection(row.fault, row.target)
        client = measuring_client(self._plant, injection)
        if client is None:
            return "no client is left to measure at"
        if injection.fault.is_device and struck_unit(self._plant, injection) is None:
            return row.reason or "it has no such unit"
        if not self._tags(injection, client):
            return "no tag is in the devices that it takes"
        return "" if self._methods(row) else NEEDS_NETWORK

    def _methods(self, row: Forecast) -> tuple[Method, ...]:
        return methods(self._plant, Injection(row.fault, row.target), self._rig, self._lab)

    def _tags(self, injection: Injection, client: Client) -> frozenset[str]:
        devices = measured_devices(self._plant, injection, client)
        return frozenset(tag.name for device in devices for tag in self._plant.tags_of(device))

    def drills(self, row: Forecast, repeat: int) -> Iterator[Drill]:
        """Drill one row of the forecast, each way to make its fault `repeat` times.

        A drill that misses by lateness alone is repeated once; both are yielded.

        Raises:
            RigError: The product is gone.
        """
        repetition = 0
        for way in range(len(self._methods(row))):
            for _ in range(repeat):
                repetition += 1
                drill = self._drill(row, way, repetition, None)
                yield drill
                if drill.misses and all(miss.is_late for miss in drill.misses):
                    yield self._drill(row, way, repetition + 1, repetition)
                    repetition += 1

    def _drill(self, row: Forecast, way: int, repetition: int, repeats: int | None) -> Drill:
        method = self._methods(row)[way]
        injection = Injection(row.fault, row.target)
        client = measuring_client(self._plant, injection)
        assert client is not None, "an obstacle, which the caller looks for"
        if not self._rig.wait(lambda: self._is_steady(client), STEADY_SECONDS_MAX):
            why = f"{client.name} was not served by all primaries within {STEADY_SECONDS_MAX:g} s"
            spoiled = _record(row, repetition, method, repeats, None)
            return replace(spoiled, spoiled=why)
        self._pause(max(phases(self._plant)))
        self._rig.read()
        self._rig.forget()
        time.sleep(LEAD_SECONDS * 0.5)
        self._say(f"{method.words}")
        struck = method.inject()
        fault_at = struck.before
        self._await_effect(row, injection, client, fault_at)
        self._wait_out(row, fault_at)
        self._say("repair")
        repair_at = method.repair()
        measured = self._await_return(row, injection, client, fault_at, repair_at)
        folder = self._keep_traces(row, repetition)
        drill = _record(row, repetition, method, repeats, measured)
        return replace(drill, trace=folder, fault_at=fault_at, repair_at=repair_at)

    # --- waiting ---

    def _await_effect(self, row: Forecast, injection: Injection, client: Client, fault_at: Instant) -> None:
        def seen() -> bool:
            measured = self._measure(injection, client, fault_at, None)
            if row.outcome is Outcome.CHANGEOVER and measured.changeover is None:
                return False
            return row.detection is None or measured.detection is not None

        longest = max((d.maximum for d in (row.changeover, row.detection) if d is not None), default=1.0)
        self._say(f"up to {longest:.1f} s until the changeover")
        self._rig.wait(seen, longest + LATE_SECONDS + PATIENCE_SECONDS)

    def _wait_out(self, row: Forecast, fault_at: Instant) -> None:
        """Let the outage last until all that the fault takes is known to be lost, and a random while more."""
        least = shortest_outage(self._plant, Injection(row.fault, row.target))
        left = to_seconds(fault_at + least - time.monotonic_ns())
        if left > 0:
            self._say(f"{left:.1f} s until everything struck is known to be lost")
            time.sleep(left)
        self._pause(max(phases(self._plant)))

    def _await_return(
        self, row: Forecast, injection: Injection, client: Client, fault_at: Instant, repair_at: Instant
    ) -> Measured:
        def returned() -> bool:
            return self._measure(injection, client, fault_at, repair_at).return_ is not None

        if row.return_ is not None:
            self._say(f"up to {row.return_.maximum:.1f} s until the return")
            self._rig.wait(returned, row.return_.maximum + LATE_SECONDS + PATIENCE_SECONDS)
        self._rig.read()
        return self._measure(injection, client, fault_at, repair_at)

    def _pause(self, longest: Duration) -> None:
        span = to_seconds(round(self._rng.random() * longest))
        self._say(f"{span:.1f} s, drawn at random")
        time.sleep(span)

    # --- measuring ---

    def _measure(
        self, injection: Injection, client: Client, fault_at: Instant, repair_at: Instant | None
    ) -> Measured:
        tags = self._tags(injection, client)
        names = (client.name, *(server.name for server in self._plant.io_servers))
        notes = [note for name in names for note in notes_of(self._rig.traces[name].lines)]
        notes.sort(key=lambda note: note.at)
        shown = shown_of(self._rig.traces[client.name].lines, tags, fault_at)
        return measure(self._plant, injection, client, shown, notes, fault_at, repair_at)

    def _is_steady(self, client: Client) -> bool:
        """Whether every device is served by its primary just now, and every unit is online."""
        now = time.monotonic_ns()
        recent = now - 4 * client.page_scan - SECOND
        serving: dict[str, tuple[str, str]] = {}
        for line in reversed(self._rig.traces[client.name].lines):
            if line["at"] < recent:
                break
            if line["kind"] == "value" and line["quality"] == "GOOD":
                serving.setdefault(line["tag"], (line["unit"], line["lan"]))
        served = all(
            any(serving.get(tag.name) == self._usual(client, device) for tag in tags)
            for device in self._plant.io_devices
            if (tags := self._plant.tags_of(device.name))
        )
        return served and self._all_well()

    def _usual(self, client: Client, device: IoDevice) -> tuple[str, str]:
        """The unit and the LAN by which a client reads a device while all is well."""
        server = device.primary.io_server
        computer = self._plant.io_server(server).computer
        lan = way_in_use(self._plant, client, server) or self._plant.common_lans(client.computer, computer)[0]
        return device.primary.name, lan

    def _all_well(self) -> bool:
        """Whether every unit is online and every way open, as far as anybody has said."""
        states = [state for trace in self._rig.traces.values() for state in trace.states.values()]
        return all(state in ("unit-online", "session-opened") for state in states)

    def _keep_traces(self, row: Forecast, repetition: int) -> str:
        folder = self._traces / f"{row.fault.value}-{row.target}-{repetition}"
        folder.mkdir(parents=True)
        for name, trace in self._rig.traces.items():
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in trace.lines)
            (folder / f"{name}.trace.jsonl").write_bytes(text)
        return f"{self._traces.name}/{folder.name}"


def _record(
    row: Forecast, repetition: int, method: Method, repeats: int | None, measured: Measured | None
) -> Drill:
    forecast = row_json(row)
    unaffected = row.outcome is Outcome.UNAFFECTED
    changeover = measured.changeover if measured and not unaffected else None
    com = measured.com if measured else None
    back = measured.return_ if measured and not unaffected else None
    seconds = {
        "detection_s": _seconds(measured.detection if measured else None),
        "changeover_s": _seconds(changeover.first if changeover else None),
        "changeover_last_s": _seconds(changeover.last if changeover else None),
        "com_s": _seconds(com.last if com else None),
        "return_s": _seconds(back.last if back else None),
    }
    return Drill(
        function=row.function.value,
        fault=row.fault.value,
        target=row.target,
        repetition=repetition,
        variant=method.words,
        detection_s=seconds["detection_s"],
        changeover_s=seconds["changeover_s"],
        changeover_last_s=seconds["changeover_last_s"],
        com_s=seconds["com_s"],
        com_first_s=_seconds(com.first if com else None),
        com_median_s=_seconds(com.median if com else None),
        return_s=seconds["return_s"],
        forecast=forecast,
        misses=hold_against(forecast, seconds) if measured is not None else (),
        repeats=repeats,
    )


def _seconds(span: Duration | None) -> float | None:
    return None if span is None else to_seconds(span)
