"""A lab whose frames a process carries: late, lost, twice, out of order, or not at all."""

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from chance import assert_is_binomial

from changeover.drill import lab_switch, lab_tap
from changeover.drill.lab import Bottleneck, Lab, LabError
from changeover.drill.lab_keeper import processes_in
from changeover.drill.lab_plan import plan_lab
from changeover.drill.lab_switch import Periods
from changeover.drill.lab_traffic import FRAME_BYTES_MAX
from changeover.model.moment import MILLISECOND, SECOND
from changeover.scenario.impairment import Bursts, Impairment, Passage

SCADA1, SCADA2, HMI = "10.10.0.11", "10.10.0.12", "10.10.0.21"
SEED = 20
CHUNK = 100

# Collects datagrams; for each line on standard input it prints [number, sent, received] of each since, in the
# order of arrival, times in nanoseconds.
HEAR = """
import json, select, socket, struct, sys, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
heard = []
while True:
    ready, _, _ = select.select([server, sys.stdin], [], [])
    if server in ready:
        heard.append([*struct.unpack_from("!QQ", server.recv(2048)), time.monotonic_ns()])
    elif not sys.stdin.readline():
        break
    else:
        print(json.dumps(heard), flush=True)
        heard = []
"""

# For each line "ADDRESS PORT FIRST COUNT SIZE PAUSE_S" it sends datagrams, numbered from the first.
SAY = """
import socket, struct, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    address, port, first, count, size, pause = line.split()
    for number in range(int(first), int(first) + int(count)):
        text = struct.pack("!QQ", number, time.monotonic_ns())
        client.sendto(text.ljust(int(size), b"."), (address, int(port)))
        if float(pause):
            time.sleep(float(pause))
    print("said", flush=True)
"""

# Sends what it is sent back, over one TCP connection.
REPEAT = """
import socket, sys
socket.setdefaulttimeout(30)
server = socket.create_server((sys.argv[1], 8))
print("ready", flush=True)
talk = server.accept()[0]
while data := talk.recv(65536):
    talk.sendall(data)
"""

# Sends random bytes and reads them back; prints the digests of both.
TALK = """
import hashlib, random, socket, sys, threading
socket.setdefaulttimeout(30)
sent = random.Random(1).randbytes(int(sys.argv[2]))
talk = socket.create_connection((sys.argv[1], 8))
threading.Thread(target=talk.sendall, args=(sent,), daemon=True).start()
received = bytearray()
while len(received) < len(sent) and (data := talk.recv(65536)):
    received += data
print(hashlib.sha256(received).hexdigest(), flush=True)
"""

HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import make_small_plant
from changeover.drill.lab import Lab
lab = Lab.build(make_small_plant(), switched=True)
print(*lab.inodes, flush=True)
input()
"""


class Talk:
    """Programs on two hosts: one sends numbered datagrams on a LAN, the other says which have come."""

    def __init__(self, lab, inside, sender, listener, lan="LAN A"):
        self._lab, self._ends, address = lab, (sender, listener), lab.address(listener, lan)
        self._says = inside.start(lab, sender, sys.executable, "-I", "-S", "-c", SAY)
        self._hears = inside.start(lab, listener, sys.executable, "-I", "-S", "-c", HEAR, address)
        self._target = f"{address} {self._hears.stdout.readline().strip()}"
        self.say(1)  # whatever ARP has to ask is answered
        assert self.hear(1)[0][0] == 0

    def say(self, count, first=0, size=32, pause_s=0.0):
        self._says.stdin.write(f"{self._target} {first} {count} {size} {pause_s}\n")
        self._says.stdin.flush()
        assert self._says.stdout.readline() == "said\n"

    def hear(self, count):
        """Wait for this many datagrams."""
        heard, give_up = [], time.monotonic() + 30
        while len(heard) < count:
            assert time.monotonic() < give_up, (len(heard), self.passage())
            self._hears.stdin.write("\n")
            self._hears.stdin.flush()
            heard += json.loads(self._hears.stdout.readline())
        return heard

    def exchange(self, count, pause_s=0.0):
        """Say and hear, not more at a time than the queues of a busy machine hold; also what became of it."""
        heard, start = [], self.passage()
        for first in range(0, count, CHUNK):
            before, size = self.passage(), min(CHUNK, count - first)
            self.say(size, first, pause_s=pause_s)
            give_up = time.monotonic() + 30
            while (after := self.passage()).under_way or after.seen < before.seen + size:
                assert time.monotonic() < give_up, after
                time.sleep(0.0005)
            heard += self.hear(after.delivered - before.delivered)
        return heard, change(start, self.passage())

    def is_sometimes_below(self, delay):
        """Whether any of many datagrams takes less than this: a busy machine may be slow with some."""
        for _ in range(100):
            self.say(1)
            if delays_of(self.hear(1))[0] < delay:
                return True
        return False

    def passage(self):
        return self._lab.passage(*self._ends)


def change(before, after):
    counts = asdict(before)
    return Passage(**{name: value - counts[name] for name, value in asdict(after).items()})


def numbers_of(heard):
    return [number for number, _, _ in heard]


def delays_of(heard):
    return [received - sent for _, sent, received in heard]


def switch_of(lab):
    """The process id of a lab's switch: nothing else is in the hub."""
    (pid,) = processes_in({lab._hub.space.inode})
    return pid


