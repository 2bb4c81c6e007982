"""The lab's switch: a process that carries each frame from host to host, and can do it badly.

It holds one TAP device for each port of each LAN. What a host sends comes out of its port's TAP, and goes to
the TAP of the port that has the frame's address, or to all of the LAN. On the way each direction of each pair
of hosts has its own delay, jitter, loss, bursts, duplicates, reordering and cut.

    lab_switch.py SETUP

The set-up is JSON, with the numbers of open TAP files; a direction is named by the places of its two ports:

    {"seed": 1, "ports": [{"file": 5, "lan": "LAN_A", "host": "SCADA1", "address": "02000a0a000b"}, …]}

Standard input brings JSON lines, and each is answered by one on standard output:

    {"id": 1, "do": "impair", "directions": [[0, 1]], "impairment": {"delay": 5000000, …}}
    {"id": 2, "do": "unimpair", "directions": [[0, 1]]}
    {"id": 3, "do": "count", "directions": [[0, 1]]}

An impairment has the fields of `changeover.scenario.impairment`, a count those of its `Passage`. What an
answer acknowledges has been done. When standard input closes, the switch ends, and the TAPs with it.

Run as a script, without the package: standard library only.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import heapq
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ARP = b"\x08\x06"
SECOND = 1_000_000_000

ROOM_BYTES = 2048
"""More than a frame has: 1514 bytes, as no TAP takes larger ones."""

TURN_FRAMES = 16
"""What one port may send before it is another's turn."""

HELD_BYTES_MAX = 256 << 20
"""What may be under way at once; a frame beyond that is refused."""

NEVER = 1 << 62

STEP_NS = SECOND // 2
"""How long the good and bad periods of a silent direction may go uncounted."""


