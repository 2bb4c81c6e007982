"""One server or client as a process: started by a verb, stopped by SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from changeover.drivers.modbus.address import parse_address
from changeover.model.plant import Plant
from changeover.model.server import Function, TaskServer
from changeover.model.stack import NetworkProtocol
from changeover.model.tag import Tag
from changeover.runtime.client import ClientHost
from changeover.runtime.host import Host
from changeover.runtime.io_server import IoServerHost
from changeover.runtime.task_client import TaskClientHost
from changeover.runtime.trace_file import NoTrace, Trace, TraceFile
from changeover.storage.errors import ArchiveUnusableError

SPOKEN = frozenset(("MODNET", "MODBUS"))
"""Protocols of I/O devices that the runtime speaks."""


PLC_REGISTERS_MIN = 1000
PAIR = 2

EXIT_SOFTWARE = 70
"""Exit status after a programmer's error (sysexits: EX_SOFTWARE)."""


EXIT_IO = 74
"""Exit status after an archive failed (sysexits: EX_IOERR)."""

IPV4_SETTINGS = Path("/proc/sys/net/ipv4")
DATA_FOLDER = "data"
"""Where a project's archives are, within its folder, unless told otherwise."""


class NotRunnableError(Exception):
    """A plant, or a part of it, that the runtime cannot run; the text says why and what to change."""


def check_runnable(plant: Plant) -> None:
    """Refuse what can only be forecast.

    Raises:
        NotRunnableError: Another system's network stack decides (D2), or a device's protocol is not spoken
            here.
    """
    if plant.network_protocol is NetworkProtocol.WINDOWS:
        raise NotRunnableError(
            'network_protocol = "windows" can be forecast and simulated, not run: set it '
            'to "linux" to rely on the kernel here, or to "acknowledged" for sessions that keep SendTimeout'
        )
    for device in plant.io_devices:
        if device.protocol.upper() not in SPOKEN:
            raise NotRunnableError(
                f"I/O device {device.name} speaks {device.protocol}, which can only be forecast; "
                f"this runtime speaks {' and '.join(sorted(SPOKEN))}"
            )
    for function in Function:
        servers = plant.tasks(function)
        if len(servers) > PAIR:
            raise NotRunnableError(
                f"{', '.join(server.name for server in servers)} are more than a pair of {function.value} "
                "servers, which can only be forecast: a primary and one standby run here"
            )


def kernel_notes(plant: Plant, settings: Path = IPV4_SETTINGS) -> tuple[str, ...]:
    """Where this computer's kernel is set otherwise than the plant says, if the kernel is to decide (D2).

    Args:
        plant: The plant.
        settings: Folder of the kernel's settings.
    """
    if plant.network_protocol is not NetworkProtocol.LINUX:
        return ()
    found = []
    for name, wanted in plant.linux.settings.items():
        try:
            value = (settings / name).read_text().strip()
        except OSError:
            continue  # an older kernel, or another system
        if value != str(wanted):
            found.append(
                f"net.ipv4.{name} is {value} on this computer, and {wanted} in [linux] of plant.toml: "
                "forecasts go by the latter, set the one or the other"
            )
    return tuple(found)


def registers_needed(tags: Iterable[Tag]) -> int:
    """How many registers, and bits, of each kind a simulated PLC must have for these tags."""
    addresses = (parse_address(tag.address, tag.type) for tag in tags)
    return max((PLC_REGISTERS_MIN, *(address.start + address.count for address in addresses)))


def nodes_of(plant: Plant, computer: str) -> tuple[str, ...]:
    """Names of the servers and clients of a computer: each is a process. I/O servers first, clients last."""
    clients = (client.name for client in plant.clients if client.computer == computer)
    return (*plant.servers_on(computer), *clients)


