"""Alarm, trend and report servers: the search of T1 to T4 as arithmetic, and who goes back (T5)."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.forecast import reach
from changeover.forecast.detection import (
    PAGE_SCAN,
    ROUND_TRIP,
    TASK_CONNECT,
    TASK_NET,
    TASK_REFUSAL,
    WATCH,
    beside,
    connect_try,
    round_trips,
    silence,
)
from changeover.forecast.result import Forecast, Outcome, Stage, reasons, total
from changeover.forecast.stages import Constant, Distribution, add, wait
from changeover.model.moment import to_seconds
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function, TaskMode, TaskServer
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


def server_fault(plant: Plant, fault: Fault, primary: TaskServer) -> Forecast:
    """A server fault on the primary of alarm, trend or report (T1 to T5).

    Args:
        plant: The plant.
        fault: One of the three server faults.
        primary: The primary server of its function.

    Returns:
        The slowest case of the clients that are not on the struck computer.
    """
    dead_computer = reach.struck_computer(fault, primary.computer)
    clients = reach.watchers(plant, primary.computer, dead_computer)
    if not clients:
        return _lost(fault, primary.function, primary.name, None, "no client is left that asks it")
    rows = []
    for client in clients:
        ways = _ways(plant, client, primary)
        dead = frozenset(
            way
            for way in ways
            if way.server == primary.name or _task(plant, primary, way.server).computer == dead_computer
        )
        rows.append(_searched(plant, fault, primary, primary.name, client, _search(ways, dead)))
    return _worst(rows)


def lan_fault(plant: Plant, function: Function, lan: str) -> Forecast:
    """lan-silent for alarm, trend or report: a client's way to its server may be on it (T4)."""
    rows = []
    primary = plant.tasks(function)[0]
    fault = Fault.LAN_SILENT
    for client in reach.watchers(plant, primary.computer):
        in_use = reach.way_in_use(plant, client, primary.computer)
        if in_use == lan:
            ways = _ways(plant, client, primary)
            dead = frozenset(
                way for way in ways if way.lan == lan and not _is_local(plant, client, way, primary)
            )
            rows.append(_searched(plant, fault, primary, lan, client, _search(ways, dead)))
        elif in_use is not None:
            why = f"the client's requests go over {in_use}"
            rows.append(Forecast(function, fault, lan, Outcome.UNAFFECTED, reason=why))
    if not rows:
        why = "it carries no client's requests"
        return Forecast(function, fault, lan, Outcome.UNAFFECTED, reason=why)
    return _worst(rows)


def device_fault(function: Function, fault: Fault, device: str) -> Forecast:
    """A device fault for alarm, trend or report: their servers are not struck, so no client moves."""
    why = "no server of this function is struck; what it shows of the device follows I/O data"
    return Forecast(function, fault, device, Outcome.UNAFFECTED, reason=why)


def _ways(plant: Plant, client: Client, primary: TaskServer) -> tuple[Way, ...]:
    """The failed way first, then the same server on its other LANs, then each standby on each LAN (T4)."""
    servers = [primary, *(s for s in plant.tasks(primary.function) if s.mode is TaskMode.STANDBY)]
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


def _task(plant: Plant, primary: TaskServer, name: str) -> TaskServer:
    return next(server for server in plant.tasks(primary.function) if server.name == name)


def _is_local(plant: Plant, client: Client, way: Way, primary: TaskServer) -> bool:
    return _task(plant, primary, way.server).computer == client.computer


def _searched(
    plant: Plant, fault: Fault, primary: TaskServer, target: str, client: Client, search: _Search
) -> Forecast:
    """One client's search, or why there is nothing to find."""
    found = () if fault is Fault.SERVER_CLOSED else _detection(plant, fault, client)
    if found is None:
        why = "a frozen server's kernel acknowledges, so the stack never finds it (D2)"
        return _lost(fault, primary.function, target, None, why)
    detection = beside(total(found), round_trips(plant, TASK_NET[fault]))
    if search.live is None:
        why = (
            "no standby server is left"
            if fault.is_server
            else f"no server is left that {client.name} reaches without {target}"
        )
        return _lost(fault, primary.function, target, detection, why)
    tried = [stage for way in search.dead for stage in _tried(plant, fault, way)]
    stages = (*found, *tried, _watch(plant, search.live), _answer(plant, fault, search.live))
    return_, stays = _return(plant, primary, search.live)
    return Forecast(
        function=primary.function,
        fault=fault,
        target=target,
        outcome=Outcome.CHANGEOVER,
        changeover=total(stages),
        detection=detection,
        return_=return_,
        stages=stages,
        reason=reasons(NO_COM, stays),
    )


def _detection(plant: Plant, fault: Fault, client: Client) -> tuple[Stage, ...] | None:
    """The client asks every page scan, and misses the acknowledgement (D1, D4)."""
    found = silence(plant, fault)
    if found is None:
        return None
    return Stage("first request", PAGE_SCAN, "D4", wait(to_seconds(client.page_scan))), found


def _tried(plant: Plant, fault: Fault, way: Way) -> tuple[Stage, ...]:
    """Wait for the watch of a lost way and try it, in vain (T2, T3)."""
    if fault is Fault.SERVER_CLOSED:
        refused = Stage(f"{way} refuses", ROUND_TRIP, "T3", Constant(round_trips(plant, TASK_REFUSAL)))
        return _watch(plant, way), refused
    return _watch(plant, way), connect_try(plant)


def _watch(plant: Plant, way: Way) -> Stage:
    return Stage(f"watch of {way}", WATCH, "T2", wait(to_seconds(plant.timing.watch)))


def _answer(plant: Plant, fault: Fault, way: Way) -> Stage:
    """Connect and first answer, less what was under way at the fault time."""
    trips = TASK_CONNECT + TASK_NET[fault]
    return Stage(f"connect to {way}", ROUND_TRIP, "T1", Constant(round_trips(plant, trips)))


def _return(plant: Plant, primary: TaskServer, live: Way) -> tuple[Distribution | None, str | None]:
    """T5: nobody goes back unless the primary's priority is better."""
    if live.server == primary.name:
        return None, f"no return: the client keeps the primary over {live.lan} (T5)"
    if primary.priority >= _task(plant, primary, live.server).priority:
        return None, "no return: the client stays on the standby (T5)"
    c = Constant(round_trips(plant, TASK_CONNECT))
    return add(wait(to_seconds(plant.timing.watch)), c), None


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
