"""Two report servers under any course of cuts, kills and sleeps; then all is well again, and must be."""

from __future__ import annotations

import os
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.core.report_records import RunEvent
from changeover.core.trace import TraceKind
from changeover.model.moment import MILLISECOND, SECOND
from core.small_world import (
    CLIENT,
    ENDS,
    EPOCH,
    NODES,
    PERIOD,
    RETRY,
    SEND_TIMEOUT,
    SERVERS,
    Run,
    SmallWorld,
)

SETTLED = 12 * SECOND
"""Until whatever was at work is over: links are back, logs are exchanged, runs are rendered."""
FINDING = RETRY + SEND_TIMEOUT + SECOND
"""Until two servers that see each other again have told each other everything."""
SERVER = st.sampled_from(SERVERS)
PAIR = st.sampled_from([SERVERS, (SERVERS[0], CLIENT), (SERVERS[1], CLIENT)])
PAUSES = st.integers(0, 3500)
KILLS = st.tuples(PAUSES, st.sampled_from(["kill", "start"]), SERVER)
SLEEPS = st.tuples(PAUSES, st.sampled_from(["freeze", "thaw"]), SERVER)
CUTS = st.tuples(PAUSES, st.sampled_from(["cut", "heal"]), PAIR)
Act = tuple[int, str, str | tuple[str, str]]


def begun(seed: int) -> SmallWorld:
    """Both servers have started, and both have kept a run: so every later one is somebody's debt."""
    world = SmallWorld(Random(seed))
    for name in NODES:
        world.start(name)
    world.run(3 * PERIOD)
    assert all(archive.records() for archive in world.archives.values())
    return world


def played(seed: int, acts: list[Act]) -> SmallWorld:
    """A world after these acts, and after everything is well again."""
    world = begun(seed)
    for pause, act, whom in acts:
        world.run(pause * MILLISECOND)
        if isinstance(whom, str):
            getattr(world, act)(whom)
        else:
            getattr(world, act)(*whom)
    for one, other in (SERVERS, (SERVERS[0], CLIENT), (SERVERS[1], CLIENT)):
        world.heal(one, other)
    for name in SERVERS:
        world.thaw(name)
        world.start(name)
    world.run(SETTLED)
    return world


def runs_of(world: SmallWorld) -> dict[Run, list[RunEvent]]:
    """What the logs of both servers say of each run."""
    records = {(r.origin, r.number): r for archive in world.archives.values() for r in archive.records()}
    found: dict[Run, list[RunEvent]] = {}
    for record in records.values():
        found.setdefault((record.report, record.scheduled_utc), []).append(record.event)
    return found


def demand_redundancy(world: SmallWorld) -> None:
    """Exactly one is active, both know that they are redundant, and both have kept the same."""
    assert len(world.active()) == 1, world.active()
    for name in SERVERS:
        assert world.server(name).is_redundant, name
    # A record of the last moment may still be on its way.
    first, second = (dict(world.archives[name].numbers()) for name in SERVERS)
    assert first.keys() == second.keys()
    assert all(abs(first[origin] - second[origin]) <= 3 for origin in first), (first, second)


def demand_every_run(world: SmallWorld) -> None:
    """No run is missing, and none is without an end."""
    runs = runs_of(world)
    first = min(scheduled for _, scheduled in runs)
    last = EPOCH + world.now - 2 * PERIOD - 3 * SECOND
    for scheduled in range(first, last // PERIOD * PERIOD + 1, PERIOD):
        events = runs.get(("shift", scheduled), [])
        assert any(event in ENDS for event in events), (scheduled - EPOCH, events)


def doubled(world: SmallWorld) -> list[Run]:
    """Runs that were published more than once."""
    runs = [run for _, _, run in world.published]
    return [run for run in dict.fromkeys(runs) if runs.count(run) > 1]


def wrongly_doubled(world: SmallWorld) -> list[Run]:
    """Runs that were published a second time though the servers could have told each other."""
    return [run for run in doubled(world) if not is_excused(world, run)]


def is_excused(world: SmallWorld, run: Run) -> bool:
    """Whether the servers could not tell each other of a run that was published twice.

    They can once they have been in contact for long enough: to connect, to give up a connection that is dead,
    and to fetch. Then they had contact neither all the time since the run was due, nor between the first and
    the second time that it was published.
    """
    first, second = sorted(at for at, _, published in world.published if published == run)[:2]
    due = run[1] - EPOCH
    for begin, end in world.contact:
        known_from, known_to = begin + FINDING, end if end is not None else world.now
        if known_to >= second and known_from <= due:
            return False
        if min(known_to, second) > max(known_from, first):
            return False
    return True


def times(world: SmallWorld, kind: TraceKind) -> int:
    """How often something was noted."""
    return sum(1 for _, _, what, _ in world.notes if what is kind)


def check(seed: int, acts: list[Act]) -> SmallWorld:
    """Whatever happens: afterwards one is active, nothing is missing, nothing is doubled without reason."""
    world = played(seed, acts)
    demand_redundancy(world)
    demand_every_run(world)
    assert wrongly_doubled(world) == []
    return world


EXAMPLES = int(os.environ.get("CHANGEOVER_SWEEP", "15"))
some = settings(max_examples=EXAMPLES, deadline=None)
more = settings(max_examples=3 * EXAMPLES, deadline=None)


@given(st.integers(0, 10**6))
@some
def test_when_nothing_happens_every_run_is_run_once_by_the_first_server(seed: int) -> None:
    world = check(seed, [])
    assert world.active() == ["Report1"] and doubled(world) == []
    assert times(world, TraceKind.REDUNDANT) == 2 and times(world, TraceKind.PARTNER_LOST) == 0


def test_t6_when_nothing_happens_the_second_server_is_never_active() -> None:
    """The first says by one link that it is active; that it was starting arrives after that, by the other."""
    for seed in range(45_400, 45_450):
        world = SmallWorld(Random(seed))
        for name in NODES:
            world.start(name)
        world.run(SECOND)
        assert [name for _, name, kind, _ in world.notes if kind is TraceKind.SERVER_ACTIVE] == ["Report1"]


@given(st.integers(0, 10**6), st.lists(KILLS, max_size=8))
@some
def test_kills_lose_nothing(seed: int, acts: list[Act]) -> None:
    check(seed, acts)


@given(st.integers(0, 10**6), st.lists(SLEEPS, max_size=8))
@some
def test_sleeps_lose_nothing(seed: int, acts: list[Act]) -> None:
    check(seed, acts)


@given(st.integers(0, 10**6), st.lists(CUTS, max_size=10))
@some
def test_cuts_lose_nothing(seed: int, acts: list[Act]) -> None:
    check(seed, acts)


@given(st.integers(0, 10**6), st.lists(KILLS | SLEEPS | CUTS, max_size=14))
@more
def test_whatever_happens_nothing_is_lost_and_nothing_doubled_without_reason(
    seed: int, acts: list[Act]
) -> None:
    check(seed, acts)