def open_trace(folder: Path | None, name: str) -> Trace:
    """The trace file of a process, `<name>.trace.jsonl` in a folder that exists; no folder, no trace."""
    return TraceFile(folder / f"{name}.trace.jsonl", name) if folder else NoTrace()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process has its files.

    Attributes:
        project: Folder of the project.
        data: Folder of the archives of its computer.
        traces: Folder for traces, None for none.
    """

    project: Path
    data: Path
    traces: Path | None


def make_hosts(
    plant: Plant, name: str, place: Place, trace: Trace, on_failure: Callable[[str], None]
) -> tuple[Host, ...]:
    """The hosts of a server or client, in the order of their start; call it inside a running loop.

    Raises:
        OSError, ArchiveUnusableError: A server's archive cannot be opened.
    """
    rng = Random(time.monotonic_ns())
    for server in plant.io_servers:
        if server.name == name:
            return (IoServerHost(plant, server, trace, rng),)
    for task in plant.task_servers:
        if task.name == name:
            return (_task_host(plant, task, place, trace, rng, on_failure),)
    client = plant.client(name)
    shows = ClientHost(plant, client, trace, rng)
    tasks = (
        TaskClientHost(plant, client, function, trace, rng, shows.take_alarm)
        for function in dict.fromkeys(server.function for server in plant.task_servers)
        if plant.task_ways(client.computer, function)
    )
    return (shows, *tasks)


def _task_host(
    plant: Plant,
    server: TaskServer,
    place: Place,
    trace: Trace,
    rng: Random,
    on_failure: Callable[[str], None],
) -> Host:
    # Each brings its own archive's library; a process needs but one of them.
    if server.function is Function.ALARM:
        from changeover.runtime.alarm_server import AlarmServerHost  # noqa: PLC0415

        return AlarmServerHost(plant, server, trace, rng, place.data, on_failure)
    if server.function is Function.TREND:
        from changeover.runtime.trend_server import TrendServerHost  # noqa: PLC0415

        return TrendServerHost(plant, server, trace, rng, place.data, on_failure)
    from changeover.runtime.report_server import ReportServerHost  # noqa: PLC0415

    return ReportServerHost(plant, place.project, server, trace, rng, place.data, on_failure)


def run_node(plant: Plant, name: str, place: Place) -> int:
    """Run one server or client until SIGTERM or SIGINT.

    Returns:
        The exit status: 0 after a clean stop, 1 when it could not start, `EXIT_IO` when its archive cannot
        be used; the reason is on stderr.
    """
    return run_loop(lambda: _serve(plant, name, place))


def run_loop(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function with uvloop where it is installed."""
    runner_factory = None
    try:
        import uvloop  # noqa: PLC0415  an extra that speeds the loop up where it is there

        runner_factory = uvloop.new_event_loop
    except ImportError:
        pass
    with asyncio.Runner(loop_factory=runner_factory) as runner:
        return runner.run(main())


class Ending:
    """When this process has to end: SIGTERM or SIGINT came, or a callback of the loop raised.

    Make it inside the running loop, before anything else.

    Attributes:
        event: Set when the time has come.
        status: The exit status: 0, `EXIT_IO`, or `EXIT_SOFTWARE` after a programmer's error.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.status = 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.event.set)
        loop.set_exception_handler(self._on_error)

    def fail(self, why: str) -> None:
        """An archive failed: the process ends, and its partner goes on."""
        print(why, file=sys.stderr, flush=True)
        self.status = EXIT_IO
        self.event.set()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # A programmer's error: state can no longer be trusted, so the process ends and is started anew.
        loop.default_exception_handler(context)
        self.status = EXIT_SOFTWARE
        self.event.set()


async def _serve(plant: Plant, name: str, place: Place) -> int:
    ending = Ending()
    started: list[Host] = []
    try:
        trace = open_trace(place.traces, name)
        for host in make_hosts(plant, name, place, trace, ending.fail):
            started.append(host)
            host.start()
    except (OSError, ArchiveUnusableError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        print(f"{name}: {why or error}", file=sys.stderr)
        for host in started:
            host.stop()
        # An archive may be mended, and the other servers of the computer need not wait for that.
        return EXIT_IO if isinstance(error, ArchiveUnusableError) else 1
    print(f"{name} runs", flush=True)
    await ending.event.wait()
    for host in started:
        host.stop()
    # Let the transports close: their peers hear of it at once.
    await asyncio.sleep(0)
    return ending.status
