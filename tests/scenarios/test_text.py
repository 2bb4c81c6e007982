"""The scenario file format."""

from __future__ import annotations

import pytest

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.device import OfflineRule
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.policy import Family
from changeover.model.server import TaskMode
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.text import ScenarioError, format_line, format_trace, parse, parse_span, with_golden
from changeover.scenario.timeline import Step
from changeover.simulation.scenario_run import plant_of

TEXT = """\
# A story.
plant: family A, lans 2, servers 3, devices 4, clients 5
parameters: SendTimeout 2 s, TimeOut 8.5 s, HeartTime 5 s, ClientRetryTime 900 ms, WatchDog 0
parameters: DeviceTimeout 500 ms, DeviceRetry 1, DeviceWatchTime 3 s, DeviceMaxPending 4, OfflineRule squared
parameters: PageScan 100 ms, RoundTrip 2 ms
phases: 0.25 0.5

at 2.000 s: server-silent IOServer1
at 250 ms later: x
run until 10 s
"""
GOOD = TEXT.replace("at 250 ms later: x", "at 6 s: repair server-silent IOServer1")


def test_a_scenario_is_read() -> None:
    scenario = parse(GOOD + "----\n  one\n\n  two\n")
    sketch, timing, driver = scenario.sketch, scenario.sketch.timing, scenario.sketch.driver
    assert (sketch.family, sketch.lans, sketch.servers, sketch.devices, sketch.clients) == (
        Family.A,
        2,
        3,
        4,
        5,
    )
    assert (timing.send_timeout, timing.request_timeout) == (2 * SECOND, 8500 * MILLISECOND)
    assert (timing.heartbeat, timing.client_retry) == (5 * SECOND, 900 * MILLISECOND)
    assert (timing.watch, timing.watchdog) == (30 * SECOND, False)
    assert (driver.timeout, driver.retry, driver.watch) == (500 * MILLISECOND, 1, 3 * SECOND)
    assert (driver.max_pending, driver.offline_rule) == (4, OfflineRule.SQUARED)
    assert (sketch.page_scan, sketch.round_trip) == (100 * MILLISECOND, 2 * MILLISECOND)
    assert scenario.phases == (0.25, 0.5)
    fault = Injection(Fault.SERVER_SILENT, "IOServer1")
    assert scenario.timeline.steps == (Step(2 * SECOND, fault), Step(6 * SECOND, fault, repairs=True))
    assert scenario.timeline.until == 10 * SECOND
    assert scenario.golden == ("  one", "  two")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT, "line 9: 'at 250 ms later: x' is no step"),
        (GOOD.replace("server-silent IOServer1", "server-gone IOServer1"), "line 8: 'server-gone'"),
        (GOOD.replace("6 s", "1 s"), "order of their times"),
        (GOOD.replace("run until 10 s", "run until 3 s"), "order of their times"),
        (GOOD.replace("run until 10 s", ""), "`run until` is missing"),
        (GOOD.replace("plant:", "plan:"), "line 2: 'plan' is unknown"),
        (GOOD.replace("family A", "family D"), "line 2: a plant needs `family A`"),
        (GOOD.replace("lans 2", "lanes 2"), "line 2: 'lanes' is unknown"),
        (GOOD.replace("HeartTime", "HeatTime"), "line 3: parameter 'HeatTime' is unknown"),
        (GOOD.replace("HeartTime 5 s", "HeartTime 5"), "line 3: '5' is no time"),
        (GOOD.replace("seed", "").replace("phases: 0.25", "phases: x"), "line 6:"),
        ("parameters: TimeOut 1 s\nrun until 1 s\n", "line 1: `plant` must come first"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_alarm_trend_and_report_servers_are_counted_by_their_function() -> None:
    text = "plant: family B, servers 0, devices 0, alarm 2, trend 1, report 3\n{}run until 1 s\n"
    sketch = parse(text.format("parameters: WatchTime 700 ms, StandbyPriority 2\n")).sketch
    assert (sketch.alarm, sketch.trend, sketch.report) == (2, 1, 3)
    assert (sketch.timing.watch, sketch.standby_priority) == (700 * MILLISECOND, 2)
    plant = plant_of(sketch)
    assert plant.io_servers == plant.io_devices == ()
    assert [(s.name, s.computer, s.mode, s.priority) for s in plant.task_servers] == [
        ("Alarm1", "SCADA1", TaskMode.PRIMARY, 1),
        ("Alarm2", "SCADA2", TaskMode.STANDBY, 2),
        ("Trend1", "SCADA1", TaskMode.PRIMARY, 1),
        ("Report1", "SCADA1", TaskMode.PRIMARY, 1),
        ("Report2", "SCADA2", TaskMode.STANDBY, 2),
        ("Report3", "SCADA3", TaskMode.STANDBY, 2),
    ]
    assert plant_of(parse("plant: family B\nrun until 1 s\n").sketch).task_servers == ()


def test_spans_are_exact_and_have_a_unit() -> None:
    assert parse_span("1.001 s") == 1001 * MILLISECOND
    assert parse_span("250ms") == 250 * MILLISECOND
    for wrong in ("5", "five s", "-1 s", "1 min"):
        with pytest.raises(ValueError, match="is no time"):
            parse_span(wrong)


def test_only_values_that_are_news_are_shown() -> None:
    def line(at: int, kind: TraceKind, subject: str, detail: str = "") -> TraceLine:
        return TraceLine(at * MILLISECOND, "HMI1", kind, subject, detail)

    trace = [
        line(1, TraceKind.VALUES, "PLC1", "U1 W"),
        line(2, TraceKind.VALUES, "PLC1", "U1 W"),
        line(3, TraceKind.VALUES, "PLC2", "V1 W"),
        line(4, TraceKind.COM, "PLC1"),
        line(5, TraceKind.UNIT_OFFLINE, "U1"),
        line(6, TraceKind.VALUES, "PLC1", "U1 W"),
        line(7, TraceKind.VALUES, "PLC1", "U2 W"),
    ]
    shown = [trace[n] for n in (0, 2, 3, 4, 5, 6)]
    assert format_trace(trace) == tuple(map(format_line, shown))


def test_a_line_is_aligned_and_has_no_blanks_at_its_end() -> None:
    line = TraceLine(2_251_500_000, "HMI1", TraceKind.COM, "PLC1", "")
    assert format_line(line) == "    2.2515  HMI1       com              PLC1"


def test_a_golden_trace_is_replaced_and_the_rest_stays() -> None:
    once = with_golden(GOOD, ["a", "b"])
    assert once == GOOD + "----\na\nb\n"
    assert with_golden(once, ["c"]) == GOOD + "----\nc\n"
