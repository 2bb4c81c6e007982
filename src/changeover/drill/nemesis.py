"""The faults of a drill, one small class each: `inject` does it, `repair` undoes it, both say exactly when.

| fault of the changeover model | here |
| --- | --- |
| server-silent | `CutHost` of the server's computer |
| server-closed | `Kill`, or `Stop` for the clean stop, of the server's process |
| server-frozen | `Freeze` of the server's process |
| lan-silent | `CutLan` |
| device-silent, standby-device-silent | `CutPort` of the device's host, or `CutHost` |
| device-closed | `Kill` of the simulated PLC |
| partner-cut | `CutPair` of the servers' computers |
| network backup | `Backup` |

`Unplug` is the cut that the host itself sees, `OneWay` the one that only one side sees.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changeover.drill.lab import Lab, Span
from changeover.drill.lab_backup import BackupLoad, BulkTraffic
from changeover.model.moment import Instant

PATIENCE_S = 5.0
"""How long a process may take to obey SIGSTOP, SIGCONT or SIGKILL; usually it takes microseconds."""

PAUSE_S = 0.0002


class NemesisError(Exception):
    """The fault cannot be injected or repaired; nothing was done unless the message says otherwise."""


@dataclass(frozen=True, slots=True)
class Struck:
    """When a fault or its repair took effect: at some instant from `before` to `after`.

    Attributes:
        before: Monotonic nanoseconds (CLOCK_MONOTONIC, the same in all processes of the machine).
        after: The same clock.
        utc_ns: UTC at `before`, nanoseconds since 1970.
    """

    before: Instant
    after: Instant
    utc_ns: int


class Victim:
    """A process that its owner lets be frozen and killed: one that he started, or a descendant of it.

    Attributes:
        pid: Its process id.

    Raises:
        NemesisError: It is no such process, or not there any more.
    """

    def __init__(self, owned: subprocess.Popen[Any], pid: int | None = None) -> None:
        self._owned = owned
        self.pid = owned.pid if pid is None else pid
        if owned.poll() is not None:
            raise NemesisError(f"process {owned.pid} has ended by itself (status {owned.returncode})")
        if owned.pid not in _lineage(self.pid):
            raise NemesisError(f"process {self.pid} does not descend from process {owned.pid}")
        self._birth = _stat(self.pid).birth

    def is_alive(self) -> bool:
        """Whether the process is still there (a zombie is not)."""
        # Looked at first: the owner's own child is a zombie until somebody asks for its status.
        if self.pid == self._owned.pid and self._owned.poll() is not None:
            return False
        return self._state() not in "ZX"

    def strike(self, number: signal.Signals, *, until: str) -> Struck:
        """Send a signal and wait until the process has obeyed.

        Args:
            number: The signal.
            until: The letters of /proc/PID/stat that mean it has obeyed, or "" for not waiting; X is gone.

        Raises:
            NemesisError: It had ended before, or does not obey within `PATIENCE_S`.
        """
        handle = self._open()
        try:
            utc_ns, before = time.time_ns(), time.monotonic_ns()
            signal.pidfd_send_signal(handle, number)
            self._await(number, until)
            return Struck(before, time.monotonic_ns(), utc_ns)
        except ProcessLookupError as error:
            raise NemesisError(f"process {self.pid} has ended by itself") from error
        finally:
            os.close(handle)

    def _open(self) -> int:
        """A handle of the very process that was handed over, not of a later one with its id."""
        if self.is_alive():
            try:
                handle = os.pidfd_open(self.pid)
            except ProcessLookupError:
                handle = -1
            if handle >= 0 and self.is_alive():
                return handle
            if handle >= 0:
                os.close(handle)
        raise NemesisError(f"process {self.pid} has ended by itself")

    def _await(self, number: signal.Signals, until: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while until and self._state() not in until:
            if time.monotonic() > give_up:
                raise NemesisError(f"process {self.pid} was sent {number.name} and does not obey")
            time.sleep(PAUSE_S)

    def _state(self) -> str:
        try:
            stat = _stat(self.pid)
        except NemesisError:
            return "X"
        return stat.state if stat.birth == self._birth else "X"


class Injector(ABC):
    """One fault that can be injected and repaired, each as often as wanted."""

    @abstractmethod
    def inject(self) -> Struck:
        """Let it happen."""

    @abstractmethod
    def repair(self) -> Struck:
        """Undo it."""


class Freeze(Injector):
    """SIGSTOP: the process stands still, the kernel goes on acknowledging and accepting for it."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim

    def inject(self) -> Struck:
        """Freeze; `after` is when it stood still."""
        return self._victim.strike(signal.SIGSTOP, until="Tt")

    def repair(self) -> Struck:
        """Thaw."""
        return self._victim.strike(signal.SIGCONT, until="RSDIZX")


class _End(Injector):
    """The process ends; bringing it back is its owner's affair.

    Args:
        victim: The process.
        restart: Starts it again, as whatever started it the first time would.
    """

    _signal = signal.SIGKILL
    _until = "ZX"

    def __init__(self, victim: Victim, restart: Callable[[], Victim] | None = None) -> None:
        self._victim = victim
        self._restart = restart

    def inject(self) -> Struck:
        return self._victim.strike(self._signal, until=self._until)

    def repair(self) -> Struck:
        """Start the process again by the owner's `restart`; from then on the new process is the victim.

        Raises:
            NemesisError: There is no `restart`.
        """
        if self._restart is None:
            raise NemesisError(f"nobody has said how process {self._victim.pid} is started again")
        utc_ns, before = time.time_ns(), time.monotonic_ns()
        self._victim = self._restart()
        return Struck(before, time.monotonic_ns(), utc_ns)


