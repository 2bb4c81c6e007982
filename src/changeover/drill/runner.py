"""Drills: strike, measure at the clients, repair, measure the return, hold all of it against the forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec

from changeover.drill import faults
from changeover.drill.auditor import Auditor
from changeover.drill.faults import NEEDS_NETWORK, Method, Moments
from changeover.drill.lab import Lab
from changeover.drill.load import outage, probing_pause, random_span
from changeover.drill.result import LATE_SECONDS, Audit, Drill, Miss, hold_against
from changeover.drill.rig import Rig
from changeover.drill.stage import REDUNDANT_SECONDS_MAX, Stage
from changeover.drill.strikes import Strike
from changeover.drill.watch import RowWatch, client_of, why_not
from changeover.forecast.as_json import row as row_json
from changeover.forecast.result import Forecast, Outcome
from changeover.model.moment import Duration, to_seconds
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault
from changeover.scenario.measure import Measured

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
        stage: Brings the plant back to where it began.
        auditor: Audits what each strike has left; None for no audits.
        traces: Folder that takes a folder of raw traces per strike.
        rng: Instants of faults and repairs come from here.
        say: Takes a word on what is going on, for people who wait.

    Attributes:
        audits: What the audits of all strikes so far have found.
    """

    def __init__(
        self,
        plant: Plant,
        rig: Rig,
        lab: Lab | None,
        stage: Stage,
        auditor: Auditor | None,
        traces: Path,
        rng: Random,
        say: Say,
    ) -> None:
        self._plant = plant
        self._rig = rig
        self._lab = lab
        self._stage = stage
        self._auditor = auditor
        self._traces = traces
        self._rng = rng
        self._say = say
        self.audits: list[Audit] = []

    def obstacles(self, strike: Strike) -> tuple[str, ...]:
        """Why each row of a strike cannot be drilled here, empty for one that can."""
        why = faults.obstacle(self._plant, strike, self._lab)
        if not why and not self._methods(strike):
            why = NEEDS_NETWORK
        return tuple(why_not(self._plant, row) or why for row in strike.rows)

    def drills(self, strike: Strike, repeat: int) -> Iterator[tuple[Drill, ...]]:
        """Strike `repeat` times in each way to make the fault; one drill for each row, each time.

        A strike after which rows miss by lateness alone is repeated once; both are yielded.

        Raises:
            RigError: The product is gone.
        """
        repetition = 0
        for way in range(len(self._methods(strike))):
            for _ in range(repeat):
                repetition += 1
                done = self._drill(strike, way, repetition)
                yield done
                missed = [drill for drill in done if drill.misses]
                if missed and all(miss.is_late for drill in missed for miss in drill.misses):
                    again = self._drill(strike, way, repetition + 1)
                    late = {(drill.function, drill.target) for drill in missed}
                    yield tuple(
                        replace(drill, repeats=repetition if (drill.function, drill.target) in late else None)
                        for drill in again
                    )
                    repetition += 1

    def conclude(self) -> str:
        """Bring the plant back, and audit what has happened since the last strike.

        Returns:
            Why it did not come back, empty when it did.
        """
        why = self._stage.await_steady(())
        if self._auditor and not why:
            self.audits += self._auditor.judge("the last return", is_cut=False)
        return why

    def _methods(self, strike: Strike) -> tuple[Method, ...]:
        return faults.methods(self._plant, strike, self._rig, self._lab)

    def _drill(self, strike: Strike, way: int, repetition: int) -> tuple[Drill, ...]:
        method = self._methods(strike)[way]
        watches = [self._watch(row) for row in strike.rows]
        why = self._stage.await_steady(_io_clients(watches))
        if why:
            spoiled = (_record(watch.row, repetition, method, None) for watch in watches)
            return tuple(replace(drill, spoiled=why) for drill in spoiled)
        if self._auditor:
            self._auditor.on_steady()
        if strike.injection.fault is Fault.STANDBY_DEVICE_SILENT:
            # A unit that was read just now is not probed yet: the strike before may have had it read.
            self._say("until standby units are probed again")
            time.sleep(to_seconds(probing_pause(self._plant)))
        self._pause()
        self._rig.read()
        self._rig.forget()
        time.sleep(LEAD_SECONDS * 0.5)
        self._say(f"{method.words}")
        if self._auditor:
            self._auditor.on_strike()
        struck = method.inject()
        self._await_effects(watches, struck)
        self._wait_out(strike, struck)
        self._say("repair")
        repaired = method.repair()
        self._await_returns(watches, struck, repaired)
        is_redundant = self._stage.await_redundant()
        drills = [self._conclude(watch, repetition, method, struck, repaired) for watch in watches]
        self._audit(is_redundant, f"{strike.name} {repetition}", strike.injection.fault is Fault.PARTNER_CUT)
        if not is_redundant:
            drills = [_not_redundant(drill) for drill in drills]
        folder = self._keep_traces(strike, repetition)
        return tuple(replace(drill, trace=folder) for drill in drills)

    def _watch(self, row: Forecast) -> RowWatch:
        client = client_of(self._plant, row)
        assert client is not None, "an obstacle, which the caller looks for"
        return RowWatch(row, client, self._plant, self._rig)

    # --- waiting ---

    def _await_effects(self, watches: list[RowWatch], struck: Moments) -> None:
        longest = max((_effect(watch.row) for watch in watches), default=1.0)
        self._say(f"up to {longest:.1f} s until the changeover")
        self._rig.wait(
            lambda: all(watch.is_over(struck.of(watch.row.target)) for watch in watches),
            longest + LATE_SECONDS + PATIENCE_SECONDS,
        )

    def _wait_out(self, strike: Strike, struck: Moments) -> None:
        """Let the outage last until all that the fault takes is known to be lost, and a random while more."""
        left = to_seconds(struck.first + outage(self._plant, strike) - time.monotonic_ns())
        if left > 0:
            self._say(f"{left:.1f} s until everything struck is known to be lost")
            time.sleep(left)
        self._pause()

    def _await_returns(self, watches: list[RowWatch], struck: Moments, repaired: Moments) -> None:
        going = [watch for watch in watches if watch.row.return_ is not None]
        longest = max((watch.row.return_.maximum for watch in going if watch.row.return_), default=0.0)
        if going:
            self._say(f"up to {longest:.1f} s until the return")
            self._rig.wait(
                lambda: all(
                    watch.is_back(struck.of(watch.row.target), repaired.of(watch.row.target))
                    for watch in going
                ),
                longest + LATE_SECONDS + PATIENCE_SECONDS,
            )
        self._rig.read()

    def _pause(self) -> None:
        span = to_seconds(round(self._rng.random() * random_span(self._plant)))
        self._say(f"{span:.1f} s, drawn at random")
        time.sleep(span)

    # --- what is found ---

    def _conclude(
        self, watch: RowWatch, repetition: int, method: Method, struck: Moments, repaired: Moments
    ) -> Drill:
        fault_at, repair_at = struck.of(watch.row.target), repaired.of(watch.row.target)
        measured = watch.measure(fault_at, repair_at)
        drill = _record(watch.row, repetition, method, measured)
        redundant = watch.redundant_after(fault_at, repair_at)
        return replace(drill, redundant_s=_seconds(redundant), fault_at=fault_at, repair_at=repair_at)

    def _audit(self, is_redundant: bool, after: str, is_cut: bool) -> None:
        if self._auditor is None:
            return
        if is_redundant:
            self._say("audits")
            self.audits += self._auditor.judge(after, is_cut)
        self.audits.append(self._auditor.judge_values(after, is_cut))

    def _keep_traces(self, strike: Strike, repetition: int) -> str:
        folder = self._traces / f"{strike.injection.fault.value}-{strike.injection.target}-{repetition}"
        folder.mkdir(parents=True)
        for name, trace in self._rig.traces.items():
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in trace.lines)
            (folder / f"{name}.trace.jsonl").write_bytes(text)
        return f"{self._traces.name}/{folder.name}"


