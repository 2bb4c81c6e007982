"""The lab's end of its switch: starts the process, tells it what to do, and says so when it is gone.

What the process itself does is in `lab_switch`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from changeover.drill import lab_switch
from changeover.drill.lab_hub import Direction, step
from changeover.drill.lab_namespace import Namespace
from changeover.drill.lab_netlink import Span
from changeover.drill.lab_plan import LabError, Tap
from changeover.drill.lab_tap import open_taps
from changeover.scenario.impairment import Impairment, Passage

REPLY_TIMEOUT_S = 10.0
"""The switch answers in a fraction of a millisecond; after this long it stands still."""

END_PATIENCE_S = 1.0


class SwitchControl:
    """A lab's switch, from the making of its ports to its end; safe to share between threads.

    Args:
        taps: One for each port.
    """

    def __init__(self, taps: Sequence[Tap]) -> None:
        self._taps = taps
        self._files: tuple[int, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._places = {tap.port: place for place, tap in enumerate(taps)}
        self._impaired: set[Direction] = set()
        self._lock = threading.Lock()
        self._number = 0
        self._rest = b""
        self._last_words = ""

    def open_taps(self) -> None:
        """Make the ports; the calling THREAD is in the namespace that they are for.

        Raises:
            LabError: This machine has no TAPs, or not for this process.
        """
        self._files = open_taps(self._taps)

    def start(self, space: Namespace, seed: int) -> None:
        """Start the process; `await_start` waits until it carries frames.

        Args:
            space: The hub's namespace: who ends what is in there ends the switch too.
            seed: Of all random numbers; a direction's own come from it, the LAN and the two hosts.

        Raises:
            LabError: It cannot be started.
        """
        ports = [
            {"file": file, "lan": port.lan, "host": port.host, "address": port.hardware_address.hex()}
            for port, file in zip(self._places, self._files, strict=True)
        ]
        setup = json.dumps({"seed": seed, "ports": ports})
        argv = [sys.executable, "-I", "-S", str(lab_switch.__file__), setup]
        self._socket, other_end = socket.socketpair()
        self._socket.settimeout(REPLY_TIMEOUT_S)
        with other_end, step("start the lab's switch"):
            self._process = subprocess.Popen(
                space.command(argv),
                stdin=other_end.fileno(),
                stdout=other_end.fileno(),
                stderr=subprocess.PIPE,
                cwd="/",
                pass_fds=self._files,
                start_new_session=True,  # Ctrl-C is for the drill, which needs its network to clean up
            )

    def await_start(self) -> None:
        """Wait until frames are carried.

        Raises:
            LabError: The switch has died.
        """
        self._ask("count", ())
        self._close_files()  # a TAP is gone with the last of its files: it must not outlive the switch

    def check(self) -> None:
        """Do nothing while the switch runs.

        Raises:
            LabError: It has died; nothing passes on any LAN any more.
        """
        if self._process is not None and self._process.poll() is not None:
            raise self._death(self._process)

    def impair(self, directions: Sequence[Direction], impairment: Impairment) -> Span:
        """Do this to frames in these directions; the last call for a direction holds."""
        span, _ = self._ask("impair", directions, impairment=asdict(impairment))
        self._impaired.update(directions)
        return span

    def unimpair(self, directions: Sequence[Direction]) -> Span:
        """Let frames in these directions pass as they come, those under way included."""
        span, _ = self._ask("unimpair", directions)
        self._impaired.difference_update(directions)
        return span

    def clear(self) -> None:
        """Undo `impair` for all directions."""
        self.unimpair(tuple(self._impaired))

    def passage(self, directions: Sequence[Direction]) -> Passage:
        """What has become of the frames in these directions, together."""
        _, counts = self._ask("count", directions)
        return sum((Passage(**count) for count in counts), Passage())

    def close(self) -> None:
        """End the process; closing again does nothing."""
        self._close_files()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            try:
                self._process.wait(END_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()

    def _close_files(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = ()

    def _ask(
        self, do: str, directions: Iterable[Direction], **more: Any
    ) -> tuple[Span, list[dict[str, int]]]:
        assert self._process is not None and self._socket is not None, "it is started"
        places = [(self._places[sender], self._places[listener]) for sender, listener in directions]
        with self._lock:
            self._number += 1
            order = {"id": self._number, "do": do, "directions": places, **more}
            line = json.dumps(order).encode() + b"\n"
            before = time.monotonic_ns()
            try:
                self._socket.sendall(line)
                # An interrupted call leaves its answer behind: it is not ours.
                while (answer := self._receive(self._socket))["id"] != self._number:
                    pass
            except TimeoutError as error:
                raise LabError(f"the lab's switch does not answer within {REPLY_TIMEOUT_S:g} s") from error
            except OSError as error:
                raise self._death(self._process) from error
            return Span(before, time.monotonic_ns()), answer["counts"]

    def _receive(self, end: socket.socket) -> dict[str, Any]:
        while b"\n" not in self._rest:
            data = end.recv(1 << 16)
            if not data:
                raise ConnectionResetError
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _death(self, process: subprocess.Popen[bytes]) -> LabError:
        """That nothing passes any more, and what the switch last said."""
        assert process.stderr is not None
        try:
            why = f"status {process.wait(END_PATIENCE_S)}"
            lines = process.stderr.read().decode(errors="replace").splitlines()
            self._last_words = self._last_words or "".join(f", {line}" for line in lines[-1:])
        except subprocess.TimeoutExpired:
            why = "it has let go of the lab"
        return LabError(
            f"the lab's switch has died ({why}{self._last_words}): nothing passes any more; build a new lab"
        )
