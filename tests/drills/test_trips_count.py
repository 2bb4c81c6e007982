"""What a trace tells of a false trip (I7)."""

from changeover.drill.trips_count import device_trips, session_trips
from changeover.model.moment import MILLISECOND, SECOND

WAY, OTHER = "IOServer1/LAN_A", "IOServer2/LAN_A"


def note(at, kind, subject, detail=""):
    return {"at": at * MILLISECOND, "kind": kind, "subject": subject, "detail": detail}


def alarm(at, text, subject):
    return {"at": at * MILLISECOND, "kind": "hardware-alarm", "text": text, "subject": subject}


def answered(at, unit, way):
    server, _, lan = way.partition("/")
    return {"at": at * MILLISECOND, "kind": "answered", "unit": unit, "server": server, "lan": lan}


def test_a_session_that_is_given_up_has_its_error_its_changeover_and_its_return():
    lines = [
        answered(900, "U1", WAY),
        note(1000, "session-timeout", WAY),
        alarm(1000, "Session Timeout", WAY),
        answered(1004, "U2", OTHER),
        note(1500, "session-opened", WAY),
        answered(1510, "U1", WAY),
    ]
    (trip,) = session_trips(lines, frozenset([WAY]))
    assert (trip.at, trip.subject, trip.error) == (SECOND, WAY, True)
    assert (trip.moved_after, trip.back_after) == (4 * MILLISECOND, SECOND // 2)


def test_an_idle_session_moves_nobody_and_other_sessions_are_not_looked_at():
    lines = [
        note(1000, "session-closed", WAY),
        note(1001, "session-timeout", OTHER),
        note(1002, "session-timeout", "Alarm1/LAN_A", "alarm"),
        answered(1100, "U1", WAY),
    ]
    (trip,) = session_trips(lines, frozenset([WAY]))
    assert not trip.error, "no hardware error within half a second"
    assert (trip.moved_after, trip.back_after) == (None, None)


def test_a_unit_that_is_taken_for_offline_is_served_by_another_one():
    server = [
        note(1000, "unit-offline", "U1"),
        note(2000, "unit-online", "U1"),
        note(2500, "unit-offline", "U9"),
    ]
    client = [alarm(1001, "I/O device off-line", "U1"), answered(1010, "U2", OTHER)]
    (trip,) = device_trips(server, client, frozenset(["U1"]))
    assert trip.error
    assert (trip.moved_after, trip.back_after) == (10 * MILLISECOND, SECOND)
