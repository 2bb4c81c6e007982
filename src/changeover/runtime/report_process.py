"""Child processes of a report: at a low priority, and ended with the server, or by it with all they started.

As a program, with a number of bytes and a command, it starts that command with so much memory at most. The
server's own process is large and has threads, so nothing of ours runs between its fork and the exec.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

from changeover.runtime.supervisor import end_with_parent

NICENESS = 10
"""Reports give way to the servers of the same machine."""
_LINE_LENGTH_MAX = 300


def give_way() -> None:
    """In a new child: be killed when the server is, and leave the processor to the servers until then."""
    end_with_parent()
    os.nice(NICENESS)


def bound(kind: int, most: int) -> None:
    """Lower a limit of this process, one of `resource.RLIMIT_…`, for itself and all that it starts."""
    hard = resource.getrlimit(kind)[1]
    lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (lowest, lowest))


async def start_module(module: str, *arguments: str, **options: Any) -> asyncio.subprocess.Process:
    """Start a module of this package in a session of its own.

    Args:
        module: Its name within the package `runtime`.
        arguments: Of the program.
        options: Of `asyncio.create_subprocess_exec`.

    Raises:
        OSError: No process can be started.
    """
    # -P: what lies in the folder from which the server was started is no module of ours.
    command = (sys.executable, "-P", "-m", f"changeover.runtime.{module}", *arguments)
    return await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)


async def start_tool(memory_bytes: int, *command: str, **options: Any) -> asyncio.subprocess.Process:
    """Start any program as `start_module` does.

    Args:
        memory_bytes: What it, and each process that it starts, may write to of its own. Its address space is
            not bounded: browsers reserve far more of that than they use.
        command: Program and arguments.
        options: Of `asyncio.create_subprocess_exec`.
    """
    return await start_module("report_process", str(memory_bytes), *command, **options)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a child and all of its session's processes, unless it has ended by itself."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def ending(status: int, words: str) -> str:
    """How a child ended, with the last line of what it said.

    Args:
        status: Exit status; below zero for the signal that ended it.
        words: What it said, any length.
    """
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    last = next((line for line in reversed(words.splitlines()) if line.strip()), "")
    return f"ended with {how}" + (f": {last.strip()[-_LINE_LENGTH_MAX:]}" if last else "")


if __name__ == "__main__":
    give_way()
    bound(resource.RLIMIT_DATA, int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
