"""What a TCP stack does about a silent peer, as arithmetic (D2): when a connection dies, a connect fails.

Windows counts: after n retransmissions, each wait twice the one before, the next expiry is the end.

Linux adds up. Each expiry that brings no answer doubles the wait; the connection dies at the first one that
lies the bound of `tcp_retries2` or more beyond the first. Three things make that later than the bound:

* the retransmission time-out is the least one (200 ms) plus the round trip, in whole ticks of the kernel;
* a loss probe may go before the first retransmission, and the time is counted from there on;
* a timer that is far off is kept coarsely, by eight times fewer places each time: it fires up to an eighth
  of its wait late, never early. How late depends on the clock's phase, so the end is an interval.

A connect of Linux doubles from one second. Newer kernels first send some SYNs a second apart, which moves the
expiries, not the bound. And there is another end of it: the host that is gone answers no ARP either. Its
entry in the neighbour table lives for a while; when that is over, a connect fails after three questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, repeat

from changeover.forecast.stages import Constant, Distribution, Uniform, one_of
from changeover.model.moment import SECOND, Duration, to_seconds
from changeover.model.stack import (
    LINUX_DELAYED_ACK,
    LINUX_RTO_MAX,
    WINDOWS_WAIT_MAX,
    LinuxStack,
    WindowsStack,
)

_RTO_BASE: Duration = SECOND // 5
"""What the kernel's bounds are reckoned with, whatever the least time-out is set to."""

_SYN_RTO: Duration = SECOND
_APART = 1.3
"""Two ends of which one is so many times the other have not the same number of expiries."""
_PROBE_TICKS = 2
"""A loss probe waits for two round trips and so much, but with one segment under way for a delayed
acknowledgement too, which makes it as late as the first retransmission would have been."""

_WHEEL_PLACES = 64
_WHEEL_SHIFT = 3
_PHASES_MAX = 256
"""Of the wheel's phases so many are looked at."""

NEIGHBOUR_KEPT_S = (23.0, 53.0)
"""A silent host's entry in the neighbour table: 15 to 45 s confirmed, 5 s of grace, three questions."""
_NEIGHBOUR_GONE_S = (3.0, 3.1)
"""A connect to a host without an entry: three questions, a second apart."""


def windows_gives_up(stack: WindowsStack) -> Distribution:
    """From the first unanswered send until a Windows connection dies."""
    return Constant(_waits(stack.rto, stack.data_retransmissions))


def windows_connect(stack: WindowsStack) -> Distribution:
    """How long a connect of Windows to a silent host takes."""
    return Constant(_waits(stack.initial_rtt, stack.connect_retransmissions))


