"""Two hosts that cannot see each other, or only one the other, while everybody else sees both."""

import select
import sys

import pytest

from changeover.drill import lab_traffic
from changeover.drill.lab import LabError
from changeover.drill.nemesis import CutPair, OneWay

ADDRESSES = {"SCADA1": ("10.10.0.11", "10.11.0.11", "10.20.0.11"), "SCADA2": ("10.10.0.12", "10.11.0.12")}

# Prints the first line that it is sent. Like all of these it gives up at some time, and the test fails.
LISTEN = """
import socket, sys
socket.setdefaulttimeout(30)
server = socket.create_server((sys.argv[1], 7))
print("ready", flush=True)
print(server.accept()[0].makefile().readline(), end="", flush=True)
"""

# Repeats over one connection each line that it is told, and prints what comes back.
TALK = """
import socket, sys
socket.setdefaulttimeout(30)
talk = socket.create_connection((sys.argv[1], 7)).makefile("rw")
for line in sys.stdin:
    talk.write(line)
    talk.flush()
    print(talk.readline(), end="", flush=True)
"""

REPEAT = """
import socket, sys
socket.setdefaulttimeout(30)
server = socket.create_server((sys.argv[1], 7))
print("ready", flush=True)
talk = server.accept()[0].makefile("rw")
while line := talk.readline():
    talk.write(line)
    talk.flush()
"""

# Prints each datagram; SAY sends each line "ADDRESS TEXT" as one.
HEAR = """
import socket, sys
socket.setdefaulttimeout(30)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 9))
print("ready", flush=True)
while True:
    print(server.recv(64).decode(), flush=True)
"""

SAY = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    address, text = line.split()
    client.sendto(text.encode(), (address, 9))
    print("said", flush=True)
