"""A plant whose pairs alarm, record and report, and what goes on in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from random import Random

from changeover.model.alarm import Alarm, AlarmType, Category, Condition, Limit
from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant, seconds
from changeover.model.plant import Plant
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from changeover.model.trend import Trend, TrendType
from changeover.scenario.audit import TrueTransition
from changeover.simulation.host import EPOCH_UTC
from plants import timing_for, two_server_plant

DWELL_MIN: Duration = 16 * SECOND
"""How long an alarm stays as it is at least: it outlasts every outage and I/O changeover here."""
DELAY: Duration = 2 * SECOND
"""Of the alarms that have one."""
TAGS = 3
PLAIN, DELAYED, LEVEL = "A_", "D_", "L_"
"""Prefixes of the alarms on a tag: digital, digital with a delay, analogue with HIGH and HIGH_HIGH."""


class Script:
    """What the plant does: each tag is switched on, to 1 and soon to 2, and off at instants drawn before."""

    def __init__(self, tags: tuple[str, ...], until: Instant, rng: Random) -> None:
        self.switched = {tag: self._instants(until, rng) for tag in tags}
        self.rise: dict[str, Duration] = {tag: round(rng.uniform(0.05, 0.9) * SECOND) for tag in tags}

    def _instants(self, until: Instant, rng: Random) -> list[int]:
        at, instants = round(rng.uniform(5, 12) * SECOND), []
        while at < until:
            instants.append(at + EPOCH_UTC)
            at += DWELL_MIN + round(rng.random() * 8 * SECOND)
        return instants

    def value(self, tag: str, utc: int) -> float | None:
        """1 after an odd number of switchings, and soon 2."""
        instants = self.switched.get(tag, [])
        place = bisect_right(instants, utc)
        if place % 2 == 0:
            return 0.0
        return 2.0 if utc >= instants[place - 1] + self.rise[tag] else 1.0

    def transitions(self) -> list[TrueTransition]:
        """Everything that happens to the alarms, but for HIGH, which is over too soon."""
        found = []
        for tag, instants in self.switched.items():
            for on, off in zip(instants[::2], [*instants[1::2], None], strict=False):
                kinds = [(PLAIN, Condition.ON, 0), (DELAYED, Condition.ON, DELAY)]
                kinds.append((LEVEL, Condition.HIGH_HIGH, self.rise[tag]))
                for prefix, condition, late in kinds:
                    found.append(TrueTransition(f"{prefix}{tag}", condition, on + late))
                    if off is not None:
                        found.append(TrueTransition(f"{prefix}{tag}", Condition.NORMAL, off))
        return found


def random_plant(seed: int, rng: Random) -> Plant:
    """Family and number of LANs follow from the seed."""
    family = "ABC"[seed % 3]
    timing = timing_for(
        family,
        send_timeout=rng.choice((500, 800)),
        request_timeout=rng.choice((300, 600)),
        heartbeat=rng.choice((500, 1000)),
        client_retry=rng.choice((300, 900)),
        watch=rng.choice((500, 1000)),
    )
    timing = replace(timing, alarm_scan=250 * MILLISECOND, trend_gap_fill=seconds(3), trend_samples_max=50)
    plant = two_server_plant(
        family,
        timing=timing,
        lans=1 + seed // 3 % 2,
        driver=DriverTiming(timeout=200 * MILLISECOND, watch=500 * MILLISECOND),
        devices=2,
        tags_per_device=TAGS,
    )
    category = Category(1, "process", 1)
    levels = (Limit(Condition.HIGH_HIGH, 1.5), Limit(Condition.HIGH, 0.5))
    digital, analogue = AlarmType.DIGITAL, AlarmType.ANALOGUE
    alarms = tuple(
        alarm
        for name in (tag.name for tag in plant.tags)
        for alarm in (
            Alarm(f"{PLAIN}{name}", name, digital, category, (name,)),
            Alarm(f"{DELAYED}{name}", name, digital, category, (name,), delay=DELAY),
            Alarm(f"{LEVEL}{name}", name, analogue, category, (name,), limits=levels),
        )
    )
    trends = tuple(
        Trend(tag.name, TrendType.PERIODIC if place % 2 else TrendType.EVENT, SECOND if place % 2 else 0)
        for place, tag in enumerate(plant.tags)
    )
    policies = (MissedRuns.ALL, MissedRuns.ONCE)
    reports = tuple(
        Report(f"R{policy.value}", Schedule(period=seconds(5)), "t", (ReportFormat.HTML,), policy)
        for policy in policies
    )
    return replace(plant, alarms=alarms, trends=trends, reports=reports)
