"""A network backup inside a lab: bulk traffic from host to host, through a bottleneck before the second.

Whatever goes to the target on that LAN stands in the same queue. TCP fills it, loses frames when it is full,
and fills it again: small messages come late by up to the queue's delay, and some are lost.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from changeover.drill import lab_bulk
from changeover.drill.lab import Bottleneck, Lab, LabError, Span
from changeover.model.moment import SECOND, Duration, to_seconds

DRAIN_PATIENCE_S = 1.0
"""How much longer than a full queue takes anything may wait in it after the backup's end."""

DRAIN_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True)
class BackupLoad:
    """How hard a network backup presses.

    Attributes:
        bottleneck: What it and everything else to the target has to pass.
        streams: TCP connections at once.
        on: Length of a burst, nanoseconds; each burst makes new connections.
        off: Pause between bursts, nanoseconds; 0 for one burst without end.
        duration: How long the sending goes on, nanoseconds; 0 until it is ended.
        seed: With it, bursts and pauses are of random length, and `on` and `off` are the means: delays of
            every size come about, and the larger the rarer. None for bursts that are all alike.
    """

    bottleneck: Bottleneck
    streams: int = 4
    on: Duration = SECOND
    off: Duration = 0
    duration: Duration = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.streams < 1 or self.on <= 0 or self.off < 0 or self.duration < 0:
            raise ValueError(f"no backup can have {self}")


class BulkTraffic:
    """The programs of a network backup and the bottleneck that they fill.

    Args:
        lab: Where.
        source: The host that sends.
        target: The host that receives; the bottleneck is at its port.
        lan: The LAN that both are on.
        load: How hard.

    Raises:
        KeyError: One of the hosts is not on the LAN.
    """

    def __init__(self, lab: Lab, source: str, target: str, lan: str, load: BackupLoad) -> None:
        self._lab, self._source, self._target, self._lan, self._load = lab, source, target, lan, load
        lab.address(source, lan)
        self._address = lab.address(target, lan)
        self._programs: list[subprocess.Popen[str]] = []

    def begin(self) -> Span:
        """Start; the target's port is congested when this returns, or a few round trips later.

        Returns:
            From the instant before the bottleneck was made to the first bytes that were sent.

        Raises:
            LabError: The kernel has no token buckets, or the source cannot reach the target.
        """
        self._stop_programs()
        load = self._load
        try:
            port = self._start(self._target, "listening", "receive", self._address)
            times = [str(to_seconds(span)) for span in (load.on, load.off, load.duration)]
            seed = [] if load.seed is None else [str(load.seed)]
            self._start(self._source, "ready", "send", self._address, port, str(load.streams), *times, *seed)
            before = self._lab.narrow(self._target, self._lan, load.bottleneck).before
            sender = self._programs[-1]
            assert sender.stdin is not None
            sender.stdin.write("begin\n")
            sender.stdin.flush()
            self._expect(sender, "sending")
        except BaseException:
            self.end()
            raise
        return Span(before, time.monotonic_ns())

    def end(self) -> Span:
        """Stop sending, let the queue run empty and take the bottleneck away; ending again does nothing.

        Returns:
            From the instant at which the sender was stopped to the one at which the port was free.
        """
        before = time.monotonic_ns()
        self._stop_programs()
        self._drain()
        return Span(before, self._lab.widen(self._target, self._lan).after)

    def _start(self, host: str, word: str, *arguments: str) -> str:
        argv = [sys.executable, "-I", "-S", str(lab_bulk.__file__), *arguments]
        program = subprocess.Popen(
            self._lab.command(host, argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the drill; what it does not end, the lab's keeper does
        )
        self._programs.append(program)
        return self._expect(program, word)

    def _expect(self, program: subprocess.Popen[str], word: str) -> str:
        """Wait for a line that begins with a word; what follows it."""
        assert program.stdout is not None
        line = program.stdout.readline().strip()
        if not line.startswith(word):
            raise LabError(
                f"backup from {self._source} to {self._target} on {self._lan}: {line or 'it ended'}"
            )
        return line.removeprefix(word).strip()

    def _stop_programs(self) -> None:
        # The sender first: the reset of its connections is what empties its own buffers.
        for program in reversed(self._programs):
            program.kill()
            program.wait()
            for stream in (program.stdin, program.stdout):
                assert stream is not None
                stream.close()
        self._programs.clear()

    def _drain(self) -> None:
        """Wait until nothing is queued: taking the bottleneck away would lose what others wait for."""
        give_up = time.monotonic() + to_seconds(self._load.bottleneck.queue_delay) + DRAIN_PATIENCE_S
        while (queue := self._lab.queue(self._target, self._lan)) is not None and queue.backlog_bytes:
            if time.monotonic() > give_up:
                return  # there is more ordinary traffic than the bottleneck lets pass
            time.sleep(DRAIN_PAUSE_S)