"""


@pytest.fixture
def lab(lab, lacking):
    """A lab whose kernel can keep hosts apart."""
    if missing := lacking(lab):
        pytest.skip("; ".join(missing))
    return lab


def run(inside, lab, host, code, *arguments):
    return inside.start(lab, host, sys.executable, "-I", "-S", "-c", code, *arguments)


def serve(inside, lab, host, code, *arguments):
    program = run(inside, lab, host, code, *arguments)
    assert program.stdout.readline() == "ready\n"
    return program


def tell(program, line):
    program.stdin.write(f"{line}\n")
    program.stdin.flush()


def has_output(program):
    return bool(select.select([program.stdout], [], [], 0)[0])


def say(program, address, text):
    tell(program, f"{address} {text}")
    assert program.stdout.readline() == "said\n"


@pytest.mark.namespaces
def test_a_pair_is_apart_on_every_lan_and_others_see_both(lab, inside):
    for address in (*ADDRESSES["SCADA1"], *ADDRESSES["SCADA2"], "10.10.0.21", "10.20.0.101"):
        inside.echo(lab, address)
    first, second, hmi = (inside.asker(lab, host) for host in ("SCADA1", "SCADA2", "HMI"))
    assert all(second.reaches(address) for address in ADDRESSES["SCADA1"])
    cut = CutPair(lab, "SCADA1", "SCADA2")
    struck = cut.inject()
    assert struck.before < struck.after
    assert [second.count(address) for address in ADDRESSES["SCADA1"]] == [0, 0, 0]
    assert [first.count(address) for address in ADDRESSES["SCADA2"]] == [0, 0]
    assert all(lab.has_carrier("SCADA1", lan) for lan in lab.lans)
    for asker in (first, second):
        assert asker.reaches("10.10.0.21")
        assert asker.reaches("10.20.0.101")
    assert hmi.reaches("10.11.0.11")
    assert hmi.reaches("10.11.0.12")
    repaired = cut.repair()
    assert repaired.before > struck.after
    lab.flush_neighbours()
    assert all(second.reaches(address) for address in ADDRESSES["SCADA1"])
    assert all(first.reaches(address) for address in ADDRESSES["SCADA2"])


@pytest.mark.namespaces
def test_a_standing_connection_starves_and_delivers_what_waited(lab, inside):
    serve(inside, lab, "SCADA1", REPEAT, "10.10.0.11")
    inside.echo(lab, "10.10.0.11")
    asker = inside.asker(lab, "SCADA2")
    talker = run(inside, lab, "SCADA2", TALK, "10.10.0.11")
    tell(talker, "before")
    assert talker.stdout.readline() == "before\n"
    lab.cut_pair("SCADA2", "SCADA1")
    tell(talker, "waited")
    assert asker.count("10.10.0.11", 10) == 0
    assert not has_output(talker)
    lab.restore_pair("SCADA1", "SCADA2")
    assert talker.stdout.readline() == "waited\n"


@pytest.mark.namespaces
def test_a_connection_that_is_made_during_the_cut_comes_about_after_it(lab, inside):
    listener = serve(inside, lab, "SCADA1", LISTEN, "10.10.0.11")
    inside.echo(lab, "10.10.0.11")
    asker = inside.asker(lab, "SCADA2")
    assert asker.reaches("10.10.0.11")
    lab.cut_pair("SCADA1", "SCADA2")
    talker = run(inside, lab, "SCADA2", TALK, "10.10.0.11")
    tell(talker, "hello")
    assert asker.count("10.10.0.11", 10) == 0
    assert not has_output(listener)
    lab.restore_pair("SCADA1", "SCADA2")
    assert listener.stdout.readline() == "hello\n"


@pytest.mark.namespaces
def test_a_cut_that_is_made_twice_is_undone_once(lab, inside):
    inside.echo(lab, "10.10.0.11")
    asker = inside.asker(lab, "SCADA2")
    assert asker.reaches("10.10.0.11")
    for fault in (CutPair(lab, "SCADA1", "SCADA2"), OneWay(lab, "SCADA1", "SCADA2")):
        fault.repair()
        fault.inject()
        fault.inject()
        assert asker.count("10.10.0.11") == 0
        fault.repair()
        assert asker.reaches("10.10.0.11")
        fault.repair()
        assert asker.reaches("10.10.0.11")


@pytest.mark.namespaces
@pytest.mark.parametrize("kind", ["pair", "direction"])
def test_cuts_are_made_and_undone_each_for_itself(lab, inside, kind):
    cut, restore = getattr(lab, f"cut_{kind}"), getattr(lab, f"restore_{kind}")
    inside.echo(lab, "10.10.0.11")
    second, hmi = inside.asker(lab, "SCADA2"), inside.asker(lab, "HMI")
    assert second.reaches("10.10.0.11")
    assert hmi.reaches("10.10.0.11")
    cut("SCADA2", "SCADA1")
    cut("HMI", "SCADA1")
    lab.cut_port("SCADA1", "LAN_B")
    assert (second.count("10.10.0.11"), hmi.count("10.10.0.11")) == (0, 0)
    restore("HMI", "SCADA1")
    assert hmi.reaches("10.10.0.11")
    assert second.count("10.10.0.11") == 0
    lab.restore_all()
    assert second.reaches("10.10.0.11")
    assert not lab.port_is_cut("SCADA1", "LAN_B")


@pytest.mark.namespaces
def test_one_way_passes_the_other_way_even_when_arp_has_to_ask(lab, inside):
    first_hears = serve(inside, lab, "SCADA1", HEAR)
    second_hears = serve(inside, lab, "SCADA2", HEAR)
    first_says, second_says = run(inside, lab, "SCADA1", SAY), run(inside, lab, "SCADA2", SAY)
    fault = OneWay(lab, "SCADA1", "SCADA2")
    fault.inject()
    lab.flush_neighbours()
    say(first_says, "10.10.0.12", "lost")
    say(first_says, "10.11.0.12", "lost")
    say(second_says, "10.10.0.11", "passes")
    say(second_says, "10.11.0.11", "passes")
    assert [first_hears.stdout.readline() for _ in range(2)] == ["passes\n"] * 2
    say(first_says, "10.10.0.12", "lost")
    fault.repair()
    say(first_says, "10.10.0.12", "heard")
    assert second_hears.stdout.readline() == "heard\n"


@pytest.mark.namespaces
def test_the_last_call_for_a_direction_holds(lab, inside):
    hears, says = serve(inside, lab, "SCADA1", HEAR), run(inside, lab, "SCADA2", SAY)
    say(says, "10.10.0.11", "passes")  # and ARP has answered: nothing waits for it any more
    assert hears.stdout.readline() == "passes\n"
    lab.cut_direction("SCADA1", "SCADA2")
    lab.cut_pair("SCADA1", "SCADA2")
    say(says, "10.10.0.11", "lost")
    lab.restore_direction("SCADA2", "SCADA1")
    lab.cut_direction("SCADA1", "SCADA2")
    say(says, "10.10.0.11", "passes")
    assert hears.stdout.readline() == "passes\n"


@pytest.mark.namespaces
def test_a_pair_is_two_hosts_of_one_lan(lab):
    for host, other in (("SCADA1", "SCADA1"), ("HMI", "10.20.0.101")):
        for act in (lab.cut_pair, lab.restore_pair, lab.cut_direction, lab.restore_direction):
            with pytest.raises(LabError, match=f"{host} and {other} are no two hosts of one LAN"):
                act(host, other)
    with pytest.raises(KeyError):
        lab.cut_pair("SCADA1", "nobody")


@pytest.mark.namespaces
def test_what_the_kernel_lacks_is_said(lab, lacking, monkeypatch):
    kind = lab_traffic._kind
    monkeypatch.setattr(lab_traffic, "_kind", lambda name: kind(f"no{name}"))
    filters, buckets = lacking(lab)
    assert "cutting a pair or a direction needs a kernel with CONFIG_NET_SCH_INGRESS" in filters
    assert "a network backup needs a kernel with CONFIG_NET_SCH_TBF: " in buckets
    with pytest.raises(LabError, match=r"cut SCADA1 to SCADA2 on LAN A, .*CONFIG_NET_CLS_BPF\): "):
        lab.cut_pair("SCADA1", "SCADA2")
    monkeypatch.undo()
    assert lacking(lab) == []
