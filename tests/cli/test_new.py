from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from changeover.cli import new
from changeover.config.project import load_project
from changeover.drivers.modbus.address import parse_address
from changeover.model.alarm import AlarmType, Condition
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.trend import TrendType

FILES = {
    "plant.toml", "citect.ini", "tags.csv", "categories.csv", "alarms.csv", "trends.csv", "reports.csv",
    "reports",
}  # fmt: skip


def run(folder: Path | str) -> Result:
    return CliRunner().invoke(new.command, [str(folder)])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_example_is_a_project_without_a_warning(tmp_path: Path) -> None:
    result = run(tmp_path / "deep" / "my plant")
    assert result.exit_code == 0, result.output
    project = load_project(tmp_path / "deep" / "my plant")
    assert project.warnings == ()
    assert project.plant.timing.send_timeout == 2 * SECOND
    assert project.plant.timing.client_retry == SECOND
    device = project.plant.io_device("PLC1")
    assert [str(unit.address) for unit in device.units] == ["127.20.0.101:5020", "127.20.0.102:5020"]
    assert device.primary.timing.watch == 2 * SECOND
    assert project.plant.client("HMI1").page_scan == 250 * MILLISECOND
    assert len(project.plant.tags) == 12
    assert len({tag.type for tag in project.plant.tags}) >= 5
    assert project.plant.client_lans() == ("LAN_A",)
    assert {alarm.type for alarm in project.plant.alarms} == {AlarmType.DIGITAL, AlarmType.ANALOGUE}
    conditions = {limit.condition for alarm in project.plant.alarms for limit in alarm.limits}
    assert conditions == set(Condition) - {Condition.NORMAL, Condition.ON}
    assert {trend.type for trend in project.plant.trends} == set(TrendType)
    assert [report.template for report in project.plant.reports] == ["reports/shift.html.j2"]
    assert len(result.output.splitlines()) == len(project.files) + len(project.plant.reports) + 1


def test_the_driver_can_read_every_address(tmp_path: Path) -> None:
    run(tmp_path / "p")
    for tag in load_project(tmp_path / "p").plant.tags:
        parse_address(tag.address, tag.type)


def test_an_empty_folder_may_be_there_and_be_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    assert run(".").exit_code == 0
    assert names(tmp_path) == FILES
    assert tmp_path.stat().st_ino == before


def test_a_used_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text("mine")
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "is not empty" in result.output and "Choose a new folder" in result.output
    assert names(tmp_path) == {"plant.toml"}
    assert (tmp_path / "plant.toml").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file").exit_code == 2
    result = run(tmp_path / "file" / "below")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("last", ["tags.csv", "reports"])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool, last: str
) -> None:
    if existing:
        (tmp_path / "a").mkdir()
    rename = Path.rename

    def fail_at_last(self: Path, target: Path) -> Path:
        if self.name == last:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_last)
    result = run(tmp_path / "a" if existing else tmp_path / "a" / "b")
    assert result.exit_code == 2
    assert "No space left" in result.output
    assert list(tmp_path.rglob("*")) == ([tmp_path / "a"] if existing else [])


PROMISED = {"tag", "trend", "alarms", "journal", "report", "scheduled", "now", "plant", "page_style"}
"""What every template is given, beside the filters below."""


def sample_environment(folder: Path) -> Environment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, autoescape=True
    )
    environment.filters["number"] = lambda value, decimals=1: f"<{value}>"
    environment.filters["local"] = lambda value, form="": f"at {value}"
    return environment


def render_sample(folder: Path, rows: list[SimpleNamespace], tag: SimpleNamespace) -> str:
    """The sample template with these rows for everything that it fetches."""
    template = sample_environment(folder).get_template("reports/shift.html.j2")
    return template.render(
        tag=lambda name: tag,
        trend=lambda name, start, end, bucket=None: rows,
        alarms=lambda active=True: rows,
        journal=lambda start, end: rows,
        report=SimpleNamespace(name="Shift"),
        plant=SimpleNamespace(name="water & works", time_zone="UTC"),
        scheduled="14:00",
        now="14:01",
        page_style="",
    )


def test_the_sample_template_shows_what_there_is_and_stands_what_there_is_not(tmp_path: Path) -> None:
    run(tmp_path / "p")
    source = (tmp_path / "p" / "reports" / "shift.html.j2").read_text("utf-8")
    assert meta.find_undeclared_variables(sample_environment(tmp_path).parse(source)) <= PROMISED
    row = SimpleNamespace(
        utc="09:00", min=1.0, mean=2.0, max=None, tag="Pump1_Dry", name="Pump <1>", active=None,
        condition="on", state="active unacknowledged", event="active", who="anna", comment="seen",
    )  # fmt: skip
    page = render_sample(tmp_path / "p", [row], SimpleNamespace(quality="good", good=True, units="m"))
    for text in (
        "water &amp; works",
        "Pump &lt;1&gt;",
        "active unacknowledged",
        "anna",
        "at 09:00",
        ", in m",
    ):
        assert text in page
    page = render_sample(tmp_path / "p", [], SimpleNamespace(quality="#COM", good=False, units=""))
    for text in ("#COM", "nothing is recorded", "none", "nothing happened"):
        assert text in page


def test_the_sample_refers_to_tags_that_there_are(tmp_path: Path) -> None:
    run(tmp_path / "p")
    known = {tag.name for tag in load_project(tmp_path / "p").plant.tags}
    recorded = {trend.tag for trend in load_project(tmp_path / "p").plant.trends}
    source = (tmp_path / "p" / "reports" / "shift.html.j2").read_text("utf-8")
    now, hours = re.findall(r"for name in \[(.*)\]", source)
    assert set(re.findall(r"\w+", now)) <= known
    assert set(re.findall(r"\w+", hours)) <= recorded
