"""A network backup: a queue before a host, filled by bulk traffic, and small messages that stand in it."""

import itertools
import json
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from changeover.drill import lab_bulk
from changeover.drill.lab import Bottleneck, LabError
from changeover.drill.lab_backup import BackupLoad, BulkTraffic
from changeover.drill.lab_bulk import bursts
from changeover.drill.lab_keeper import processes_in
from changeover.drill.nemesis import Backup
from changeover.model.moment import MILLISECOND, SECOND

DEEP = Bottleneck(rate_bit_s=4_000_000, queue_delay=1500 * MILLISECOND)
SHALLOW = Bottleneck(rate_bit_s=2_000_000, queue_delay=50 * MILLISECOND)

# Answers small requests; like all of these it gives up at some time, and the test fails.
SERVE = """
import socket, sys
socket.setdefaulttimeout(30)
server = socket.create_server((sys.argv[1], 8))
print("ready", flush=True)
while True:
    client = server.accept()[0]
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while request := client.recv(64):
        client.sendall(request)
"""

# Sends one small request after the other over one connection; prints their round trips, seconds.
REQUEST = """
import json, socket, sys, time
socket.setdefaulttimeout(30)
client = socket.create_connection((sys.argv[1], 8))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
taken = []
for _ in range(int(sys.argv[2])):
    start = time.monotonic()
    client.sendall(bytes(32))
    missing = 32
    while missing:
        missing -= len(client.recv(missing))
    taken.append(time.monotonic() - start)
print(json.dumps(taken))
"""

HEAR = """
import socket, sys
socket.setdefaulttimeout(30)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 9))
print("ready", flush=True)
while True:
    print(server.recv(64).decode(), flush=True)
"""

# Sends to each address its own name, one after the other.
SAY = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for address in sys.argv[1:]:
    client.sendto(address.encode(), (address, 9))
"""

HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import make_plant
from changeover.drill.lab import Bottleneck, Lab
from changeover.drill.lab_backup import BackupLoad, BulkTraffic
lab = Lab.build(make_plant())
bulk = BulkTraffic(lab, "SCADA2", "SCADA1", "LAN A", BackupLoad(Bottleneck(1_000_000, 10**9)))
bulk.begin()
print(*lab.inodes, flush=True)
input()
"""


@pytest.fixture
def lab(lab, lacking):
    """A lab whose kernel has token buckets."""
    if missing := lacking(lab):
        pytest.skip("; ".join(missing))
    return lab


@pytest.fixture
def backup(lab):
    """Makes backups from SCADA2 to SCADA1 over LAN A, and ends them."""
    made = []

    def make(load):
        made.append(BulkTraffic(lab, "SCADA2", "SCADA1", "LAN A", load))
        return made[-1]

    yield make
    for traffic in made:
        traffic.end()


def start(inside, lab, host, code, *arguments):
    return inside.start(lab, host, sys.executable, "-I", "-S", "-c", code, *map(str, arguments))


def serve(inside, lab, host, code, *arguments):
    program = start(inside, lab, host, code, *arguments)
    assert program.stdout.readline() == "ready\n"
    return program


def measure_round_trips(inside, lab, host, address, count):
    """Sorted round trips in seconds of small TCP requests from a host to a server by SERVE."""
    return sorted(json.loads(start(inside, lab, host, REQUEST, address, count).stdout.readline()))


def say(inside, lab, *addresses):
    assert start(inside, lab, "HMI", SAY, *addresses).wait(timeout=30) == 0


def await_queue(lab, holds):
    give_up = time.monotonic() + 60
    while not holds(queue := lab.queue("SCADA1", "LAN A")):
        assert time.monotonic() < give_up, queue
        time.sleep(0.001)


# ---- loads and their bursts -----------------------------------------------------------------------------


