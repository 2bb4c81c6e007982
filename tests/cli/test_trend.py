"""`changeover trend` beside a plant that runs, through a changeover and an outage too."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import click
import duckdb
import numpy as np
import pytest
from task_plant import Running, eventually, make_task_project, run_plant, told, verb

from changeover.cli.attached import Answerer, Asking
from changeover.cli.trend_chart import chart
from changeover.cli.trend_data import (
    BUCKETS,
    INTERPOLATED,
    RAW,
    TrendData,
    TrendWanted,
    ask_trend,
    first_step,
)
from changeover.cli.trend_times import iso, long, read_moment, shown, span_shown
from changeover.cli.trend_view import heading, sparkline
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.server import Function
from loopback import Project, until

RECORDED_SECONDS = 4
NOW = 1_772_431_200 * SECOND  # 2026-03-02 06:00:00 UTC


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_plant(tmp_path_factory.mktemp("trend")) as plant:
        eventually(lambda: len(samples(plant)) > 4 * RECORDED_SECONDS, "something is recorded")
        yield plant


@pytest.fixture(scope="module")
def span(running: Running) -> tuple[str, str]:
    """A span in the past, of which everything is recorded: nothing will change in it."""
    rows = samples(running)
    return iso(rows[2]["utc"]), iso(rows[2]["utc"] + 2 * SECOND)


@pytest.fixture
def stopped(tmp_path: Path) -> Project:
    """A plant of which nothing runs."""
    return make_task_project(tmp_path)


def samples(plant: Running, *options: str) -> list[dict[str, Any]]:
    result = verb("trend", plant.folder, "Steps", "--json", *options)
    rows: list[dict[str, Any]] = json.loads(result.stdout)["rows"] if result.exit_code == 0 else []
    return rows


# --- what is told ---


def test_samples_come_at_whole_multiples_of_their_period(running: Running, span: tuple[str, str]) -> None:
    document = told("trend", running.folder, "steps", "--from", span[0], "--to", span[1])
    assert (document["tag"], document["kind"], document["step_s"]) == ("Steps", RAW, None)
    assert (document["server"], document["lan"], document["gaps"]) == ("Trend1", "LAN_A", [])
    rows = document["rows"]
    assert [each["utc"] - rows[0]["utc"] for each in rows] == [n * 250 * MILLISECOND for n in range(8)]
    assert {each["quality"] for each in rows} == {"good"}
    # The register counts up and starts over; it is read as often as its quickest trend asks.
    values = [int(each["value"]) for each in rows]
    assert all((later - value) % 65536 < 100 for value, later in pairwise(values))
    assert len(set(values)) > 1


def test_buckets_and_steps_agree_with_the_samples(running: Running, span: tuple[str, str]) -> None:
    times = ("--from", span[0], "--to", span[1])
    rows = samples(running, *times)
    first = rows[0]["utc"]
    steps = told("trend", running.folder, "Steps", *times, "--step", "250ms")
    by_utc = {each["utc"]: each["value"] for each in steps["rows"]}
    assert {each["utc"]: each["value"] for each in rows}.items() <= by_utc.items()
    buckets = told("trend", running.folder, "Steps", *times, "--bucket", "1s")["rows"]
    assert buckets[0]["utc"] == first // SECOND * SECOND, "buckets start at whole multiples of their width"
    whole = [each for each in buckets if each["utc"] >= first and each["utc"] + SECOND <= first + 2 * SECOND]
    assert whole
    for bucket in whole:
        inside = [r["value"] for r in rows if bucket["utc"] <= r["utc"] < bucket["utc"] + SECOND]
        assert (bucket["min"], bucket["max"], bucket["count"]) == (min(inside), max(inside), len(inside))
        assert bucket["mean"] == pytest.approx(sum(inside) / len(inside))


def test_the_terminal_shows_a_line_of_blocks_and_the_last_rows(
    running: Running, span: tuple[str, str]
) -> None:
    result = verb("trend", running.folder, "Level", "--from", span[0], "--to", span[1])
    assert (result.exit_code, result.stderr) == (0, "")
    name, about, blocks, scale, heads, *rows = result.stdout.splitlines()
    assert name == "Level, m"
    assert " UTC: 2 samples, one every 1 s; told by Trend1 on LAN_A, " in about
    assert set(blocks) <= set(" ▁▂▃▄▅▆▇█")
    assert scale.endswith(" m, blank where there is no value")
    assert (heads.split(), len(rows)) == (["time", "value", "quality"], 2)
    result = verb("trend", running.folder, "Steps", "--from", "-1h", "--limit", "3")
    assert "there are more samples after" in result.stdout


def test_a_csv_file_holds_what_was_recorded(running: Running, span: tuple[str, str], tmp_path: Path) -> None:
    times = ("--from", span[0], "--to", span[1])
    for options in ((), ("--bucket", "1s")):
        rows = samples(running, *times, *options)
        result = verb("trend", running.folder, "Steps", *times, *options, "--out", str(tmp_path / "a.csv"))
        assert result.exit_code == 0
        assert result.stdout == ""
        assert result.stderr.endswith(f"wrote {tmp_path / 'a.csv'}\n")
        with (tmp_path / "a.csv").open(encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert [line["utc"] for line in lines] == [iso(each["utc"]) for each in rows]
        names = [name for name in rows[0] if name not in ("utc", "quality")]
        for name in names:
            assert [float(line[name]) for line in lines] == [each[name] for each in rows]
        assert {line["quality"] for line in lines} == {each["quality"] for each in rows}
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_parquet_file_holds_the_same(running: Running, span: tuple[str, str], tmp_path: Path) -> None:
    times = ("--from", span[0], "--to", span[1])
    file = tmp_path / "it's.PARQUET"
    assert verb("trend", running.folder, "Steps", *times, "--bucket", "1s", "--out", str(file)).exit_code == 0
    found = duckdb.read_parquet(str(file)).order("utc")
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
        "utc": "TIMESTAMP WITH TIME ZONE",
        "min": "DOUBLE",
        "max": "DOUBLE",
        "mean": "DOUBLE",
        "count": "BIGINT",
        "quality": "VARCHAR",
    }
    rows = found.select("epoch_ns(utc), min, max, mean, count, quality").fetchall()
    assert rows == [tuple(each.values()) for each in samples(running, *times, "--bucket", "1s")]


def test_pictures_are_drawn(running: Running, span: tuple[str, str], tmp_path: Path) -> None:
    times = ("--from", span[0], "--to", span[1])
    for name in ("a.svg", "b.png"):
        assert verb("trend", running.folder, "Level", *times, "--out", str(tmp_path / name)).exit_code == 0
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("Stepps",), "Stepps is not recorded, did you mean Steps?"),
        (("xyz",), "xyz is not recorded; trends.csv has Steps, Level, Valve"),
        (("Steps", "--from", "soon"), "'soon' is no time: now, a span before now such as -1h, or"),
        (("Steps", "--from", "-1x"), "'-1x' is no time"),
        (("Steps", "--from", "now"), "is not before --to"),
        (("Steps", "--bucket", "0"), "'0' is not longer than nothing"),
        (("Steps", "--bucket", "1s", "--step", "1s"), "exclude each other"),
        (("Steps", "--step", "1ms"), "--step makes 3,600,"),
        (("Steps", "--out", "a.pdf"), "a name that ends with .csv, .parquet, .svg, .png says which format"),
    ],
)
def test_wrong_words_are_refused(stopped: Project, words: tuple[str, ...], text: str) -> None:
    result = verb("trend", str(stopped.folder), *words)
    assert (result.exit_code, text in result.stderr) == (2, True), result.stderr


def test_a_file_that_cannot_be_written_is_named(running: Running, tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.svg"):
        path = tmp_path / "none" / name
        result = verb("trend", running.folder, "Steps", "--from", "-5s", "--out", str(path))
        assert (result.exit_code, f"changeover: {path} cannot be written: " in result.stderr) == (2, True)


# --- changeovers; they come last ---


def test_a_question_goes_on_while_its_server_is_killed(running: Running) -> None:
    """The primary stands still with the question in its hands, and is killed."""
    plant, lines = running.project.plant, list[str]()
    tag = next(tag for tag in plant.tags if tag.name == "Steps")
    trend = next(trend for trend in plant.trends if trend.tag == "Steps")
    until_utc = time.time_ns()
    wanted = TrendWanted(tag, trend, RAW, until_utc - 60 * SECOND, until_utc, 0, 10_000)

    async def story() -> tuple[TrendData, TrendData]:
        async with Asking(plant, plant.clients[0], Function.TREND, None, lines.append) as asking:
            before = await ask_trend(asking, wanted)
            assert asking.answerer.server == "Trend1"
            struck = running.pid("Trend1")
            os.kill(struck, signal.SIGSTOP)
            asked = asyncio.ensure_future(ask_trend(asking, wanted))
            await until(lambda: any("was asked" in line for line in lines), "it is under way")
            os.kill(struck, signal.SIGKILL)
            return before, await asked

    before, after = asyncio.run(story())
    assert after.answerer == Answerer("Trend2", "LAN_A", True)
    assert "Trend1/LAN_A is lost: looking for a server, which is asked the same then" in lines
    # What the primary had recorded the standby had recorded too.
    known = dict(zip(after.utc.tolist(), after.line.tolist(), strict=True))
    settled = [utc for utc in before.utc.tolist() if utc < until_utc - 5 * SECOND]
    assert settled and all(utc in known for utc in settled)
    eventually(lambda: running.is_there("Trend1"), "the supervisor starts it again")


def test_a_verb_waits_for_the_standby(running: Running) -> None:
    eventually(lambda: told("trend", running.folder, "Steps")["server"] == "Trend1", "the primary is back")
    frozen = running.pid("Trend1")
    os.kill(frozen, signal.SIGSTOP)
    try:
        result = verb("trend", running.folder, "Steps", "--from", "-10s", "--json")
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert json.loads(result.stdout)["server"] == "Trend2"
    assert "waiting for a server of trends: Trend1/LAN_A greeting, " in result.stderr


def test_what_neither_recorded_is_shown_as_a_gap(running: Running, tmp_path: Path) -> None:
    eventually(lambda: told("trend", running.folder, "Steps")["server"] == "Trend1", "the primary is back")
    began = time.time_ns()
    for server in ("Trend1", "Trend2"):
        os.kill(running.pid(server), signal.SIGKILL)
    killed = time.time_ns()
    eventually(lambda: all(map(running.is_there, ("Trend1", "Trend2"))), "both start again")
    times, there = ("--from", iso(began - 2 * SECOND)), time.time_ns()
    eventually(lambda: samples(running, "--from", iso(there)), "and record again")
    document = told("trend", running.folder, "Steps", *times)
    gaps = [gap for gap in document["gaps"] if gap["to_utc"] > killed]
    assert len(gaps) == 1
    first, last = gaps[0]["from_utc"], gaps[0]["to_utc"]
    # The supervisor lets a second pass before it starts a process again.
    assert last - killed > SECOND
    assert not [row for row in document["rows"] if first <= row["utc"] < last]
    assert any(row["utc"] == last for row in document["rows"])
    until_gap_is_over = ("--to", iso(last + SECOND))
    rows = told("trend", running.folder, "Steps", *times, *until_gap_is_over, "--bucket", "250ms")["rows"]
    in_gap = [row for row in rows if first + 250 * MILLISECOND <= row["utc"] < last - 250 * MILLISECOND]
    assert {(row["quality"], row["mean"], row["count"]) for row in in_gap} == {("gap", None, 0)}
    result = verb("trend", running.folder, "Steps", *times)
    assert "\nno value for " in result.stdout
    line = result.stdout.splitlines()[3]
    assert " " in line.strip()
    out = tmp_path / "gap.csv"
    words = (*times, *until_gap_is_over, "--bucket", "250ms", "--out", str(out))
    assert verb("trend", running.folder, "Steps", *words).exit_code == 0
    assert ",,,,0,gap\n" in out.read_text("utf-8")


# --- looks ---


ANSWERER = Answerer("Trend1", "LAN_A", True)


def data(
    project: Project,
    kind: str,
    values: list[float],
    *,
    name: str = "Steps",
    step: int = SECOND,
    gaps: tuple[tuple[int, int], ...] = (),
    bad: list[bool] | None = None,
    held: float = float("nan"),
    utc: list[int] | None = None,
) -> TrendData:
    """Rows at every second from NOW on, of a span of as many seconds as there are rows."""
    plant = project.plant
    tag = next(tag for tag in plant.tags if tag.name == name)
    trend = next(trend for trend in plant.trends if trend.tag == name)
    end_utc = NOW + (len(values) * SECOND if utc is None else 10 * SECOND)
    wanted = TrendWanted(tag, trend, kind, NOW, end_utc, 0 if kind == RAW else step, 1000)
    line = np.array(values, np.float64)
    columns = {"value": line}
    if kind == BUCKETS:
        columns = {"min": line - 1, "max": line + 1, "mean": line, "count": np.full(len(line), 4.0)}
    at = NOW + SECOND * np.arange(len(values)) if utc is None else np.array(utc)
    flags = np.zeros(len(values), np.bool_) if bad is None else np.array(bad)
    return TrendData(wanted, ANSWERER, at, columns, flags, gaps, held)


def test_qualities_are_words(stopped: Project) -> None:
    nan = float("nan")
    assert data(stopped, RAW, [1, nan], bad=[False, True]).qualities() == ["good", "bad"]
    assert data(stopped, INTERPOLATED, [1, nan], bad=[False, True]).qualities() == ["good", "gap"]
    buckets = data(stopped, BUCKETS, [1, 2, nan], bad=[False, True, True])
    assert buckets.qualities() == ["good", "partly", "gap"]
    assert buckets.cells("mean") == [1, 2, None]
    assert [type(cell) for cell in buckets.cells("count")] == [int] * 3
    assert buckets.extremes() == (0, 3)


def test_the_line_of_blocks_is_blank_in_a_gap(stopped: Project) -> None:
    nan = float("nan")
    gaps = ((NOW + 2 * SECOND, NOW + 3 * SECOND),)
    assert sparkline(data(stopped, INTERPOLATED, [0, 7, nan, 3], gaps=gaps), 4) == "▁█ ▄"
    assert sparkline(data(stopped, INTERPOLATED, [nan, nan]), 3) == "   "
    # An event trend holds its value, at the start too, until a gap.
    event = data(
        stopped,
        RAW,
        [1, 0],
        name="Valve",
        utc=[NOW + 5 * SECOND, NOW + 9 * SECOND],
        gaps=((NOW + 7 * SECOND, NOW + 9 * SECOND),),
        held=0,
    )
    assert sparkline(event, 10) == "▁▁▁▁▁██  ▁"


def paths(svg: bytes, colour: str) -> list[str]:
    """The outlines of one colour."""
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
    return [path.get("d", "") for path in found if f"stroke: {colour}" in path.get("style", "")]


def test_no_line_is_drawn_across_a_gap(stopped: Project) -> None:
    whole = data(stopped, RAW, [1, 2, 3, 4, 5, 6])
    svg = chart(stopped.plant, whole, False, "svg")
    (line,) = [path for path in paths(svg, "#2f6db3") if path.count("L") > 2]
    assert line.count("M") == 1
    half = data(stopped, RAW, [1, 2, 3, 7, 8, 9], utc=[NOW + n * SECOND for n in (0, 1, 2, 7, 8, 9)])
    object.__setattr__(half, "gaps", ((NOW + 3 * SECOND, NOW + 7 * SECOND),))
    svg = chart(stopped.plant, half, False, "svg")
    (line,) = [path for path in paths(svg, "#2f6db3") if path.count("L") > 2]
    assert line.count("M") == 2
    assert svg == chart(stopped.plant, half, False, "svg"), "equal data give equal bytes"


@pytest.mark.parametrize("kind", [RAW, INTERPOLATED, BUCKETS])
@pytest.mark.parametrize("values", [[], [float("nan")] * 3, [5.0], [5.0, 5.0, float("nan"), 6.0]])
@pytest.mark.parametrize("name", ["Steps", "Valve"])
def test_whatever_there_is_can_be_drawn(stopped: Project, kind: str, values: list[float], name: str) -> None:
    drawn = data(stopped, kind, values, name=name, utc=[NOW + n * SECOND for n in range(len(values))])
    object.__setattr__(drawn, "bad", np.isnan(drawn.line))
    object.__setattr__(drawn, "gaps", ((NOW + 8 * SECOND, NOW + 10 * SECOND),))
    assert chart(stopped.plant, drawn, True, "png").startswith(b"\x89PNG")


def test_headings_say_what_is_missing(stopped: Project) -> None:
    found = heading(stopped.plant, data(stopped, RAW, [1, 2], gaps=((NOW, NOW + 200 * SECOND),)), False)
    assert found == [
        "Steps",
        "2026-03-02 06:00:00 to 06:00:02 UTC: 2 samples, one every 250 ms; "
        "told by Trend1 on LAN_A, the active server",
        "no value for 3 min 20 s in 1 gap",
    ]


# --- times ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 0),
        ("-1h", -3600),
        ("-00:01:30", -90),
        ("-1", -1),
        ("+0.5", 0.5),
        ("2026-03-02T05:00", -3600),
        ("2026-03-02 06:00:00.25", 0.25),
        ("2026-03-02T07:00+01:00", 0),
        ("2026-03-02T06:00:10Z", 10),
        ("2026-03-02", -6 * 3600),
        ("05:30", -1800),
    ],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert read_moment("--from", text, NOW, UTC) == NOW + round(seconds * SECOND)


@pytest.mark.parametrize("text", ["", "1", "25:00", "2026-13-01", "1969-12-31", "-99999d", "+999999999999w"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time: now, a span before now"):
        read_moment("--from", text, NOW, UTC)


def test_times_without_a_zone_are_in_the_zone_that_is_shown() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert read_moment("--from", "2026-03-02T07:00", NOW, berlin) == NOW
    assert read_moment("--from", "07:00", NOW, berlin) == NOW
    assert shown(NOW, berlin) == "2026-03-02 07:00:00"
    assert shown(NOW + 1_500_000, UTC, 3) == "2026-03-02 06:00:00.001"
    assert span_shown(NOW, NOW + 86_400 * SECOND, UTC) == "2026-03-02 06:00:00 to 2026-03-03 06:00:00"
    assert iso(NOW + 1_500) == "2026-03-02T06:00:00.000001Z"
    assert datetime.fromisoformat(iso(NOW)).timestamp() * SECOND == NOW


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (250 * MILLISECOND, "250 ms"),
        (14_200 * MILLISECOND, "14.2 s"),
        (60 * SECOND, "1 min"),
        (200 * SECOND, "3 min 20 s"),
        (7500 * SECOND, "2 h 5 min"),
        (108 * 3600 * SECOND, "4.5 d"),
    ],
)
def test_spans_are_for_people(span: int, text: str) -> None:
    assert long(span) == text


def test_steps_start_at_whole_multiples() -> None:
    assert first_step(NOW + 7, NOW + SECOND, SECOND, "--step") == NOW
    with pytest.raises(click.UsageError, match=r"--step makes 1,000,001 rows"):
        first_step(NOW, NOW + 1_000_001, 1, "--step")
