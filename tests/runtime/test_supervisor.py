"""The supervisor over processes that do nothing useful."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from changeover.runtime import supervisor
from changeover.runtime.supervisor import Job, Supervisor


def job(name: str, script: str) -> Job:
    return Job(name, (sys.executable, "-S", "-c", script))


def supervise(jobs: list[Job], restart: bool, stop_at: str = "") -> tuple[int, list[str]]:
    """Run until it ends by itself, or stop it when a line holds `stop_at`; its status and its lines."""
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if stop_at and stop_at in line:
            os.kill(os.getpid(), signal.SIGTERM)

    return asyncio.run(Supervisor(jobs, restart, say).run()), lines


def test_what_ends_stays_ended_without_restart() -> None:
    status, lines = supervise(
        [job("A", "raise SystemExit(3)"), job("B", "print('hello'); raise SystemExit(1)")], restart=False
    )
    assert status == 3
    assert sorted(lines) == ["A ended with status 3", "B ended with status 1", "B: hello"]


def test_restarts_wait_longer_each_time_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_DELAY_SECONDS_MIN", 0.01)
    monkeypatch.setattr(supervisor, "RESTART_DELAY_SECONDS_MAX", 0.04)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    assert asyncio.run(Supervisor([job("A", "raise SystemExit(3)")], True, say).run()) == 0
    delays = ["0.01", "0.02", "0.04", "0.04", "0.04"]
    assert lines == [f"A ended with status 3, starts again in {delay} s" for delay in delays]


def test_a_long_life_makes_the_next_restart_quick_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_DELAY_SECONDS_MIN", 0.01)
    monkeypatch.setattr(supervisor, "STEADY_SECONDS", 0.0)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(Supervisor([job("A", "raise SystemExit(3)")], True, say).run())
    assert lines == ["A ended with status 3, starts again in 0.01 s"] * 3


def test_a_process_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
    script = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    assert supervise([job("A", script)], restart=True, stop_at="up") == (0, ["A: up"])


def test_a_process_that_stands_still_is_woken_to_stop() -> None:
    script = "import os,time; print('up', flush=True); os.kill(os.getpid(), 19); time.sleep(600)"
    assert supervise([job("A", script)], restart=True, stop_at="up") == (0, ["A: up"])


def test_a_stop_while_a_process_is_being_started_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes after the process exists and before the supervisor knows it."""
    ready = tmp_path / "ready"
    script = (
        "import signal, sys, time, pathlib\n"
        "signal.signal(15, lambda *_: sys.exit(print('asked to stop')))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(600)"
    )
    create = asyncio.create_subprocess_exec

    async def create_slowly(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await create(*arguments, **options)
        while not ready.exists():
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", create_slowly)
    assert supervise([job("A", script)], restart=True) == (0, ["A: asked to stop"])


def test_endless_lines_are_passed_on_in_pieces() -> None:
    script = "import sys; sys.stdout.write('x' * 300_000 + '\\nlast'); sys.stdout.flush()"
    status, lines = supervise([job("A", script)], restart=False)
    said = [line.removeprefix("A: ") for line in lines if line.startswith("A: ")]
    assert "".join(said) == "x" * 300_000 + "last"
    assert said[-1] == "last"
    assert status == 1
    assert lines[-1] == "A ended with status 0"


def test_a_process_that_cannot_even_start_ends_them_all() -> None:
    waits = "import time; print('up', flush=True); time.sleep(60)"
    fails = "import time; time.sleep(0.3); raise SystemExit(1)"
    status, lines = supervise([job("A", waits), job("B", fails)], restart=True)
    assert status == 1
    assert lines == ["A: up", "B could not start, so everything stops"]