def test_a_queue_holds_its_delay_and_a_burst():
    assert Bottleneck(256_000, SECOND, burst_bytes=2000).queue_bytes == 32_000 + 2000


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_bit_s": 7},
        {"rate_bit_s": 35_000_000_000},
        {"burst_bytes": 1500},
        {"queue_delay": -1},
        {"queue_delay": 10_000_000 * SECOND},
    ],
)
def test_a_bottleneck_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"cannot|holds no frame"):
        Bottleneck(**{"rate_bit_s": 1_000_000, "queue_delay": SECOND} | wrong)


@pytest.mark.parametrize("wrong", [{"streams": 0}, {"on": 0}, {"off": -1}, {"duration": -1}])
def test_a_load_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="no backup can have"):
        BackupLoad(DEEP, **wrong)


def test_equal_bursts_and_the_end_of_all():
    assert list(bursts(100.0, 2.0, 3.0, 11.0, None)) == [(100.0, 102.0), (105.0, 107.0), (110.0, 111.0)]
    assert list(bursts(100.0, 2.0, 0.0, 11.0, None)) == [(100.0, 111.0)]
    assert list(bursts(100.0, 2.0, 0.0, 0.0, None)) == [(100.0, float("inf"))]


def test_random_bursts_have_their_means_and_repeat_by_seed():
    def draw(seed):
        return list(itertools.islice(bursts(0.0, 0.5, 2.0, 0.0, random.Random(seed)), 4000))

    drawn = draw("7")
    lengths = [end - begin for begin, end in drawn]
    pauses = [later - end for (_, end), (later, _) in itertools.pairwise(drawn)]
    assert statistics.fmean(lengths) == pytest.approx(0.5, rel=0.1)
    assert statistics.fmean(pauses) == pytest.approx(2.0, rel=0.1)
    # An exponential length is over twice its mean as often as not over 0.145 of it.
    over_twice = sum(length > 1.0 for length in lengths) / len(lengths)
    assert over_twice == pytest.approx(0.1353, rel=0.2)
    assert draw("7") == drawn
    assert draw("8") != drawn


# ---- in the lab -----------------------------------------------------------------------------------------


@pytest.mark.namespaces
def test_what_goes_to_the_target_on_that_lan_stands_in_the_queue(lab, inside, backup):
    hears = serve(inside, lab, "SCADA1", HEAR)
    # What waits for ARP waits in no queue.
    say(inside, lab, "10.10.0.11", "10.11.0.11")
    assert {hears.stdout.readline() for _ in range(2)} == {"10.11.0.11\n", "10.10.0.11\n"}
    backup(BackupLoad(DEEP, streams=16)).begin()
    await_queue(lab, lambda queue: queue.backlog_bytes > 250_000)
    say(inside, lab, "10.10.0.11", "10.11.0.11")
    assert [hears.stdout.readline() for _ in range(2)] == ["10.11.0.11\n", "10.10.0.11\n"]


@pytest.mark.namespaces
def test_a_full_queue_drops_and_every_request_is_answered_late(lab, inside, backup):
    serve(inside, lab, "SCADA1", SERVE, "10.10.0.11")
    alone = measure_round_trips(inside, lab, "HMI", "10.10.0.11", 20)
    backup(BackupLoad(SHALLOW)).begin()
    await_queue(lab, lambda queue: queue.dropped_frames > 0)
    pressed = measure_round_trips(inside, lab, "HMI", "10.10.0.11", 20)
    assert len(pressed) == 20
    assert statistics.median(pressed) > statistics.median(alone)


@pytest.mark.namespaces
def test_the_queue_runs_empty_in_the_pauses(lab, backup):
    load = BackupLoad(SHALLOW, on=200 * MILLISECOND, off=400 * MILLISECOND, seed=1)
    backup(load).begin()
    for _ in range(2):
        await_queue(lab, lambda queue: queue.backlog_bytes > 0)
        await_queue(lab, lambda queue: queue.backlog_bytes == 0)


