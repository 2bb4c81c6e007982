"""Alarm, trend and report servers and their clients in the virtual world: machines, disks, values, time.

A task server's process runs two machines: an I/O client that reads the values, and the server. Both live and
die, stand still and run together.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from changeover.core import machine as core
from changeover.core.alarm_server import AlarmServer
from changeover.core.io_client import IoClient, Tags
from changeover.core.machine import Machine
from changeover.core.report_server import ReportServer
from changeover.core.task_client import TaskClient
from changeover.core.task_messages import FetchRecords, FetchSamples, Query
from changeover.core.task_server import TaskServer
from changeover.core.trend_server import TrendServer
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.plant import Plant, Way
from changeover.model.report import Schedule
from changeover.model.server import Client, Function, TaskMode
from changeover.model.server import TaskServer as TaskServerConfiguration
from changeover.simulation.disk import AlarmDisk, RunDisk, TrendDisk, unpack
from changeover.simulation.host import EPOCH_UTC, Host
from changeover.simulation.world import World

DISK_DELAY: Duration = 5 * MILLISECOND
"""Until a batch of samples is durable."""
RENDER_DELAY: Duration = 200 * MILLISECOND
"""Until a report is rendered."""
GAP_SCANS = 4
"""Answers of a device further apart than so many scans leave a gap in the trends."""

MakeHost = Callable[[str, str, Callable[[], Machine], str], Host]


class Truth(Protocol):
    """What the process behind the I/O devices does."""

    def value(self, tag: str, utc: int) -> float | None:
        """A tag's value at an instant."""


class Still:
    """Nothing ever happens."""

    def value(self, tag: str, utc: int) -> float | None:
        """Always 0."""
        return 0.0


