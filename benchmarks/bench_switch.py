"""What the lab's switch costs and how true its delays are, beside the plain lab in the same run.

Each round builds a plain and a switched lab of one LAN with two hosts, and measures in both, one after the
other:

* `round trip`: one small datagram at a time, sent when the one before is back; median and 99th percentile;
* `frames/s`: what arrives of small datagrams that one host sends to the other as fast as it can;
* `bulk`: one TCP connection, what arrives in a second.

In the switched lab also, with a delay of 5 ms each way: how much longer than 10 ms a round trip takes, idle
and beside two processes that keep two cores busy, and the longest that a frame came after it was due; then
how long it takes to impair a direction.

`refused` and `overrun` are frames that the switch or its queues had no room for while frames/s and bulk were
measured: the flood asks for more than it can carry.

    python benchmarks/bench_switch.py [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from changeover.drill.lab import Lab
from changeover.model.lan import Computer, Lan
from changeover.model.moment import MILLISECOND
from changeover.model.plant import NetworkProtocol, Plant, Timing
from changeover.model.policy import POLICIES, Family
from changeover.scenario.impairment import Impairment

LAN = "LAN_A"
ADDRESSES = {"A": "10.10.0.1", "B": "10.10.0.2"}
DELAY = 5 * MILLISECOND
ROUND_TRIPS = 5000
DELAYED_ROUND_TRIPS = 200
IMPAIRMENTS = 200
SECONDS = 1.0

ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 7))
print("ready", flush=True)
while True:
    server.sendto(*server.recvfrom(64))
"""

ASK = """
import json, socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[1], 7))
client.settimeout(5)
taken = []
for _ in range(int(sys.argv[2]) + 20):
    start = time.monotonic_ns()
    client.send(b"x")
    client.recv(64)
    taken.append(time.monotonic_ns() - start)
print(json.dumps(taken[20:]))
"""

SINK = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE: it takes whatever comes
server.bind((sys.argv[1], 9))
print("ready", flush=True)
server.recv(64)
count = 0
server.settimeout(0.5)
try:
    while True:
        server.recv(64)
        count += 1
except TimeoutError:
    print(count, flush=True)
"""

FLOOD = """
import socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[1], 9))
client.send(b"arp")
time.sleep(0.1)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    for _ in range(20):
        client.send(b"x" * 32)
"""

TAKE = """
import socket, sys, time
server = socket.create_server((sys.argv[1], 10))
print("ready", flush=True)
connection = server.accept()[0]
room = bytearray(1 << 18)
connection.recv_into(room)
start, taken = time.monotonic(), 0
while (now := time.monotonic()) < start + float(sys.argv[2]):
    taken += connection.recv_into(room)
print(8 * taken / (now - start), flush=True)
"""

GIVE = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 10))
chunk = bytes(1 << 18)
try:
    while True:
        connection.sendall(chunk)
except OSError:
    pass
"""


def make_plant() -> Plant:
    return Plant(
        name="benchmark",
        version="5.0",
        policy=POLICIES[Family.C],
        network_protocol=NetworkProtocol.ACKNOWLEDGED,
        timing=Timing(),
        round_trip=0,
        lans=(Lan(LAN, "10.10.0.0/16"),),
        computers=tuple(Computer(name, ((LAN, address),)) for name, address in ADDRESSES.items()),
        io_servers=(),
        io_devices=(),
        task_servers=(),
        clients=(),
        tags=(),
    )


@contextlib.contextmanager
def running(lab: Lab, host: str, code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    argv = lab.command(host, [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def first_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()


def round_trips_us(lab: Lab, count: int) -> list[float]:
    with running(lab, "B", ECHO, ADDRESSES["B"]) as echo:
        first_line(echo)
        with running(lab, "A", ASK, ADDRESSES["B"], count) as asker:
            return sorted(taken / 1000 for taken in json.loads(first_line(asker)))


def frames_per_s(lab: Lab) -> float:
    with running(lab, "B", SINK, ADDRESSES["B"]) as sink:
        first_line(sink)
        with running(lab, "A", FLOOD, ADDRESSES["B"], SECONDS):
            return int(first_line(sink)) / SECONDS


def bulk_bit_s(lab: Lab) -> float:
    with running(lab, "B", TAKE, ADDRESSES["B"], SECONDS) as taker:
        first_line(taker)
        with running(lab, "A", GIVE, ADDRESSES["B"]):
            return float(first_line(taker))


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    argv = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(argv) as one, subprocess.Popen(argv) as other:
        try:
            yield
        finally:
            one.kill()
            other.kill()


def measure(lab: Lab) -> dict[str, float]:
    taken = round_trips_us(lab, ROUND_TRIPS)
    return {
        "round_trip_us_median": statistics.median(taken),
        "round_trip_us_p99": taken[len(taken) * 99 // 100],
        "frames_per_s": frames_per_s(lab),
        "bulk_mbit_s": bulk_bit_s(lab) / 1e6,
    }


def excess_us(lab: Lab, name: str) -> dict[str, float]:
    taken = round_trips_us(lab, DELAYED_ROUND_TRIPS)
    excess = [one - 2 * DELAY / 1000 for one in taken]
    return {
        f"{name}_excess_us_min": excess[0],
        f"{name}_excess_us_median": statistics.median(excess),
        f"{name}_excess_us_p99": excess[len(excess) * 99 // 100],
    }


def measure_switch(lab: Lab) -> dict[str, float]:
    found = measure(lab)
    found["refused"] = lab.passage("A", "B").refused
    found["overrun"] = lab.overrun("A", LAN)
    delay = Impairment(delay=DELAY)
    for sender, listener in (("A", "B"), ("B", "A")):
        lab.impair(sender, listener, delay)
    found |= excess_us(lab, "idle")
    with busy_cores():
        found |= excess_us(lab, "busy")
    found["late_us_max"] = lab.passage("A", "B").late_max / 1000
    found["impair_us_median"] = statistics.median(impair_us(lab) for _ in range(IMPAIRMENTS))
    return found


def impair_us(lab: Lab) -> float:
    span = lab.impair("A", "B", Impairment(loss=0.5))
    return (span.after - span.before) / 1000


def measure_round() -> dict[str, dict[str, float]]:
    found = {}
    for name, switched in (("plain", False), ("switched", True)):
        start = time.monotonic()
        with Lab.build(make_plant(), switched=switched) as lab:
            built = time.monotonic() - start
            found[name] = measure_switch(lab) if switched else measure(lab)
        found[name]["build_ms"] = built * 1000
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = [measure_round() for _ in range(options.rounds)]
    if options.json:
        print(json.dumps(rounds, indent=1))
        return 0
    for lab in ("plain", "switched"):
        for figure in rounds[0][lab]:
            values = "".join(f"{one[lab][figure]:14.1f}" for one in rounds)
            print(f"{lab:9}{figure:24}{values}")
    for figure in ("round_trip_us_median", "round_trip_us_p99"):
        values = "".join(f"{one['switched'][figure] - one['plain'][figure]:14.1f}" for one in rounds)
        print(f"{'added':9}{figure:24}{values}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