@pytest.fixture
def taps(lab_right):
    """Skips where the kernel has none."""
    if why := lab_tap.why_no_taps():
        pytest.skip(why)


@pytest.fixture
def lab(taps, small_plant, inside):
    with Lab.build(small_plant, switched=True, seed=SEED) as built:
        yield built


@pytest.fixture
def talk(lab, inside):
    return Talk(lab, inside, "HMI", "SCADA1")


# ---- the plan -------------------------------------------------------------------------------------------


def test_in_a_switched_lab_every_port_has_a_bridge_and_a_tap_of_its_own(make_plant):
    plain, plan = plan_lab(make_plant()), plan_lab(make_plant(), switched=True)
    assert plan.lans == plain.lans == ("LAN A", "LAN_B", "FIELD")
    assert (len(plain.bridges), plain.taps) == (3, ())
    assert [tap.port for tap in plan.taps] == list(plan.ports)
    assert [(port.host, port.lan) for port in plan.ports] == [(one.host, one.lan) for one in plain.ports]
    assert [port.bridge_index for port in plan.ports] == [bridge.index for bridge in plan.bridges]
    indexes = [each.index for each in (*plan.bridges, *plan.taps)] + [one.hub_index for one in plan.ports]
    assert len(set(indexes)) == 3 * len(plan.ports)


# ---- delay and order ------------------------------------------------------------------------------------


@pytest.mark.namespaces
def test_a_delay_is_added_in_its_direction_on_its_lan_only(lab, inside, talk):
    back, beside = Talk(lab, inside, "SCADA1", "HMI"), Talk(lab, inside, "HMI", "SCADA1", "LAN_B")
    span = lab.impair("HMI", "SCADA1", Impairment(delay=40 * MILLISECOND), "LAN A")
    assert span.before < span.after
    talk.say(20)
    assert min(delays_of(talk.hear(20))) >= 40 * MILLISECOND
    assert back.is_sometimes_below(40 * MILLISECOND)
    assert beside.is_sometimes_below(40 * MILLISECOND)
    lab.unimpair("HMI", "SCADA1")
    assert talk.is_sometimes_below(40 * MILLISECOND)
    assert lab.passage("HMI", "SCADA1", "LAN A").late_max > 0
    assert lab.passage("HMI", "SCADA1", "LAN_B").late_max == 0


@pytest.mark.namespaces
def test_jitter_spreads_frames_and_keeps_their_order(lab, talk):
    lab.impair("HMI", "SCADA1", Impairment(delay=5 * MILLISECOND, jitter=40 * MILLISECOND))
    talk.say(100, pause_s=0.001)
    heard = talk.hear(100)
    delays = delays_of(heard)
    assert numbers_of(heard) == list(range(100))
    assert min(delays) >= 5 * MILLISECOND
    assert max(delays) >= 25 * MILLISECOND
    assert talk.passage().reordered == 0


@pytest.mark.namespaces
def test_what_is_held_back_is_overtaken(lab, talk):
    lab.impair("HMI", "SCADA1", Impairment(reorder=0.2, reorder_by=5 * MILLISECOND))
    heard, passage = talk.exchange(1500)
    assert_is_binomial(passage.held_back, 1500, 0.2)
    assert sorted(numbers_of(heard)) == list(range(1500))
    highest = itertools.accumulate(numbers_of(heard), max)
    overtaken = [one for one, top in zip(heard, highest, strict=True) if one[0] < top]
    assert len(overtaken) == passage.reordered
    assert 0 < passage.reordered <= passage.held_back
    assert min(delays_of(overtaken)) >= 5 * MILLISECOND


