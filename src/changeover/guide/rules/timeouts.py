"""Time-outs that are too short for what they wait for, or do not fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from changeover.config.known_parameters import row_of
from changeover.config.parameters import HEART_TIME, REQUEST_TIMEOUT, SEND_TIMEOUT, ParameterUnit
from changeover.forecast.stacks import linux_gives_up
from changeover.guide.floors import floor_of
from changeover.guide.load import load_of
from changeover.guide.rules.rule import Found, note, warning
from changeover.guide.site import Place, Site
from changeover.model.moment import MILLISECOND, Duration
from changeover.model.stack import NetworkProtocol

EDGE = 1.5
"""One end of a connection that is so many times the other is another expiry's."""
HEART_TIME_LEAST_MS = 2_000
"""Where the range of the current product begins (AV 1117739)."""


def _ms(span: Duration) -> str:
    return f"{span / MILLISECOND:g} ms"


@warning
def wrong_unit(site: Site) -> Iterator[Found]:
    """A value that looks as if it were in the other unit of time."""
    for entry in site.ini.entries:
        row = row_of(entry.section, entry.name)
        if row is None or not entry.is_effective or not row.is_allowed(entry.value):
            continue
        meant = row.meant(entry.value)
        if meant is not None:
            unit = "milliseconds" if row.unit is ParameterUnit.MILLISECONDS else "seconds"
            yield Found(
                site.at_entry(entry),
                f"{entry.value} counts in {unit}",
                "WatchTime is in seconds (in [Report] in milliseconds), nearly every other time in "
                "milliseconds, all in one file",
                f"write {row.name}={meant}, if that was meant",
            )


@warning
def below_round_trip(site: Site) -> Iterator[Found]:
    """A time-out that is shorter than the round trip of the healthy network."""
    trip, lost = site.plant.round_trip, "what is healthy would be lost with every request (D1, D5)"
    waiting, fails = site.setting(REQUEST_TIMEOUT), site.plant.policy.request_timeout_fails
    found = {site.at(settings.timeout): (settings.timeout.duration, lost) for _, _, settings in site.units}
    found[site.at(waiting)] = waiting.duration, lost if fails else "every answer would show #COM first (I2)"
    if site.honours_send_timeout:
        send = site.setting(SEND_TIMEOUT)
        found[site.at(send)] = send.duration, lost
    for place, (span, why) in found.items():
        if span < trip:
            yield Found(
                place,
                f"{_ms(span)} is shorter than the network's round trip, {_ms(trip)}",
                why,
                "write a multiple of the round trip, or mend [network] round_trip_ms",
            )


@warning
def below_measured(site: Site) -> Iterator[Found]:
    """A time-out that is shorter than the slowest that was measured."""
    for knob in site.knobs:
        floor = floor_of(site.plant, knob)
        waits = knob.parameter != SEND_TIMEOUT or site.honours_send_timeout
        if waits and floor.why and knob.value < floor.value:
            yield Found(
                site.at_knob(knob),
                f"{knob.in_words(knob.value)}, but {floor.why}",
                "a false time-out takes what is healthy for lost, and changes over (I7)",
                f"write {knob.parameter.name}={floor.value} or more",
            )


@warning
def retries_on_the_edge(site: Site) -> Iterator[Found]:
    """Retries of the Linux stack with which the round trip decides which expiry is the last."""
    plant = site.plant
    if plant.network_protocol is not NetworkProtocol.LINUX:
        return

    def ends(retries: int) -> tuple[float, float]:
        stack = replace(plant.linux, retries2=retries)
        found = linux_gives_up(stack, plant.round_trip, answer=plant.answer)
        return found.minimum, found.maximum

    retries = plant.linux.retries2
    first, last = ends(retries)
    if last > EDGE * first:
        sure = [n for n in range(max(0, retries - 2), retries + 3) if ends(n)[1] <= EDGE * ends(n)[0]]
        yield Found(
            site.at_root("linux"),
            f"tcp_retries2 = {retries} ends after {first:.1f} s or after {last:.1f} s",
            "with longer round trips one expiry less lies within the bound, so each connection may go by "
            "another (D2)",
            f"take {' or '.join(map(str, sure))}, or mend [network] answer_ms",
        )


