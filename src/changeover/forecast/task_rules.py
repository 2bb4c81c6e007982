"""Alarm, trend and report servers: the search of T1 to T4 as arithmetic, and who goes back (T5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from changeover.forecast import reach
from changeover.forecast.detection import (
    PAGE_SCAN,
    ROUND_TRIP,
    TASK_CONNECT,
    TASK_NET,
    TASK_REFUSAL,
    TASK_RETURN,
    WATCH,
    beside,
    connect_try,
    round_trips,
    silence,
)
from changeover.forecast.result import Forecast, Outcome, Stage, reasons, total
from changeover.forecast.stages import Constant, Distribution, add, sooner, wait
from changeover.model.moment import to_seconds
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function, TaskServer
from changeover.scenario.fault import Fault

NO_COM = "#COM: only I/O data shows it"


@dataclass(frozen=True, slots=True)
class _Search:
    """The ways that one client tries after it lost the first (T4).

    Attributes:
        dead: Ways that the fault took, in the order of the search, up to the first live one.
        live: The way on which the search ends; None when there is none.
    """

    dead: tuple[Way, ...]
    live: Way | None


def server_fault(plant: Plant, fault: Fault, home: TaskServer) -> Forecast:
    """A server fault on the server that clients ask for alarms, trends or reports (T1 to T5).

    Args:
        plant: The plant.
        fault: One of the three server faults.
        home: That server of its function, as `reach.home_of` gives it.

    Returns:
        The slowest case of the clients that are not on the struck computer.
    """
    dead_computer = reach.struck_computer(fault, home.computer)
    clients = reach.unlike(plant, reach.watchers(plant, home.computer, dead_computer))
    if not clients:
        return _lost(fault, home.function, home.name, None, "no client is left that asks it")
    rows = []
    for client in clients:
        ways = _ways(plant, client, home)
        dead = frozenset(
            way for way in ways if way.server == home.name or _computer_of(plant, way) == dead_computer
        )
        rows.append(_searched(plant, fault, home, home.name, client, _search(ways, dead)))
    return _worst(rows)


def lan_fault(plant: Plant, function: Function, lan: str) -> Forecast:
    """lan-silent for alarm, trend or report: a client's way to its server may be on it (T4)."""
    rows = []
    home = reach.home_of(plant, function)
    fault = Fault.LAN_SILENT
    by_chance = home != plant.tasks(function)[0] and len(plant.client_lans()) > 1
    chance = "which LAN brought the client to its server was chance (T5)" if by_chance else None
    for client in reach.unlike(plant, reach.watchers(plant, home.computer)):
        in_use = reach.way_in_use(plant, client, home.computer)
        if in_use == lan:
            ways = _ways(plant, client, home)
            dead = frozenset(
                way for way in ways if way.lan == lan and _computer_of(plant, way) != client.computer
            )
            row = _searched(plant, fault, home, lan, client, _search(ways, dead))
            rows.append(replace(row, reason=reasons(row.reason, chance)))
        elif in_use is not None:
            why = reasons(f"the client's requests go over {in_use}", chance)
            rows.append(Forecast(function, fault, lan, Outcome.UNAFFECTED, reason=why))
    if not rows:
        why = "it carries no client's requests"
        return Forecast(function, fault, lan, Outcome.UNAFFECTED, reason=why)
    return _worst(rows)


def partner_cut(plant: Plant, function: Function, target: str) -> Forecast:
    """partner-cut for alarm, trend or report: it moves only clients that are on one of the two computers.

    Args:
        plant: The plant.
        function: ALARM, TREND or REPORT.
        target: The two computers, as `pair_name` writes them.

    Returns:
        The worst case of the clients on either computer; unaffected where none loses its server.
    """
    home = reach.home_of(plant, function)
    rows = []
    for client in reach.watchers(plant, home.computer):
        if reach.beyond_cut(client, target) == home.computer:
            ways = _ways(plant, client, home)
            dead = frozenset(way for way in ways if _computer_of(plant, way) == home.computer)
            rows.append(_searched(plant, Fault.PARTNER_CUT, home, target, client, _search(ways, dead)))
    if rows:
        return _worst(rows)
    computers = {server.computer for server in plant.tasks(function)}
    if computers.issuperset(target.split("+")):
        why = "no client loses its server; each goes on as the active one until they meet again (T6)"
    else:
        why = "these computers hold no pair of its servers"
    return Forecast(function, Fault.PARTNER_CUT, target, Outcome.UNAFFECTED, reason=why)


def device_fault(function: Function, fault: Fault, device: str) -> Forecast:
    """A device fault for alarm, trend or report: their servers are not struck, so no client moves."""
    why = "no server of this function is struck; what it shows of the device follows I/O data"
    return Forecast(function, fault, device, Outcome.UNAFFECTED, reason=why)


def _ways(plant: Plant, client: Client, home: TaskServer) -> tuple[Way, ...]:
    """The failed way first, then the same server on its other LANs, then every other on each LAN (T4)."""
    servers = [home, *(server for server in plant.tasks(home.function) if server != home)]
    return tuple(
        Way(server.name, lan) for server in servers for lan in reach.live_lans(plant, client, server.computer)
    )


