"""Parameters that change nothing: in this version, under this network protocol, in this plant, or alone."""

from __future__ import annotations

from collections.abc import Iterator

from changeover.config.parameters import (
    ALARM_SAVE_PERIOD,
    ALARM_SCAN_TIME,
    ALARM_START_TIMEOUT,
    HEART_TIME,
    REPORT_WATCH_TIME,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    TREND_GAP_FILL_TIME,
    TREND_SAMPLES_MAX,
    WATCH_TIME,
)
from changeover.guide.partners import partners
from changeover.guide.rules.rule import Found, note, warning
from changeover.guide.site import Site
from changeover.model.server import Function
from changeover.model.stack import NetworkProtocol

_TASK_PARAMETERS = {
    Function.ALARM: (ALARM_SCAN_TIME, ALARM_SAVE_PERIOD, ALARM_START_TIMEOUT),
    Function.TREND: (TREND_GAP_FILL_TIME, TREND_SAMPLES_MAX),
    Function.REPORT: (REPORT_WATCH_TIME,),
}
_REGISTRY = "TcpMaxDataRetransmissions and TcpMaxConnectRetransmissions in the registry (KB 1949)"
_SYSCTL = "net.ipv4.tcp_retries2 and tcp_syn_retries"


@warning
def heart_time_unused(site: Site) -> Iterator[Found]:
    """HeartTime in a version that changes over without heartbeats."""
    heart = site.setting(HEART_TIME)
    if heart.entry is not None and not site.plant.policy.needs_heartbeat_to_switch:
        yield Found(
            site.at(heart),
            f"has no effect on any changeover in version {site.plant.version}",
            "from 5.0 on requests go to the next unit at once, no client waits for a heartbeat (I1, I5): a "
            "short one only loads the network and the I/O servers",
            "take the line out",
        )


@note
def time_out_shows_com_only(site: Site) -> Iterator[Found]:
    """TimeOut in a version in which it moves no changeover."""
    waiting = site.setting(REQUEST_TIMEOUT)
    if waiting.entry is not None and not site.plant.policy.request_timeout_fails:
        yield Found(
            site.at(waiting),
            f"has no effect on any changeover in version {site.plant.version}",
            "from 5.0 on it only decides when a waiting request shows #COM (I2, I5)",
            "nothing, as long as it is longer than [LAN]SendTimeout and than a device takes to be lost",
        )


@warning
def watch_time_unused(site: Site) -> Iterator[Found]:
    """WatchTime in a plant without alarm, trend and report servers."""
    watch = site.setting(WATCH_TIME)
    if watch.entry is not None and not site.plant.task_servers:
        yield Found(
            site.at(watch),
            "has no effect: this plant has no alarm, trend or report server",
            "clients look for those by it, never for I/O servers: they hold sessions to all of them (I5)",
            "take the line out; for I/O data lower [LAN]SendTimeout",
        )


@warning
def send_timeout_ignored(site: Site) -> Iterator[Found]:
    """SendTimeout under a network protocol that ignores it."""
    send, protocol = site.setting(SEND_TIMEOUT), site.plant.network_protocol
    if send.entry is not None and not site.honours_send_timeout:
        decides = _REGISTRY if protocol is NetworkProtocol.WINDOWS else _SYSCTL
        yield Found(
            site.at(send),
            f'has no effect: network_protocol is "{protocol.value}"',
            "the stack uses its own time-outs, and a frozen server is never found (D2)",
            f"set {decides}, and say so in [{protocol.value}] of plant.toml",
        )


@note
def stack_table_unused(site: Site) -> Iterator[Found]:
    """Numbers of a network stack that decides nothing."""
    for protocol in (NetworkProtocol.WINDOWS, NetworkProtocol.LINUX):
        if protocol.value in site.root.values and protocol is not site.plant.network_protocol:
            yield Found(
                site.at_root(protocol.value),
                f'has no effect: network_protocol is "{site.plant.network_protocol.value}"',
                "a stack's own time-outs count where it decides alone (D2)",
                f'take the table out, or write network_protocol = "{protocol.value}"',
            )


@note
def task_parameter_unused(site: Site) -> Iterator[Found]:
    """A parameter of alarm, trend or report servers in a plant without such."""
    there = {server.function for server in site.plant.task_servers}
    for function, parameters in _TASK_PARAMETERS.items():
        for parameter in parameters:
            one = site.setting(parameter)
            if function not in there and one.entry is not None:
                yield Found(
                    site.at(one),
                    f"has no effect: this plant has no {function.value} server",
                    f"only {function.value} servers read it (T6)",
                    f"add [[{function.value}_server]] to plant.toml, or take the line out",
                )


@warning
def only_together(site: Site) -> Iterator[Found]:
    """A parameter that was lowered, and brings nothing until another one is lowered, too."""
    for knob, others in partners(site.plant, site.knobs):
        names = " or ".join(str(other) for other in others)
        yield Found(
            site.at_knob(knob),
            f"{knob.in_words(knob.value)} shortens no changeover while"
            f" {' and '.join(f'{other} is {other.in_words(other.value)}' for other in others)}",
            "of two time-outs for one wait only the one that ends it counts: the sooner of SendTimeout and "
            "TimeOut for a server, the later of TimeOut and the driver's for a device (I3)",
            f"lower {names} as well, or take the line out",
        )


RULES = (
    heart_time_unused,
    time_out_shows_com_only,
    watch_time_unused,
    send_timeout_ignored,
    stack_table_unused,
    task_parameter_unused,
    only_together,
)
