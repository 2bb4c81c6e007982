"""Starts processes, passes on what they say, restarts those that end, and stops them all."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RESTART_DELAY_SECONDS_MIN = 1.0
RESTART_DELAY_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long before it ended is restarted with the shortest delay."""
STOP_SECONDS = 5.0
WAIT_SECONDS_MAX = 10.0
"""How long a process waits for those before it."""
COULD_NOT_START = 1
"""Exit status of a process that found at its start that it cannot run."""
LINE_BYTES_MAX = 65536
"""A longer line of a process is passed on in pieces."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One process to keep.

    Attributes:
        name: For people.
        command: Program and arguments.
        waits: Starts when all that do not wait have said something, or ended: a client that starts before its
            primary servers listen goes to the standby, and stays there (T5).
    """

    name: str
    command: tuple[str, ...]
    waits: bool = False


def own_command(*arguments: str) -> tuple[str, ...]:
    """This program with other arguments."""
    return (sys.executable, "-m", "changeover", *arguments)


def end_with_parent() -> None:
    """In a new child: be killed when the parent is, so that nobody is left behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Keeps a set of processes; one that cannot even start the first time ends them all.

    Args:
        jobs: The processes, in the order of their start.
        restart: Whether a process that ends is started again.
        say: Takes a line for people.
    """

    def __init__(self, jobs: Sequence[Job], restart: bool, say: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._restart = restart
        self._say = say
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._silent = {job.name for job in jobs if not job.waits}
        self._all_heard = asyncio.Event()
        self._gave_up = False
        self.status = 0

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until no process is left.

        Returns:
            0 after a stop that was asked for; otherwise the highest exit status of a process.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        keepers = [loop.create_task(self._keep(job)) for job in self._jobs]
        waiting = loop.create_task(self._stopping.wait())
        everyone = asyncio.gather(*keepers)
        await asyncio.wait((waiting, everyone), return_when=asyncio.FIRST_COMPLETED)
        asked = self._stopping.is_set() and not self._gave_up
        self._stopping.set()
        await self._stop_all(everyone)
        await waiting
        return 0 if asked else self.status

    async def _keep(self, job: Job) -> None:
        delay = RESTART_DELAY_SECONDS_MIN
        first = True
        loop = asyncio.get_running_loop()
        if job.waits and self._silent:
            await self._until_heard()
        while not self._stopping.is_set():
            started = loop.time()
            status = await self._run_once(job)
            if self._stopping.is_set():
                return
            self.status = max(self.status, status if status > 0 else 1)
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            if not self._restart:
                self._say(f"{job.name} {how}")
                return
            if first and status == COULD_NOT_START:
                # An address that is taken, a setting that is wrong: trying again does not mend it.
                self._say(f"{job.name} could not start, so everything stops")
                self._gave_up = True
                self._stopping.set()
                return
            first = False
            if loop.time() - started >= STEADY_SECONDS:
                delay = RESTART_DELAY_SECONDS_MIN
            self._say(f"{job.name} {how}, starts again in {delay:g} s")
            try:
                await asyncio.wait_for(self._stopping.wait(), delay)
            except TimeoutError:
                delay = min(2 * delay, RESTART_DELAY_SECONDS_MAX)

    async def _until_heard(self) -> None:
        """Wait for those that start before, unless everything stops meanwhile."""
        loop = asyncio.get_running_loop()
        both = [loop.create_task(event.wait()) for event in (self._all_heard, self._stopping)]
        await asyncio.wait(both, timeout=WAIT_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()

    def _hear(self, name: str) -> None:
        self._silent.discard(name)
        if not self._silent:
            self._all_heard.set()

    async def _run_once(self, job: Job) -> int:
        process = await asyncio.create_subprocess_exec(
            *job.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        self._processes[job.name] = process
        if self._stopping.is_set():
            # The stop came while it was being started, and knows nothing of it.
            _signal(process, signal.SIGTERM)
        assert process.stdout is not None
        await self._pass_on(job.name, process.stdout)
        status = await process.wait()
        self._hear(job.name)
        del self._processes[job.name]
        return status

    async def _pass_on(self, name: str, output: asyncio.StreamReader) -> None:
        rest = b""
        while data := await output.read(LINE_BYTES_MAX):
            self._hear(name)
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) >= LINE_BYTES_MAX:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(f"{name}: {line.decode(errors='replace').rstrip()}")
        if rest:
            self._say(f"{name}: {rest.decode(errors='replace').rstrip()}")

    async def _stop_all(self, everyone: asyncio.Future[list[None]]) -> None:
        for process in self._processes.values():
            _signal(process, signal.SIGTERM)
            # A process that stands still cannot stop: it is woken to hear the signal.
            _signal(process, signal.SIGCONT)
        await asyncio.wait((everyone,), timeout=STOP_SECONDS)
        for process in self._processes.values():
            _signal(process, signal.SIGKILL)
        await everyone


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        try:
            process.send_signal(number)
        except ProcessLookupError:
            return
