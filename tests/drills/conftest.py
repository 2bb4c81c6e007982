"""A plant for the lab, programs that talk inside it, and the right to make it."""

import contextlib
import subprocess
import sys
from dataclasses import dataclass

import pytest

from changeover.drill.lab import Lab
from changeover.drill.rights import Right, probe
from changeover.model.device import IoDevice, Unit, UnitMode
from changeover.model.lan import Computer, Endpoint, Lan
from changeover.model.plant import Plant, Timing
from changeover.model.policy import POLICIES, Family
from changeover.model.stack import NetworkProtocol

ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 7))
print("ready", flush=True)
while True:
    server.sendto(*server.recvfrom(64))
"""

# Answers each line "ADDRESS COUNT" with the number of echoes that came back.
ASK = """
import socket, sys
for line in sys.stdin:
    address, count = line.split()
    answers = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.05)
        for number in range(int(count)):
            try:
                client.sendto(str(number).encode(), (address, 7))
                while client.recv(64) != str(number).encode():
                    pass
                answers += 1
            except OSError:
                pass
    print(answers, flush=True)
"""


@dataclass
class Asker:
    """A program inside a host that counts echoes."""

    process: subprocess.Popen

    def count(self, address, count=5):
        self.process.stdin.write(f"{address} {count}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def reaches(self, address):
        """Whether any of many tries is answered: the first may be lost while ARP asks."""
        return any(self.count(address, 1) for _ in range(40))


def lacking(lab):
    """What faults of every lab need and this kernel lacks; TAPs are needed by switched ones only."""
    return [why for why in lab.missing() if not why.startswith("impairing")]


class Inside:
    """Starts programs inside a lab and ends them at the end of a test."""

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def start(self, lab, host, *argv):
        process = subprocess.Popen(
            lab.command(host, argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    def echo(self, lab, address):
        host = lab.host_at(address)
        process = self.start(lab, host, sys.executable, "-I", "-S", "-c", ECHO, address)
        assert process.stdout.readline() == "ready\n"
        return process

    def asker(self, lab, host):
        return Asker(self.start(lab, host, sys.executable, "-I", "-S", "-c", ASK))

    def close(self):
        self._stack.close()


def make_plant(**changes):
    """Two servers with two client LANs, a client, and a field LAN with two devices."""
    fields = {
        "name": "water works",
        "version": "5.0",
        "policy": POLICIES[Family.C],
        "network_protocol": NetworkProtocol.ACKNOWLEDGED,
        "timing": Timing(),
        "round_trip": 1_000_000,
        "lans": (Lan("LAN A", "10.10.0.0/16"), Lan("LAN_B", "10.11.0.0/16"), Lan("FIELD", "10.20.0.0/16")),
        "computers": (
            Computer("SCADA1", (("LAN A", "10.10.0.11"), ("LAN_B", "10.11.0.11"), ("FIELD", "10.20.0.11"))),
            Computer("SCADA2", (("LAN A", "10.10.0.12"), ("LAN_B", "10.11.0.12"), ("FIELD", "10.20.0.12"))),
            Computer("HMI", (("LAN A", "10.10.0.21"), ("LAN_B", "10.11.0.21"))),
        ),
        "io_servers": (),
        "io_devices": (make_device("10.20.0.101", "10.20.0.102"),),
        "task_servers": (),
        "clients": (),
        "tags": (),
    }
    return Plant(**(fields | changes))


def make_small_plant():
    """Three computers on one LAN, two of them on another: a lab that the kernel quickly takes apart."""
    computers = (
        Computer("SCADA1", (("LAN A", "10.10.0.11"), ("LAN_B", "10.11.0.11"))),
        Computer("SCADA2", (("LAN A", "10.10.0.12"),)),
        Computer("HMI", (("LAN A", "10.10.0.21"), ("LAN_B", "10.11.0.21"))),
    )
    return make_plant(lans=make_plant().lans[:2], computers=computers, io_devices=())


def make_device(*addresses):
    units = (
        Unit("PLC1", f"IOServer{number}", UnitMode.STANDBY, Endpoint(address, 5020), number)
        for number, address in enumerate(addresses, 1)
    )
    return IoDevice("PLC1", 1, "MODNET", tuple(units))


@pytest.fixture(name="make_plant")
def make_plant_fixture():
    return make_plant


@pytest.fixture
def small_plant():
    return make_small_plant()


@pytest.fixture(name="make_device")
def make_device_fixture():
    return make_device


@pytest.fixture(scope="session")
def lab_right():
    """Skips where this process may not make namespaces by itself."""
    rights = probe()
    if rights.right is Right.USER_NAMESPACE:
        pytest.skip(f"run pytest under `unshare --user --map-root-user` ({rights.reason})")
    if rights.right is Right.NONE:
        pytest.skip(rights.reason)
    return rights


@pytest.fixture(name="lacking")
def lacking_fixture():
    return lacking


@pytest.fixture
def inside():
    programs = Inside()
    yield programs
    programs.close()


@pytest.fixture
def lab(lab_right, inside):
    """A built lab; `inside` ends its programs after it has closed."""
    with Lab.build(make_plant()) as built:
        yield built
