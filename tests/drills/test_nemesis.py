import signal
import subprocess
import sys
import time

import pytest

from changeover.drill.nemesis import (
    CutHost,
    CutLan,
    CutPort,
    Freeze,
    Kill,
    NemesisError,
    Stop,
    Unplug,
    Victim,
    _stat,
)

BRACKETS = """
import ctypes, sys
ctypes.CDLL(None).prctl(15, b") T (x) 0")
print("ready", flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
"""


@pytest.fixture
def program():
    """A program that repeats what it is told, and whose name is meant to confuse readers of /proc."""
    argv = [sys.executable, "-I", "-S", "-c", BRACKETS]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture
def family():
    """A shell and its child's process id."""
    argv = ["sh", "-c", "sleep 1000 & echo $!; wait"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        yield process, child
        if _exists(child):
            Kill(Victim(process, child)).inject()
        process.kill()


def _exists(pid):
    try:
        return _stat(pid).state != "Z"
    except NemesisError:
        return False


def test_freeze_and_thaw(program):
    freeze = Freeze(Victim(program))
    struck = freeze.inject()
    assert struck.before <= struck.after <= time.monotonic_ns()
    assert abs(struck.utc_ns - time.time_ns()) < 60e9
    assert _stat(program.pid).state == "T"
    freeze.repair()
    program.stdin.write("alive\n")
    program.stdin.flush()
    assert program.stdout.readline() == "alive\n"


def test_a_frozen_process_can_be_killed(program):
    victim = Victim(program)
    Freeze(victim).inject()
    Kill(victim).inject()
    assert not victim.is_alive()
    assert program.wait(timeout=30) == -signal.SIGKILL


def test_stop_asks_only(program):
    Stop(Victim(program)).inject()
    assert program.wait(timeout=30) == -signal.SIGTERM


def test_a_dead_process_is_not_struck(program):
    kill = Kill(Victim(program))
    kill.inject()
    with pytest.raises(NemesisError, match="has ended by itself"):
        kill.inject()
    program.wait(timeout=30)
    with pytest.raises(NemesisError, match=r"has ended by itself \(status -9\)"):
        Victim(program)


def test_kill_is_repaired_by_the_owner(program):
    again = []

    def restart():
        again.append(subprocess.Popen(["sleep", "1000"]))
        return Victim(again[-1])

    kill = Kill(Victim(program), restart)
    kill.inject()
    kill.repair()
    kill.inject()
    assert again[0].wait(timeout=30) == -signal.SIGKILL


def test_kill_without_restart_cannot_be_repaired(program):
    kill = Kill(Victim(program))
    kill.inject()
    with pytest.raises(NemesisError, match="nobody has said"):
        kill.repair()


def test_descendants_may_be_struck(family):
    parent, child = family
    Freeze(Victim(parent, child)).inject()
    assert _stat(child).state == "T"
    assert _stat(parent.pid).state != "T"
    Kill(Victim(parent, child)).inject()
    assert parent.wait(timeout=30) == 0


def test_strangers_may_not(family, program):
    parent, child = family
    for pid in (1, child, parent.pid, 2**22 + 1):
        with pytest.raises(NemesisError, match=r"does not descend|no process"):
            Victim(program, pid)


@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("fault", "carrier"),
    [
        (lambda lab: CutHost(lab, "SCADA1"), True),
        (lambda lab: CutLan(lab, "LAN A"), True),
        (lambda lab: CutPort(lab, "SCADA1", "LAN A"), True),
        (lambda lab: Unplug(lab, "SCADA1", "LAN A"), False),
    ],
    ids=["host", "lan", "port", "unplug"],
)
def test_network_faults_and_their_repair(lab, inside, fault, carrier):
    inside.echo(lab, "10.10.0.11")
    hmi = inside.asker(lab, "HMI")
    assert hmi.reaches("10.10.0.11")
    cut = fault(lab)
    struck = cut.inject()
    assert struck.before < struck.after
    assert abs(struck.utc_ns - time.time_ns()) < 60e9
    assert hmi.count("10.10.0.11") == 0
    assert lab.has_carrier("SCADA1", "LAN A") is carrier
    repaired = cut.repair()
    assert repaired.before > struck.after
    assert hmi.reaches("10.10.0.11")


@pytest.mark.namespaces
def test_a_program_inside_the_lab_is_frozen_by_its_id(lab, inside):
    server = inside.echo(lab, "10.10.0.11")
    hmi = inside.asker(lab, "HMI")
    assert hmi.reaches("10.10.0.11")
    freeze = Freeze(Victim(server))
    freeze.inject()
    assert hmi.count("10.10.0.11") == 0
    freeze.repair()
    assert hmi.reaches("10.10.0.11")
