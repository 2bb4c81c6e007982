"""One row of the forecast, watched at one client while a strike goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from changeover.core.trace import TraceKind, TraceLine
from changeover.drill.rig import Rig
from changeover.drill.traces import notes_of, shown_of
from changeover.forecast.result import Forecast, Outcome
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Injection
from changeover.scenario.measure import Measured, measure, measured_devices, struck_unit
from changeover.scenario.measure_task import measure_task, task_client
from changeover.scenario.outage import as_seen, measuring_client

_Line: TypeAlias = dict[str, Any]
_SET_BACK = ("partner-lost", "woke-late", "listening")
"""After these a server has to say anew that its pair is redundant."""


@dataclass(frozen=True, slots=True)
class RowWatch:
    """One row, and where it is measured.

    Attributes:
        row: Of the forecast.
        client: Where.
        plant: The plant.
        rig: What runs.
    """

    row: Forecast
    client: Client
    plant: Plant
    rig: Rig

    @property
    def injection(self) -> Injection:
        """The fault as the row knows it; the strike may take more."""
        return Injection(self.row.fault, self.row.target)

    def measure(self, fault_at: Instant, repair_at: Instant | None) -> Measured:
        """What the traces tell so far."""
        if self.row.function is Function.IO_DATA:
            return self._measure_io(fault_at, repair_at)
        notes = notes_of(self.rig.traces[self.client.name].lines)
        return measure_task(
            self.plant, self.row.function, self.injection, self.client, notes, fault_at, repair_at
        )

    def is_over(self, fault_at: Instant) -> bool:
        """Whether the fault has had the effects that the forecast tells of."""
        measured = self.measure(fault_at, None)
        if self.row.outcome is Outcome.CHANGEOVER and measured.changeover is None:
            return False
        return self.row.detection is None or measured.detection is not None

    def is_back(self, fault_at: Instant, repair_at: Instant) -> bool:
        """Whether the client has gone back, as far as the forecast says that it does."""
        return self.row.return_ is None or self.measure(fault_at, repair_at).return_ is not None

    def redundant_after(self, fault_at: Instant, repair_at: Instant) -> Duration | None:
        """Repair until a second fault would be survived; None where redundancy was never lost, or is yet.

        Of I/O data that is when the last unit or way that was lost is back; of the others when both servers
        have said so.
        """
        ends = self._units_back(fault_at) if self.row.function is Function.IO_DATA else self._pair(fault_at)
        return max(0, max(ends) - repair_at) if ends else None

    # --- parts ---

    def _measure_io(self, fault_at: Instant, repair_at: Instant | None) -> Measured:
        names = (self.client.name, *(server.name for server in self.plant.io_servers))
        notes = _notes(self.rig, names)
        shown = shown_of(self.rig.traces[self.client.name].lines, self._tags(), fault_at)
        seen = as_seen(self.plant, self.injection, self.client)
        return measure(self.plant, seen, self.client, shown, notes, fault_at, repair_at)

    def _tags(self) -> frozenset[str]:
        return tags_of(self.plant, self.injection, self.client)

    def _units_back(self, fault_at: Instant) -> list[Instant]:
        names = (self.client.name, *(server.name for server in self.plant.io_servers))
        back = (TraceKind.UNIT_ONLINE, TraceKind.SESSION_OPENED)
        return [note.at for note in _notes(self.rig, names) if note.at >= fault_at and note.kind in back]

    def _pair(self, fault_at: Instant) -> list[Instant]:
        ends = []
        for server in self.plant.tasks(self.row.function):
            lines = [line for line in self.rig.traces[server.name].lines if line["at"] >= fault_at]
            last = next((line for line in reversed(lines) if line["kind"] in (*_SET_BACK, "redundant")), None)
            if last is None:
                continue
            if last["kind"] != "redundant":
                return []
            if any(line["kind"] in _SET_BACK for line in lines):
                ends.append(int(last["at"]))
        return ends


def client_of(plant: Plant, row: Forecast) -> Client | None:
    """Where a row is measured, None where no client is left."""
    injection = Injection(row.fault, row.target)
    if row.function is Function.IO_DATA:
        return measuring_client(plant, injection)
    return task_client(plant, row.function, injection)


def tags_of(plant: Plant, injection: Injection, client: Client) -> frozenset[str]:
    """Tags at which a fault is seen in I/O data."""
    devices = measured_devices(plant, as_seen(plant, injection, client), client)
    return frozenset(tag.name for device in devices for tag in plant.tags_of(device))


def why_not(plant: Plant, row: Forecast) -> str:
    """Why a row cannot be measured, empty when it can."""
    client = client_of(plant, row)
    if client is None:
        return "no client is left to measure at"
    injection = Injection(row.fault, row.target)
    if injection.fault.is_device and struck_unit(plant, injection) is None:
        return "it has no standby unit"
    if row.function is Function.IO_DATA and not tags_of(plant, injection, client):
        return "no tag is in the devices that it takes"
    return ""


def _notes(rig: Rig, names: tuple[str, ...]) -> list[TraceLine]:
    notes = [note for name in names for note in notes_of(rig.traces[name].lines)]
    notes.sort(key=lambda note: note.at)
    return notes
