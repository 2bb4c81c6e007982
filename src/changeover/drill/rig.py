"""The product under drill: its own processes, started by its own command, in a lab or on loopback."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from changeover.drill.lab import Lab
from changeover.drill.nemesis import Victim
from changeover.drill.traces import TraceReader
from changeover.model.moment import MILLISECOND, SECOND, Instant
from changeover.model.plant import Plant
from changeover.runtime.process import nodes_of, registers_needed
from changeover.runtime.supervisor import end_with_parent, own_command

POLL_SECONDS = 0.01
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 5.0


class RigError(Exception):
    """The product did not start, or ended by itself; nothing is left running."""


class Rig:
    """Every I/O server, client and simulated PLC of a plant, one process each.

    Args:
        plant: The plant, with addresses as they are in the lab.
        project: Folder of the same project.
        lab: Where the processes live; None for this machine's loopback.
        work: Folder for traces and logs; it exists.
    """

    def __init__(self, plant: Plant, project: Path, lab: Lab | None, work: Path) -> None:
        self._plant = plant
        self._project = project
        self._lab = lab
        self._work = work
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._computers = {
            node: computer.name for computer in plant.computers for node in nodes_of(plant, computer.name)
        }
        self.traces = {node: TraceReader(work / f"{node}.trace.jsonl") for node in self._computers}

    def start(self) -> None:
        """Start everything; servers and PLCs listen when this returns.

        Raises:
            RigError: A process did not start.
        """
        addresses = dict.fromkeys(str(u.address) for d in self._plant.io_devices for u in d.units)
        for address in addresses:
            self._spawn_plc(address)
        for node in self._computers:
            self._spawn_node(node)
        for address in addresses:
            self._await_plc(address)
        for server in self._plant.io_servers:
            self._await_listening(server.name, 0)

    def victim(self, name: str) -> Victim:
        """The process of a server, a client or (by its address) a PLC.

        Raises:
            RigError: It has ended by itself.
        """
        if self._processes[name].poll() is not None:
            raise RigError(f"{name} ended by itself: {self._last_words(name)}")
        return Victim(self._processes[name])

    def restart_server(self, name: str) -> Instant:
        """Start a server whose process is gone; the instant at which it listened."""
        since = time.monotonic_ns()
        self._collect(name)
        self._spawn_node(name)
        return self._await_listening(name, since)

    def restart_plc(self, address: str) -> Instant:
        """Start a PLC whose process is gone; the instant at which it listened."""
        self._collect(address)
        self._spawn_plc(address)
        return self._await_plc(address)

    def read(self) -> None:
        """Read what every trace has grown by.

        Raises:
            RigError: A client's process is gone: nothing can be measured any more.
        """
        for trace in self.traces.values():
            trace.read()
        for client in self._plant.clients:
            process = self._processes.get(client.name)
            if process is not None and process.poll() is not None:
                raise RigError(f"{client.name} ended by itself: {self._last_words(client.name)}")

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
        processes = list(self._processes.values())
        self._processes.clear()
        for process in processes:
            if process.poll() is None:
                process.terminate()
                # A process that stands still hears nothing until it is woken.
                process.send_signal(signal.SIGCONT)
        give_up = time.monotonic() + STOP_SECONDS_MAX
        for process in processes:
            try:
                process.wait(max(0.0, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # --- processes ---

    def _spawn_node(self, node: str) -> None:
        computer = self._computers[node]
        where = ("--computer", computer, "--node", node, "--trace-dir", str(self._work))
        arguments = (*where, "--version", self._plant.version)
        self._spawn(node, computer, own_command("run", str(self._project), *arguments))

    def _spawn_plc(self, address: str) -> None:
        registers = str(registers_needed(self._plant.tags))
        command = own_command("plc", "--address", address, "--registers", registers)
        self._spawn(address, address.partition(":")[0], command)

    def _spawn(self, name: str, host: str, command: Sequence[str]) -> None:
        argv = self._lab.command(self._host_of(host), command) if self._lab else list(command)
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def _host_of(self, host: str) -> str:
        assert self._lab is not None
        return host if host in self._lab.hosts else self._lab.host_at(host)

    def _collect(self, name: str) -> None:
        process = self._processes.pop(name)
        process.wait()
        self._log(name).write_bytes(b"")

    def _await_listening(self, server: str, since: Instant) -> Instant:
        trace = self.traces[server]
        self._await(server, lambda: trace.last("listening", since) is not None, trace.read)
        line = trace.last("listening", since)
        assert line is not None
        return int(line["at"])

    def _await_plc(self, address: str) -> Instant:
        log = self._log(address)
        self._await(address, lambda: b"listening" in log.read_bytes(), lambda: None)
        return time.monotonic_ns()

    def _await(self, name: str, holds: Callable[[], bool], read: Callable[[], None]) -> None:
        give_up = time.monotonic() + START_SECONDS_MAX
        while True:
            read()
            if holds():
                return
            process = self._processes[name]
            if process.poll() is not None:
                raise RigError(f"{name} did not start: {self._last_words(name)}")
            if time.monotonic() > give_up:
                raise RigError(f"{name} did not start within {START_SECONDS_MAX:g} s")
            time.sleep(MILLISECOND / SECOND)

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _log(self, name: str) -> Path:
        return self._work / f"{name.replace(':', '_')}.log"
