"""Processes by name, in a lab's hosts or on this machine: started, watched, stopped, none left behind."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from changeover.drill.lab import Lab
from changeover.drill.nemesis import Victim
from changeover.model.moment import MILLISECOND, SECOND
from changeover.runtime.supervisor import end_with_parent

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 10.0


class RigError(Exception):
    """The product did not start, or ended by itself; nothing is left running."""


class Processes:
    """The processes of one rig.

    Args:
        lab: Where they live; None for this machine's own network.
        logs: Folder for what they say, one file each; it exists.
    """

    def __init__(self, lab: Lab | None, logs: Path) -> None:
        self._lab = lab
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._struck: set[str] = set()

    def spawn(self, name: str, host: str, command: Sequence[str]) -> None:
        """Start a process.

        Args:
            name: Its name here.
            host: The lab's host, or an address of it; of no meaning without a lab.
            command: Program and arguments.
        """
        argv = self._lab.command(self._host_of(host), command) if self._lab else list(command)
        self._struck.discard(name)
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def victim(self, name: str) -> Victim:
        """A process that is about to be struck: from now on nobody wonders when it ends.

        Raises:
            RigError: It has ended by itself.
        """
        self.check((name,))
        self._struck.add(name)
        return Victim(self._running[name])

    def recovered(self, name: str) -> None:
        """A process that was struck runs again as it did."""
        self._struck.discard(name)

    def check(self, names: Iterable[str] | None = None) -> None:
        """Look whether processes, by default all, run; those that were struck aside.

        Raises:
            RigError: One has ended by itself.
        """
        for name in self._running if names is None else names:
            if name not in self._struck and self._running[name].poll() is not None:
                raise RigError(f"{name} ended by itself: {self._last_words(name)}")

    def collect(self, name: str) -> None:
        """Wait for the end of a process that was told to end, or killed.

        Raises:
            RigError: It does not end.
        """
        process = self._running[name]
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise RigError(f"{name} does not stop") from None
        del self._running[name]
        self._struck.discard(name)
        self._log(name).write_bytes(b"")

    def stop(self, names: Sequence[str]) -> None:
        """Stop processes in good order.

        Raises:
            RigError: One does not end.
        """
        for name in names:
            self._struck.add(name)
            self._running[name].terminate()
        for name in names:
            self.collect(name)

    def await_all(self, awaited: dict[str, Callable[[], bool]]) -> None:
        """Wait until something holds of each of some processes.

        Raises:
            RigError: A process ended, or it takes too long.
        """
        give_up = time.monotonic() + START_SECONDS_MAX
        missing = dict(awaited)
        while missing:
            for name in [name for name, holds in missing.items() if holds()]:
                del missing[name]
            for name in missing:
                if self._running[name].poll() is not None:
                    raise RigError(f"{name} did not start: {self._last_words(name)}")
            if missing and time.monotonic() > give_up:
                raise RigError(f"{next(iter(missing))} did not start within {START_SECONDS_MAX:g} s")
            time.sleep(MILLISECOND / SECOND)

    def said(self, name: str) -> bytes:
        """What a process has said."""
        return self._log(name).read_bytes()

    def close(self) -> None:
        """End every process that was started here."""
        processes = list(self._running.values())
        self._running.clear()
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

    def _host_of(self, host: str) -> str:
        assert self._lab is not None
        return host if host in self._lab.hosts else self._lab.host_at(host)

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _log(self, name: str) -> Path:
        return self._logs / f"{name.replace(':', '_')}.log"