class Kill(_End):
    """SIGKILL: the process is gone at once, its kernel says so to every peer; `after` is when it was gone."""


class Stop(_End):
    """SIGTERM: the process is asked to stop in good order; `after` is when it was asked."""

    _signal = signal.SIGTERM
    _until = ""


class CutHost(Injector):
    """A computer or device loses every LAN, its carrier stays up."""

    def __init__(self, lab: Lab, host: str) -> None:
        self._lab, self._host = lab, host

    def inject(self) -> Struck:
        """Cut."""
        return _struck(lambda: self._lab.cut_host(self._host))

    def repair(self) -> Struck:
        """Restore."""
        return _struck(lambda: self._lab.restore_host(self._host))


class CutLan(Injector):
    """A LAN carries nothing any more, all carriers stay up."""

    def __init__(self, lab: Lab, lan: str) -> None:
        self._lab, self._lan = lab, lan

    def inject(self) -> Struck:
        """Cut."""
        return _struck(lambda: self._lab.cut_lan(self._lan))

    def repair(self) -> Struck:
        """Restore."""
        return _struck(lambda: self._lab.restore_lan(self._lan))


class CutPort(Injector):
    """A host loses one LAN, its carrier stays up."""

    def __init__(self, lab: Lab, host: str, lan: str) -> None:
        self._lab, self._host, self._lan = lab, host, lan

    def inject(self) -> Struck:
        """Cut."""
        return _struck(lambda: self._lab.cut_port(self._host, self._lan))

    def repair(self) -> Struck:
        """Restore."""
        return _struck(lambda: self._lab.restore_port(self._host, self._lan))


class Unplug(Injector):
    """A host loses one LAN and sees it: its carrier goes."""

    def __init__(self, lab: Lab, host: str, lan: str) -> None:
        self._lab, self._host, self._lan = lab, host, lan

    def inject(self) -> Struck:
        """Pull the cable."""
        return _struck(lambda: self._lab.cut_carrier(self._host, self._lan))

    def repair(self) -> Struck:
        """Plug it in."""
        return _struck(lambda: self._lab.restore_carrier(self._host, self._lan))


class CutPair(Injector):
    """Two computers cannot see each other on any LAN, everybody else sees both, all carriers stay up.

    Args:
        lab: Where.
        computer: One of the two.
        other: The other; the two share a LAN, or `inject` and `repair` raise LabError.
    """

    def __init__(self, lab: Lab, computer: str, other: str) -> None:
        self._lab, self._computer, self._other = lab, computer, other

    def inject(self) -> Struck:
        """Cut."""
        return _struck(lambda: self._lab.cut_pair(self._computer, self._other))

    def repair(self) -> Struck:
        """Restore."""
        return _struck(lambda: self._lab.restore_pair(self._computer, self._other))


class OneWay(Injector):
    """Two computers are connected one way only, on every LAN: the computer hears the other, and not back.

    ARP is left alone; without it the direction that is whole would be lost too, half a minute later.

    Args:
        lab: Where.
        computer: Hears, and is not heard.
        other: Is heard; the two share a LAN, or `inject` and `repair` raise LabError.
    """

    def __init__(self, lab: Lab, computer: str, other: str) -> None:
        self._lab, self._computer, self._other = lab, computer, other

    def inject(self) -> Struck:
        """Cut the way from the computer to the other."""
        return _struck(lambda: self._lab.cut_direction(self._computer, self._other))

    def repair(self) -> Struck:
        """Restore it."""
        return _struck(lambda: self._lab.restore_direction(self._computer, self._other))


class Backup(Injector):
    """Bulk traffic over a LAN: all that goes to one host there comes late, and some of it never.

    Args:
        lab: Where.
        source: The host that sends the bulk.
        target: The host that receives it, before whose port everything queues.
        lan: The LAN that both are on.
        load: How hard it presses.
    """

    def __init__(self, lab: Lab, source: str, target: str, lan: str, load: BackupLoad) -> None:
        self._traffic = BulkTraffic(lab, source, target, lan, load)

    def inject(self) -> Struck:
        """Begin; `after` is when the first bytes were sent. Begun again, it starts from the beginning."""
        return _struck(self._traffic.begin)

    def repair(self) -> Struck:
        """Stop; `before` is when the sender was stopped, `after` when the queue was empty and gone."""
        return _struck(self._traffic.end)


def _struck(act: Callable[[], Span]) -> Struck:
    # UTC is what it was at the monotonic `before`, which the lab takes a few microseconds later than this.
    offset = time.time_ns() - time.monotonic_ns()
    span = act()
    return Struck(span.before, span.after, span.before + offset)


@dataclass(frozen=True, slots=True)
class _Stat:
    """A line of /proc/PID/stat: state letter, parent's id, start time in clock ticks since boot."""

    state: str
    parent: int
    birth: int


def _stat(pid: int) -> _Stat:
    try:
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError as error:
        raise NemesisError(f"there is no process {pid}") from error
    # The program's name stands in brackets and may hold any character, brackets too.
    fields = line[line.rindex(")") + 1 :].split()
    return _Stat(fields[0], int(fields[1]), int(fields[19]))


def _lineage(pid: int) -> list[int]:
    """A process and its ancestors, the process first."""
    found = []
    while pid > 0:
        found.append(pid)
        pid = _stat(pid).parent
    return found