@pytest.mark.namespaces
def test_a_backup_with_a_duration_ends_by_itself(lab, backup):
    backup(BackupLoad(SHALLOW, duration=300 * MILLISECOND)).begin()
    give_up = time.monotonic() + 60
    while lab.processes("SCADA2"):
        assert time.monotonic() < give_up
        time.sleep(0.001)
    await_queue(lab, lambda queue: queue.backlog_bytes == 0)


@pytest.mark.namespaces
def test_nothing_is_left_of_a_backup_begun_and_ended_twice(lab, inside):
    backup = Backup(lab, "SCADA2", "SCADA1", "LAN A", BackupLoad(SHALLOW))
    backup.repair()
    first = backup.inject()
    assert first.before < first.after
    second = backup.inject()
    assert second.before > first.after
    assert (len(lab.processes("SCADA1")), len(lab.processes("SCADA2"))) == (1, 1)
    assert lab.queue("SCADA1", "LAN A").passed_bytes > 0
    assert lab.queue("SCADA1", "LAN_B") is None
    repaired = backup.repair()
    assert repaired.before > second.after
    assert lab.queue("SCADA1", "LAN A") is None
    assert lab.processes("SCADA1") == lab.processes("SCADA2") == ()
    table = lab.command("SCADA2", ["cat", "/proc/net/tcp"])
    assert len(subprocess.run(table, capture_output=True, text=True, check=True).stdout.splitlines()) == 1
    backup.repair()
    inside.echo(lab, "10.10.0.11")
    assert inside.asker(lab, "HMI").reaches("10.10.0.11")


@pytest.mark.namespaces
def test_ending_loses_nothing_that_waits(lab, inside, backup):
    hears = serve(inside, lab, "SCADA1", HEAR)
    say(inside, lab, "10.10.0.11")
    assert hears.stdout.readline() == "10.10.0.11\n"
    traffic = backup(BackupLoad(DEEP, streams=16))
    traffic.begin()
    await_queue(lab, lambda queue: queue.backlog_bytes > 250_000)
    say(inside, lab, "10.10.0.11")
    traffic.end()
    assert hears.stdout.readline() == "10.10.0.11\n"


@pytest.mark.namespaces
def test_restore_all_takes_the_bottleneck_away(lab):
    lab.narrow("SCADA1", "LAN A", DEEP)
    assert lab.queue("SCADA1", "LAN A") is not None
    lab.restore_all()
    assert lab.queue("SCADA1", "LAN A") is None
    lab.widen("SCADA1", "LAN A")


@pytest.mark.namespaces
def test_hosts_of_a_backup_are_on_its_lan(lab):
    for source, target, lan in (("SCADA2", "HMI", "FIELD"), ("HMI", "SCADA1", "FIELD")):
        with pytest.raises(KeyError):
            BulkTraffic(lab, source, target, lan, BackupLoad(DEEP))


@pytest.mark.namespaces
def test_a_program_that_fails_is_told_and_leaves_nothing(lab, backup, monkeypatch):
    monkeypatch.setattr(lab_bulk, "__file__", "/no/such/file.py")
    with pytest.raises(LabError, match=r"backup from SCADA2 to SCADA1 on LAN A: .*/no/such/file\.py"):
        backup(BackupLoad(DEEP)).begin()
    assert lab.queue("SCADA1", "LAN A") is None
    assert lab.processes("SCADA1") == lab.processes("SCADA2") == ()


@pytest.mark.namespaces
def test_nothing_is_left_of_a_backup_whose_drill_is_killed(lab):
    argv = [sys.executable, "-c", HOLD, str(Path(__file__).parent)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        inodes = frozenset(int(number) for number in holder.stdout.readline().split())
        assert len(processes_in(inodes)) == 2
        holder.send_signal(signal.SIGKILL)
    give_up = time.monotonic() + 60
    while processes_in(inodes):
        assert time.monotonic() < give_up
        time.sleep(0.01)
