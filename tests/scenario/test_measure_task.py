"""Measuring alarms, trends and reports on traces written by hand, and choosing where to measure."""

from __future__ import annotations

from dataclasses import replace

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function, TaskMode
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import Measured, Span
from changeover.scenario.measure_task import (
    first_way,
    home_server,
    measure_task,
    task_can_change_over,
    task_client,
    task_loses,
)
from changeover.scenario.outage import as_seen, measuring_client
from plants import two_server_plant

ALARM = Function.ALARM
PLANT = two_server_plant("C", lans=2)
HMI = PLANT.clients[0]
SILENT = Injection(Fault.SERVER_SILENT, "SCADA1")
LOST, CLOSED, FOUND = TraceKind.SESSION_TIMEOUT, TraceKind.SESSION_CLOSED, TraceKind.SERVER_FOUND


def note(at: float, kind: TraceKind, way: str, function: str = "alarm", source: str = "HMI1") -> TraceLine:
    return TraceLine(round(at * SECOND), source, kind, way, function)


def measured(
    *notes: TraceLine, injection: Injection = SILENT, repair: float | None = 10, client: Client = HMI
) -> Measured:
    repair_at = round(repair * SECOND) if repair is not None else None
    return measure_task(PLANT, ALARM, injection, client, notes, 2 * SECOND, repair_at)


def at(span: float) -> Span:
    return Span(*[round(span * SECOND)] * 3)


def test_a_changeover_is_the_first_answer_by_a_way_that_is_not_struck() -> None:
    found = measured(
        note(1, FOUND, "Alarm1/LAN_A"),
        note(4, LOST, "Alarm1/LAN_A"),
        note(5, FOUND, "Trend2/LAN_A", "trend"),
        note(6, FOUND, "Alarm2/LAN_A", source="HMI2"),
        note(7, FOUND, "Alarm2/LAN_A"),
        note(8, FOUND, "Alarm2/LAN_B"),
    )
    assert found == Measured(2 * SECOND, at(5), None, None)


def test_a_closed_link_is_a_detection_too_and_only_before_the_repair() -> None:
    assert measured(note(3, CLOSED, "Alarm1/LAN_A")).detection == SECOND
    assert measured(note(11, CLOSED, "Alarm1/LAN_A")).detection is None
    assert measured(note(11, CLOSED, "Alarm1/LAN_A"), repair=None).detection == 9 * SECOND


def test_a_return_is_the_first_answer_of_the_lost_server_after_the_repair() -> None:
    over, back = note(7, FOUND, "Alarm2/LAN_A"), note(12, FOUND, "Alarm1/LAN_B")
    assert measured(over, back).return_ == at(2)
    assert measured(over, back, repair=None).return_ is None
    assert measured(over, note(12, FOUND, "Alarm2/LAN_B")).return_ is None
    assert measured(back).changeover is None


def test_a_lost_lan_is_left_by_another_way_to_the_same_server() -> None:
    silent = Injection(Fault.LAN_SILENT, "LAN_A")
    found = measured(
        note(3, LOST, "Alarm1/LAN_A"),
        note(4, FOUND, "Alarm2/LAN_A"),
        note(5, FOUND, "Alarm1/LAN_B"),
        injection=silent,
    )
    assert found == Measured(SECOND, at(3), None, None)


def priorities(plant: Plant, primary: int, standby: int) -> Plant:
    servers = (
        replace(s, priority=primary if s.mode is TaskMode.PRIMARY else standby) for s in plant.task_servers
    )
    return replace(plant, task_servers=tuple(servers))


def test_clients_are_at_the_best_priority_and_among_equals_at_the_primary() -> None:
    for first, second, home in ((1, 1, "Alarm1"), (1, 2, "Alarm1"), (7, 7, "Alarm1"), (2, 1, "Alarm2")):
        ranked = priorities(PLANT, first, second)
        assert home_server(ranked, ALARM).name == home
        assert first_way(ranked, ALARM, HMI) == Way(home, "LAN_A")


def test_who_loses_and_who_can_change_over() -> None:
    for injection, loses, able in (
        (SILENT, True, True),
        (Injection(Fault.SERVER_CLOSED, "Alarm1"), True, True),
        (Injection(Fault.SERVER_CLOSED, "Alarm2"), False, False),
        (Injection(Fault.SERVER_CLOSED, "Trend1"), False, False),
        (Injection(Fault.LAN_SILENT, "LAN_A"), True, True),
        (Injection(Fault.LAN_SILENT, "LAN_B"), False, False),
        (Injection(Fault.PARTNER_CUT, "SCADA1+SCADA2"), False, False),
        (Injection(Fault.DEVICE_SILENT, "PLC1"), False, False),
    ):
        assert task_loses(PLANT, ALARM, injection, HMI) is loses, injection
        assert task_can_change_over(PLANT, ALARM, injection, HMI) is able, injection
    one_lan = two_server_plant("C")
    silent = Injection(Fault.LAN_SILENT, "LAN_A")
    assert task_loses(one_lan, ALARM, silent, one_lan.clients[0])
    assert not task_can_change_over(one_lan, ALARM, silent, one_lan.clients[0])


