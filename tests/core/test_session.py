"""A session's acknowledgements and SendTimeout (D1, D2, D3). Times in nanoseconds, S = 1000."""

from __future__ import annotations

import pytest

from changeover.core.machine import Frame, SendFrame
from changeover.core.messages import Probe
from changeover.core.session import Session, SessionState

S = 1000


@pytest.fixture
def session() -> Session:
    return Session(7, S)


def test_frames_are_numbered_and_carry_the_acknowledgement_of_all_received(session: Session) -> None:
    assert session.send(Probe(), 0) == SendFrame(7, Frame(1, 0, Probe()))
    session.receive(Frame(1, 0, Probe()))
    session.receive(Frame(2, 0, Probe()))
    assert session.send(Probe(), 0) == SendFrame(7, Frame(2, 2, Probe()))


def test_what_was_received_is_acknowledged_once_and_an_acknowledgement_never(session: Session) -> None:
    session.receive(Frame(1, 0, Probe()))
    assert session.acknowledge() == (SendFrame(7, Frame(0, 1)),)
    assert session.acknowledge() == ()
    session.receive(Frame(2, 0, Probe()))
    session.receive(Frame(3, 0, Probe()))
    assert session.acknowledge() == (SendFrame(7, Frame(0, 3)),)
    session.receive(Frame(0, 0))
    assert session.acknowledge() == ()


def test_a_frame_that_goes_out_spares_the_bare_acknowledgement(session: Session) -> None:
    session.receive(Frame(1, 0, Probe()))
    assert session.send(Probe(), 0) == SendFrame(7, Frame(1, 1, Probe()))
    assert session.acknowledge() == ()


def test_d1_lost_when_the_first_unanswered_send_is_send_timeout_old(session: Session) -> None:
    assert session.deadline is None
    session.send(Probe(), 100)
    session.send(Probe(), 900)
    assert session.deadline == 100 + S


def test_d1_an_acknowledgement_covers_all_up_to_its_number(session: Session) -> None:
    for now in (100, 200, 300):
        session.send(Probe(), now)
    session.receive(Frame(0, 2))
    assert session.oldest_unacknowledged == 300
    assert session.deadline == 300 + S
    session.receive(Frame(0, 3))
    assert session.deadline is None
    session.receive(Frame(0, 1))
    assert session.deadline is None


def test_d3_a_peer_that_still_sends_but_does_not_acknowledge_is_overdue_all_the_same(
    session: Session,
) -> None:
    session.send(Probe(), 100)
    session.receive(Frame(1, 0, Probe()))
    assert session.deadline == 100 + S


def test_d1_a_session_that_carries_nothing_detects_nothing(session: Session) -> None:
    session.send(Probe(), 100)
    session.receive(Frame(0, 1))
    assert session.deadline is None
    assert session.oldest_unacknowledged is None


def test_two_sessions_that_talk_owe_each_other_nothing() -> None:
    one, other = Session(1, S), Session(2, S)
    for now in range(5):
        other.receive(one.frame(Probe(), now))
        one.receive(other.frame(Probe(), now))
        (acknowledgement,) = one.acknowledge()
        other.receive(acknowledgement.frame)
    assert other.acknowledge() == ()
    assert one.deadline is None
    assert other.deadline is None


def test_a_lost_session_owes_nothing_and_sends_nothing(session: Session) -> None:
    session.send(Probe(), 100)
    session.receive(Frame(1, 0, Probe()))
    session.become_lost()
    assert session.state is SessionState.LOST
    assert session.deadline is None
    assert session.acknowledge() == ()
    with pytest.raises(AssertionError):
        session.send(Probe(), 200)