@pytest.mark.namespaces
def test_duplicates_come_one_after_the_other(lab, talk):
    lab.impair("HMI", "SCADA1", Impairment(duplicate=0.3))
    heard, passage = talk.exchange(1500)
    assert_is_binomial(passage.duplicated, 1500, 0.3)
    assert len(heard) == 1500 + passage.duplicated
    copies = [len(list(copies)) for _, copies in itertools.groupby(numbers_of(heard))]
    assert (copies.count(2), max(copies)) == (passage.duplicated, 2)


# ---- loss -----------------------------------------------------------------------------------------------


@pytest.mark.namespaces
def test_frames_are_lost_at_random_and_all_are_accounted_for(lab, talk):
    lab.impair("HMI", "SCADA1", Impairment(loss=0.1))
    heard, passage = talk.exchange(3000)
    assert_is_binomial(passage.lost_at_random, 3000, 0.1)
    assert len(heard) == len(set(numbers_of(heard))) == 3000 - passage.lost_at_random
    assert passage == Passage(3000, len(heard), passage.lost_at_random)
    assert lab.passage("SCADA1", "HMI").lost_at_random == lab.overrun("HMI", "LAN A") == 0


@pytest.mark.namespaces
def test_a_seed_repeats_what_is_lost(lab, inside, talk, small_plant):
    def lost_by(lab, talk):
        lab.impair("HMI", "SCADA1", Impairment(loss=0.3))
        return set(range(200)) - set(numbers_of(talk.exchange(200)[0]))

    lost = lost_by(lab, talk)
    with Lab.build(small_plant, switched=True, seed=SEED) as same:
        assert lost_by(same, Talk(same, inside, "HMI", "SCADA1")) == lost
    with Lab.build(small_plant, switched=True, seed=SEED + 1) as other:
        assert lost_by(other, Talk(other, inside, "HMI", "SCADA1")) != lost


@pytest.mark.namespaces
def test_bursts_come_as_their_seed_says_and_lose_runs_of_frames(lab, talk):
    bursts = Bursts(mean_good=20 * MILLISECOND, mean_bad=10 * MILLISECOND)
    began = lab.impair("HMI", "SCADA1", Impairment(bursts=bursts), "LAN A")
    heard, _ = talk.exchange(300, pause_s=0.001)
    earliest = time.monotonic_ns()
    passage = lab.passage("HMI", "SCADA1", "LAN A")
    latest = time.monotonic_ns()
    shortest, longest = (Periods(f"{SEED} LAN A HMI SCADA1 periods") for _ in range(2))
    for periods in (shortest, longest):
        periods.begin(bursts.mean_good, bursts.mean_bad, 0)
    assert shortest.bad_ns(earliest - began.after) <= passage.bad_time
    assert passage.bad_time <= longest.bad_ns(latest - began.before)
    assert shortest.begun <= passage.bad_periods <= longest.begun
    kept = set(numbers_of(heard))
    runs = [lost for lost, _ in itertools.groupby(number not in kept for number in range(300))].count(True)
    assert 1 < runs <= passage.bad_periods
    assert runs < passage.lost_in_bursts == 300 - len(kept)


# ---- cuts and what is under way -------------------------------------------------------------------------


@pytest.mark.namespaces
def test_a_cut_is_one_way_and_spares_arp(lab, inside, talk):
    back = Talk(lab, inside, "SCADA1", "HMI")
    lab.impair("HMI", "SCADA1", Impairment(cut=True))
    lab.flush_neighbours()
    talk.say(3)
    back.say(3)
    assert numbers_of(back.hear(3)) == [0, 1, 2]
    assert lab.passage("HMI", "SCADA1").lost_to_cut == 3
    assert lab.has_carrier("SCADA1", "LAN A")
    lab.unimpair("HMI", "SCADA1")
    talk.say(3)
    assert numbers_of(talk.hear(3)) == [0, 1, 2]


@pytest.mark.namespaces
def test_a_cut_loses_what_is_under_way_and_the_end_of_a_delay_hurries_it(lab, inside, talk):
    other = Talk(lab, inside, "SCADA2", "SCADA1")
    slow = Impairment(delay=50 * SECOND)
    for sender in ("HMI", "SCADA2"):
        lab.impair(sender, "SCADA1", slow)
    talk.say(4)
    other.say(3)
    while (talk.passage().under_way, other.passage().under_way) != (4, 3):
        time.sleep(0.001)
    lab.impair("HMI", "SCADA1", Impairment(cut=True))
    assert (talk.passage().lost_to_cut, talk.passage().under_way) == (4, 0)
    assert other.passage().under_way == 3
    lab.unimpair("SCADA2", "SCADA1")
    assert numbers_of(other.hear(3)) == [0, 1, 2]
    lab.unimpair("HMI", "SCADA1")
    talk.say(1)
    assert numbers_of(talk.hear(1)) == [0]


