"""The sheet of a network backup: whole, escaped, and saying what was counted."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from test_sheet import HOSTILE, Page

from changeover.drill.backup import BackupPoint, BackupResult
from changeover.drill.sheet_backup import backup_html

DELAYS = {"min": 0.0, "mean": 0.3, "p50": 0.15, "p95": 1.0, "p99": 1.9, "max": 2.1}
COUNTS = ((250, 52, 2), (500, 26, 0), (1000, 3, 0), (2000, 0, 0), (4000, 0, 0))


def point(
    send_timeout_ms: int, io_timeouts: int = 0, partners_lost: int = 0, closings: int = 0
) -> BackupPoint:
    return BackupPoint(send_timeout_ms, 60.0, io_timeouts, 1, partners_lost, closings, io_timeouts, DELAYS)


def result(*points: BackupPoint) -> BackupResult:
    return BackupResult(
        plant="water works",
        version="5.0",
        family="C",
        started_utc="2026-03-02T14:05:07Z",
        traffic="From HMI to SCADA1 by LAN_A: 6 streams.",
        parameters=(("[LAN]TimeOut", "8000 ms", "default"),),
        notes=(),
        points=points or tuple(point(ms, count, lost) for ms, count, lost in COUNTS),
        delay_s=DELAYS,
    )


def test_rates_are_per_hour() -> None:
    one = point(500, 9, 2, 3)
    assert one.timeouts_per_hour == 12 * 60
    assert one.losses_per_hour == 15 * 60
    assert one.as_json()["losses_per_hour"] == 15 * 60


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    text = backup_html(result())
    page = Page(text)
    assert page.wrong == []
    assert page.names.count("h1") == 1
    assert not {"script", "link", "img", "iframe", "image", "use"} & set(page.names)
    assert backup_html(result()) == text


def test_the_curve_goes_through_every_point_and_down() -> None:
    text = backup_html(result())
    lines = re.findall(r'<polyline points="([^"]*)" class="curve"', text)
    (places,) = ([tuple(map(float, pair.split(","))) for pair in line.split()] for line in lines)
    assert len(places) == len(COUNTS)
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted(y for _, y in places), "downwards is larger"
    assert text.count("<circle") == len(COUNTS)


def test_points_come_in_the_order_of_their_send_timeouts() -> None:
    shuffled = result(point(4000), point(250, 52), point(1000, 3))
    text = backup_html(shuffled)
    assert re.findall(r"<title>([\d.]+ s): ", text) == ["0.25 s", "1 s", "4 s"]


def test_figures_and_quantiles_are_told() -> None:
    page = Page(backup_html(result()))
    assert "250 ms 60 s 52 1 2 3300 0 52 1.900 s" in page.text.replace("\u00a0", " ")
    assert "half within 0.150 s, 95 % within 1.000 s, 99 % within 1.900 s, all within 2.100 s" in (
        page.text.replace("\u00a0", " ")
    )


@pytest.mark.parametrize(
    "odd",
    [
        result(point(1000)),
        result(replace(point(1000), io_timeouts=0, task_timeouts=0, delay_s=None)),
        replace(result(), delay_s=None),
        replace(result(), delay_s=dict.fromkeys(DELAYS, 0.0)),
        replace(result(), points=(), delay_s=None, parameters=()),
    ],
    ids=["one point", "nothing lost", "no probe", "no delay at all", "nothing counted"],
)
def test_odd_results_have_a_page_too(odd: BackupResult) -> None:
    assert Page(backup_html(odd)).wrong == []


def test_hostile_text_is_text() -> None:
    text = backup_html(replace(result(), plant=HOSTILE, traffic=HOSTILE, notes=(HOSTILE,)))
    assert "<script" not in text
    assert "<b>alert" not in text