@lru_cache(maxsize=1024)
def linux_gives_up(
    stack: LinuxStack, round_trip: Duration, several: bool = False, answer: Duration = 0
) -> Distribution:
    """From the first unanswered send until a Linux connection dies.

    A kernel that expects its program to answer acknowledges with the answer. So the round trip that the other
    one knows is longer by anything up to the time an answer takes, or up to the delay of an acknowledgement.

    Args:
        stack: Its settings.
        round_trip: Of a segment and its acknowledgement.
        several: Whether several segments are sent in that instant.
        answer: What the longest answer takes.
    """
    longer = min(answer, LINUX_DELAYED_ACK)
    ends = [round_trip, round_trip + longer]
    low, high = (-(-(stack.rto + end) // stack.tick) for end in ends)
    if low == high:
        return _linux_gives_up(stack, low, round_trip, several)
    parts = []
    for rto in range(low, high + 1):
        # The round trips that make so many ticks of it.
        begin = max(ends[0], (rto - 1) * stack.tick - stack.rto)
        end = min(ends[1], rto * stack.tick - stack.rto)
        parts.append(((end - begin) / longer, _linux_gives_up(stack, rto, round_trip, several)))
    return one_of(*parts)


@lru_cache(maxsize=1024)
def _linux_gives_up(stack: LinuxStack, rto: int, round_trip: Duration, several: bool) -> Distribution:
    """The same for one RTO, in ticks."""
    bound = _bound(_RTO_BASE, stack.retries2)
    probe = -(-2 * round_trip // stack.tick) + _PROBE_TICKS
    longest = LINUX_RTO_MAX // stack.tick
    first = min(probe, rto) if several else rto
    waits = chain((first, rto), (min(rto << k, longest) for k in _counted(1)))
    # The time counts from the first retransmission, which is the expiry after the probe.
    return _interval(_ends(waits, bound // stack.tick, counted_from=1), stack.tick)


def linux_connect(stack: LinuxStack, since_fault: tuple[float, float]) -> Distribution:
    """How long a connect of Linux to a silent host takes.

    Args:
        stack: Its settings.
        since_fault: How long the host has been silent when the connect begins, least and most, in seconds.
    """
    syns = _linux_syns(stack)
    earliest, latest = since_fault
    forgotten, kept = NEIGHBOUR_KEPT_S
    low = min(syns.minimum, max(_NEIGHBOUR_GONE_S[0], forgotten - latest))
    high = min(syns.maximum, max(_NEIGHBOUR_GONE_S[1], kept - earliest))
    return Uniform(low, high) if low < high else Constant(high)


@lru_cache(maxsize=64)
def linux_attempts(stack: LinuxStack, round_trip: Duration, until: float, several: bool) -> tuple[float, ...]:
    """When Linux sends a segment, again and again, that nobody acknowledges.

    Args:
        stack: Its settings.
        round_trip: Of a segment and its acknowledgement.
        until: The last instant of interest, in seconds after the first.
        several: Whether several segments are sent in that instant.

    Returns:
        Seconds after the first, 0.0 first; timers as late as they are on average.
    """
    rto = -(-(stack.rto + round_trip) // stack.tick)
    probe = -(-2 * round_trip // stack.tick) + _PROBE_TICKS
    first = min(probe, rto) if several else rto
    longest = LINUX_RTO_MAX // stack.tick
    found = [0.0]
    for wait in chain((first, rto), (min(rto << k, longest) for k in _counted(1))):
        places = 1 << _WHEEL_SHIFT * _level(wait)
        at = found[-1] + to_seconds((wait + places // 2) * stack.tick)
        if at > until:
            break
        found.append(at)
    return tuple(found)


@lru_cache(maxsize=256)
def _linux_syns(stack: LinuxStack) -> Distribution:
    second = _SYN_RTO // stack.tick
    longest = LINUX_RTO_MAX // stack.tick
    doubling = (min(second << k, longest) for k in _counted(0))
    waits = chain(repeat(second, stack.linear_syns), doubling)
    return _interval(_ends(waits, _bound(_SYN_RTO, stack.syn_retries) // stack.tick), stack.tick)


def _counted(first: int) -> Iterator[int]:
    # Beyond this many doublings every wait is the longest; larger shifts would only make huge numbers.
    return chain(range(first, 32), repeat(32))


def _bound(base: Duration, retries: int) -> Duration:
    """The time that a count of retries stands for: the waits between them, none longer than two minutes."""
    doublings = 0
    while doublings <= retries and base << doublings < LINUX_RTO_MAX:
        doublings += 1
    return base * ((1 << doublings) - 1) + (retries + 1 - doublings) * LINUX_RTO_MAX


def _ends(waits: Iterator[int], bound: int, counted_from: int | None = None) -> list[int]:
    """In ticks after the start, when the first expiry lies beyond the bound, for each phase of the wheel.

    Args:
        waits: The waits, in ticks, without end.
        bound: In ticks.
        counted_from: The expiry from which the bound counts; from the start where None.
    """
    reckoned = _needed(waits, bound, counted_from)
    phases = 1 << _WHEEL_SHIFT * max(map(_level, reckoned))
    ends = []
    for phase in range(0, phases, max(1, phases // _PHASES_MAX)):
        now, since = phase, phase if counted_from is None else None
        for number, wait in enumerate(reckoned):
            now = _fires(now, wait)
            if since is not None and now - since >= bound:
                break
            if number == counted_from:
                since = now
        ends.append(now - phase)
    return ends


def _needed(waits: Iterator[int], bound: int, counted_from: int | None) -> list[int]:
    """As many waits as the bound takes at most, were every timer on time."""
    found: list[int] = []
    counted = 0
    for number, wait in enumerate(waits):
        found.append(wait)
        if counted_from is None or number > counted_from:
            counted += wait
        if counted >= bound:
            break
    return found


def _fires(now: int, wait: int) -> int:
    """The tick at which a timer fires: the next place of its level after its time."""
    shift = _WHEEL_SHIFT * _level(wait)
    return ((now + wait >> shift) + 1) << shift


def _level(wait: int) -> int:
    """How coarsely a timer is kept that is so many ticks off."""
    level = 0
    while wait >= (_WHEEL_PLACES - 1) << _WHEEL_SHIFT * level:
        level += 1
    return level


def _interval(ends: list[int], tick: Duration) -> Distribution:
    """Uniform between the first and the last; one of several such where an expiry more or less makes them."""
    runs: list[list[int]] = []
    for end in sorted(ends):
        if not runs or end > _APART * runs[-1][-1]:
            runs.append([])
        runs[-1].append(end)
    # The start lies anywhere within a tick: up to one earlier than counted.
    spans = [Uniform(to_seconds((run[0] - 1) * tick), to_seconds(run[-1] * tick)) for run in runs]
    return one_of(*((len(run) / len(ends), span) for run, span in zip(runs, spans, strict=True)))


def _waits(first: Duration, retransmissions: int) -> float:
    """All waits of Windows in seconds: each twice the one before, four minutes at most."""
    longest = to_seconds(WINDOWS_WAIT_MAX)
    waits = (to_seconds(first) * float(1 << min(k, 40)) for k in range(retransmissions + 1))
    return sum(min(wait, longest) for wait in waits)