# ---------------------------------------- a cut between two computers


CUT = Injection(Fault.PARTNER_CUT, "SCADA1+SCADA2")
PANELS = two_server_plant(
    "C", clients=[Client("One", "SCADA1"), Client("Two", "SCADA2"), Client("HMI", "HMI")]
)


def test_to_a_client_on_one_side_the_other_side_is_silent() -> None:
    one, two, hmi = PANELS.clients
    assert as_seen(PANELS, CUT, one) == Injection(Fault.SERVER_SILENT, "SCADA2")
    assert as_seen(PANELS, CUT, two) == SILENT
    assert as_seen(PANELS, CUT, hmi) == CUT
    assert as_seen(PANELS, SILENT, two) == SILENT
    assert [task_loses(PANELS, ALARM, CUT, client) for client in PANELS.clients] == [False, True, False]
    assert task_client(PANELS, ALARM, CUT) == measuring_client(PANELS, CUT) == two


def test_what_a_cut_does_is_measured_as_that_silence() -> None:
    two = PANELS.clients[1]
    lines = (note(4, LOST, "Alarm1/LAN_A", source="Two"), note(7, FOUND, "Alarm2/LAN_A", source="Two"))
    found = measure_task(PANELS, ALARM, CUT, two, lines, 2 * SECOND, None)
    assert found == Measured(2 * SECOND, at(5), None, None)


# ---------------------------------------- where to measure


def clients(*scans: int) -> list[Client]:
    return [Client(f"HMI{n}", f"HMI{n}", scan * MILLISECOND) for n, scan in enumerate(scans, start=1)]


def on_lans(plant: Plant, computer: str, *lans: str) -> Plant:
    return replace(
        plant,
        computers=tuple(
            replace(c, addresses=tuple(pair for pair in c.addresses if pair[0] in lans))
            if c.name == computer
            else c
            for c in plant.computers
        ),
    )


def where(plant: Plant, fault: Fault, target: str = "SCADA1") -> str | None:
    client = task_client(plant, ALARM, Injection(fault, target))
    return client.name if client else None


def test_of_clients_alike_the_slowest_is_watched() -> None:
    plant = two_server_plant("C", clients=clients(250, 1000, 500))
    assert where(plant, Fault.SERVER_SILENT) == "HMI2"
    assert where(plant, Fault.PARTNER_CUT, "SCADA1+SCADA2") == "HMI2"


def test_more_tries_in_vain_are_worse_than_a_slow_page() -> None:
    """HMI1 shares one LAN with the primary, HMI2 two."""
    plant = on_lans(two_server_plant("C", lans=2, clients=clients(1000, 250)), "HMI1", "LAN_A")
    assert where(plant, Fault.SERVER_SILENT) == "HMI2"
    assert where(plant, Fault.SERVER_CLOSED) == "HMI2"


def test_worst_of_all_is_a_client_that_nothing_is_left_for() -> None:
    plant = on_lans(two_server_plant("C", lans=2, clients=clients(250, 1000)), "HMI1", "LAN_A")
    assert where(plant, Fault.LAN_SILENT, "LAN_A") == "HMI1"
    assert where(plant, Fault.LAN_SILENT, "LAN_B") == "HMI2"


def test_a_client_that_dies_with_the_server_is_no_witness() -> None:
    plant = two_server_plant("C", clients=[Client("Panel", "SCADA1")])
    assert where(plant, Fault.SERVER_SILENT) is None
    assert where(plant, Fault.SERVER_CLOSED) == "Panel"


def test_io_data_is_watched_where_a_session_is_lost_beside() -> None:
    """LAN_B carries nobody's requests, but probes of HMI2 alone."""
    plant = on_lans(two_server_plant("C", lans=2, clients=clients(1000, 250)), "HMI1", "LAN_A")
    for lan, name in (("LAN_B", "HMI2"), ("LAN_A", "HMI1"), ("FIELD", "HMI1")):
        found = measuring_client(plant, Injection(Fault.LAN_SILENT, lan))
        assert found is not None
        assert found.name == name
