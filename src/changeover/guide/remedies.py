"""Where no parameters reach a target: what would, one change of the plant at a time.

Each remedy is the same plant with one thing changed, planned anew: no rule of thumb says what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from changeover.config.ini import IniFile
from changeover.config.servers import PAGE_SCAN_MS_MIN
from changeover.forecast.result import Forecast
from changeover.guide.cells import ROUNDING_S, Measure
from changeover.guide.knobs import knobs_of, turned
from changeover.guide.planner import Planner
from changeover.guide.trip_floors import TripDemand, floors_of
from changeover.model.lan import Lan
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant
from changeover.model.policy import POLICIES, Family
from changeover.model.stack import NetworkProtocol

_WORTH_SAYING_S = 0.02
_ROOM = IPv4Network("198.18.0.0/15")
"""Addresses that no plant uses (RFC 2544)."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change of the plant.

    Attributes:
        what: In words, such as `a second LAN`.
        reach_s: The longest changeover that is left then, with every parameter at its least; in seconds.
        meets: Whether that meets the target.
        lost: How many of the rows that are asked for come to no changeover then.
    """

    what: str
    reach_s: float
    meets: bool
    lost: int


def remedies(
    plant: Plant,
    ini: IniFile,
    target_s: float,
    measure: Measure,
    wanted: Callable[[Forecast], bool],
    demand: TripDemand | None = None,
) -> tuple[Remedy, ...]:
    """What shortens the longest changeover that is reachable, or leaves fewer faults without any.

    Args:
        plant: The plant as it is.
        ini: Its citect.ini.
        target_s: The target that no parameters reach, in seconds.
        measure: Which figure of a changeover.
        wanted: Whether a row of the forecast is asked for.
        demand: How rarely it may trip falsely, None where that is not asked.
    """

    def ask(what: str, changed: Plant) -> Remedy:
        planner = Planner(changed, ini, measure, wanted, demand)
        reach = planner.least_s
        return Remedy(what, reach, reach <= target_s + ROUNDING_S, len(planner.lost))

    # No remedy is credited with a time-out that is too short for what was measured.
    floors = floors_of(plant, knobs_of(plant, ini), demand)
    short = {knob: floor.value for knob, floor in floors.items() if floor.why and knob.value < floor.value}
    plant = turned(plant, short)
    now = ask("", plant)
    found = [ask(what, changed) for what, changed in _changes(plant)]
    found += _page_scan(plant, target_s, ask)
    useful = [one for one in found if one.reach_s < now.reach_s - _WORTH_SAYING_S or one.lost < now.lost]
    return tuple(sorted(useful, key=lambda one: (not one.meets, one.reach_s)))


def _changes(plant: Plant) -> Iterator[tuple[str, Plant]]:
    lans = plant.client_lans()
    if len(lans) == 1:
        yield "a second LAN", with_second_lan(plant)
    for lan in lans[1:]:
        yield f"clients and servers off {lan}", _without_lan(plant, lan)
    if plant.policy.family is not Family.C:
        yield "version 5.0 or later", replace(plant, policy=POLICIES[Family.C], version="5.0")
    if plant.network_protocol is not NetworkProtocol.ACKNOWLEDGED:
        acknowledged = replace(plant, network_protocol=NetworkProtocol.ACKNOWLEDGED)
        yield "a network protocol that honours SendTimeout", acknowledged


def _page_scan(plant: Plant, target_s: float, ask: Callable[[str, Plant], Remedy]) -> Iterator[Remedy]:
    """The slowest page scan that meets the target, or the quickest there is."""
    high = max(client.page_scan for client in plant.clients) // MILLISECOND
    low = PAGE_SCAN_MS_MIN

    def at(value: int) -> Remedy:
        clients = tuple(
            replace(client, page_scan=min(client.page_scan, value * MILLISECOND)) for client in plant.clients
        )
        return ask(f"page_scan_ms = {value}", replace(plant, clients=clients))

    if low >= high:
        return
    best = at(low)
    while best.meets and high - low > 1:
        middle = (low + high) // 2
        tried = at(middle)
        if tried.meets:
            low, best = middle, tried
        else:
            high = middle
    yield best


def with_second_lan(plant: Plant) -> Plant:
    """The plant with one more LAN, that every computer is on that is on a client LAN."""
    taken = [IPv4Network(lan.subnet) for lan in plant.lans]
    subnet = next(room for room in _ROOM.subnets(new_prefix=20) if not any(room.overlaps(t) for t in taken))
    names = {lan.name.lower() for lan in plant.lans}
    name = next(found for n in range(2, len(names) + 3) if (found := f"LAN {n}").lower() not in names)
    clients = set(plant.client_lans())
    hosts = subnet.hosts()
    computers = tuple(
        replace(computer, addresses=(*computer.addresses, (name, str(next(hosts)))))
        if any(lan in clients for lan, _ in computer.addresses)
        else computer
        for computer in plant.computers
    )
    return replace(plant, lans=(*plant.lans, Lan(name, str(subnet))), computers=computers)


def _without_lan(plant: Plant, name: str) -> Plant:
    """The plant without one client LAN; computers that are on no other stay on it."""
    computers = tuple(
        replace(computer, addresses=left)
        if (left := tuple(pair for pair in computer.addresses if pair[0] != name))
        else computer
        for computer in plant.computers
    )
    return replace(plant, computers=computers)