@pytest.mark.namespaces
def test_restore_all_ends_every_impairment(lab, talk):
    lab.impair("HMI", "SCADA1", Impairment(cut=True))
    lab.impair("SCADA1", "SCADA2", Impairment(delay=50 * SECOND))
    lab.cut_port("SCADA1", "LAN A")
    lab.restore_all()
    talk.say(2)
    assert numbers_of(talk.hear(2)) == [0, 1]


# ---- what any lab can do --------------------------------------------------------------------------------


@pytest.mark.namespaces
def test_hosts_reach_each_other_on_their_lans_only(taps, make_plant, inside):
    with Lab.build(make_plant(), switched=True) as lab:
        inside.echo(lab, SCADA1)
        inside.echo(lab, "10.20.0.101")
        hmi, server = inside.asker(lab, "HMI"), inside.asker(lab, "SCADA2")
        assert hmi.reaches(SCADA1)
        assert server.reaches(SCADA1)
        assert server.reaches("10.20.0.101")
        assert hmi.count("10.20.0.101", 2) == 0
        with pytest.raises(LabError, match=r"HMI and 10\.20\.0\.101 are no two hosts of one LAN"):
            lab.impair("HMI", "10.20.0.101", Impairment())


@pytest.mark.namespaces
@pytest.mark.parametrize("kind", ["port", "carrier", "pair"])
def test_cuts_work_beside_impairments(lab, inside, kind):
    what = ("SCADA1", "HMI") if kind == "pair" else ("SCADA1", "LAN A")
    inside.echo(lab, SCADA1)
    hmi = inside.asker(lab, "HMI")
    lab.impair("HMI", "SCADA1", Impairment(delay=MILLISECOND))
    assert hmi.reaches(SCADA1)
    getattr(lab, f"cut_{kind}")(*what)
    assert hmi.count(SCADA1, 3) == 0
    assert lab.port_is_cut("SCADA1", "LAN A") == (kind != "pair")
    assert lab.has_carrier("SCADA1", "LAN A") == (kind != "carrier")
    getattr(lab, f"restore_{kind}")(*what)
    lab.flush_neighbours()
    assert hmi.reaches(SCADA1)
    assert lab.passage("HMI", "SCADA1").late_max > 0


@pytest.mark.namespaces
def test_a_bottleneck_works_beside_a_delay(lab, talk):
    lab.impair("HMI", "SCADA1", Impairment(delay=20 * MILLISECOND))
    lab.narrow("SCADA1", "LAN A", Bottleneck(rate_bit_s=4_000_000, queue_delay=SECOND))
    talk.say(20, size=1000)
    heard = talk.hear(20)
    # All but the first burst has to wait for its turn: 1042 bytes each, with headers.
    queued = (20 * 1042 - 2 * FRAME_BYTES_MAX) * 8 * SECOND // 4_000_000
    assert heard[-1][2] - heard[0][1] >= 20 * MILLISECOND + queued - MILLISECOND
    assert lab.queue("SCADA1", "LAN A").passed_bytes >= 20 * 1042
    lab.widen("SCADA1", "LAN A")
    assert lab.queue("SCADA1", "LAN A") is None


@pytest.mark.namespaces
def test_tcp_arrives_whole_through_everything_at_once(lab, inside):
    repeat = inside.start(lab, "SCADA1", sys.executable, "-I", "-S", "-c", REPEAT, SCADA1)
    assert repeat.stdout.readline() == "ready\n"
    bad = Impairment(
        delay=100_000, jitter=200_000, loss=0.002, duplicate=0.01, reorder=0.01, reorder_by=MILLISECOND
    )
    for sender, listener in (("HMI", "SCADA1"), ("SCADA1", "HMI")):
        lab.impair(sender, listener, bad, "LAN A")
    size = 400_000
    talker = inside.start(lab, "HMI", sys.executable, "-I", "-S", "-c", TALK, SCADA1, str(size))
    assert talker.stdout.readline().strip() == hashlib.sha256(random.Random(1).randbytes(size)).hexdigest()
    passage = lab.passage("HMI", "SCADA1")
    assert min(passage.lost_at_random + passage.duplicated, passage.held_back) > 0
    table = lab.command("SCADA1", ["cat", "/proc/net/snmp"])
    lines = subprocess.run(table, capture_output=True, text=True, check=True).stdout.splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    assert dict(zip(names, values, strict=True))["InCsumErrors"] == "0"


