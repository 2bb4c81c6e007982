"""What each target costs: which targets, which plans, and the picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from changeover.cli.main import main
from changeover.cli.new import write_project
from changeover.config.ini import parse_ini
from changeover.guide.cells import Measure
from changeover.guide.planner import Planner, make_plan
from changeover.guide.sweep import ASKED_S, Swept, sweep
from changeover.guide.sweep_chart import chart_svg
from changeover.model.server import Function
from plants import two_server_plant

EMPTY = parse_ini(b"", "citect.ini")


def swept(family: str, asked: tuple[float, ...] = ASKED_S) -> Swept:
    plant = two_server_plant(family)
    planner = Planner(plant, EMPTY, Measure.MAX, lambda row: row.function is Function.IO_DATA)
    return sweep(planner, asked, lambda targets: targets)


@pytest.mark.parametrize("family", "AC")
def test_every_target_has_the_plan_that_it_would_have_alone(family: str) -> None:
    plant = two_server_plant(family)
    found = swept(family)
    targets = [plan.target_s for plan in found.plans]
    assert targets == sorted(set(targets), reverse=True)
    assert set(ASKED_S) <= {plan.target_s for plan in found.rows}
    for plan in found.rows[::3]:
        alone = make_plan(plant, EMPTY, plan.target_s, wanted=lambda row: row.function is Function.IO_DATA)
        assert (plan.is_met, plan.values) == (alone.is_met, alone.values)
    assert min(plan.target_s for plan in found.plans if plan.is_met) == pytest.approx(
        found.least_s, abs=0.001
    )


def test_a_target_out_of_reach_is_among_them() -> None:
    (plan,) = (plan for plan in swept("C", (0.1,)).plans if plan.target_s == 0.1)
    assert not plan.is_met


def test_equal_sweeps_are_equal_pictures() -> None:
    one, two = (chart_svg(swept("A"), "a plant", "at the longest") for _ in range(2))
    assert one == two
    ET.fromstring(one)


def test_a_plant_that_meets_everything_has_a_picture_too() -> None:
    plant = two_server_plant("C")
    planner = Planner(plant, EMPTY, Measure.MAX, lambda row: row.fault.value == "server-closed")
    io_data = sweep(planner, ASKED_S, lambda targets: targets)
    ET.fromstring(chart_svg(io_data, "a plant", "at the longest"))


def test_the_verb(tmp_path: Path) -> None:
    write_project(tmp_path / "plant")
    chart = tmp_path / "cost.svg"
    arguments = ["plan", str(tmp_path / "plant"), "--sweep", "--chart", str(chart)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    rows = {row.split()[0]: row.split() for row in result.stdout.splitlines() if " s " in row}
    assert rows["5"][:7] == ["5", "s", "1", "1.68", "373", "ms"][:7]
    assert "out of reach" in " ".join(rows["1"])
    ET.fromstring(chart.read_text("utf-8"))
    answer = json.loads(CliRunner().invoke(main, [*arguments, "--json", "--target", "4.5"]).stdout)
    by_target = {one["target_s"]: one for one in answer["targets"]}
    assert by_target[5.0]["values"] == {"[LAN]SendTimeout": 373}
    assert not by_target[1.0]["met"]
    assert 4.5 in by_target


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--target is wanted"),
        (("--sweep", "--write"), "writes no parameters"),
        (("--target", "5s", "--chart", "x.svg"), "--chart draws a sweep"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    write_project(tmp_path / "plant")
    result = CliRunner().invoke(main, ["plan", str(tmp_path / "plant"), *options])
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    write_project(tmp_path / "plant")
    chart = str(tmp_path / "nowhere" / "x.svg")
    result = CliRunner().invoke(main, ["plan", str(tmp_path / "plant"), "--sweep", "--chart", chart])
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
