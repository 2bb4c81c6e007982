"""False trips, predicted and counted: the real product under a disturbance, at several time-outs (I7).

The product is started anew with each value, everything else as its project says, and something is done to it
that loses nothing for good. What is given up all the same is a false trip, and is held against the forecast's
rate. Counts are looked at for I/O data: its sessions for a time-out of the network, its devices for a
driver's. A client of alarms, trends and reports that has changed over stays where it is (T5), so its sessions
can be given up once only; they are counted and not held against anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from threading import Event, Thread
from typing import Any

from changeover.config.project import Project
from changeover.config.tags import AddressChecker
from changeover.drill.backup import course_of
from changeover.drill.governing import governing_parameters
from changeover.drill.lab import LabError
from changeover.drill.nemesis import Freeze, Victim
from changeover.drill.rig import Rig
from changeover.drill.started import Ini, Started, World, started
from changeover.drill.trips_count import LOSSES, Trip, device_trips, session_trips
from changeover.forecast.false_trips import Rate, SessionCourse, device_rate, pause_rate, session_rate
from changeover.model.moment import MILLISECOND, Duration, to_seconds
from changeover.model.plant import Plant
from changeover.model.server import Function, IoServer
from changeover.runtime.disturbances import disturbance_in_words
from changeover.runtime.process import check_runnable
from changeover.runtime.trend_server import scan_period
from changeover.scenario.disturbance import Disturbance, Pauses, SlowAnswers, Spells
from changeover.scenario.impairment import Impairment

CONFIDENCE = 0.95
READ_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TripPoint:
    """What was predicted and counted at one value.

    Attributes:
        value_ms: The time-out's value.
        seconds: How long was counted.
        exposed: How many sessions, or devices, could trip.
        predicted: How many trips were to be expected.
        low, high: Between these a count lies in 95 of 100 runs.
        counted: How many there were.
        errors: With how many of them the hardware error was raised.
        moved: After how many the client was served by another way or unit first.
        moved_s: Until then, the median in seconds; None where none was.
        back: How many were attached again before the end.
        back_s: Until then, the median in seconds.
        others: Sessions to alarm, trend and report servers that clients gave up, and partners that were lost.
    """

    value_ms: int
    seconds: float
    exposed: int
    predicted: float
    low: int
    high: int
    counted: int
    errors: int
    moved: int
    moved_s: float | None
    back: int
    back_s: float | None
    others: int

    @property
    def holds(self) -> bool:
        """Whether the count is one that the prediction allows."""
        return self.low <= self.counted <= self.high

    def per_hour(self, trips: float) -> float:
        """A number of trips here as trips per hour."""
        return trips * 3600.0 / self.seconds

    def as_json(self) -> dict[str, Any]:
        """The record that a program reads."""
        return asdict(self) | {"holds": self.holds}


@dataclass(frozen=True, slots=True)
class TripResult:
    """All points of one run.

    Attributes:
        plant, version, family: Of the project.
        started_utc: When it began, ISO 8601.
        parameter: The time-out that was varied.
        disturbance: What was done, in words.
        where: To whom.
        parameters: (parameter, value with unit, where it was set) of the others.
        notes: What a reader must know of the lab.
        points: In the order in which they were counted.
    """

    plant: str
    version: str
    family: str
    started_utc: str
    parameter: str
    disturbance: str
    where: str
    parameters: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    points: tuple[TripPoint, ...]

    @property
    def holds(self) -> bool:
        """Whether there are counts, and each is one that its prediction allows."""
        return bool(self.points) and all(point.holds for point in self.points)

    def as_json(self) -> dict[str, Any]:
        """The document beside the sheet."""
        parameters = [{"parameter": p, "value": v, "source": s} for p, v, s in self.parameters]
        points = [point.as_json() for point in self.points]
        return asdict(self) | {"parameters": parameters, "points": points, "holds": self.holds}


class TripRun:
    """One run.

    Args:
        project: The project as its owner has it.
        out: Folder for what is found; it is made.
        check_address: The driver's address check, for reading the copies that run in the lab.
        disturbance: What is done.
        seed: Of what is drawn for it.

    Raises:
        NotRunnableError: The plant can only be forecast.
        LabError: There is nobody to do it to.
    """

    def __init__(
        self, project: Project, out: Path, check_address: AddressChecker, disturbance: Disturbance, seed: int
    ) -> None:
        check_runnable(project.plant)
        if project.plant.timing.silence is None and not isinstance(disturbance, SlowAnswers):
            raise LabError(
                "network_protocol leaves silent peers to the network stack, so SendTimeout trips nothing: "
                "only slow-device can be counted here"
            )
        course = course_of(project.plant)
        if course is None:
            raise LabError("no client reaches the first server by a LAN: there is nothing to disturb")
        self._project = project
        self._out = out
        self._check_address = check_address
        self._disturbance = disturbance
        self._seed = seed
        self._course = course
        self._server = _io_server_on(project.plant, course.target)
        self._notes: tuple[str, ...] = ()
        self._started_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self.points: list[TripPoint] = []

    @property
    def parameter(self) -> str:
        """The time-out that is varied."""
        if isinstance(self._disturbance, SlowAnswers):
            return f"[{self._protocol}]Timeout"
        return "[LAN]SendTimeout"

    @property
    def _protocol(self) -> str:
        return self._project.plant.io_devices[0].protocol.upper()

    def run(
        self, values_ms: Sequence[int], seconds: float, say: Callable[[str], None]
    ) -> Iterator[TripPoint]:
        """Count at each value; each point is yielded, and kept in `points`, when it is over.

        Args:
            values_ms: Values of the time-out, in milliseconds.
            seconds: How long to count at each.
            say: Takes a word on what is going on, for people who wait.

        Raises:
            ConfigurationError: A value is out of its range.
            LabError: The lab could not be built, or the value does not reach its device.
            RigError: The product did not start, or ended by itself.
            OSError: The output folder cannot be written.
        """
        for number, value_ms in enumerate(values_ms, start=1):
            say(f"{self.parameter} {value_ms} ms: the product starts")
            work = self._out / "processes" / f"{number}-{value_ms}"
            work.mkdir(parents=True)
            with started(
                self._project, self._ini(value_ms), work, self._check_address, self._world(), say
            ) as product:
                self._notes = tuple(dict.fromkeys((*self._notes, *product.lab.notes)))
                point = self._count(product, value_ms, seconds, say)
                self.points.append(point)
            yield point

    def result(self) -> TripResult:
        """What was found so far."""
        plant, course = self._project.plant, self._course
        if isinstance(self._disturbance, Impairment):
            where = f"between {course.source} and {course.target} on {course.lan}, in both directions"
        elif isinstance(self._disturbance, Pauses):
            where = self._server.name
        else:
            where = f"the device of {plant.io_devices[0].primary.name}"
        varied = self.parameter.lower()
        rows = tuple(row for row in governing_parameters(self._project) if row[0].lower() != varied)
        return TripResult(
            plant=plant.name,
            version=plant.version,
            family=plant.policy.family.value,
            started_utc=self._started_utc,
            parameter=self.parameter,
            disturbance=disturbance_in_words(self._disturbance),
            where=where,
            parameters=rows,
            notes=self._notes,
            points=tuple(self.points),
        )

    # --- one value ---

    def _ini(self, value_ms: int) -> Ini:
        if isinstance(self._disturbance, SlowAnswers):
            return {self._protocol: {"Timeout": value_ms}}
        return {"LAN": {"SendTimeout": value_ms}}

    def _world(self) -> World:
        disturbance = self._disturbance
        if isinstance(disturbance, SlowAnswers):
            return World(slow={self._project.plant.io_devices[0].primary.name: disturbance.spells})
        return World(switched=isinstance(disturbance, Impairment), seed=self._seed)

    def _count(
        self, product: Started, value_ms: int, seconds: float, say: Callable[[str], None]
    ) -> TripPoint:
        rig = product.rig
        rig.read()
        rig.forget()
        with self._disturbed(product):
            began = time.monotonic_ns()
            while (left := seconds - to_seconds(time.monotonic_ns() - began)) > 0:
                say(f"{self.parameter} {value_ms} ms: {_losses(rig)} given up, {left:.0f} s to go")
                time.sleep(min(READ_SECONDS, left))
                rig.read()
            taken = to_seconds(time.monotonic_ns() - began)
            trips = self._trips(product)
        return self._point(product.plant, value_ms, taken, trips, self._others(product))

    @contextmanager
    def _disturbed(self, product: Started) -> Iterator[None]:
        disturbance, course = self._disturbance, self._course
        if isinstance(disturbance, Impairment):
            for sender, listener in ((course.source, course.target), (course.target, course.source)):
                product.lab.impair(sender, listener, disturbance, course.lan)
            yield
        elif isinstance(disturbance, Pauses):
            victim = product.rig.victim(self._server.name)
            with _pausing(victim, disturbance.spells, Random(self._seed)):
                yield
        else:
            yield

    def _trips(self, product: Started) -> list[Trip]:
        plant, traces = product.plant, product.rig.traces
        if isinstance(self._disturbance, SlowAnswers):
            primary = plant.io_devices[0].primary
            lines = traces[primary.io_server].lines
            return device_trips(lines, traces[plant.clients[0].name].lines, frozenset((primary.name,)))
        found = []
        for name, ways in self._ways(plant).items():
            found += session_trips(traces[name].lines, ways)
        return found

    def _ways(self, plant: Plant) -> dict[str, frozenset[str]]:
        """By client, its ways to the I/O server that are disturbed."""
        is_network = isinstance(self._disturbance, Impairment)
        return {
            client.name: frozenset(
                str(way)
                for way in plant.ways(client)
                if way.server == self._server.name and (not is_network or way.lan == self._course.lan)
            )
            for client in plant.clients
            if (client.computer == self._course.source or not is_network)
            and client.computer != self._course.target
        }

    def _others(self, product: Started) -> int:
        lines = (line for trace in product.rig.traces.values() for line in trace.lines)
        return sum(
            line["kind"] == "partner-lost" or (line["kind"] == "session-timeout" and bool(line["detail"]))
            for line in lines
        )

    # --- the forecast ---

    def _point(
        self, plant: Plant, value_ms: int, seconds: float, trips: Sequence[Trip], others: int
    ) -> TripPoint:
        exposed, rate = self._rate(plant, value_ms)
        low, high = rate.counts(exposed, seconds, CONFIDENCE)
        moved = [to_seconds(trip.moved_after) for trip in trips if trip.moved_after is not None]
        back = [to_seconds(trip.back_after) for trip in trips if trip.back_after is not None]
        return TripPoint(
            value_ms=value_ms,
            seconds=seconds,
            exposed=exposed,
            predicted=rate.seen_in(exposed, seconds),
            low=low,
            high=high,
            counted=len(trips),
            errors=sum(trip.error for trip in trips),
            moved=len(moved),
            moved_s=median(moved) if moved else None,
            back=len(back),
            back_s=median(back) if back else None,
            others=others,
        )

    def _rate(self, plant: Plant, value_ms: int) -> tuple[int, Rate]:
        """How many sessions or devices are exposed, and at what rate each trips."""
        disturbance = self._disturbance
        if isinstance(disturbance, SlowAnswers):
            primary = plant.io_devices[0].primary
            timing = primary.timing
            if timing.timeout != value_ms * MILLISECOND:
                raise LabError(
                    f"a section nearer to {primary.name} than [{self._protocol}] sets Timeout: take it out"
                )
            patience = timing.timeout * timing.attempts_until_offline
            return 1, device_rate(patience, readers(plant), disturbance.spells, timing.watch_period)
        ways = self._ways(plant)
        exposed = sum(map(len, ways.values()))
        course = self._session(plant, tuple(ways))
        if isinstance(disturbance, Pauses):
            return exposed, pause_rate(course, disturbance.spells, exposed)
        return exposed, session_rate(course, disturbance, disturbance, exposed)

    def _session(self, plant: Plant, clients: Sequence[str]) -> SessionCourse:
        requests = sum(device.primary.io_server == self._server.name for device in plant.io_devices)
        return SessionCourse(
            send_timeout=plant.timing.send_timeout,
            page_scan=min(plant.client(name).page_scan for name in clients),
            requests=max(1, requests),
            round_trip=plant.round_trip,
            client_retry=plant.timing.client_retry,
        )


def readers(plant: Plant) -> tuple[Duration, ...]:
    """Periods of all who have I/O data read while the plant runs: clients, and servers that scan."""
    scans = [client.page_scan for client in plant.clients]
    for server in plant.task_servers:
        if server.function is Function.ALARM and plant.alarms:
            scans.append(plant.timing.alarm_scan)
        elif server.function is Function.TREND and plant.trends:
            scans.append(scan_period(plant))
    return tuple(scans)


def write_trips(result: TripResult, out: Path, sheet: str) -> tuple[Path, Path]:
    """Write a run's sheet and records; their paths."""
    page, records = out / "sheet.html", out / "trips.json"
    page.write_text(sheet, encoding="utf-8")
    records.write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    return page, records


def _losses(rig: Rig) -> int:
    """How many sessions and units anybody has given up so far."""
    lines = (line for trace in rig.traces.values() for line in trace.lines)
    return sum(line["kind"] in LOSSES or line["kind"] == "unit-offline" for line in lines)


def _io_server_on(plant: Plant, computer: str) -> IoServer:
    for server in plant.io_servers:
        if server.computer == computer:
            return server
    raise LabError(f"{computer} has no I/O server: there are no sessions of I/O data to give up")


@contextmanager
def _pausing(victim: Victim, spells: Spells, rng: Random) -> Iterator[None]:
    """Let a process stand still now and then."""
    over = Event()

    def work() -> None:
        freeze = Freeze(victim)
        while not over.wait(rng.expovariate(1 / to_seconds(spells.gap))):
            freeze.inject()
            over.wait(rng.expovariate(1 / to_seconds(spells.length)))
            freeze.repair()

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
