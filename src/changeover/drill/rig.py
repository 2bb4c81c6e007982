"""The product under drill: its own processes, started by its own command, in a lab or on loopback."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from changeover.config.durations import duration_text
from changeover.drill.lab import Lab
from changeover.drill.load import Load, operators_client
from changeover.drill.nemesis import Victim
from changeover.drill.processes import Processes, RigError
from changeover.drill.traces import TraceReader
from changeover.model.moment import Instant
from changeover.model.plant import Plant
from changeover.model.server import TaskMode
from changeover.runtime.process import nodes_of, registers_needed
from changeover.runtime.supervisor import own_command
from changeover.scenario.disturbance import Spells

__all__ = ["Rig", "RigError"]

POLL_SECONDS = 0.02
DATA = "data"
OPERATOR = "operator"
NEVER_SLOW: Mapping[str, Spells] = MappingProxyType({})


class Rig:
    """Every server, client and simulated PLC of a plant, one process each, and an operator.

    Args:
        plant: The plant, with addresses as they are in the lab.
        project: Folder of the same project.
        lab: Where the processes live; None for this machine's loopback.
        work: Folder for archives, traces and logs; it exists.
        load: What the simulated PLCs switch; without it nothing is switched, and no operator acts.
        slow: By the address of a simulated PLC, when it answers nothing.

    Attributes:
        data: Folder of the archives.
        deeds: The operator's file.
        traces: By server or client, its trace.
    """

    def __init__(
        self,
        plant: Plant,
        project: Path,
        lab: Lab | None,
        work: Path,
        load: Load | None = None,
        slow: Mapping[str, Spells] = NEVER_SLOW,
    ) -> None:
        self._plant = plant
        self._project = project
        self._work = work
        self._load = load
        self._slow = slow
        self._processes = Processes(lab, work)
        self._computers = {
            node: computer.name for computer in plant.computers for node in nodes_of(plant, computer.name)
        }
        self._clients = frozenset(client.name for client in plant.clients)
        self.data = work / DATA
        self.deeds = work / f"{OPERATOR}.jsonl"
        self.traces = {node: TraceReader(work / f"{node}.trace.jsonl") for node in self._computers}

    def start(self) -> None:
        """Start everything; servers and PLCs listen when this returns.

        Raises:
            RigError: A process did not start.
        """
        addresses = dict.fromkeys(str(u.address) for d in self._plant.io_devices for u in d.units)
        for address in addresses:
            self._spawn_plc(address)
        self._processes.await_all({address: self._plc_listens(address) for address in addresses})
        # A standby that comes first would have to become active.
        standbys = [s.name for s in self._plant.task_servers if s.mode is TaskMode.STANDBY]
        self.begin([node for node in self._computers if node not in standbys])
        self.begin(standbys)
        client = operators_client(self._plant)
        if self._load is not None and client is not None:
            arguments = (str(self._project), client.name, str(self.deeds), self._plant.version)
            command = (sys.executable, "-m", "changeover.drill.operator", *arguments)
            self._processes.spawn(OPERATOR, client.computer, command)

    def victim(self, name: str) -> Victim:
        """The process of a server, a client or (by its address) a PLC, to be struck.

        Raises:
            RigError: It has ended by itself.
        """
        return self._processes.victim(name)

    def recovered(self, name: str) -> None:
        """A process that was struck runs again as it did."""
        self._processes.recovered(name)

    def restart(self, names: Sequence[str]) -> dict[str, Instant]:
        """Start servers and clients whose processes are gone.

        Returns:
            By server, the instant at which it listened.
        """
        since = time.monotonic_ns()
        for name in names:
            self._processes.collect(name)
            self._spawn_node(name)
        return self._await_listening([name for name in names if name not in self._clients], since)

    def renew(self, names: Sequence[str]) -> None:
        """Stop servers and clients in good order, and start them anew; servers listen when this returns."""
        self.stop(names)
        self.begin(names)

    def stop(self, names: Sequence[str]) -> None:
        """Stop servers and clients in good order."""
        self._processes.stop(names)

    def begin(self, names: Sequence[str]) -> None:
        """Start servers and clients that were stopped; servers listen when this returns."""
        since = time.monotonic_ns()
        for name in names:
            self._spawn_node(name)
        self._await_listening([name for name in names if name not in self._clients], since)

    def restart_plc(self, address: str) -> Instant:
        """Start a PLC whose process is gone; the instant at which it listened."""
        self._processes.collect(address)
        self._spawn_plc(address)
        self._processes.await_all({address: self._plc_listens(address)})
        return time.monotonic_ns()

    def read(self) -> None:
        """Read what every trace has grown by.

        Raises:
            RigError: A process that was not struck is gone: nothing can be measured any more.
        """
        for trace in self.traces.values():
            trace.read()
        self._processes.check()

    def forget(self) -> None:
        """Drop what was read so far."""
        for trace in self.traces.values():
            trace.forget()

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Read traces until something holds, at most so long; whether it does."""
        give_up = time.monotonic() + seconds
        while True:
            self.read()
            if until():
                return True
            if time.monotonic() > give_up:
                return False
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """End every process that this rig started."""
        self._processes.close()

    # --- processes ---

    def _spawn_node(self, node: str) -> None:
        computer = self._computers[node]
        self.traces[node].begin()
        where = ("--computer", computer, "--node", node, "--trace-dir", str(self._work))
        arguments = (*where, "--data", str(self.data), "--version", self._plant.version)
        self._processes.spawn(node, computer, own_command("run", str(self._project), *arguments))

    def _spawn_plc(self, address: str) -> None:
        registers = str(registers_needed(self._plant.tags))
        squares = self._load.at(self._plant, address) if self._load is not None else ()
        given = [argument for square in squares for argument in ("--square", str(square))]
        spells = self._slow.get(address)
        if spells is not None:
            given += ["--slow", f"{duration_text(spells.length)}/{duration_text(spells.gap)}"]
        command = own_command("plc", "--address", address, "--registers", registers, *given)
        self._processes.spawn(address, address.partition(":")[0], command)

    def _await_listening(self, servers: Sequence[str], since: Instant) -> dict[str, Instant]:
        self._processes.await_all({server: self._listens(server, since) for server in servers})
        lines = {server: self.traces[server].last("listening", since) for server in servers}
        return {server: int(line["at"]) for server, line in lines.items() if line is not None}

    def _listens(self, server: str, since: Instant) -> Callable[[], bool]:
        trace = self.traces[server]

        def listens() -> bool:
            trace.read()
            return trace.last("listening", since) is not None

        return listens

    def _plc_listens(self, address: str) -> Callable[[], bool]:
        return lambda: b"listening" in self._processes.said(address)
