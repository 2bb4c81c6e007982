"""The acceptance sheet: whole, escaped, and saying what the drills found.

With `CHANGEOVER_SHEETS=FOLDER` the campaigns of these tests are written there, to be looked at.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from changeover.cli.drill_view import audit_lines
from changeover.drill.result import (
    ACTIONS,
    RUNS,
    SAMPLES,
    TRANSITIONS,
    Audit,
    Campaign,
    Drill,
    Miss,
    hold_against,
)
from changeover.drill.sheet import sheet_html
from changeover.drill.sheet_chart import Axis
from changeover.forecast.as_json import row
from changeover.forecast.rules import forecast_plant
from changeover.model.plant import Plant
from changeover.model.server import Function
from plants import timing_for, two_server_plant

VARIANTS = {
    "server-silent": "bridge ports disabled",
    "server-closed": "SIGKILL",
    "server-frozen": "SIGSTOP",
    "lan-silent": "all ports of the bridge disabled",
    "partner-cut": "frames dropped",
    "device-silent": "bridge port disabled",
    "device-closed": "SIGKILL of the simulated PLC",
    "standby-device-silent": "bridge port disabled",
}
PARAMETERS = (
    ("[LAN]SendTimeout", "1500 ms", "citect.ini:12"),
    ("[LAN]TimeOut", "8000 ms", "default of family C"),
    ("[LAN]ClientRetryTime", "5000 ms", "default"),
    ("[MODNET]Timeout", "1000 ms", "citect.ini:21"),
    ("[MODNET]Retry", "0", "default"),
    ("[MODNET]WatchTime", "30 s", "default"),
    ("page_scan_ms of HMI1", "250 ms", "plant.toml"),
    ("round_trip_ms", "1 ms", "measured in the lab"),
)
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page and complains about every element that is not closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{name}> is never closed" for name in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, key: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == key]


def drilled(
    forecast: dict[str, Any], repetition: int, rng: random.Random, **changed: float | str | int | None
) -> Drill:
    """A repetition that finds what the forecast says, but for what is changed."""

    def within(key: str) -> float | None:
        span = forecast[key]
        return None if span is None else rng.uniform(span["min"], span["max"]) + rng.uniform(0.001, 0.012)

    changeover, com = within("changeover_s"), within("com_s")
    if com is not None and forecast["com_s"]["max"] == 0.0:
        com = 0.0
    measured: dict[str, float | None] = {
        "detection_s": within("detection_s"),
        "changeover_s": changeover,
        "changeover_last_s": None if changeover is None else changeover + rng.uniform(0.0, 0.03),
        "com_s": com,
        "return_s": within("return_s"),
    }
    words = {
        key: changed.pop(key)
        for key in ("redundant_s", "spoiled", "trace", "repeats", "variant")
        if key in changed
    }
    measured |= changed
    fields: dict[str, Any] = {
        "variant": VARIANTS[forecast["fault"]],
        "trace": f"traces/{forecast['fault']}/{repetition:02d}",
        "misses": hold_against(forecast, measured),
        "com_first_s": measured["com_s"],
        "com_median_s": measured["com_s"],
    }
    fields |= measured | {"redundant_s": None} | words
    target = forecast["target"]
    return Drill(forecast["function"], forecast["fault"], target, repetition, forecast=forecast, **fields)


def io_rows(plant: Plant) -> list[dict[str, Any]]:
    return [row(one) for one in forecast_plant(plant) if one.function is Function.IO_DATA]


def campaign_of(drills: Iterable[Drill], **changed: Any) -> Campaign:
    whole = Campaign(
        plant="water works",
        version="5.0",
        family="C",
        lab="namespaces",
        started_utc="2026-03-02T14:05:07Z",
        parameters=PARAMETERS,
        notes=("Loopback subnets were taken as 10.a.b.c.",),
        left_out=(),
        drills=tuple(drills),
    )
    return replace(whole, **changed)


def plant_c() -> Plant:
    return two_server_plant("C", timing=timing_for("C", send_timeout=1500))


def plant_a() -> Plant:
    return two_server_plant(
        "A", timing=timing_for("A", send_timeout=6000, request_timeout=1000, heartbeat=3000)
    )


def passing() -> Campaign:
    rng = random.Random(1)
    rows = io_rows(plant_c())
    return campaign_of(drilled(one, number, rng) for one in rows for number in range(1, 11))


def failing() -> Campaign:
    """Family A, with everything that can go wrong."""
    rng = random.Random(2)
    rows = {(one["fault"], one["target"]): one for one in io_rows(plant_a())}
    silent, frozen = rows["server-silent", "IOServer1"], rows["server-frozen", "IOServer1"]
    closed, device = rows["server-closed", "IOServer1"], rows["device-silent", "PLC1"]
    drills = [drilled(silent, n, rng) for n in range(1, 11)]
    drills[3] = drilled(silent, 4, rng, changeover_s=4.9, changeover_last_s=4.95, com_s=3.4)
    drills += [drilled(silent, 11, rng, repeats=4)]
    drills += [drilled(frozen, n, rng) for n in range(1, 9)]
    drills += [drilled(frozen, 9, rng, changeover_s=0.4, changeover_last_s=61.2)]
    drills += [drilled(frozen, 10, rng, changeover_s=None, changeover_last_s=None, return_s=None)]
    drills += [drilled(closed, n, rng, variant="SIGKILL" if n < 6 else "clean stop") for n in range(1, 11)]
    drills += [drilled(device, n, rng) for n in range(1, 4)]
    drills += [drilled(device, 4, rng, spoiled="the client HMI1 ended by itself before the fault")]
    drills += [drilled(rows["lan-silent", "LAN_A"], n, rng) for n in range(1, 4)]
    drills += [drilled(rows["standby-device-silent", "PLC1"], n, rng) for n in range(1, 11)]
    return campaign_of(
        drills,
        version="3.30",
        family="A",
        left_out=(("device-closed", "PLC1 is no simulated PLC: its process is not ours to end"),),
        parameters=(
            ("[LAN]SendTimeout", "6000 ms", "citect.ini:3"),
            ("[LAN]TimeOut", "1000 ms", "citect.ini:4"),
            ("[IOSERVER]HeartTime", "3000 ms", "citect.ini:9"),
            *PARAMETERS[2:],
        ),
    )


HOSTILE = '<script src="http://evil.example/x.js">alert(1)</script>&"\'\u202e\x00\ud800]]>--><b>'


def hostile() -> Campaign:
    forecast = io_rows(plant_c())[0]
    stages = [one | {"name": HOSTILE, "parameter": HOSTILE, "rule": HOSTILE} for one in forecast["stages"]]
    forecast = forecast | {"reason": HOSTILE, "stages": stages}
    drill = replace(
        drilled(forecast, 1, random.Random(3), spoiled=HOSTILE, trace=HOSTILE, variant=HOSTILE),
        function=HOSTILE,
        fault=HOSTILE,
        target=HOSTILE,
    )
    missed = replace(
        drill,
        repetition=2,
        spoiled="",
        trace="javascript:alert(1)",
        misses=(Miss(HOSTILE, 1.0, 2.0, 3.0),),
    )
    return Campaign(
        plant=HOSTILE,
        version=HOSTILE,
        family=HOSTILE,
        lab=HOSTILE,
        started_utc=HOSTILE,
        parameters=((HOSTILE, HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        left_out=((HOSTILE, HOSTILE),),
        drills=(drill, missed),
    )


def whole() -> Campaign:
    """Every function and every fault, redundant again, audited: the pair was cut once."""
    rng = random.Random(11)
    rows = [row(one) for one in forecast_plant(plant_of_tasks())]
    drills = [
        drilled(
            one, number, rng, redundant_s=None if one["outcome"] == "unaffected" else rng.uniform(0.1, 4.0)
        )
        for one in rows
        for number in range(1, 6)
    ]
    return campaign_of(drills, audits=AUDITS)


def plant_of_tasks() -> Plant:
    return two_server_plant("C", timing=timing_for("C", send_timeout=1500, watch=1000), lans=2)


AUDITS = (
    Audit(TRANSITIONS, "server-silent SCADA1 1", False, 40, 0, 0, 0),
    Audit(ACTIONS, "server-silent SCADA1 1", False, 21, 0, 0, 0),
    Audit(RUNS, "server-silent SCADA1 1", False, 3, 0, 0, 0),
    Audit(TRANSITIONS, "partner-cut SCADA1+SCADA2 1", True, 12, 0, 0, 7),
    Audit(RUNS, "partner-cut SCADA1+SCADA2 1", True, 4, 0, 2, 0, {"doubled": ("Log at 5",)}),
    Audit(SAMPLES, "", False, 800, 0, 0, 0),
)


CAMPAIGNS: dict[str, Callable[[], Campaign]] = {
    "passing": passing,
    "whole": whole,
    "failing": failing,
    "hostile": hostile,
    "empty": lambda: campaign_of((), parameters=(), notes=()),
}


@pytest.fixture(params=list(CAMPAIGNS))
def campaign(request: pytest.FixtureRequest) -> Campaign:
    made = CAMPAIGNS[request.param]()
    if folder := os.environ.get("CHANGEOVER_SHEETS"):
        Path(folder, f"{request.param}.html").write_text(sheet_html(made), "utf-8")
    return made


def test_the_page_is_well_formed(campaign: Campaign) -> None:
    page = Page(sheet_html(campaign))
    assert page.wrong == []
    assert page.names.count("h1") == 1
    identities = page.values("id")
    assert len(identities) == len(set(identities))


def test_the_page_needs_nothing_from_elsewhere(campaign: Campaign) -> None:
    text = sheet_html(campaign)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(page.names)
    assert not {"src", "srcset", "style", "xmlns"} & {key for _, key, _ in page.attributes}
    assert [link for link in page.values("href") if ":" in link or link.startswith(("/", "\\"))] == []
    assert [key for _, key, _ in page.attributes if key.startswith("on")] == []
    assert "@import" not in text
    assert "url(" not in text


def test_every_drill_is_on_it(campaign: Campaign) -> None:
    text = sheet_html(campaign)
    bodies = re.findall(r"<tbody>.*?</tbody>", text[text.find('class="repetitions"') :], re.DOTALL)
    rows = [line for body in bodies for line in re.findall(r"<tr[ >].*?</tr>", body)[1:]]
    assert len(rows) == len(campaign.drills)
    panels = {(d.function, d.fault, d.target) for d in campaign.drills}
    assert text.count('<section class="panel"') == len(panels)


def test_equal_campaigns_give_equal_text(campaign: Campaign) -> None:
    assert sheet_html(campaign) == sheet_html(replace(campaign))


def test_it_can_be_stored(campaign: Campaign) -> None:
    sheet_html(campaign).encode("utf-8")


def test_hostile_text_is_text() -> None:
    text = sheet_html(hostile())
    assert "<b>alert" not in text
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    shown = HOSTILE.replace("\u202e", "\ufffd").replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert shown in Page(text).text
    assert 'href="javascript%3Aalert%281%29/"' in text


def test_a_pass_says_of_how_many() -> None:
    page = Page(sheet_html(passing()))
    assert "PASS 90 of 90 Every measured time lies inside its forecast." in page.text
    assert "FAIL" not in page.text
    assert "outside" not in page.values("class")[page.values("class").index("panel") :]


def test_a_fail_names_the_faults_and_what_missed() -> None:
    page = Page(sheet_html(failing()))
    assert "FAIL 3 of 47" in page.text
    assert "2 of 47 drills outside the forecast. 1 of 47 drills spoiled" in page.text
    assert "Look at: server-frozen on IOServer1, device-silent on PLC1." in page.text
    assert re.search(r"Repetition 9: Changeover, first tag 0\.400 s, 0\.\d{3} s earlier than the", page.text)
    assert re.search(r"Changeover, last tag 61\.200 s, 56\.\d{3} s later than the", page.text)
    assert "Return not seen, allowed are 0.000 to" in page.text
    assert "Repetition 4: spoiled: the client HMI1 ended by itself before the fault." in page.text


def test_a_late_drill_and_its_repetition_are_both_shown() -> None:
    page = Page(sheet_html(failing()))
    assert "1 drill missed, repeated and passed then: both are shown." in page.text
    assert "It was repeated as number 11, which passed; both are shown." in page.text
    assert "late , repeated as 11" in page.text
    assert "pass (repeats 4)" in page.text


def test_a_late_drill_whose_repetition_fails_too_is_a_fail() -> None:
    forecast, rng = io_rows(plant_c())[0], random.Random(4)
    late = {"changeover_s": 3.0, "changeover_last_s": 3.0}
    drills = [drilled(forecast, 1, rng, **late), drilled(forecast, 2, rng, repeats=1, **late)]
    page = Page(sheet_html(campaign_of(drills)))
    assert "FAIL 2 of 2" in page.text
    assert "It was repeated as number 2, which did not pass either; both are shown." in page.text


def test_points_outside_have_a_shape_of_their_own() -> None:
    forecast, rng = io_rows(plant_c())[0], random.Random(5)
    text = sheet_html(
        campaign_of([drilled(forecast, 1, rng), drilled(forecast, 2, rng, detection_s=1.9, return_s=90.0)])
    )
    panel = text[text.index('<section class="panel"') :]
    assert panel.count('class="outside"') == 2
    assert panel.count('class="inside"') == 8
    assert "<title>repetition 2: 90.000 s</title>" in panel


def test_equal_times_are_drawn_at_different_places() -> None:
    forecast, rng = io_rows(plant_c())[0], random.Random(6)
    text = sheet_html(campaign_of(drilled(forecast, number, rng, detection_s=1.6) for number in range(1, 11)))
    strip = text[text.index('aria-label="Detection') :]
    strip = strip[: strip.index('aria-label="Changeover')]
    heights = re.findall(r'cy="([\d.]+)" r="4" class="inside"', strip)
    assert len(heights) == len(set(heights)) == 10


def test_a_spoiled_drill_is_in_no_statistics() -> None:
    forecast, rng = io_rows(plant_c())[0], random.Random(7)
    drills = [drilled(forecast, 1, rng), drilled(forecast, 2, rng, spoiled="no fault", detection_s=99.0)]
    text = sheet_html(campaign_of(drills))
    panel = text[text.index('<section class="panel"') : text.index("All repetitions")]
    assert "99.000" not in panel
    assert "99.000" in text


def test_what_does_not_apply_is_said() -> None:
    lost = next(one for one in io_rows(plant_c()) if one["outcome"] == "lost")
    page = Page(sheet_html(campaign_of([drilled(lost, 1, random.Random(8))])))
    assert "Nothing is left to change over to until the repair." in page.text
    assert "Neither forecast nor measured: Changeover, #COM time." in page.text
    assert f"From the forecast: {lost['reason']}." in page.text


def test_something_measured_without_a_forecast_is_drawn_but_not_judged() -> None:
    lost = next(one for one in io_rows(plant_c()) if one["outcome"] == "lost")
    text = sheet_html(campaign_of([drilled(lost, 1, random.Random(9), com_s=4.25)]))
    assert "1 measured, nothing forecast" in text
    assert "PASS 1 of 1" in text


def test_each_stage_stands_beside_the_value_that_governs_it() -> None:
    page = Page(sheet_html(passing()))
    assert "no acknowledgement [LAN]SendTimeout = 1500 ms 1.500 1.500 1.500 D1" in page.text
    assert "unit offline [MODNET]Timeout, Retry = 1000 ms, 0 1.000 1.000 1.000 D5" in page.text


def test_a_parameter_with_two_values_is_not_put_beside_a_stage() -> None:
    twice = (*PARAMETERS, ("page_scan_ms of HMI2", "500 ms", "plant.toml"))
    page = Page(sheet_html(replace(passing(), parameters=twice)))
    assert "first request page_scan_ms 0.000 0.125 0.250 D1" in page.text
    assert "first request page_scan_ms = 250 ms 0.000" in Page(sheet_html(passing())).text


def test_traces_are_linked_beside_the_sheet() -> None:
    links = Page(sheet_html(passing())).values("href")
    assert links.count("traces/server-frozen/07/") == 2


@pytest.mark.parametrize("trace", ["/etc", "//example.org/x", "\\\\host\\share"])
def test_a_trace_from_elsewhere_is_not_linked(trace: str) -> None:
    forecast = io_rows(plant_c())[0]
    text = sheet_html(campaign_of([drilled(forecast, 1, random.Random(10), trace=trace)]))
    assert Page(text).values("href") == ["#fault-1"]


def test_what_was_left_out_is_said_with_its_reason() -> None:
    page = Page(sheet_html(failing()))
    assert "1 fault left out: see below." in page.text
    assert "device-closed PLC1 is no simulated PLC: its process is not ours to end" in page.text


def test_alarm_faults_have_no_com_and_no_return() -> None:
    forecast = next(row(one) for one in forecast_plant(plant_a()) if one.function is Function.ALARM)
    page = Page(sheet_html(campaign_of(drilled(forecast, n, random.Random(n)) for n in range(1, 4))))
    assert "Neither forecast nor measured: Return." in page.text
    panel = page.text[page.text.index("How to read the charts") : page.text.index("All repetitions")]
    assert "Changeover fault until a server answers by another way" in panel
    assert "#COM time" not in panel
    assert "first tag" not in panel
    assert page.wrong == []


def test_functions_are_told_apart() -> None:
    page = Page(sheet_html(whole()))
    text = sheet_html(whole())
    titles = re.findall(r'<h2 class="function">([^<]*)</h2>', text)
    assert titles == ["io-data", "alarm", "trend", "report"]
    overview = text[text.index('class="overview"') : text.index('class="audits"')]
    assert re.findall(r'class="group">([a-z-]+)<', overview) == titles
    cells = len({(d.function, d.fault, d.target) for d in whole().drills})
    assert f"of {cells} combinations of a fault and one of 4 functions" in page.text
    assert overview.count("href=") == cells


def test_each_cell_has_its_interval_on_the_axis_of_its_function() -> None:
    text = sheet_html(whole())
    overview = text[text.index('class="overview"') : text.index('class="audits"')]
    rows = [one for one in forecast_plant(plant_of_tasks()) if one.changeover is not None]
    assert overview.count('class="interval"') == len(rows)
    assert overview.count('class="inside"') == 5 * len(rows)


def test_a_client_that_is_unaffected_has_a_short_panel() -> None:
    text = sheet_html(whole())
    panels = text.split('<section class="panel"')[1:]
    calm = [panel for panel in panels if "follows I/O data" in panel]
    assert len(calm) == 9, "three device faults for three functions"
    assert not any("<svg" in panel[panel.index("story") :] for panel in calm)
    assert all("The client should go on as before: no changeover." in panel for panel in calm)


def test_audits_are_counted_by_kind_and_a_cut_pair_apart() -> None:
    page = Page(sheet_html(whole()))
    assert "880 items audited, nothing lost, nothing doubled that may not be." in page.text
    text = page.text[page.text.index("Audits") :]
    assert "PASS 1 of 1 alarm transitions" in text
    assert "40 0 0 0" in text
    assert "While and after a pair was cut" in text
    assert "4 0 2 0 both ran while they were cut apart: counted, no failure" in text


def test_an_audit_that_had_nothing_to_look_at_says_so() -> None:
    idle = Audit(RUNS, "server-silent SCADA1 1", False, 0, 0, 0, 0, {})
    campaign = replace(whole(), audits=(idle,))
    assert "nothing fell due report runs" in Page(sheet_html(campaign)).text
    assert audit_lines(campaign) == ["report runs: nothing fell due"]


def test_an_audit_that_found_something_fails_the_sheet_and_names_it() -> None:
    lost = Audit(
        TRANSITIONS,
        "lan-silent LAN_A 3",
        False,
        9,
        2,
        0,
        0,
        {"lost": ("A1 on at 1795198129900000000", "A2 on at 18")},
    )
    page = Page(sheet_html(replace(whole(), audits=(*AUDITS, lost))))
    assert "FAIL by audit Every measured time lies inside its forecast. The audits found 2 lost" in page.text
    assert "FAIL 1 of 2 alarm transitions" in page.text
    assert "after lan-silent LAN_A 3: lost A1 on at 2026-11-20 18:08:49.900 UTC, A2 on at 18" in page.text


def test_the_time_until_redundant_again_is_shown_and_a_failure_to_be_so_is_a_miss() -> None:
    forecast = next(row(one) for one in forecast_plant(plant_of_tasks()) if one.function is Function.TREND)
    rng = random.Random(12)
    never = drilled(forecast, 2, rng)
    never = replace(never, misses=(Miss("redundant_s", None, 0.0, 60.0),))
    page = Page(sheet_html(campaign_of([drilled(forecast, 1, rng, redundant_s=4.25), never])))
    assert (
        "Redundant again repair until a second fault would be survived 1 measured, 1 times not" in page.text
    )
    assert "Repetition 2: Redundant again not seen, allowed are 0.000 to 60.000" in page.text


@pytest.mark.parametrize(
    ("start", "end", "labels"),
    [
        (-0.008, 0.16, ["0 ms", "50 ms", "100 ms", "150 ms"]),
        (1.43, 1.92, ["1.5 s", "1.6 s", "1.7 s", "1.8 s", "1.9 s"]),
        (0.0, 31.0, ["0 s", "10 s", "20 s", "30 s"]),
        (0.0, 0.0025, ["0.0 ms", "0.5 ms", "1.0 ms", "1.5 ms", "2.0 ms", "2.5 ms"]),
    ],
)
def test_the_axis_has_round_ticks_with_units(start: float, end: float, labels: list[str]) -> None:
    assert [label for _, label in Axis(start, end).ticks()] == labels
