"""Frames as bytes: what goes in comes out, however it is cut; what is none is told apart."""

from __future__ import annotations

import contextlib
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.machine import Frame
from changeover.core.messages import (
    Answer,
    Columns,
    Heartbeat,
    Hello,
    Message,
    Probe,
    ReadRequest,
    UnitState,
    UnitStatus,
    Welcome,
    WriteOutcome,
    WriteRequest,
    WriteResult,
)
from changeover.core.task_messages import PairState
from changeover.protocol.frames import (
    FRAME_BYTES_MAX,
    FROM_CLIENTS,
    FROM_PARTNERS,
    FROM_SERVERS,
    FROM_TASK_CLIENTS,
    FROM_TASK_SERVERS,
    FrameDecoder,
    FrameError,
    encode,
)

numbers = st.integers(0, 2**63)
names = st.text(max_size=20)
statuses = st.sampled_from(UnitStatus)
units = st.lists(st.tuples(names, statuses), max_size=4).map(tuple)
columns = st.builds(
    Columns,
    positions=st.binary(max_size=40),
    values=st.binary(max_size=80),
    qualities=st.binary(max_size=10),
    source_utc=numbers,
    strings=st.lists(st.tuples(st.integers(0, 2**31), names), max_size=3).map(tuple),
)
values = st.floats(allow_nan=False) | names
from_clients: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, names),
    st.just(Probe()),
    st.builds(ReadRequest, numbers, names, numbers, st.none() | st.lists(names, max_size=4).map(tuple)),
    st.builds(WriteRequest, st.integers(-(2**63), 2**63), names, names, values),
)
from_servers: st.SearchStrategy[Message] = st.one_of(
    st.builds(Welcome, names, units),
    st.builds(Answer, numbers, names, names, st.none() | columns),
    st.builds(UnitState, names, statuses),
    st.builds(Heartbeat, units),
    st.builds(WriteResult, st.integers(-(2**63), 2**63), st.sampled_from(WriteOutcome), names),
)


def frames_of(messages: st.SearchStrategy[Message]) -> st.SearchStrategy[list[Frame]]:
    numbered = st.builds(Frame, st.integers(1, 2**63), numbers, messages)
    bare = st.builds(Frame, st.just(0), numbers, st.none())
    return st.lists(numbered | bare, max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(frames_of(from_clients | from_servers), st.lists(st.integers(0, 10**6), max_size=8))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[Frame], places: list[int]) -> None:
    decoder = FrameDecoder()
    stream = b"".join(map(encode, frames))
    assert [frame for piece in cut(stream, places) for frame in decoder.feed(piece)] == frames


@given(frames_of(from_servers))
def test_each_frame_is_out_with_its_last_byte(frames: list[Frame]) -> None:
    decoder = FrameDecoder()
    for frame in frames:
        data = encode(frame)
        assert decoder.feed(data[:-1]) == []
        assert decoder.feed(data[-1:]) == [frame]


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_garbage_is_a_frame_or_an_error_and_nothing_else(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
    except FrameError:
        pass


@given(st.binary(max_size=200))
def test_a_frame_of_garbage_is_an_error(body: bytes) -> None:
    try:
        found = FrameDecoder().feed(len(body).to_bytes(4, "big") + body)
    except FrameError:
        return
    # By chance it was a frame: then it goes out as it came in.
    assert FrameDecoder().feed(encode(found[0])) == found


@given(frames_of(from_clients).filter(bool), st.data())
def test_a_flipped_byte_is_a_frame_or_an_error_and_nothing_else(
    frames: list[Frame], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(map(encode, frames)))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FrameError):
        FrameDecoder().feed(bytes(stream))


@given(from_clients)
def test_a_server_hears_clients_only(message: Message) -> None:
    data = encode(Frame(1, 0, message))
    assert FrameDecoder(FROM_CLIENTS).feed(data) == [Frame(1, 0, message)]
    with pytest.raises(FrameError, match="may say"):
        FrameDecoder(FROM_SERVERS).feed(data)


@given(from_servers)
def test_a_client_hears_servers_only(message: Message) -> None:
    data = encode(Frame(1, 0, message))
    assert FrameDecoder(FROM_SERVERS).feed(data) == [Frame(1, 0, message)]
    with pytest.raises(FrameError, match="may say"):
        FrameDecoder(FROM_CLIENTS).feed(data)


def test_every_message_is_said_by_one_side() -> None:
    assert not FROM_CLIENTS & FROM_SERVERS
    assert not FROM_TASK_CLIENTS & FROM_TASK_SERVERS
    # Each of a pair is a client of the other: both say how they are.
    assert {PairState} == FROM_TASK_CLIENTS & FROM_PARTNERS
    io_data, tasks = FROM_CLIENTS | FROM_SERVERS, FROM_TASK_CLIENTS | FROM_TASK_SERVERS | FROM_PARTNERS
    assert {*Message.__args__} == io_data | tasks
    assert io_data & tasks == {Hello, Probe, Welcome}


@pytest.mark.parametrize(
    "frame", [Frame(1, 0), Frame(0, 0, Probe()), Frame(-1, 0, Probe()), Frame(1, -1, Probe())]
)
def test_numbers_that_make_no_sense_are_an_error(frame: Frame) -> None:
    with pytest.raises(FrameError, match="numbered"):
        FrameDecoder().feed(encode(frame))


def test_a_length_over_the_limit_is_an_error_before_anything_is_kept() -> None:
    with pytest.raises(FrameError, match="allowed are"):
        FrameDecoder().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))


def test_a_long_frame_in_small_pieces_costs_no_more_than_its_length() -> None:
    """Looking at all of it again with each piece would take minutes."""
    frame = Frame(1, 0, Answer(1, "u", "", Columns(b"p" * 8_000_000, b"", b"", 0)))
    data = encode(frame)
    decoder = FrameDecoder()
    began = time.process_time()
    found = [got for at in range(0, len(data), 1400) for got in decoder.feed(data[at : at + 1400])]
    assert found == [frame]
    assert time.process_time() - began < 5