# ---- refusals, and the end of it all --------------------------------------------------------------------


@pytest.mark.namespaces
def test_a_lab_without_its_switch_cannot_impair(lab_right, small_plant):
    with Lab.build(small_plant) as plain:
        assert not plain.switched
        for act in (
            lambda: plain.impair("HMI", "SCADA1", Impairment()),
            lambda: plain.unimpair("HMI", "SCADA1"),
            lambda: plain.passage("HMI", "SCADA1"),
            lambda: plain.overrun("HMI", "LAN A"),
        ):
            with pytest.raises(LabError, match=r"Lab\.build\(plant, switched=True\)"):
                act()


@pytest.mark.namespaces
def test_only_two_hosts_of_a_lan_have_a_direction(lab):
    assert lab.switched
    assert not any("impair" in why for why in lab.missing())
    with pytest.raises(LabError, match="HMI and HMI are no two hosts of one LAN"):
        lab.impair("HMI", "HMI", Impairment())
    for wrong in (
        ("HMI", "nobody"),
        ("nobody", "HMI"),
        ("HMI", "SCADA2", "LAN_B"),
        ("SCADA2", "HMI", "LAN_B"),
    ):
        with pytest.raises(KeyError):
            lab.passage(*wrong)
    assert lab.passage("SCADA1", "SCADA2") == Passage()


@pytest.mark.namespaces
def test_a_switch_that_dies_is_told_at_once_and_nothing_passes(lab, inside):
    inside.echo(lab, SCADA1)
    hmi = inside.asker(lab, "HMI")
    assert hmi.reaches(SCADA1)
    pid = switch_of(lab)
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGINT)
    assert hmi.reaches(SCADA1)
    os.kill(pid, signal.SIGKILL)
    for act in (
        lambda: lab.impair("HMI", "SCADA1", Impairment()),
        lambda: lab.cut_port("SCADA1", "LAN A"),
        lambda: lab.command("HMI", ["true"]),
        lab.restore_all,
    ):
        with pytest.raises(LabError, match=r"the lab's switch has died \(status -9\): nothing passes"):
            act()
    assert hmi.count(SCADA1, 3) == 0


@pytest.mark.namespaces
def test_a_switch_that_fails_says_why(taps, small_plant, monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no good')")
    monkeypatch.setattr(lab_switch, "__file__", str(broken))
    with pytest.raises(LabError, match=r"has died \(status 1, RuntimeError: no good\)"):
        Lab.build(small_plant, switched=True)


@pytest.mark.namespaces
def test_where_taps_are_missing_it_is_said_what_is_needed(lab_right, small_plant, monkeypatch):
    monkeypatch.setattr(lab_tap, "DEVICE", "/no/such/device")
    with Lab.build(small_plant) as plain:
        said = plain.missing()[-1]
    assert said.startswith("impairing needs a kernel with CONFIG_TUN, and /dev/net/tun")
    files = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(LabError, match=r"make the ports of the switch .*CONFIG_TUN.*: No such file"):
        Lab.build(small_plant, switched=True)
    assert len(list(Path("/proc/self/fd").iterdir())) == files


@pytest.mark.namespaces
@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_is_left_after_a_lab_is_killed(taps, stopped):
    argv = [sys.executable, "-c", HOLD, str(Path(__file__).parent)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        inodes = frozenset(int(number) for number in holder.stdout.readline().split())
        (switch,) = processes_in(inodes)
        if stopped:
            os.kill(switch, signal.SIGSTOP)
        holder.send_signal(signal.SIGKILL)
    give_up = time.monotonic() + 30
    while processes_in(inodes):
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.mark.namespaces
def test_closing_leaves_nothing(taps, small_plant):
    files = len(list(Path("/proc/self/fd").iterdir()))
    with Lab.build(small_plant, switched=True) as lab:
        inodes = lab.inodes
        assert len(processes_in(inodes)) == 1
    assert processes_in(inodes) == ()
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    lab.close()
    with pytest.raises(LabError, match="the lab is closed"):
        lab.passage("HMI", "SCADA1")
