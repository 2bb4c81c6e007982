"""What one peer of an alarm, trend or report server can do to the others, and to the partner: nothing."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
from test_peers import GARBAGE
from test_task_scene import ALARM, INI, PAIRS, PERIODIC, SWITCHED, TREND, Layout, Pairs, until

from changeover.core.alarm_records import AlarmAction, AlarmEvent
from changeover.core.machine import Accepted, CloseConnection, Frame, FrameArrived, Start
from changeover.core.messages import Hello, Probe, ReadRequest, WriteRequest
from changeover.core.task_messages import (
    Command,
    CommandResult,
    FetchRecords,
    FetchSamples,
    FetchStates,
    PairState,
    PairStatus,
    Poll,
    Query,
)
from changeover.core.trend_records import Covered, Samples
from changeover.core.trend_server import KeptTrends, TrendServer
from changeover.model.moment import SECOND
from changeover.model.server import Function
from changeover.protocol.frames import FRAME_BYTES_MAX, FROM_TASK_SERVERS, FrameDecoder, encode
from changeover.protocol.queries import TrendQuery
from changeover.protocol.queries import encode as encode_question
from changeover.storage.trend_archive import TrendArchive
from core.playbook import Dice
from plants import timing_for

pytestmark = pytest.mark.long

FUNCTIONS = pytest.mark.parametrize("function", PAIRS, ids=lambda function: function.value)
ALL_OF_IT = 2**31
"""Acknowledges whatever a server may have sent, so that it takes a peer that reads nothing for alive."""
PATIENT = INI.replace("SendTimeout=500", "SendTimeout=2000")
"""A machine that is busy must not be taken for a server that sleeps."""
CONNECTIONS = 500
ROUNDS = 200
SAMPLES = 300_000


def assert_undisturbed(plant: Pairs, function: Function) -> None:
    """Nobody ended, slept, lost its partner or changed its part."""
    first, second = PAIRS[function]
    assert plant.is_active(first)
    assert plant.runs(second) and not plant.is_active(second)
    for name in (first, second):
        assert plant.lines(name, "woke-late") == []
        assert plant.lines(name, "server-inactive") == []
    redundant_at = plant.lines(second, "redundant")[0]["at"]
    assert [line for line in plant.lines(second, "partner-lost") if line["at"] > redundant_at] == []


@FUNCTIONS
def test_garbage_ends_its_own_connection_only(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), ini=PATIENT)) as plant:
        first, second = plant.start_pair(function)
        others = [plant.peer(name) for name in (first, second)]
        wrong = {
            "an I/O client's word": encode(Frame(2, 0, ReadRequest(1, "PLC1", SECOND, ("T1",)))),
            "an I/O client's write": encode(Frame(2, 0, WriteRequest(1, "PLC1", "T1", 1.0))),
            "a huge frame": (FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
        }
        for what, garbage in (GARBAGE | wrong).items():
            for greets in (None, "stranger", second):
                stranger = plant.peer(first, greets)
                stranger.socket.sendall(garbage)
                until(stranger.is_dropped, f"dropped after {what}")
                stranger.close()
            assert all(other.poll().request for other in others)
        assert_undisturbed(plant, function)


def test_a_task_clients_word_ends_its_connection_to_an_io_server(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout(ini=PATIENT)) as plant:
        plant.start_device()
        for word in (Poll(1, 0), Query(1, b""), PairState(PairStatus.ACTIVE, 0, (), False)):
            stranger = plant.peer("IOServer1")
            stranger.say(word)
            until(stranger.is_dropped, f"dropped after {word}")
        assert plant.runs("IOServer1")


@FUNCTIONS
def test_half_open_peers_are_dropped(tmp_path: Path, function: Function) -> None:
    """Whoever says nothing, half a frame, or acknowledges nothing, goes after SendTimeout; others do not."""
    with Pairs(tmp_path, Layout((function,), ini=PATIENT)) as plant:
        first, _ = plant.start_pair(function)
        healthy = plant.peer(first)
        mute, half, deaf = plant.peer(first, None), plant.peer(first, None), plant.peer(first, "deaf")
        half.socket.sendall((FRAME_BYTES_MAX).to_bytes(4, "big") + b"half a frame")
        deaf.say(Poll(1, 0))
        gone = {"mute": mute, "half": half, "deaf": deaf}
        for what, peer in gone.items():
            until(lambda peer=peer: healthy.poll() and peer.is_dropped(), f"{what} is dropped")
        assert_undisturbed(plant, function)


@FUNCTIONS
def test_who_greets_with_the_partners_name_changes_nothing(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), ini=PATIENT)) as plant:
        first, second = plant.start_pair(function)
        for target, name in ((first, second), (second, first)):
            false = plant.peer(target, name)
            for _ in range(20):
                false.say(Hello(name))
                assert false.poll().request
            false.close()
        assert_undisturbed(plant, function)


@FUNCTIONS
def test_only_the_partner_can_tell_how_the_partner_is(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), ini=PATIENT)) as plant:
        _, second = plant.start_pair(function)
        stranger = plant.peer(second)
        stranger._received = ALL_OF_IT
        for _ in range(50):
            stranger.say(PairState(PairStatus.STARTING, 2**62, (), False))
        until(lambda: plant.peer(second).poll().request)
        assert plant.lines(second, "server-active") == []


@FUNCTIONS
def test_hundreds_of_connections_leave_others_alone_and_nothing_behind(
    tmp_path: Path, function: Function
) -> None:
    with Pairs(tmp_path, Layout((function,), ini=PATIENT)) as plant:
        first, _ = plant.start_pair(function)
        healthy = plant.peer(first)
        assert healthy.poll().request
        held = descriptors(plant, first)
        crowd = []
        for n in range(CONNECTIONS):
            crowd.append(plant.peer(first, f"HMI{n}"))
            assert crowd[-1].poll().request
        assert healthy.poll().request
        assert descriptors(plant, first) >= held + CONNECTIONS
        for peer in crowd:
            peer.close()
        for n in range(ROUNDS):
            peer = plant.peer(first, f"HMI{n}")
            assert peer.poll().request
            peer.close()
        until(lambda: descriptors(plant, first) <= held, "every descriptor is given back")
        assert healthy.poll().request


def descriptors(plant: Pairs, name: str) -> int:
    return sum(1 for _ in Path(f"/proc/{plant.process(name).pid}/fd").iterdir())


def test_a_peer_that_reads_nothing_of_big_trends_delays_nobody_and_is_dropped(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((TREND,), ini=PATIENT)) as plant:
        begin_utc = write_samples(plant, "Trend1")
        first, _ = plant.start_pair(TREND)
        healthy, deaf = plant.peer(first), plant.peer(first, "deaf")
        deaf._received = ALL_OF_IT
        question = encode_question(TrendQuery("T1", begin_utc, begin_utc + SAMPLES * SECOND, limit=200_000))
        with contextlib.suppress(ConnectionError):
            for request in range(8):
                deaf.say(Query(100 + request, question))

        def dropped() -> bool:
            # It must not look at what it got: that would be reading.
            small = healthy.ask(TrendQuery("T1", begin_utc, begin_utc + 60 * SECOND))
            assert not isinstance(small, str)
            assert healthy.poll().request
            with contextlib.suppress(BlockingIOError):
                try:
                    deaf.say(Probe())
                except ConnectionError:
                    return True
            return False

        until(dropped, "the deaf one is dropped")
        assert_undisturbed(plant, TREND)


def write_samples(plant: Pairs, name: str) -> int:
    """An archive with many samples of one tag, one each second; UTC of the first."""
    folder = plant.data / name
    folder.mkdir(parents=True)
    archive = TrendArchive(folder, plant.plant.trends, dict.fromkeys(PERIODIC, "PLC1"), time.time_ns())
    begin_utc = (time.time_ns() // SECOND - SAMPLES) * SECOND
    utc = begin_utc + np.arange(SAMPLES) * SECOND
    values = np.arange(SAMPLES).astype("<f8").tobytes()
    positions = np.zeros(SAMPLES, "<i4").tobytes()
    samples = Samples(("T1",), positions, utc.astype("<i8").tobytes(), values, bytes(SAMPLES))
    # Covered by nobody, so the partner does not ask for them.
    archive.append(samples, [Covered("PLC1", begin_utc, begin_utc + 1)])
    archive.close()
    return begin_utc


@pytest.mark.parametrize("function", list(PAIRS), ids=lambda function: function.value)
def test_fetches_of_nonsense_end_their_own_connection_only(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), ini=PATIENT)) as plant:
        first, second = plant.start_pair(function)
        fetches = (
            FetchRecords("nobody", 0, 10),
            FetchRecords("nobody", -5, -5),
            FetchRecords("nobody", 2**63, 2**63),
            FetchStates("", -1),
            FetchSamples("nothing", 5, 0, None, 0),
            FetchSamples("PLC1", 0, 2**63, (2**63, "x"), 2**63),
        )
        for fetch in fetches:
            stranger = plant.peer(first, second)
            stranger.say(fetch)
            assert plant.peer(first).poll().request, f"after {fetch}"
        time.sleep(0.3)
        assert plant.runs(first)
        assert_undisturbed(plant, function)


def test_long_comments_on_many_alarms_reach_the_partner(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((ALARM,), ini=PATIENT)) as plant:
        first, second = plant.start_pair(ALARM)
        operator = plant.peer(first)
        operator._decoder = FrameDecoder(FROM_TASK_SERVERS)
        comment = "x" * (FRAME_BYTES_MAX // len(SWITCHED))
        action = AlarmAction("a", AlarmEvent.COMMENT, time.time_ns(), "op", "HMI1", SWITCHED, comment=comment)
        operator.say(Command(1, action))
        # Refused for its length, it needs no transfer; done, it has to get there.
        if operator.hear(CommandResult).why == "":
            until(lambda: len(plant.journal(second)) == len(SWITCHED), "it is on both disks", seconds=10)
        assert_undisturbed(plant, ALARM)


def test_a_session_that_the_server_closes_is_forgotten() -> None:
    timing = timing_for("C", send_timeout=500)
    nothing = ((), {}, SECOND, KeptTrends())
    server = TrendServer("Trend1", None, (), True, frozenset(), timing, Dice(0.5), *nothing)
    server.handle(Start(), 0)
    server.handle(Accepted(1), 1)
    server.handle(FrameArrived(1, Frame(1, 0, Hello("HMI1"))), 2)
    action = AlarmAction("a", AlarmEvent.ACKNOWLEDGED, 1, "op", "HMI1", ("A20",))
    effects = server.handle(FrameArrived(1, Frame(2, 1, Command(1, action))), 3)
    assert CloseConnection(1) in effects
    assert len(server._peers) == 0
