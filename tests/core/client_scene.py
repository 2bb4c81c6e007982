"""A client in the steady state, for playbooks: R = 1 s (page scans at 500, 1500, … ms), S = 2.2 s.

Sessions are numbered in the order of the ways: servers in file order, then LANs. With one LAN session 1 goes
to IOServer1, session 2 to IOServer2; U1 and U2 are PLC1's primary and standby unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from changeover.core.io_client import IoClient
from changeover.core.machine import Connected, Start
from changeover.core.messages import Answer, Heartbeat, UnitState, UnitStatus, Welcome
from changeover.model.device import UnitMode
from changeover.model.moment import SECOND
from changeover.model.policy import Family
from core.playbook import Dice, Playbook
from plants import timing_for, two_server_plant

U1, U2 = "IOServer1.PLC1@1", "IOServer2.PLC1@2"
WAY1, WAY2 = "IOServer1/LAN_A", "IOServer2/LAN_A"
ONLINE, OFFLINE, STARTING = UnitStatus.ONLINE, UnitStatus.OFFLINE, UnitStatus.STARTING
HIDDEN = ("1: ack", "2: ack", "3: ack", "4: ack", "5: ack", "note values")
"""Acknowledgements have their own tests; a `values` note goes with each `present`."""


def a_client(
    family: Family | str,
    *hide: str,
    servers: int = 2,
    lans: int = 1,
    devices: int = 1,
    standby: UnitMode = UnitMode.STANDBY,
    **timing: float,
) -> tuple[IoClient, Playbook]:
    """A client that has not started."""
    fields = {"send_timeout": 2200, "heartbeat": 5000, "client_retry": 5000, **timing}
    plant = two_server_plant(
        family,
        timing=timing_for(family, **fields),
        servers=servers,
        lans=lans,
        devices=devices,
        page_scan=SECOND,
        tasks=False,
    )
    io_devices = tuple(
        replace(device, units=(device.units[0], *(replace(u, mode=standby) for u in device.units[1:])))
        for device in plant.io_devices
    )
    client = IoClient(
        "HMI1",
        plant.ways(plant.clients[0]),
        io_devices,
        {device.name: (device.name,) for device in io_devices},
        SECOND,
        plant.policy,
        plant.timing,
        Dice(0.5),
    )
    return client, Playbook(client, *HIDDEN, *hide)


def welcome(server: int, status: UnitStatus = ONLINE, devices: int = 1) -> Welcome:
    """What a server says on connecting: all its units are in one state."""
    units = tuple((f"IOServer{server}.PLC{n}@{server}", status) for n in range(1, devices + 1))
    return Welcome(f"IOServer{server}", units)


def heartbeat(server: int, status: UnitStatus = ONLINE, devices: int = 1) -> Heartbeat:
    """All units of a server in one state."""
    return Heartbeat(welcome(server, status, devices).units)


def news(unit: str, status: UnitStatus) -> UnitState:
    """A server announces a unit's state."""
    return UnitState(unit, status)


def open_way(play: Playbook, at_ms: float, session: int, server: int, *expected: str, lan: str = "A") -> None:
    """A connection stands, is greeted and welcomed; all within one millisecond."""
    play(at_ms, Connected(session), f"{session}: Hello HMI1")
    opened = f"note session-opened IOServer{server}/LAN_{lan}"
    play(at_ms, play.says(session, welcome(server)), opened, *expected)
    play(at_ms, play.says(session, None))


def steady(family: Family | str, *hide: str, **arguments: object) -> tuple[IoClient, Playbook]:
    """A client of one device and one LAN, served by U1 since 1 ms."""
    client, play = a_client(family, *hide, **arguments)
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 0, 1, 1, f"1: Read 1 {U1} PLC1")
    open_way(play, 0, 2, 2)
    answered(play, 1, 1, Answer(1, U1), f"note unit-activated {U1} {WAY1}", f"present PLC1 by {U1} {WAY1}")
    return client, play


def answered(play: Playbook, at_ms: float, session: int, answer: Answer, *expected: str) -> None:
    """A server answers and hears the acknowledgement."""
    play(at_ms, play.says(session, answer), *expected)


def healthy_scan(play: Playbook, at_ms: float, request: int, probes: Sequence[int] = (2,)) -> None:
    """A page scan in which U1 answers by session 1 and every probe is acknowledged."""
    play.wait(at_ms, f"1: Read {request} {U1}", *(f"{n}: Probe" for n in probes))
    for session in probes:
        play(at_ms + 1, play.says(session, None))
    answered(play, at_ms + 1, 1, Answer(request, U1), f"present PLC1 by {U1} {WAY1}")
