"""A network backup while a plant runs: how often a session is given up though nothing is lost (I7).

The plant is started anew with each SendTimeout, everything else as its project says. Bulk traffic goes to the
computer of the primary servers by one LAN, through a bottleneck; whatever else goes there waits in the same
queue. Every "Session Timeout" then is a false one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from changeover.config.project import Project
from changeover.config.tags import AddressChecker
from changeover.drill.backup_forecast import predict
from changeover.drill.governing import governing_parameters
from changeover.drill.lab import Bottleneck, Lab, LabError
from changeover.drill.lab_backup import BackupLoad
from changeover.drill.nemesis import Backup
from changeover.drill.probe import Probe
from changeover.drill.rig import Rig
from changeover.drill.started import World, started
from changeover.drill.trips_count import session_trips
from changeover.model.moment import MILLISECOND, SECOND, Duration, to_seconds
from changeover.model.plant import Plant
from changeover.runtime.process import check_runnable
from changeover.scenario.summary import summarise

PROBE_PERIOD: Duration = 50 * MILLISECOND
LOAD = BackupLoad(
    Bottleneck(rate_bit_s=8_000_000, queue_delay=1000 * MILLISECOND),
    streams=6,
    on=700 * MILLISECOND,
    off=2000 * MILLISECOND,
    seed=1,
)
"""A slow LAN that is full at times: delays of every size up to the queue's, the larger the rarer."""


@dataclass(frozen=True, slots=True)
class BackupPoint:
    """What was counted at one SendTimeout.

    Attributes:
        send_timeout_ms: [LAN]SendTimeout.
        seconds: How long was counted.
        io_timeouts: Sessions to I/O servers that were given up, of clients and of servers that read.
        task_timeouts: Sessions to alarm, trend and report servers that clients gave up.
        partners_lost: How often a server took its partner for lost.
        closings: Sessions that the other side closed, because it had given them up.
        hardware_alarms: "Session Timeout" alarms at clients.
        delay_s: Of the probe's delays the summary by name, in seconds; None where nothing was asked.
        exposed: How many sessions of clients to the I/O server go the backup's way.
        given_up: How many times one of these was lost, by either side.
        predicted, low, high: How often that was to be expected, and between which counts 95 of 100 runs lie,
            by what the probe saw at the other values; None where it saw nothing.
    """

    send_timeout_ms: int
    seconds: float
    io_timeouts: int
    task_timeouts: int
    partners_lost: int
    closings: int
    hardware_alarms: int
    delay_s: dict[str, float] | None
    exposed: int = 0
    given_up: int = 0
    predicted: float | None = None
    low: int | None = None
    high: int | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the count is one that the prediction allows; None without any."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.given_up <= self.high

    @property
    def timeouts_per_hour(self) -> float:
        """False time-outs, of clients and of partners, per hour."""
        return (self.io_timeouts + self.task_timeouts + self.partners_lost) * 3600.0 / self.seconds

    @property
    def losses_per_hour(self) -> float:
        """The same and the sessions that the other side closed: all that was lost for no reason, per hour."""
        return self.timeouts_per_hour + self.closings * 3600.0 / self.seconds

    def as_json(self) -> dict[str, Any]:
        """The record that a program reads."""
        rates = {"timeouts_per_hour": self.timeouts_per_hour, "losses_per_hour": self.losses_per_hour}
        return asdict(self) | rates | {"holds": self.holds}


@dataclass(frozen=True, slots=True)
class BackupResult:
    """All points of one run.

    Attributes:
        plant, version, family: Of the project.
        started_utc: When it began, ISO 8601.
        traffic: What was sent, in words.
        parameters: (parameter, value with unit, where it was set); SendTimeout is not among them.
        notes: What a reader must know of the lab.
        points: In the order in which they were counted.
        delay_s: The probe's delays over all points.
    """

    plant: str
    version: str
    family: str
    started_utc: str
    traffic: str
    parameters: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    points: tuple[BackupPoint, ...]
    delay_s: dict[str, float] | None

    def as_json(self) -> dict[str, Any]:
        """The document beside the sheet."""
        parameters = [{"parameter": p, "value": v, "source": s} for p, v, s in self.parameters]
        points = [point.as_json() for point in self.points]
        return asdict(self) | {"parameters": parameters, "points": points}


@dataclass(frozen=True, slots=True)
class Course:
    """Which way a backup takes through a plant.

    Attributes:
        source: The computer that is backed up.
        target: The computer that the primary servers run on.
        lan: The LAN that it goes by.
    """

    source: str
    target: str
    lan: str


def course_of(plant: Plant) -> Course | None:
    """From a client's computer to that of the first server, by their first LAN; None where there is none."""
    computers = [server.computer for server in plant.io_servers]
    computers += [server.computer for server in plant.task_servers]
    for target in computers[:1]:
        for client in plant.clients:
            lans = plant.session_lans(client.computer, target)
            if client.computer != target and lans:
                return Course(client.computer, target, lans[0])
    return None


