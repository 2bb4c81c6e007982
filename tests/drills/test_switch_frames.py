"""What the switch does to a frame: in virtual time, or with sockets for TAPs; no lab is needed."""

import itertools
import math
import random
import select
import socket
import statistics
import time

import pytest
from chance import assert_is_binomial

from changeover.drill import lab_switch
from changeover.drill.lab_switch import Direction, Periods, Switch
from changeover.model.moment import MILLISECOND, SECOND
from changeover.scenario.impairment import Passage

FRAME = bytes(12) + b"\x08\x00" + bytes(46)
ARP_FRAME = bytes(12) + b"\x08\x06" + bytes(46)


def impaired(seed="a direction", **values):
    direction = Direction(0, seed)
    direction.impair(values, 0)
    return direction


def pass_frames(direction, count, period):
    """Send a frame each period; the due times of each, none for a lost one."""
    direction.held = 1  # nothing is delivered meanwhile
    return [direction.admit(FRAME, number * period) for number in range(count)]


def test_periods_have_their_means_and_repeat_by_seed():
    def lengths(seed):
        periods, found, bad_before, now = Periods(seed), {True: [], False: []}, None, 0
        periods.begin(30 * MILLISECOND, 10 * MILLISECOND, 0)
        since = 0
        while len(found[True]) < 3000:
            now = periods._until
            bad = periods.advance(now)
            if bad_before is not None:
                found[bad_before].append(now - since)
            bad_before, since = bad, now
        return found, periods, now

    found, periods, now = lengths("1")
    for bad, mean in ((False, 30 * MILLISECOND), (True, 10 * MILLISECOND)):
        # The mean of n exponential lengths is off by five parts in the root of n about once in a million.
        assert statistics.fmean(found[bad]) == pytest.approx(mean, rel=5 / math.sqrt(3000))
        over_twice = sum(length > 2 * mean for length in found[bad])
        assert_is_binomial(over_twice, len(found[bad]), math.exp(-2))
    assert periods.begun in (3000, 3001)
    assert periods.bad_ns(now) == pytest.approx(sum(found[True]), rel=0.01)
    assert lengths("1")[0] == found
    assert lengths("2")[0] != found


def test_periods_do_not_depend_on_when_one_looks():
    often, once = Periods("x"), Periods("x")
    for periods in (often, once):
        periods.begin(SECOND, SECOND, 0)
    looks = sorted(random.Random(1).choices(range(100 * SECOND), k=5000))
    for now in looks:
        often.advance(now)
    assert often.bad_ns(looks[-1]) == once.bad_ns(looks[-1])
    assert often.begun == once.begun > 20


def test_the_first_period_is_bad_as_often_as_any():
    first = 0
    for number in range(2000):
        periods = Periods(str(number))
        periods.begin(3 * SECOND, SECOND, 0)
        first += periods.advance(0)
    assert_is_binomial(first, 2000, 0.25)


def test_what_bursts_have_done_is_still_counted_when_they_are_over():
    direction = impaired(bursts={"mean_good": 10_000_000, "mean_bad": 10_000_000, "loss_bad": 1.0})
    before = direction.count(SECOND)
    assert before["bad_time"] > SECOND // 5
    direction.impair({}, SECOND)
    assert direction.count(2 * SECOND) == before
    assert not direction.periods.is_on


def test_loss_is_independent_and_loss_in_bursts_is_not():
    """The same share of frames is lost, and what matters to a watch is how many in a row."""

    def runs(direction):
        lost = [not due for due in pass_frames(direction, 100_000, MILLISECOND)]
        return [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]

    independent = impaired(loss=0.1)
    bursty = impaired(bursts={"mean_good": 90 * MILLISECOND, "mean_bad": 10 * MILLISECOND, "loss_bad": 1.0})
    alone, together = runs(independent), runs(bursty)
    assert_is_binomial(independent.counts.lost_at_random, 100_000, 0.1)
    assert bursty.counts.lost_in_bursts == pytest.approx(10_000, rel=0.25)
    assert statistics.fmean(alone) == pytest.approx(1 / 0.9, rel=0.05)
    assert statistics.fmean(together) == pytest.approx(10, rel=0.25)
    assert max(alone) < 9 < 40 < max(together)


def test_in_a_bad_period_some_may_pass():
    direction = impaired(bursts={"mean_good": 1, "mean_bad": 10**15, "loss_bad": 0.5})
    pass_frames(direction, 10_000, 1)
    assert_is_binomial(direction.counts.lost_in_bursts, 10_000, 0.5)


