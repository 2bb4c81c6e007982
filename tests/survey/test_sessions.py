"""What a tap makes of the frames of a session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from changeover.core.machine import Frame
from changeover.core.messages import Answer, Hello, Probe, ReadRequest, Welcome
from changeover.model.lan import Endpoint
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.network import Kind
from changeover.model.plant import Plant, Way
from changeover.model.server import Function
from changeover.runtime.transport import Connector
from changeover.survey.board import Board
from changeover.survey.sessions import SessionTap, measuring_client, patient, session_streams
from changeover.survey.stream import Stream, StreamKey
from loopback import make_project

WAY = Way("IOServer1", "LAN_A")


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return make_project(tmp_path, page_scan_ms=200).plant


class Scene:
    """A tap with one session, 1, by IOServer1/LAN_A; times in milliseconds from when it opened."""

    def __init__(self, plant: Plant) -> None:
        self.board = Board(plant.name, "HMI", session_streams(plant, "HMI"))
        self.tap = SessionTap(self.board, Function.IO_DATA)
        self.origin = self.board.began
        self.tap.attempts(1, WAY)
        self.tap.opened(1, self.at(0))

    def at(self, ms: float) -> int:
        return self.origin + round(ms * MILLISECOND)

    def send(self, ms: float, frame: Frame) -> None:
        self.tap.sent(1, frame, 10, self.at(ms))

    def arrive(self, ms: float, *frames: Frame) -> None:
        self.tap.arrived(1, list(frames), 100, self.at(ms))

    def stream(self, kind: Kind) -> Stream:
        return self.board.streams[StreamKey(kind, str(WAY), "io-data")]


def test_each_frame_waits_for_its_acknowledgement_and_each_request_for_its_answer(plant: Plant) -> None:
    scene = Scene(plant)
    scene.send(0, Frame(1, 0, Hello("HMI:measure")))
    scene.arrive(2, Frame(1, 1, Welcome("IOServer1", ())))
    scene.send(3, Frame(0, 1))
    scene.send(10, Frame(2, 1, ReadRequest(7, "U", SECOND)))
    scene.send(11, Frame(3, 1, Probe()))
    scene.arrive(15, Frame(0, 2))
    scene.arrive(30, Frame(2, 3, Answer(7, "U")))
    acknowledged, answered = scene.stream(Kind.SESSION), scene.stream(Kind.ROUND_TRIP)
    assert (acknowledged.raw.count, acknowledged.raw.least, acknowledged.raw.greatest) == (
        3,
        2 * MILLISECOND,
        19 * MILLISECOND,
    )
    assert (answered.raw.count, answered.raw.greatest) == (1, 20 * MILLISECOND)
    assert (acknowledged.requests, acknowledged.sent_bytes, acknowledged.answer_bytes) == (3, 30, 300)
    assert acknowledged.exposure(scene.at(1000)) == 1.0
    assert answered.exposure(scene.at(1010)) == 1.0, "before the first request no answer could be missed"


def test_a_session_that_is_lost_leaves_what_was_under_way(plant: Plant) -> None:
    scene = Scene(plant)
    scene.send(100, Frame(1, 0, ReadRequest(7, "U", SECOND)))
    scene.send(300, Frame(2, 0, Probe()))
    scene.tap.closed(1, scene.at(2100), lost=True)
    for kind in (Kind.SESSION, Kind.ROUND_TRIP):
        stream = scene.stream(kind)
        assert (stream.closed, stream.longest_censored()) == (1, (2 * SECOND,))
    scene.arrive(2200, Frame(0, 2))
    assert scene.stream(Kind.SESSION).raw.count == 0, "what comes after the end is nobody's"


def test_what_we_end_ourselves_is_no_loss(plant: Plant) -> None:
    scene = Scene(plant)
    scene.send(100, Frame(1, 0, Probe()))
    scene.tap.closed(1, scene.at(200), lost=False)
    scene.tap.attempts(2, WAY)
    scene.tap.closed(2, scene.at(300), lost=False)
    assert (scene.stream(Kind.SESSION).closed, scene.stream(Kind.SESSION).censored_count) == (0, 0)


def test_but_what_we_waited_a_minute_for_is(plant: Plant) -> None:
    scene = Scene(plant)
    scene.send(100, Frame(1, 0, Probe()))
    scene.tap.closed(1, scene.at(60_100), lost=False)
    assert scene.stream(Kind.SESSION).longest_censored() == (60 * SECOND,)


def test_two_sessions_by_one_way_are_watched_once(plant: Plant) -> None:
    scene = Scene(plant)
    scene.tap.attempts(2, WAY)
    scene.tap.opened(2, scene.at(500))
    scene.tap.closed(2, scene.at(800), lost=False)
    assert scene.stream(Kind.SESSION).exposure(scene.at(1000)) == 1.0


def test_a_pause_of_ours_blames_nobody(plant: Plant) -> None:
    scene = Scene(plant)
    scene.board.watch.beat(scene.at(20), 0)
    scene.send(30, Frame(1, 0, Probe()))
    scene.arrive(900, Frame(0, 1))
    assert scene.stream(Kind.SESSION).paused == 1, "no beat has told of it yet"
    assert scene.board.watch.beat(scene.at(901), 0) > 800 * MILLISECOND
    scene.send(910, Frame(2, 0, Probe()))
    scene.arrive(912, Frame(0, 2))
    assert scene.stream(Kind.SESSION).paused == 1


def test_a_long_delay_with_a_short_pause_in_it_is_long_all_the_same(plant: Plant) -> None:
    scene = Scene(plant)
    scene.board.watch.beat(scene.at(20), 0)
    scene.send(30, Frame(1, 0, Probe()))
    scene.board.watch.beat(scene.at(300), 0)
    for ms in range(320, 4900, 20):
        scene.board.watch.beat(scene.at(ms), 0)
    scene.arrive(4900, Frame(0, 1))
    stream = scene.stream(Kind.SESSION)
    assert (stream.raw.count, stream.paused, scene.board.watch.count) == (1, 0, 1)


def test_the_measuring_client_is_patient_and_has_a_name_that_no_client_can_have(plant: Plant) -> None:
    client = measuring_client(plant, "SCADA1")
    assert (client.name, client.page_scan) == ("SCADA1:measure", 200 * MILLISECOND)
    assert patient(plant).timing.silence == patient(plant).timing.request_timeout == 60 * SECOND
    assert len(session_streams(plant, "SCADA1")) == 4


def test_where_nobody_acknowledges_answers_alone_are_measured(tmp_path: Path) -> None:
    make_project(tmp_path)
    text = (tmp_path / "plant.toml").read_text().replace("[plant]", '[plant]\nnetwork_protocol = "linux"')
    (tmp_path / "plant.toml").write_text(text)
    from changeover.config.project import load_project

    plant = load_project(tmp_path).plant
    assert {key.kind for key in session_streams(plant, "HMI")} == {Kind.ROUND_TRIP}
    scene = Scene(plant)
    scene.send(0, Frame(1, 0, ReadRequest(7, "U", SECOND)))
    scene.arrive(5, Frame(1, 0, Answer(7, "U")))
    assert scene.stream(Kind.ROUND_TRIP).raw.count == 1


def test_a_refused_attempt_leaves_nothing_behind(plant: Plant) -> None:
    """Nothing listens: over days every attempt would be kept."""
    tap = SessionTap(Board(plant.name, "HMI", session_streams(plant, "HMI")), Function.IO_DATA)
    failed: list[object] = []

    async def story() -> None:
        connector = Connector(failed.append, None, tap=tap)
        for session in range(20):
            tap.attempts(session, WAY)
            connector.connect(session, "127.0.0.1", Endpoint("127.0.0.1", 1))
        while len(failed) < 20:
            await asyncio.sleep(0.01)

    asyncio.run(story())
    assert not tap._sessions
