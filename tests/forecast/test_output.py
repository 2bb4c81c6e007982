"""JSON, the chart and the verb."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from changeover.cli import forecast as verb
from changeover.cli.new import write_project
from changeover.forecast.as_json import document
from changeover.forecast.chart import chart_svg
from changeover.forecast.result import Outcome
from changeover.forecast.rules import forecast_plant
from changeover.forecast.wording import few, figure
from plants import seed_configurations, two_server_plant

SPAN = {"min", "mean", "p50", "p95", "p99", "max"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "works"
    write_project(folder)
    return folder


def run(*arguments: object, columns: int = 120) -> tuple[int, str, str]:
    result = CliRunner().invoke(verb.command, [str(a) for a in arguments], env={"COLUMNS": str(columns)})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", list(seed_configurations()))
def test_the_json_has_the_issues_shape(name: str) -> None:
    plant = seed_configurations()[name]
    found = json.loads(json.dumps(document(plant, forecast_plant(plant))))
    assert list(found) == ["plant", "version", "family", "forecasts"]
    assert (found["plant"], found["family"]) == ("test plant", name[0])
    for row in found["forecasts"]:
        assert list(row) == [
            "function",
            "fault",
            "target",
            "outcome",
            "changeover_s",
            "com_s",
            "detection_s",
            "return_s",
            "stages",
            "reason",
        ]
        spans = [row[key] for key in ("changeover_s", "com_s", "detection_s", "return_s")]
        for span in spans:
            if span is not None:
                assert set(span) == SPAN
                assert 0 <= span["min"] <= span["p50"] <= span["p95"] <= span["p99"] <= span["max"]
        assert row["outcome"] in {outcome.value for outcome in Outcome}
        assert (row["changeover_s"] is not None) == (row["outcome"] == "changeover")
        assert row["reason"] or None not in spans
        for stage in row["stages"]:
            assert list(stage) == ["name", "parameter", "rule", "min", "mean", "max"]
        if row["changeover_s"]:
            for key in ("min", "mean", "max"):
                assert sum(s[key] for s in row["stages"]) == pytest.approx(row["changeover_s"][key], abs=1e-8)


def test_the_chart_is_one_svg_and_always_the_same() -> None:
    rows = forecast_plant(two_server_plant("A", devices=2, lans=2))
    one = chart_svg(rows, title="works & more", target_s=5.0)
    assert one == chart_svg(rows, title="works & more", target_s=5.0)
    assert ET.fromstring(one).tag.endswith("svg")
    assert "<dc:date>" not in one
    assert one != chart_svg(rows, title="works & more")


def test_a_chart_of_nothing_is_drawn_too() -> None:
    assert ET.fromstring(chart_svg((), title="empty")).tag.endswith("svg")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal(project: Path, columns: int) -> None:
    code, out, _ = run(project, "--target", "5s", columns=columns)
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= columns
    assert sum(line.startswith(" ▶  ") for line in out.splitlines()) == 1
    assert "first: it makes" in " ".join(out.split())
    told = " ".join(out.split())
    assert "io-data: unaffected by partner-cut (SCADA1+SCADA2), standby-device-silent (PLC1)" in told
    assert "5 s is missed by" in out


def test_filters_version_and_json(project: Path) -> None:
    options = ("--version", "3.40", "--function", "io-data", "--fault", "device-silent")
    code, out, _ = run(project, *options, "--json")
    assert code == 0
    found = json.loads(out)
    assert list(found) == ["plant", "version", "family", "forecasts"]
    assert (found["version"], found["family"]) == ("3.40", "B")
    assert [(r["function"], r["fault"]) for r in found["forecasts"]] == [("io-data", "device-silent")]


def test_a_target_adds_what_misses_it(project: Path) -> None:
    code, out, _ = run(project, "--json", "--target", "500ms", "--fault", "device-silent")
    assert code == 0
    found = json.loads(out)
    assert found["target_s"] == 0.5
    (miss,) = found["misses"]
    assert miss["parameter"] == "[MODNET]Timeout, Retry"
    assert miss["enough"] is True
    assert miss["max_s"] > 0.5


def test_a_target_that_is_met_is_said_to_be_realistic(project: Path) -> None:
    code, out, _ = run(project, "--target", "1min")
    assert code == 0
    assert "60 s is realistic" in out


def test_the_chart_option_writes_a_file(project: Path, tmp_path: Path) -> None:
    chart = tmp_path / "stages.svg"
    code, _, _ = run(project, "--chart", chart)
    assert code == 0
    assert ET.parse(chart).getroot().tag.endswith("svg")
    code, _, err = run(project, "--chart", tmp_path / "none" / "stages.svg")
    assert code == 2
    assert "cannot be written" in err


def test_every_fault_of_a_bad_project_is_told_on_stderr(project: Path) -> None:
    (project / "citect.ini").write_text("[LAN]\nSendTimeout=soon\nTimeOut=never\n")
    code, out, err = run(project, "--json")
    assert code == 2
    assert out == ""
    assert "citect.ini:2: [LAN]SendTimeout" in err
    assert "citect.ini:3: [LAN]TimeOut" in err


@pytest.mark.parametrize("text", ["5x", "0", "-1s", "", "nan"])
def test_a_bad_target_is_a_usage_error(project: Path, text: str) -> None:
    code, _, err = run(project, f"--target={text}")
    assert code == 2
    assert "--target" in err


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "0"), (0.003, "0.003"), (2.25, "2.25"), (9.999, "10.0"), (30.0, "30.0"), (924.6, "925")],
)
def test_figures_have_the_digits_that_matter(amount: float, text: str) -> None:
    assert figure(amount) == text


def test_long_lists_are_cut() -> None:
    assert few(["a", "b", "c"]) == "a, b, c"
    assert few(["a", "b", "c", "d"]) == "a, b and 2 more"