def _io_clients(watches: list[RowWatch]) -> list[Client]:
    return [watch.client for watch in watches if watch.row.function is Function.IO_DATA]


def _effect(row: Forecast) -> float:
    return max((d.maximum for d in (row.changeover, row.detection) if d is not None), default=1.0)


def _not_redundant(drill: Drill) -> Drill:
    if drill.redundant_s is not None:
        return drill
    return replace(drill, misses=(*drill.misses, Miss("redundant_s", None, 0.0, REDUNDANT_SECONDS_MAX)))


def _record(row: Forecast, repetition: int, method: Method, measured: Measured | None) -> Drill:
    forecast = row_json(row)
    # Of I/O data that is unaffected every value would count as one that came after a changeover.
    is_calm = row.outcome is Outcome.UNAFFECTED and row.function is Function.IO_DATA
    changeover = measured.changeover if measured and not is_calm else None
    com = measured.com if measured else None
    back = measured.return_ if measured and not is_calm else None
    first, last = (changeover.first, changeover.last) if changeover else (None, None)
    drill = Drill(
        function=row.function.value,
        fault=row.fault.value,
        target=row.target,
        repetition=repetition,
        variant=method.words,
        detection_s=_seconds(measured.detection if measured else None),
        changeover_s=_seconds(first),
        changeover_last_s=_seconds(last),
        com_s=_seconds(com.last if com else None),
        com_first_s=_seconds(com.first if com else None),
        com_median_s=_seconds(com.median if com else None),
        return_s=_seconds(back.last if back else None),
        redundant_s=None,
        forecast=forecast,
    )
    return drill if measured is None else replace(drill, misses=hold_against(forecast, drill.measured()))


def _seconds(span: Duration | None) -> float | None:
    return None if span is None else to_seconds(span)