@warning
def time_out_below_answer(site: Site) -> Iterator[Found]:
    """A TimeOut that ends before the device may answer."""
    waiting, limits = site.setting(REQUEST_TIMEOUT), site.plant.limits
    if not site.plant.policy.request_timeout_fails:
        measured = [(limits.answer(unit.name) or 0, unit.name) for _, unit, _ in site.units]
        slowest, name = max(measured, key=lambda one: one[0], default=(0, ""))
        if waiting.duration <= slowest:
            yield Found(
                site.at(waiting),
                f"{waiting.value} ms, but {name} answers in up to {_ms(slowest)}",
                "every answer that takes longer shows #COM until it is there (I2)",
                f"write TimeOut={slowest // MILLISECOND + 1} or more",
            )
        return
    for device, unit, settings in site.units:
        attempts = settings.timing.timeout * (settings.timing.retry + 1)
        # What was measured says more than the driver's time-outs: `below_measured` goes by it.
        if limits.answer(unit.name) is None and waiting.duration < attempts:
            yield Found(
                site.at(waiting),
                f"{waiting.value} ms is shorter than (Retry+1) × Timeout of {device.protocol}, "
                f"{_ms(attempts)}",
                "a device may take that long to answer: below 5.0 the client has given the request up by "
                "then, and waits for a heartbeat though nothing is lost (I3, I7)",
                f"write TimeOut={attempts // MILLISECOND} or more, or lower the driver's Timeout",
            )


@warning
def com_before_send_timeout(site: Site) -> Iterator[Found]:
    """From 5.0 on: tags show #COM while SendTimeout is still waiting."""
    send, waiting = site.setting(SEND_TIMEOUT), site.setting(REQUEST_TIMEOUT)
    chosen = send if send.entry is not None else waiting
    counts = site.honours_send_timeout and not site.plant.policy.request_timeout_fails
    if counts and chosen.entry is not None and send.value > waiting.value:
        yield Found(
            site.at(chosen),
            f"SendTimeout, {send.value} ms, is longer than TimeOut, {waiting.value} ms",
            f"a silent server shows #COM up to {send.value - waiting.value} ms before the changeover (I2)",
            "SendTimeout should not be longer than TimeOut",
        )


@warning
def com_before_device_lost(site: Site) -> Iterator[Found]:
    """From 5.0 on: tags show #COM while the driver still waits for its device."""
    waiting = site.setting(REQUEST_TIMEOUT)
    told: set[tuple[Place, Duration]] = set()
    for device, _, settings in site.units:
        lost = settings.timing.timeout * settings.timing.attempts_until_offline
        chosen = settings.timeout.entry or settings.retry.entry or waiting.entry
        if site.plant.policy.request_timeout_fails or lost <= waiting.duration or chosen is None:
            continue
        place = site.at_entry(chosen)
        if (place, lost) not in told:
            told.add((place, lost))
            yield Found(
                place,
                f"a silent {device.name} is lost after {_ms(lost)}, TimeOut is {waiting.value} ms",
                f"it shows #COM for up to {_ms(lost - waiting.duration)} before the changeover (I2)",
                "lower the driver's Timeout or Retry; [LAN]TimeOut should be longer",
            )


@warning
def attempts_outlast_watch(site: Site) -> Iterator[Found]:
    """(Retry+1) × Timeout longer than the driver's WatchTime."""
    for _, unit, settings in site.units:
        timing = settings.timing
        attempts = timing.timeout * (timing.retry + 1)
        place = site.at_unit(unit) if settings.entry is None else site.at_entry(settings.entry)
        if attempts > timing.watch:
            yield Found(
                place,
                f"(Retry+1) × Timeout = {_ms(attempts)} is longer than the driver's WatchTime, "
                f"{_ms(timing.watch)}",
                'older I/O servers time out first, with "Driver Not Responding" (KB 2905)',
                "lower Timeout or Retry, or raise the driver's WatchTime",
            )


@warning
def heart_time_loads(site: Site) -> Iterator[Found]:
    """HeartTime so short that it loads the network and the I/O servers."""
    heart, is_needed = site.setting(HEART_TIME), site.plant.policy.needs_heartbeat_to_switch
    if is_needed and heart.entry is not None and heart.value < HEART_TIME_LEAST_MS:
        load = load_of(site.plant)
        yield Found(
            site.at(heart),
            f"{heart.value} ms: {load.heartbeats_per_s:.1f} heartbeats/s on {load.sessions} sessions",
            "each I/O server sends one to each client on each LAN; the current product allows "
            f"{HEART_TIME_LEAST_MS} ms at least (AV 1117739)",
            f"write HeartTime={HEART_TIME_LEAST_MS} or more; the article recommends 5000",
        )


@note
def limits_unmeasured(site: Site) -> Iterator[Found]:
    """Nothing said about how slow answers and acknowledgements can be."""
    if not site.plant.limits.answers and not site.plant.limits.acknowledgements:
        what = "is empty" if "limits" in site.root.values else "is missing"
        yield Found(
            site.at_root("limits"),
            f"{what}: nothing says how slow devices and LANs can be on a bad day",
            "whether a time-out trips changeovers that nobody needed cannot be assessed (I7)",
            "measure it, and fill in [limits.acknowledgement_ms] and [limits.device_answer_ms]",
        )


RULES = (
    wrong_unit,
    below_round_trip,
    below_measured,
    retries_on_the_edge,
    time_out_below_answer,
    com_before_send_timeout,
    com_before_device_lost,
    attempts_outlast_watch,
    heart_time_loads,
    limits_unmeasured,
)