def _search(ways: tuple[Way, ...], dead: frozenset[Way]) -> _Search:
    passed: list[Way] = []
    for way in ways:
        if way not in dead:
            return _Search(tuple(passed), way)
        passed.append(way)
    return _Search(tuple(passed), None)


def _computer_of(plant: Plant, way: Way) -> str:
    """The computer that a way leads to."""
    return plant.computer_of(way.server)


def _searched(
    plant: Plant, fault: Fault, home: TaskServer, target: str, client: Client, search: _Search
) -> Forecast:
    """One client's search, or why there is nothing to find."""
    found = () if fault is Fault.SERVER_CLOSED else _detection(plant, fault, client)
    if found is None:
        why = "a frozen server's kernel acknowledges, so the stack never finds it (D2)"
        return _lost(fault, home.function, target, None, why)
    detection = beside(total(found), round_trips(plant, TASK_NET[fault]))
    if search.live is None:
        return _lost(fault, home.function, target, detection, _nothing_left(fault, target, client))
    stages: tuple[Stage, ...] = found
    for way in search.dead:
        stages = (*stages, *_tried(plant, fault, way, stages))
    stages = (*stages, _watch(plant, search.live), _answer(plant, fault, search.live))
    return_, returning = _return(plant, home, search.dead, search.live)
    return Forecast(
        function=home.function,
        fault=fault,
        target=target,
        outcome=Outcome.CHANGEOVER,
        changeover=total(stages),
        detection=detection,
        return_=return_,
        stages=stages,
        reason=reasons(NO_COM, returning),
    )


def _nothing_left(fault: Fault, target: str, client: Client) -> str:
    if fault.is_server:
        return "no standby server is left"
    if fault is Fault.PARTNER_CUT:
        return f"{client.name} reaches no server on its own side of the cut"
    return f"no server is left that {client.name} reaches without {target}"


def _detection(plant: Plant, fault: Fault, client: Client) -> tuple[Stage, ...] | None:
    """The client asks every page scan, and misses the acknowledgement (D1, D4)."""
    found = silence(plant, fault)
    if found is None:
        return None
    return Stage("first request", PAGE_SCAN, "D4", wait(to_seconds(client.page_scan))), found


def _tried(plant: Plant, fault: Fault, way: Way, before: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Wait for the watch of a lost way and try it, in vain (T2, T3), after what went before."""
    if fault is Fault.SERVER_CLOSED:
        refused = Stage(f"{way} refuses", ROUND_TRIP, "T3", Constant(round_trips(plant, TASK_REFUSAL)))
        return _watch(plant, way), refused
    watch = _watch(plant, way)
    earliest = sum(stage.distribution.minimum for stage in (*before, watch))
    latest = sum(stage.distribution.maximum for stage in (*before, watch))
    return watch, connect_try(plant, (earliest, latest))


def _watch(plant: Plant, way: Way) -> Stage:
    return Stage(f"watch of {way}", WATCH, "T2", wait(to_seconds(plant.timing.watch)))


def _answer(plant: Plant, fault: Fault, way: Way) -> Stage:
    """Connect and first answer, less what was under way at the fault time."""
    trips = TASK_CONNECT + TASK_NET[fault]
    return Stage(f"connect to {way}", ROUND_TRIP, "T1", Constant(round_trips(plant, trips)))


def _return(
    plant: Plant, home: TaskServer, dead: tuple[Way, ...], live: Way
) -> tuple[Distribution | None, str | None]:
    """T5: nobody goes back unless the server that was lost has the better priority.

    Then every way to it is tried with each of its own ticks, and the first one after the repair does. A
    server that was away lets its clients wait until it has what its partner has: by how much there is to
    fetch, not by any parameter, so the interval is without it.
    """
    if live.server == home.name:
        return None, f"no return: the client keeps {home.name} over {live.lan} (T5)"
    if home.priority >= plant.task_server(live.server).priority:
        return None, f"no return: the client stays on {live.server} (T5)"
    ticks = [wait(to_seconds(plant.timing.watch)) for way in dead if way.server == home.name]
    back = add(sooner(*ticks), Constant(round_trips(plant, TASK_RETURN)))
    return back, "return: not before the server has taken over what its partner has (T6)"


def _lost(
    fault: Fault, function: Function, target: str, detection: Distribution | None, why: str
) -> Forecast:
    return Forecast(
        function,
        fault,
        target,
        Outcome.LOST,
        detection=detection,
        reason=reasons(why, "no rule says how soon a client without any server is back"),
    )


def _worst(rows: list[Forecast]) -> Forecast:
    def rank(row: Forecast) -> tuple[int, float]:
        if row.outcome is Outcome.LOST:
            return 2, 0.0
        return (1, row.changeover.maximum) if row.changeover is not None else (0, 0.0)

    return max(rows, key=rank)