class BackupRun:
    """One run.

    Args:
        project: The project as its owner has it.
        out: Folder for what is found; it is made.
        check_address: The driver's address check, for reading the copies that run in the lab.
        load: How hard the backup presses.

    Raises:
        NotRunnableError: The plant can only be forecast.
        LabError: There is no way for a backup.
    """

    def __init__(
        self, project: Project, out: Path, check_address: AddressChecker, load: BackupLoad = LOAD
    ) -> None:
        check_runnable(project.plant)
        self._project = project
        self._out = out
        self._check_address = check_address
        self._load = load
        course = course_of(project.plant)
        if course is None:
            raise LabError("no client reaches the first server by a LAN: there is no way for a backup")
        self._course = course
        self._delays: list[tuple[float, ...]] = []
        self.points: list[BackupPoint] = []
        self._notes: tuple[str, ...] = ()
        self._started_utc = datetime.now(UTC).isoformat(timespec="seconds")

    def run(
        self, send_timeouts_ms: Sequence[int], seconds: float, say: Callable[[str], None]
    ) -> Iterator[BackupPoint]:
        """Count at each SendTimeout; each point is yielded, and kept in `points`, when it is over.

        Args:
            send_timeouts_ms: The values, in milliseconds.
            seconds: How long to count at each.
            say: Takes a word on what is going on, for people who wait.

        Raises:
            ConfigurationError: A SendTimeout is out of its range.
            LabError: The lab could not be built, or this machine's kernel has no token buckets.
            RigError: The product did not start, or ended by itself.
            OSError: The output folder cannot be written.
        """
        for number, send_timeout_ms in enumerate(send_timeouts_ms, start=1):
            say(f"SendTimeout {send_timeout_ms} ms: the product starts")
            work = self._out / "processes" / f"{number}-{send_timeout_ms}"
            work.mkdir(parents=True)
            ini = {"LAN": {"SendTimeout": send_timeout_ms}}
            with started(self._project, ini, work, self._check_address, World(), say) as product:
                self._notes = tuple(dict.fromkeys((*self._notes, *product.lab.notes)))
                point, delays = self._count(product.plant, product.rig, product.lab, seconds, say)
                self._delays.append(delays)
                self.points.append(point)
            yield point

    def result(self) -> BackupResult:
        """What was found so far."""
        plant, load = self._project.plant, self._load
        bottleneck = load.bottleneck
        course = self._course
        traffic = (
            f"From {course.source} to {course.target} by {course.lan}: {load.streams} streams, bursts of "
            f"{load.on / SECOND:g} s and pauses of {load.off / SECOND:g} s on average, through "
            f"{bottleneck.rate_bit_s / 1e6:g} Mbit/s with a queue of {bottleneck.queue_delay / SECOND:g} s."
        )
        parameters = tuple(
            row for row in governing_parameters(self._project) if row[0].lower() != "[lan]sendtimeout"
        )
        return BackupResult(
            plant=plant.name,
            version=plant.version,
            family=plant.policy.family.value,
            started_utc=self._started_utc,
            traffic=traffic,
            parameters=parameters,
            notes=self._notes,
            points=tuple(self._predicted(place) for place in range(len(self.points))),
            delay_s=summarise([delay for run in self._delays for delay in run]),
        )

    def _predicted(self, place: int) -> BackupPoint:
        """A point with its prediction, from what the probe saw at the others."""
        point = self.points[place]
        others = [run for number, run in enumerate(self._delays) if number != place]
        send_timeout_s = point.send_timeout_ms / 1000
        away_s = send_timeout_s + to_seconds(self._project.plant.timing.client_retry)
        found = predict(
            others, to_seconds(PROBE_PERIOD), send_timeout_s, point.exposed, point.seconds, away_s
        )
        if found is None:
            return point
        return replace(point, predicted=found.mean, low=found.low, high=found.high)

    def _ways(self, plant: Plant) -> dict[str, frozenset[str]]:
        """By client, its ways to I/O servers that the backup goes, too."""
        course = self._course
        return {
            client.name: frozenset(
                str(way)
                for way in plant.ways(client)
                if way.lan == course.lan and plant.computer_of(way.server) == course.target
            )
            for client in plant.clients
            if client.computer == course.source
        }

    def _count(
        self, plant: Plant, rig: Rig, lab: Lab, seconds: float, say: Callable[[str], None]
    ) -> tuple[BackupPoint, tuple[float, ...]]:
        course = self._course
        send_timeout_ms = plant.timing.send_timeout // MILLISECOND
        backup = Backup(lab, course.source, course.target, course.lan, self._load)
        probe = Probe(lab, course.source, course.target, course.lan, PROBE_PERIOD)
        probe.begin()
        try:
            rig.read()
            rig.forget()
            began = backup.inject().after
            say(f"SendTimeout {send_timeout_ms} ms: {seconds:g} s of backup")
            time.sleep(max(0.0, seconds - (time.monotonic_ns() - began) / SECOND))
            delays = probe.end()
            rig.read()
            taken = (time.monotonic_ns() - began) / SECOND
        finally:
            probe.close()
            backup.repair()
        ways = self._ways(plant)
        given_up = sum(len(session_trips(rig.traces[name].lines, own)) for name, own in ways.items())
        point = _point(rig, send_timeout_ms, taken, delays)
        return replace(point, exposed=sum(map(len, ways.values())), given_up=given_up), delays


def write_backup(result: BackupResult, out: Path, sheet: str) -> tuple[Path, Path]:
    """Write a run's sheet and records; their paths."""
    page, records = out / "sheet.html", out / "backup.json"
    page.write_text(sheet, encoding="utf-8")
    records.write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    return page, records


def _point(rig: Rig, send_timeout_ms: int, seconds: float, delays: Sequence[float]) -> BackupPoint:
    io_timeouts = task_timeouts = partners_lost = closings = hardware_alarms = 0
    for trace in rig.traces.values():
        for line in trace.lines:
            kind = line["kind"]
            io_timeouts += kind == "session-timeout" and not line["detail"]
            task_timeouts += kind == "session-timeout" and bool(line["detail"])
            partners_lost += kind == "partner-lost"
            closings += kind == "session-closed"
            hardware_alarms += kind == "hardware-alarm" and line["text"] == "Session Timeout"
    return BackupPoint(
        send_timeout_ms,
        seconds,
        io_timeouts,
        task_timeouts,
        partners_lost,
        closings,
        hardware_alarms,
        summarise(delays),
    )
