"""Two report servers under any course of cuts, kills and sleeps; then all is well again, and must be."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.core.report_records import RunEvent
from changeover.core.trace import TraceKind
from changeover.model.moment import MILLISECOND, SECOND, Instant
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
SERVER, PAIR = (
    st.sampled_from(SERVERS),
    st.sampled_from([SERVERS, (SERVERS[0], CLIENT), (SERVERS[1], CLIENT)]),
)
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


def was_cut_while(world: SmallWorld, run: Run) -> bool:
    """Whether the servers did not see each other at some time between when a run was due and its last end.

    They see each other again a retry after the cut is over, and lose each other SendTimeout after it began.
    """
    due = run[1] - EPOCH
    last: Instant = max(at for at, _, published in world.published if published == run)
    spans = ((begin, end if end is not None else world.now) for begin, end in world.cut_spans)
    return any(begin <= last and due <= end + RETRY + SEND_TIMEOUT for begin, end in spans)


def first_of(world: SmallWorld, kind: TraceKind) -> int:
    return sum(1 for _, _, what, _ in world.notes if what is kind)


# --- all is well ---


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_when_nothing_happens_the_first_is_active_and_every_run_is_run_once(seed: int) -> None:
    world = played(seed, [])
    demand_redundancy(world)
    demand_every_run(world)
    assert world.active() == ["Report1"]
    assert doubled(world) == []
    assert first_of(world, TraceKind.REDUNDANT) == 2 and first_of(world, TraceKind.SERVER_ACTIVE) == 1


@given(st.integers(0, 10**6), st.lists(KILLS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_kills_lose_nothing_and_double_nothing(seed: int, acts: list[Act]) -> None:
    world = played(seed, acts)
    demand_redundancy(world)
    demand_every_run(world)
    assert doubled(world) == []


@given(st.integers(0, 10**6), st.lists(SLEEPS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_sleeps_lose_nothing_and_double_nothing(seed: int, acts: list[Act]) -> None:
    world = played(seed, acts)
    demand_redundancy(world)
    demand_every_run(world)
    assert doubled(world) == []


@given(st.integers(0, 10**6), st.lists(KILLS | SLEEPS, max_size=10))
@settings(max_examples=60, deadline=None)
def test_kills_and_sleeps_together_lose_nothing_and_double_nothing(seed: int, acts: list[Act]) -> None:
    world = played(seed, acts)
    demand_redundancy(world)
    demand_every_run(world)
    assert doubled(world) == []


@given(st.integers(0, 10**6), st.lists(CUTS, max_size=10))
@settings(max_examples=60, deadline=None)
def test_cuts_lose_nothing_and_double_only_what_ran_while_they_lasted(seed: int, acts: list[Act]) -> None:
    world = played(seed, acts)
    demand_redundancy(world)
    demand_every_run(world)
    assert [run for run in doubled(world) if not was_cut_while(world, run)] == []


@given(st.integers(0, 10**6), st.lists(KILLS | SLEEPS | CUTS, max_size=14))
@settings(max_examples=120, deadline=None)
def test_whatever_happens_nothing_is_lost_and_nothing_doubled_but_in_a_cut(
    seed: int, acts: list[Act]
) -> None:
    world = played(seed, acts)
    demand_redundancy(world)
    demand_every_run(world)
    assert [run for run in doubled(world) if not was_cut_while(world, run)] == []
