"""The lab's keeper: a process that outlives the lab by the moment it takes to end what still runs in it.

It inherits the namespaces' open files and one end of a pipe. The pipe closes when the lab closes or when its
process dies, however it dies: then the keeper ends every process inside these namespaces and goes, and the
kernel takes the namespaces apart. It holds the files for another reason too: while it looks, none of the
namespaces' numbers can be given to somebody else's.

Run as a script, without the package: standard library only.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Set
from pathlib import Path

PATIENCE_S = 10.0
PAUSE_S = 0.002


def processes_in(inodes: Set[int]) -> tuple[int, ...]:
    """The ids of all live processes in network namespaces of these numbers, but never the caller's own."""
    own = os.getpid()
    return tuple(
        pid
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (pid := int(entry.name)) != own and _namespace_of(pid) in inodes
    )


def end_processes_in(inodes: Set[int]) -> bool:
    """Kill all processes in these network namespaces and wait until they are gone.

    Returns:
        False when one is still there after `PATIENCE_S`.
    """
    give_up = time.monotonic() + PATIENCE_S
    while found := processes_in(inodes):
        for pid in found:
            _end(pid, inodes)
        if time.monotonic() > give_up:
            return False
        time.sleep(PAUSE_S)
    return True


def _namespace_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None  # gone, a zombie, or another user's


def _end(pid: int, inodes: Set[int]) -> None:
    try:
        # Looking again through an open process: its id may have passed on to a stranger meanwhile.
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _namespace_of(pid) in inodes:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def main() -> int:
    """Wait for the pipe on standard input to close, then end everything; arguments are open file numbers."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    inodes = frozenset(os.fstat(int(fd)).st_ino for fd in sys.argv[1:])
    while os.read(0, 4096):
        pass
    return 0 if end_processes_in(inodes) else 1


if __name__ == "__main__":
    sys.exit(main())
