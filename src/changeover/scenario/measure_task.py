"""What a trace says about one fault as far as alarms, trends or reports are concerned (T1 to T5).

A changeover of these functions is seen at the client: by its loss of the way that served it, and by the first
answer on another way. The simulation and the drills measure with this one function.
"""

from __future__ import annotations

from collections.abc import Iterable

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function, TaskServer
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import Measured, Span, Struck, struck_by, struck_computer
from changeover.scenario.outage import as_seen

_LOSSES = (TraceKind.SESSION_TIMEOUT, TraceKind.SESSION_CLOSED)


def home_server(plant: Plant, function: Function) -> TaskServer:
    """The server that clients ask while all is well: of the best priority, of equals the primary (T5)."""
    return min(plant.tasks(function), key=lambda server: server.priority)


def first_way(plant: Plant, function: Function, client: Client) -> Way | None:
    """The way by which a client is served while all is well; None for one that does not reach that server."""
    home = home_server(plant, function).name
    return next((w for w in plant.task_ways(client.computer, function) if w.server == home), None)


def way_is_by_chance(plant: Plant, function: Function) -> bool:
    """Whether watch ticks choose by which of several LANs clients are served, even while all is well (T5).

    So it is with a server of better priority that is not the first one to be asked.
    """
    home = home_server(plant, function)
    return home != plant.tasks(function)[0] and len(plant.client_lans()) > 1


def is_struck(plant: Plant, struck: Struck, client: Client, way: Way) -> bool:
    """Whether a fault takes a way from a client; what is on its own computer is reached without a LAN."""
    if way.server in struck.servers:
        return True
    return way.lan in struck.lans and plant.computer_of(way.server) != client.computer


def task_loses(plant: Plant, function: Function, injection: Injection, client: Client) -> bool:
    """Whether a fault takes the way that serves a client."""
    way = first_way(plant, function, client)
    return way is not None and is_struck(plant, _struck(plant, injection, client), client, way)


def task_can_change_over(plant: Plant, function: Function, injection: Injection, client: Client) -> bool:
    """Whether a way is left to a client that loses the one that serves it."""
    struck = _struck(plant, injection, client)
    ways = plant.task_ways(client.computer, function)
    return task_loses(plant, function, injection, client) and any(
        not is_struck(plant, struck, client, way) for way in ways
    )


def task_client(plant: Plant, function: Function, injection: Injection) -> Client | None:
    """The client at which a fault is measured: of those that it does not take away itself, the worst off.

    Worst is a client that nothing is left for, then one that changes over, the longest search first. A LAN's
    loss can be measured only where it is no chance which LAN serves the client.
    """
    away = struck_computer(plant, injection)
    by_chance = injection.fault is Fault.LAN_SILENT and way_is_by_chance(plant, function)
    staying = [
        client
        for client in plant.clients
        if client.computer != away and first_way(plant, function, client) is not None and not by_chance
    ]

    def harm(client: Client) -> tuple[bool, bool, Duration]:
        loses = task_loses(plant, function, injection, client)
        able = task_can_change_over(plant, function, injection, client)
        search = _longest_search(plant, function, injection, client) if able else client.page_scan
        return loses and not able, loses, search

    return max(staying, key=harm, default=None)


def _longest_search(plant: Plant, function: Function, injection: Injection, client: Client) -> Duration:
    """What a client's first request and its tries in vain take at most; to compare clients."""
    struck, first = _struck(plant, injection, client), first_way(plant, function, client)
    assert first is not None, "a client that loses its way has one"
    ways = plant.task_ways(client.computer, function)
    order = sorted(ways, key=lambda way: way.server != first.server)
    in_vain = next(n for n, way in enumerate(order) if not is_struck(plant, struck, client, way))
    if injection.fault is Fault.SERVER_CLOSED:
        return in_vain * plant.timing.watch
    return in_vain * (plant.timing.patience + plant.timing.watch) + client.page_scan


def _struck(plant: Plant, injection: Injection, client: Client) -> Struck:
    return struck_by(plant, as_seen(plant, injection, client))


def measure_task(
    plant: Plant,
    function: Function,
    injection: Injection,
    client: Client,
    notes: Iterable[TraceLine],
    fault_at: Instant,
    repair_at: Instant | None,
) -> Measured:
    """Measure one fault for alarms, trends or reports.

    Args:
        plant: The plant.
        function: ALARM, TREND or REPORT.
        injection: The fault and its target.
        client: The client at which it is measured.
        notes: Trace lines, in order.
        fault_at: The fault time.
        repair_at: When the fault was taken away, None if it was not.
    """
    struck = _struck(plant, injection, client)
    ways = {str(way): way for way in plant.task_ways(client.computer, function)}
    home = home_server(plant, function).name
    detection: Duration | None = None
    changeover: Duration | None = None
    returned: Duration | None = None
    for note in notes:
        if note.at < fault_at or note.source != client.name or note.detail != function.value:
            continue
        way = ways.get(note.subject)
        if way is None:
            continue
        is_before_repair = repair_at is None or note.at <= repair_at
        if note.kind in _LOSSES and detection is None and is_before_repair:
            detection = note.at - fault_at
        elif note.kind is TraceKind.SERVER_FOUND:
            if is_before_repair and changeover is None and not is_struck(plant, struck, client, way):
                changeover = note.at - fault_at
            elif repair_at is not None and not is_before_repair and returned is None:
                returned = note.at - repair_at if way.server == home else None
    return Measured(
        detection=detection,
        changeover=_span(changeover),
        com=None,
        return_=_span(returned),
    )


def _span(duration: Duration | None) -> Span | None:
    return None if duration is None else Span(duration, duration, duration)