class PeriodCalendar:
    """Periods only: the virtual world has no time zones."""

    def runs_between(self, schedule: Schedule, after_utc: int, until_utc: int, limit: int) -> tuple[int, ...]:
        """Whole multiples of the period."""
        period = schedule.period
        assert period, "reports of the virtual world have a period"
        return tuple(range((after_utc // period + 1) * period, until_utc + 1, period)[-limit:])


class TaskProcess:
    """One alarm, trend or report server's process.

    Args:
        plant: The plant.
        configuration: Which of its servers.
        world: Its clock.
        make_host: Makes a host of a machine (name, computer, maker, name in the trace).
        truth: The values.
        rng: Phases come from here.

    Attributes:
        host: The server machine's host.
        disk: What survives.
        published: Report runs whose files have their names, as (report, scheduled time).
    """

    def __init__(
        self,
        plant: Plant,
        configuration: TaskServerConfiguration,
        world: World,
        make_host: MakeHost,
        truth: Truth,
        rng: Random,
    ) -> None:
        self._plant = plant
        self.configuration = configuration
        self._world = world
        self._truth = truth
        self._rng = rng
        self._life = 0
        name, computer = configuration.name, configuration.computer
        self._device_of = {tag.name: tag.device for tag in plant.tags}
        self.disk: AlarmDisk | TrendDisk | RunDisk = self._new_disk()
        self.published: list[tuple[str, int]] = []
        self._staged: set[tuple[str, int]] = set()
        self.host = make_host(name, computer, self._server, name)
        self.host.performers = self._performers()
        self._watched = self._watched_tags()
        self._last: dict[str, float | None] = {}
        self._reader: Host | None = None
        if self._watched:
            self._reader = make_host(f"{name}:io", computer, self._io_client, f"{name}:io")
            self._reader.on_present = self._on_present

    # --- the process ---

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.host.alive

    def start(self) -> None:
        """The process starts, with what its disk holds."""
        self._life += 1
        self._last.clear()
        self.host.start()
        self._tick(self._life)
        if self._reader is not None:
            self._reader.start()

    def kill(self) -> None:
        """The process is gone, and what was not durable."""
        self._life += 1
        if isinstance(self.disk, TrendDisk):
            self.disk.lose_collected()
        for host in self._hosts():
            host.kill()

    def freeze(self) -> None:
        """The process stands still."""
        for host in self._hosts():
            host.freeze()

    def thaw(self) -> None:
        """The process runs again: the server's machine first learns that it slept."""
        for host in self._hosts():
            host.thaw()

    def _hosts(self) -> tuple[Host, ...]:
        return (self.host,) if self._reader is None else (self.host, self._reader)

    # --- machines ---

    def _server(self) -> TaskServer:
        plant, own = self._plant, self.configuration
        partner = plant.partner_of(own)
        ways: tuple[Way, ...] = ()
        if partner is not None:
            ways = tuple(Way(partner.name, lan) for lan in plant.session_lans(own.computer, partner.computer))
        common = (
            own.name,
            partner.name if partner else None,
            ways,
            own.mode is TaskMode.PRIMARY,
            plant.neighbours(own),
            plant.timing,
            self._rng,
        )
        visited = plant.has_visitors(own)
        if isinstance(self.disk, AlarmDisk):
            return AlarmServer(*common, plant.alarms, self._device_of, self.disk.kept(), visited)
        if isinstance(self.disk, TrendDisk):
            gap = GAP_SCANS * self._scan()
            return TrendServer(*common, plant.trends, self._device_of, gap, self.disk.kept(), visited)
        return ReportServer(*common, plant.reports, PeriodCalendar(), self.disk.kept(), visited)

    def _io_client(self) -> IoClient:
        plant, own = self._plant, self.configuration
        ways = tuple(
            Way(server.name, lan)
            for server in plant.io_servers
            for lan in plant.session_lans(own.computer, server.computer)
        )
        devices = {self._device_of[tag] for tag in self._watched}
        tags: Tags = {device.name: (device.name,) for device in plant.io_devices if device.name in devices}
        return IoClient(
            f"{own.name}:io",
            ways,
            plant.io_devices,
            tags,
            self._scan(),
            plant.policy,
            plant.timing,
            self._rng,
        )

    def _scan(self) -> Duration:
        if self.configuration.function is Function.ALARM:
            return self._plant.timing.alarm_scan
        periods = [trend.period for trend in self._plant.trends if trend.period]
        return min([SECOND, *periods])

    def _new_disk(self) -> AlarmDisk | TrendDisk | RunDisk:
        name = self.configuration.name
        if self.configuration.function is Function.ALARM:
            return AlarmDisk(name)
        if self.configuration.function is Function.TREND:
            return TrendDisk(self._device_of)
        return RunDisk(name)

    def _watched_tags(self) -> tuple[str, ...]:
        if self.configuration.function is Function.ALARM:
            names = (name for alarm in self._plant.alarms for name in alarm.variables)
        elif self.configuration.function is Function.TREND:
            names = (name for trend in self._plant.trends for name in (trend.tag, trend.trigger) if name)
        else:
            return ()
        return tuple(dict.fromkeys(names))

    # --- values and time ---

    def _on_present(self, effect: core.Present | core.ShowCom, now: int) -> None:
        tags = tuple(tag for tag in self._watched if self._device_of[tag] == effect.device)
        if isinstance(effect, core.ShowCom):
            for tag in tags:
                self._last.pop(tag, None)
            self.host.deliver(core.DeviceUnknown(effect.device, tags))
            return
        assert effect.data is not None
        utc = effect.data.source_utc
        changed = []
        for tag in tags:
            value = self._truth.value(tag, utc)
            if tag not in self._last or self._last[tag] != value:
                self._last[tag] = value
                changed.append((tag, value))
        self.host.deliver(core.Values(effect.device, utc, tuple(changed)))

    def _tick(self, life: int) -> None:
        if life != self._life:
            return
        if not self.host.frozen:
            self.host.deliver(core.WallClock(self._world.now + EPOCH_UTC))
        self._world.after(self._plant.timing.report_watch, self._tick, life)

    # --- effects ---

    def _performers(self) -> dict[type, Callable[..., None]]:
        performers: dict[type, Callable[..., None]] = {core.LookUp: self._look_up}
        disk = self.disk
        if isinstance(disk, AlarmDisk):
            performers[core.KeepAlarms] = lambda effect: disk.keep(effect.states, effect.records)
        elif isinstance(disk, TrendDisk):
            performers[core.TakeSamples] = lambda effect: disk.take(effect.tags, effect.utc)
            performers[core.KeepBatch] = self._keep_batch
            performers[core.MergeSamples] = self._merge
        else:
            performers[core.KeepRuns] = lambda effect: disk.keep(effect.records)
            performers[core.RunReport] = self._render
            performers[core.PublishRun] = self._publish
            performers[core.DropRun] = self._drop
        return performers

    def _look_up(self, effect: core.LookUp) -> None:
        what = effect.what
        if isinstance(what, Query):
            found: object = what.body
        elif isinstance(what, FetchRecords) and isinstance(self.disk, AlarmDisk | RunDisk):
            found = self.disk.fetch(what)
        else:
            assert isinstance(what, FetchSamples) and isinstance(self.disk, TrendDisk)
            found = self.disk.fetch(what)
        self._later(0, core.Looked(effect.token, found))

    def _keep_batch(self, effect: core.KeepBatch) -> None:
        assert isinstance(self.disk, TrendDisk)
        batch, disk, life = self.disk.seal(), self.disk, self._life

        def keep() -> None:
            if life == self._life:
                disk.keep(batch, effect.covered)
                self.host.deliver(core.BatchKept(effect.token))

        self._world.after(DISK_DELAY, keep)

    def _merge(self, effect: core.MergeSamples) -> None:
        disk, life = self.disk, self._life

        def keep() -> None:
            if life == self._life:
                assert isinstance(disk, TrendDisk)
                disk.keep(unpack(effect.samples), effect.covered)
                self.host.deliver(core.BatchKept(effect.token))

        self._world.after(DISK_DELAY, keep)

    def _render(self, effect: core.RunReport) -> None:
        life, run = self._life, (effect.report, effect.scheduled_utc)
        name = f"{effect.report}-{effect.scheduled_utc}.html"

        def end() -> None:
            if life == self._life:
                self._staged.add(run)
                self.host.deliver(core.RunRendered(*run, (name,), ()))

        self._world.after(RENDER_DELAY, end)

    def _publish(self, effect: core.PublishRun) -> None:
        run = (effect.report, effect.scheduled_utc)
        if run in self._staged:
            self._staged.discard(run)
            self.published.append(run)

    def _drop(self, effect: core.DropRun) -> None:
        self._staged.discard((effect.report, effect.scheduled_utc))

    def _later(self, delay: Duration, stimulus: core.Stimulus) -> None:
        life = self._life

        def deliver() -> None:
            if life == self._life:
                self.host.deliver(stimulus)

        self._world.after(delay, deliver)


def task_client(plant: Plant, client: Client, function: Function, rng: Random) -> TaskClient | None:
    """A client's machine for one function; None where it reaches no server of it."""
    ways = plant.task_ways(client.computer, function)
    if not ways:
        return None
    priority = {server.name: server.priority for server in plant.tasks(function)}
    return TaskClient(client.name, function, ways, priority, client.page_scan, plant.timing, rng)