class Periods:
    """Good and bad periods in turn, of exponential length; before `begin` and after `end` all is good.

    They come from random numbers of their own, so they depend on the seed and the time, never on the traffic.

    Args:
        seed: Of the random numbers.

    Attributes:
        begun: How many bad periods there have been, the one that is on included.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._means = (0, 0)
        self._is_bad = False
        self._since = 0
        self._until = NEVER
        self._bad_ns = 0
        self.begun = 0

    @property
    def is_on(self) -> bool:
        """Whether there are periods at all."""
        return self._until != NEVER

    def begin(self, mean_good: int, mean_bad: int, now: int) -> None:
        """Begin, with a period that is as likely bad as a look at any time would find it; times in ns."""
        self._means = (mean_good, mean_bad)
        self._is_bad = self._rng.random() * (mean_good + mean_bad) < mean_bad
        self.begun += self._is_bad
        self._since = now
        self._until = now + self._draw()

    def end(self, now: int) -> None:
        """Let all be good."""
        self._bad_ns = self.bad_ns(now)
        self._is_bad = False
        self._until = NEVER

    def advance(self, now: int) -> bool:
        """Go on to a time; whether the period is then a bad one."""
        while now >= self._until:
            if self._is_bad:
                self._bad_ns += self._until - self._since
            self._is_bad = not self._is_bad
            self.begun += self._is_bad
            self._since = self._until
            self._until += self._draw()
        return self._is_bad

    def bad_ns(self, now: int) -> int:
        """How long periods have been bad, all together."""
        is_bad = self.advance(now)
        return self._bad_ns + (now - self._since if is_bad else 0)

    @functools.cached_property
    def _rng(self) -> random.Random:
        return random.Random(self._seed)  # large: only a few of all directions ever need one

    def _draw(self) -> int:
        return 1 + int(self._rng.expovariate(1.0) * self._means[self._is_bad])


class Counts:
    """What has become of frames; the names are those of a `Passage`."""

    def __init__(self) -> None:
        self.seen = self.delivered = self.refused = 0
        self.lost_at_random = self.lost_in_bursts = self.lost_to_cut = 0
        self.duplicated = self.held_back = self.reordered = 0
        self.late_max = 0


class Direction:
    """From one port of a LAN to another: what is done to the frames, and what has been done.

    ARP is spared by all that loses frames, and is not counted.

    Args:
        file: The TAP of the port that frames go to.
        seed: Of the direction's own random numbers.

    Attributes:
        file: As given.
        periods: When bursts lose frames.
        counts: What has become of its frames so far.
        is_plain: Whether frames pass as they come.
        held: How many wait until they are due.
        latest: The highest number of a frame that was delivered.
    """

    def __init__(self, file: int, seed: str) -> None:
        self.file = file
        self.periods = Periods(f"{seed} periods")
        self.counts = Counts()
        self.held = 0
        self.latest = 0
        self._seed = seed
        self._last_due = 0
        self.impair({}, 0)

    def impair(self, impairment: dict[str, Any], now: int) -> None:
        """Do this to frames from now on, and nothing that was done before; what is left out is nothing."""
        self._delay: int = impairment.get("delay", 0)
        self._jitter: int = impairment.get("jitter", 0)
        self._loss: float = impairment.get("loss", 0.0)
        self._duplicate: float = impairment.get("duplicate", 0.0)
        self._reorder: float = impairment.get("reorder", 0.0)
        self._reorder_by: int = impairment.get("reorder_by", 0)
        self._is_cut: bool = impairment.get("cut", False)
        self.is_plain = not any(impairment.values())
        self.periods.end(now)
        if bursts := impairment.get("bursts"):
            self.periods.begin(bursts["mean_good"], bursts["mean_bad"], now)
            self._loss_bad: float = bursts["loss_bad"]

    def admit(self, frame: bytes, now: int) -> tuple[int, ...]:
        """When a frame is due, and when its duplicate; nothing when it is lost."""
        counts = frame[12:14] != ARP
        if counts:
            self.counts.seen += 1
            if self._loses(now):
                return ()
        due = now + self._delay
        if self._jitter:
            due += int(self._rng.random() * self._jitter)
        if self.held:
            due = max(due, self._last_due)  # it took less time, and waits for the one before it
        if self._reorder and self._rng.random() < self._reorder:
            self.counts.held_back += counts
            due += self._reorder_by
        else:
            self._last_due = due
        if self._duplicate and self._rng.random() < self._duplicate:
            self.counts.duplicated += counts
            return (due, due)
        return (due,)

    def count(self, now: int) -> dict[str, int]:
        """What has become of all frames: the fields of a `Passage`."""
        bad_ns = self.periods.bad_ns(now)
        return vars(self.counts) | {"bad_periods": self.periods.begun, "bad_time": bad_ns}

    @functools.cached_property
    def _rng(self) -> random.Random:
        return random.Random(self._seed)

    def _loses(self, now: int) -> bool:
        if self._is_cut:
            self.counts.lost_to_cut += 1
        elif self.periods.advance(now) and self._rng.random() < self._loss_bad:
            self.counts.lost_in_bursts += 1
        elif self._loss and self._rng.random() < self._loss:
            self.counts.lost_at_random += 1
        else:
            return False
        return True


class Port:
    """One port: its TAP and, by the address that a frame has, where what comes out of it goes.

    Args:
        file: The TAP.
        own: The address of the port's host.
        others: By the addresses of their hosts, the directions to the LAN's other ports.
    """

    def __init__(self, file: int, own: bytes, others: dict[bytes, Direction]) -> None:
        self.file = file
        self.everybody = tuple(others.values())
        self.goes_to: dict[bytes, tuple[Direction, ...]] = {
            own: (),
            **{address: (direction,) for address, direction in others.items()},
        }


class Switch:
    """All ports, all frames under way, and the loop.

    Args:
        setup: As the module's text says.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        self._ports: dict[int, Port] = {}
        self._directions: dict[tuple[int, int], Direction] = {}
        self._poll = select.epoll()
        for place, at in enumerate(setup["ports"]):
            others = {}
            for other, to in enumerate(setup["ports"]):
                if other != place and to["lan"] == at["lan"]:
                    seed = f"{setup['seed']} {at['lan']} {at['host']} {to['host']}"
                    direction = self._directions[place, other] = Direction(to["file"], seed)
                    others[bytes.fromhex(to["address"])] = direction
            self._ports[at["file"]] = Port(at["file"], bytes.fromhex(at["address"]), others)
            self._poll.register(at["file"], select.EPOLLIN)
        self._bursting: tuple[Direction, ...] = ()
        self._next_step = 0
        self._held: list[tuple[int, int, Direction, bytes]] = []  # a heap: due, number, where to, frame
        self._held_bytes = 0
        self._number = 0
        self._rest = b""

    def run(self) -> None:
        """Carry frames and obey until standard input closes."""
        self._poll.register(0, select.EPOLLIN)
        while True:
            for file, _ in self._wait():
                port = self._ports.get(file)
                if port is not None:
                    self._carry_from(port)
                elif not self._listen():
                    return
                self._release()

    def _wait(self) -> list[tuple[int, int]]:
        """Wait for files that have something to read, and deliver what is due meanwhile."""
        while True:
            self._release()
            if ready := self._poll.poll(0):
                return ready
            wake = self._step()
            if self._held:
                wake = min(wake, self._held[0][0])
            if wake == NEVER:
                return self._poll.poll()
            # The poll object rounds what it waits up to whole milliseconds.
            select.select([self._poll], [], [], max(0, wake - time.monotonic_ns()) / SECOND)

    def _step(self) -> int:
        """Let good and bad periods go on where nothing is sent; when to do so again."""
        if not self._bursting:
            return NEVER
        now = time.monotonic_ns()
        if now >= self._next_step:
            self._next_step = now + STEP_NS
            for direction in self._bursting:
                direction.periods.advance(now)
        return self._next_step

    def _carry_from(self, port: Port) -> None:
        read, file, goes_to, everybody = os.read, port.file, port.goes_to, port.everybody
        for _ in range(TURN_FRAMES):
            try:
                frame = read(file, ROOM_BYTES)
            except BlockingIOError:
                return
            self._number += 1
            for direction in goes_to.get(frame[:6], everybody):
                if direction.is_plain and not direction.held:
                    direction.counts.seen += frame[12:14] != ARP
                    self._deliver(direction, frame, self._number)
                else:
                    self._hold(direction, frame)

    def _hold(self, direction: Direction, frame: bytes) -> None:
        """Keep a frame, and its duplicate, until it is due."""
        now = time.monotonic_ns()
        for due in direction.admit(frame, now):
            if due <= now and not direction.held:
                self._deliver(direction, frame, self._number)
            elif self._held_bytes + len(frame) > HELD_BYTES_MAX:
                direction.counts.refused += frame[12:14] != ARP
            else:
                self._number += 1
                heapq.heappush(self._held, (due, self._number, direction, frame))
                self._held_bytes += len(frame)
                direction.held += 1

    def _release(self) -> None:
        """Deliver what is due."""
        held = self._held
        while held and held[0][0] <= (now := time.monotonic_ns()):
            due, number, direction, frame = heapq.heappop(held)
            self._held_bytes -= len(frame)
            direction.held -= 1
            direction.counts.late_max = max(direction.counts.late_max, now - due)
            self._deliver(direction, frame, number)

    def _deliver(self, direction: Direction, frame: bytes, number: int) -> None:
        counts = frame[12:14] != ARP
        try:
            os.write(direction.file, frame)
        except OSError:  # no room, no memory
            direction.counts.refused += counts
            return
        direction.counts.delivered += counts
        if number < direction.latest:
            direction.counts.reordered += counts
        else:
            direction.latest = number

    def _listen(self) -> bool:
        """Obey what has come on standard input; whether it is still open."""
        data = os.read(0, 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            answer = {"id": order["id"], "counts": self._obey(order)}
            os.write(1, json.dumps(answer).encode() + b"\n")
        return bool(data)

    def _obey(self, order: dict[str, Any]) -> list[dict[str, int]]:
        directions = [self._directions[sender, listener] for sender, listener in order["directions"]]
        now = time.monotonic_ns()
        if order["do"] == "count":
            return [direction.count(now) for direction in directions]
        impairment = order.get("impairment", {})
        for direction in directions:
            direction.impair(impairment, now)
        self._bursting = tuple(each for each in self._directions.values() if each.periods.is_on)
        is_cut = impairment.get("cut", False)
        if is_cut or order["do"] == "unimpair":
            for direction, frame, number in self._take(directions):
                if is_cut and frame[12:14] != ARP:
                    direction.counts.lost_to_cut += 1
                else:
                    self._deliver(direction, frame, number)
        return []

    def _take(self, directions: Iterable[Direction]) -> list[tuple[Direction, bytes, int]]:
        """Take what is under way in these directions, in the order in which it would have arrived."""
        chosen = set(directions)
        taken = sorted(entry for entry in self._held if entry[2] in chosen)
        self._held = [entry for entry in self._held if entry[2] not in chosen]
        heapq.heapify(self._held)
        for _, _, direction, frame in taken:
            direction.held -= 1
            self._held_bytes -= len(frame)
        return [(direction, frame, number) for _, number, direction, frame in taken]


def be_prompt() -> None:
    """Whatever this process is late, the frames are; a switch of metal would not wait for a core either."""
    gc.disable()  # nothing here makes circles
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")
    # Only some may have it. Beside busy cores it makes 0.1 ms of the 5 ms that the latest frame is late.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> int:
    """Be the switch."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    be_prompt()
    Switch(json.loads(sys.argv[1])).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
