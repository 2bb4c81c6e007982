"""The two ends of a probe: one answers small messages, the other sends one every so often and times them.

    lab_probe.py answer ADDRESS
    lab_probe.py ask ADDRESS PORT PERIOD_S

Each says on standard output how far it is: "listening PORT"; "asking". The asker asks on whether it was
answered or not, over one TCP connection, as a session does with its requests. When its standard input closes
it waits for the answers that are still under way, and prints all delays: a JSON list of seconds. What was
not answered by then is told as what it has waited.

Run as a script, without the package: standard library only.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time

_MESSAGE = struct.Struct("!Q24x")
"""A number, and as much beside it as a small request has."""

PATIENCE_S = 10.0
CONNECT_PATIENCE_S = 30.0


def answer(address: str) -> None:
    """Send every message of one connection back."""
    with socket.create_server((address, 0)) as server:
        print("listening", server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def ask(address: str, port: int, period_s: float) -> list[float]:
    """Ask until standard input closes; the delays in the order of the messages, seconds."""
    sent: list[float] = []
    delays: list[float] = []
    with socket.create_connection((address, port), CONNECT_PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("asking", flush=True)
        give_up, is_open, rest = float("inf"), True, b""
        selector = selectors.DefaultSelector()
        selector.register(connection, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        due = time.monotonic()
        while time.monotonic() < give_up and (is_open or len(delays) < len(sent)):
            if is_open and time.monotonic() >= due:
                connection.sendall(_MESSAGE.pack(len(sent)))
                sent.append(time.monotonic())
                due += period_s
            wait = min(due if is_open else give_up, give_up) - time.monotonic()
            for key, _ in selector.select(max(0.0, wait)):
                if key.fileobj is sys.stdin:
                    selector.unregister(sys.stdin)
                    is_open, give_up = False, time.monotonic() + PATIENCE_S
                    continue
                rest += connection.recv(4096)
                now = time.monotonic()
                while len(rest) >= _MESSAGE.size:
                    (number,) = _MESSAGE.unpack_from(rest)
                    delays.append(now - sent[number])
                    rest = rest[_MESSAGE.size :]
        now = time.monotonic()
        return delays + [now - at for at in sent[len(delays) :]]


def main() -> int:
    """Be one of the two ends."""
    if sys.argv[1] == "answer":
        answer(sys.argv[2])
        return 0
    address, port, period_s = sys.argv[2:]
    print(json.dumps(ask(address, int(port), float(period_s))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