def test_jitter_is_uniform_and_never_reorders():
    direction = impaired(delay=1000, jitter=400)
    dues = [due for (due,) in pass_frames(direction, 1000, 7)]
    assert dues == sorted(dues)
    assert all(1000 <= due - 7 * number <= 1400 for number, due in enumerate(dues))
    alone = impaired(delay=1000, jitter=400)
    drawn = [alone.admit(FRAME, 0)[0] - 1000 for _ in range(10_000)]
    assert statistics.fmean(drawn) == pytest.approx(200, abs=5 * 400 / math.sqrt(12 * 10_000))
    assert (min(drawn), max(drawn)) == (pytest.approx(0, abs=5), pytest.approx(400, abs=5))


def test_arp_is_late_and_never_lost_nor_counted():
    hopeless = {"loss": 1.0, "cut": True, "duplicate": 1.0, "delay": 9}
    direction = impaired(**hopeless, bursts={"mean_good": 1, "mean_bad": 10**15, "loss_bad": 1.0})
    assert direction.admit(FRAME, 100) == ()
    assert direction.admit(ARP_FRAME, 100) == (109, 109)
    assert {name: value for name, value in vars(direction.counts).items() if value} == {
        "seen": 1,
        "lost_to_cut": 1,
    }


class Bench:
    """A switch without a process, with sockets for TAPs; its ports are hosts' names."""

    def __init__(self, lans):
        self.pairs = {host: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for host in lans}
        for pair in self.pairs.values():
            for end in pair:
                end.setblocking(False)
        self.addresses = {host: bytes((2, 0, 0, 0, 0, number)) for number, host in enumerate(lans)}
        ports = [
            {"file": self.pairs[host][0].fileno(), "lan": lan, "host": host, "address": address.hex()}
            for (host, lan), address in zip(lans.items(), self.addresses.values(), strict=True)
        ]
        self.switch = Switch({"seed": 1, "ports": ports})
        self._places = {host: place for place, host in enumerate(lans)}

    def send(self, sender, target, text=b"x"):
        self.pairs[sender][1].send(target + self.addresses[sender] + b"\x08\x00" + text)
        self.switch._carry_from(self.switch._ports[self.pairs[sender][0].fileno()])

    def hosts_that_hear(self):
        return {host for host, (_, end) in self.pairs.items() if select.select([end], [], [], 0)[0]}

    def do(self, do, sender, listener, **impairment):
        directions = [(self._places[sender], self._places[listener])]
        return self.switch._obey({"do": do, "directions": directions, "impairment": impairment})

    def count(self, sender, listener):
        return Passage(**self.do("count", sender, listener)[0])

    def close(self):
        self.switch._poll.close()
        for pair in self.pairs.values():
            for end in pair:
                end.close()


@pytest.fixture
def bench():
    made = Bench({"A": "one", "B": "one", "C": "one", "D": "two"})
    yield made
    made.close()


@pytest.mark.parametrize(
    ("target", "hear"),
    [("B", "B"), ("A", ""), ("D", "BC"), (b"\xff" * 6, "BC"), (b"\x01\x00\x5e\x00\x00\x01", "BC")],
)
def test_a_frame_goes_to_its_host_or_to_all_of_its_lan(bench, target, hear):
    bench.send("A", bench.addresses.get(target, target))
    assert bench.hosts_that_hear() == set(hear)


def test_a_frame_that_nothing_has_room_for_is_counted(bench, monkeypatch):
    while not bench.count("A", "B").refused:
        bench.send("A", bench.addresses["B"])
    full = bench.count("A", "B")
    assert (full.refused, full.delivered) == (1, full.seen - 1)
    bench.do("impair", "A", "C", delay=SECOND)
    monkeypatch.setattr(lab_switch, "HELD_BYTES_MAX", 100)
    bench.send("A", bench.addresses["C"], bytes(60))
    bench.send("A", bench.addresses["C"], bytes(60))
    assert bench.count("A", "C") == Passage(seen=2, refused=1)
    assert bench.count("A", "C").under_way == 1
    bench.do("unimpair", "A", "C")
    bench.send("A", bench.addresses["C"], bytes(60))
    assert bench.count("A", "C") == Passage(seen=3, delivered=2, refused=1)


def test_later_frames_never_overtake_when_the_delay_shrinks(bench):
    bench.do("impair", "A", "B", delay=20 * MILLISECOND)
    bench.send("A", bench.addresses["B"], b"first")
    bench.do("impair", "A", "B")
    bench.send("A", bench.addresses["B"], b"second")
    assert bench.count("A", "B").under_way == 2
    time.sleep(0.02)
    bench.switch._release()
    assert [bench.pairs["B"][1].recv(99)[14:] for _ in range(2)] == [b"first", b"second"]
    assert bench.count("A", "B").reordered == 0
