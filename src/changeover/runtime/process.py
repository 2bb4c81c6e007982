"""One server or client as a process: started by a verb, stopped by SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from random import Random
from typing import Any

from changeover.drivers.modbus.address import parse_address
from changeover.model.plant import NetworkProtocol, Plant
from changeover.model.tag import Tag
from changeover.runtime.client import ClientHost
from changeover.runtime.host import Host
from changeover.runtime.io_server import IoServerHost
from changeover.runtime.trace_file import NoTrace, Trace, TraceFile

SPOKEN = frozenset(("MODNET", "MODBUS"))
"""Protocols of I/O devices that the runtime speaks."""


PLC_REGISTERS_MIN = 1000

EXIT_SOFTWARE = 70
"""Exit status after a programmer's error (sysexits: EX_SOFTWARE)."""


class NotRunnableError(Exception):
    """A plant, or a part of it, that the runtime cannot run; the text says why and what to change."""


def check_runnable(plant: Plant) -> None:
    """Refuse what can only be forecast.

    Raises:
        NotRunnableError: The stack's own time-outs decide (D2), or a device's protocol is not spoken here.
    """
    if plant.network_protocol is not NetworkProtocol.ACKNOWLEDGED:
        raise NotRunnableError(
            f'network_protocol = "{plant.network_protocol.value}" can only be forecast: here every session '
            'acknowledges by itself (D1); set it to "acknowledged" to simulate, run or drill'
        )
    for device in plant.io_devices:
        if device.protocol.upper() not in SPOKEN:
            raise NotRunnableError(
                f"I/O device {device.name} speaks {device.protocol}, which can only be forecast; "
                f"this runtime speaks {' and '.join(sorted(SPOKEN))}"
            )


def registers_needed(tags: Iterable[Tag]) -> int:
    """How many registers, and bits, of each kind a simulated PLC must have for these tags."""
    addresses = (parse_address(tag.address, tag.type) for tag in tags)
    return max((PLC_REGISTERS_MIN, *(address.start + address.count for address in addresses)))


def nodes_of(plant: Plant, computer: str) -> tuple[str, ...]:
    """Names of the I/O servers and clients of a computer: each is a process. Servers come first."""
    servers = (server.name for server in plant.io_servers if server.computer == computer)
    clients = (client.name for client in plant.clients if client.computer == computer)
    return (*servers, *clients)


def open_trace(folder: Path | None, name: str) -> Trace:
    """The trace file of a process, `<name>.trace.jsonl` in a folder that exists; no folder, no trace."""
    return TraceFile(folder / f"{name}.trace.jsonl", name) if folder else NoTrace()


def make_host(plant: Plant, name: str, trace: Trace) -> Host:
    """The host of an I/O server or client; call it inside a running loop."""
    rng = Random(time.monotonic_ns())
    for server in plant.io_servers:
        if server.name == name:
            return IoServerHost(plant, server, trace, rng)
    return ClientHost(plant, plant.client(name), trace, rng)


def run_node(plant: Plant, name: str, trace_folder: Path | None) -> int:
    """Run one I/O server or client until SIGTERM or SIGINT.

    Returns:
        The exit status: 0 after a clean stop, 1 when it could not start (the reason is on stderr).
    """
    return run_loop(lambda: _serve(plant, name, trace_folder))


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
        status: The exit status: 0, or `EXIT_SOFTWARE` after a programmer's error.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.status = 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.event.set)
        loop.set_exception_handler(self._on_error)

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # A programmer's error: state can no longer be trusted, so the process ends and is started anew.
        loop.default_exception_handler(context)
        self.status = EXIT_SOFTWARE
        self.event.set()


async def _serve(plant: Plant, name: str, trace_folder: Path | None) -> int:
    ending = Ending()
    try:
        trace = open_trace(trace_folder, name)
        host = make_host(plant, name, trace)
        host.start()
    except OSError as error:
        print(f"{name}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"{name} runs", flush=True)
    await ending.event.wait()
    host.stop()
    # Let the transports close: their peers hear of it at once.
    await asyncio.sleep(0)
    return ending.status
