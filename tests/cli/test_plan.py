"""`changeover plan`: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from changeover.cli.main import main
from changeover.cli.new import write_project
from changeover.model.network import Kind
from networks import network, stream


def plan(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["plan", str(folder), *options])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(tmp_path / "plant")
    return tmp_path / "plant"


def test_a_plan_says_what_to_change_and_why_no_less_is_enough(folder: Path) -> None:
    result = plan(folder, "--target", "5s")
    assert result.exit_code == 0, result.output
    assert "5 s at the longest" in result.stdout
    row = next(
        line.split() for line in result.stdout.splitlines() if line.strip().startswith("[LAN]SendTimeout")
    )
    assert row[:5] == ["[LAN]SendTimeout", "2000", "ms", "373", "ms"]
    assert "one parameter" in result.stdout
    assert "no fewer are enough" in result.stdout
    assert "lost: io-data lan-silent LAN_A" in result.stdout
    assert "risk of false time-outs: not assessed for [LAN]SendTimeout" in result.stdout


def test_what_was_measured_is_a_floor_and_the_risk_is_assessed(folder: Path) -> None:
    with (folder / "plant.toml").open("a") as file:
        file.write("\n[limits.acknowledgement_ms]\nLAN_A = 40\n[limits.device_answer_ms]\nMODNET = 80\n")
    result = plan(folder, "--target", "5s")
    assert "not assessed" not in result.stdout
    document = json.loads(plan(folder, "--target", "5s", "--json").stdout)
    (change,) = document["changes"]
    assert (change["parameter"], change["old"], change["new"], change["floor"]) == (
        "[LAN]SendTimeout",
        2000,
        373,
        50,
    )
    assert change["assessed"] is True
    slow = (folder / "plant.toml").read_text().replace("LAN_A = 40", "LAN_A = 1600")
    (folder / "plant.toml").write_text(slow)
    result = plan(folder, "--target", "5s")
    assert result.exit_code == 1
    assert "not realistic: with every parameter at its least" in result.stdout
    assert "LAN_A acknowledges in up to 1600 ms" in result.stdout


def test_writing_keeps_every_other_byte_leaves_a_backup_and_is_done_once(folder: Path) -> None:
    ini = folder / "citect.ini"
    before = ini.read_bytes()
    result = plan(folder, "--target", "5s", "--write")
    assert result.exit_code == 0, result.output
    assert ini.read_bytes() == before.replace(b"SendTimeout=2000", b"SendTimeout=373")
    assert (folder / "citect.ini.bak").read_bytes() == before
    again = plan(folder, "--target", "5s", "--write")
    assert "nothing to change" in again.stdout
    assert sorted(path.name for path in folder.glob("citect.ini*")) == ["citect.ini", "citect.ini.bak"]


def test_nothing_is_written_where_the_target_cannot_be_met(folder: Path) -> None:
    before = (folder / "citect.ini").read_bytes()
    assert plan(folder, "--target", "1s", "--write").exit_code == 1
    assert (folder / "citect.ini").read_bytes() == before


def test_only_what_is_asked_for_has_to_meet_it(folder: Path) -> None:
    document = json.loads(plan(folder, "--target", "1s", "--function", "io-data", "--json").stdout)
    assert document["met"] is True
    assert {cell["function"] for cell in document["after"]} == {"io-data"}
    mean = json.loads(plan(folder, "--target", "5s", "--at", "mean", "--json").stdout)
    assert mean["changes"][0]["new"] > 373


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "--target is wanted"),
        (("--target", "soon"), "'soon' is no duration above 0"),
        (("--target", "5s", "--at", "p50"), "'p50' is not one of 'max', 'p99', 'mean'"),
        (("--target", "5s", "--write", "--version", "3.30"), "--write plans for the version of plant.toml"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, options: tuple[str, ...], told: str) -> None:
    result = plan(folder, *options)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("[limits]\nacknowledgement_ms = 4", "limits.acknowledgement_ms: '4' is not a table"),
        ("[limits.acknowledgement_ms]\nLAN_C = 4", "'LAN_C' is not in this plant, did you mean LAN_A?"),
        ("[limits.device_answer_ms]\nPLC1 = -4", "limits.device_answer_ms.PLC1: is out of range"),
        ("[limits.answers]\nPLC1 = 4", "limits.answers: unknown key"),
    ],
)
def test_limits_that_make_no_sense_are_told_with_their_line(folder: Path, limits: str, told: str) -> None:
    with (folder / "plant.toml").open("a") as file:
        file.write(f"\n{limits}\n")
    result = plan(folder, "--target", "5s")
    assert result.exit_code == 2
    assert told in result.stderr
    assert "plant.toml:" in result.stderr


def test_a_link_stays_a_link_and_the_mode_a_mode(folder: Path) -> None:
    ini, shared = folder / "citect.ini", folder.parent / "site.ini"
    ini.rename(shared)
    shared.chmod(0o640)
    ini.symlink_to(shared)
    result = plan(folder, "--target", "5s", "--write")
    assert result.exit_code == 0, result.output
    assert ini.is_symlink()
    assert b"SendTimeout=373" in shared.read_bytes()
    backup = shared.with_name("site.ini.bak")
    assert [path.stat().st_mode & 0o777 for path in (shared, backup)] == [0o640, 0o640]


def test_files_beside_it_are_left_alone(folder: Path) -> None:
    mine = folder / "citect.ini.part"
    mine.write_text("mine")
    before = {path.name for path in folder.iterdir()}
    assert plan(folder, "--target", "5s", "--write").exit_code == 0
    assert mine.read_text() == "mine"
    assert {path.name for path in folder.iterdir()} - before == {"citect.ini.bak"}


def test_a_read_only_file_is_not_written(folder: Path) -> None:
    (folder / "citect.ini").chmod(0o444)
    result = plan(folder, "--target", "5s", "--write")
    assert (result.exit_code, "is read-only: nothing is written" in result.stderr) == (2, True)
    assert not (folder / "citect.ini.bak").exists()


def test_a_value_that_is_below_its_limit_is_named(folder: Path) -> None:
    with (folder / "plant.toml").open("a") as file:
        file.write("\n[limits.device_answer_ms]\nPLC1 = 3100\n")
    result = plan(folder, "--target", "3s", "--function", "io-data")
    assert "already too short, and left as it is: [MODNET]Timeout = 1000 ms" in result.stdout
    answer = json.loads(plan(folder, "--target", "3s", "--function", "io-data", "--json").stdout)
    assert [one["parameter"] for one in answer["below_limits"]] == ["[MODNET]Timeout"]
    old = plan(folder, "--target", "3s", "--function", "io-data", "--version", "3.30").stdout
    assert "which meets it" not in old


def test_without_limits_what_is_reachable_is_not_assessed(folder: Path) -> None:
    result = plan(folder, "--target", "2s")
    assert "not realistic" in result.stdout
    assert "risk of false time-outs: not assessed for [LAN]SendTimeout" in result.stdout


def test_what_is_lost_altogether_has_its_remedy(folder: Path) -> None:
    result = plan(folder, "--target", "5s", "--function", "alarm", "--fault", "lan-silent")
    assert result.exit_code == 1
    assert "cannot be met" in result.stdout
    assert "with a second LAN" in result.stdout


# ---------------------------------------- what was measured


def measured(folder: Path, *streams: object, plant: str = "water works") -> Path:
    import msgspec

    path = folder / f"network-{len(list(folder.glob('network-*')))}.json"
    path.write_bytes(msgspec.json.encode(network(*streams, plant=plant)))
    return path


SESSION = stream(Kind.SESSION, "IOServer1/LAN_A", mean_ms=60)
DEVICE = stream(Kind.DEVICE, "IOServer1.PLC1@1", mean_ms=40, seed=2)


def test_false_trips_are_told_before_and_after(folder: Path) -> None:
    path = measured(folder, SESSION)
    result = plan(folder, "--target", "5s", "--network", str(path))
    assert result.exit_code == 0, result.output
    assert "false trips of" in result.stdout
    assert "not measured, and not counted: IOServer1.PLC1@1" in result.stdout
    assert "risk of false time-outs: not assessed" not in result.stdout
    document = json.loads(plan(folder, "--target", "5s", "--network", str(path), "--json").stdout)
    trips = document["false_trips"]
    assert trips["after_per_s"]["rate"] > trips["before_per_s"]["rate"]
    assert trips["unmeasured"] == ["IOServer1.PLC1@1"]
    assert plan(folder, "--target", "5s", "--json").exit_code == 0


def test_a_bound_on_false_trips_is_obeyed_or_the_target_is_out_of_reach(folder: Path) -> None:
    files = ("--network", str(measured(folder, SESSION)), "--network", str(measured(folder, DEVICE)))
    document = json.loads(plan(folder, "--target", "6s", *files, "--false-trips", "1/month", "--json").stdout)
    assert document["met"]
    assert document["false_trips"]["kept"]
    assert document["false_trips"]["after_per_s"]["rate"] <= document["false_trips"]["bound_per_s"]
    assert document["false_trips"]["unmeasured"] == []
    result = plan(folder, "--target", "5s", *files, "--false-trips", "0.001/year")
    assert result.exit_code == 1
    assert "more often than" in result.stdout


def test_a_bound_that_is_broken_already_is_not_planned_away(folder: Path) -> None:
    ini = folder / "citect.ini"
    ini.write_text(ini.read_text().replace("SendTimeout=2000", "SendTimeout=100"))
    path = measured(folder, SESSION)
    before = ini.read_text()
    result = plan(folder, "--target", "10s", "--network", str(path), "--false-trips", "1/year", "--write")
    assert result.exit_code == 1
    assert "already too short, and left as it is: [LAN]SendTimeout" in result.stdout
    assert "more than is allowed" in result.stdout
    assert ini.read_text() == before


def test_a_sweep_draws_the_frontier(folder: Path, tmp_path: Path) -> None:
    path, chart = measured(folder, SESSION), tmp_path / "sweep.svg"
    options = ("--sweep", "--network", str(path), "--false-trips", "1/day", "--chart", str(chart))
    result = plan(folder, *options)
    assert result.exit_code == 0, result.output
    assert "false trips" in result.stdout
    document = json.loads(plan(folder, *options, "--json").stdout)
    rates = [one["false_trips_per_s"]["rate"] for one in document["targets"] if one["met"]]
    assert rates[0] < rates[-1] <= max(rates) <= 1 / 86_400
    assert chart.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--false-trips", "1/year"), "--false-trips needs --network"),
        (("--false-trips", "often"), "write a number above 0 per year, month, day, hour, second"),
        (("--false-trips", "0/year"), "write a number above 0 per"),
        (("--network", "nowhere.json"), "nowhere.json"),
    ],
)
def test_what_is_wrong_with_a_measurement_is_said(folder: Path, options: tuple[str, ...], why: str) -> None:
    result = plan(folder, "--target", "5s", *options)
    assert result.exit_code == 2
    assert why in " ".join(result.output.split())


def test_another_plants_measurement_is_refused(folder: Path) -> None:
    path = measured(folder, SESSION, plant="steel works")
    result = plan(folder, "--target", "5s", "--network", str(path))
    assert result.exit_code == 2
    assert "was measured in the plant 'steel works', this one is 'water works'" in result.output


# ---------------------------------------- where the network stack decides


def relying_on(folder: Path, system: str) -> Path:
    plant = folder / "plant.toml"
    text = plant.read_text()
    plant.write_text(text.replace('network_protocol = "acknowledged"', f'network_protocol = "{system}"'))
    return folder


def test_a_plan_for_windows_writes_a_registry_file_that_reads_back(folder: Path) -> None:
    relying_on(folder, "windows")
    before = (folder / "citect.ini").read_bytes()
    result = plan(folder, "--target", "12s", "--write")
    assert result.exit_code == 0, result.output
    assert "[windows]tcp_max_data_retransmissions" in result.stdout
    assert "import it with regedit" in result.stdout
    plant = folder / "plant.toml"
    plant.write_text(plant.read_text() + '\n[windows]\nregistry = "plan.reg"\n')
    again = plan(folder, "--target", "12s")
    assert "met as it is" in again.stdout
    assert (folder / "citect.ini").read_bytes() == before
    assert plan(folder, "--target", "9s", "--write").exit_code == 0
    assert {path.name for path in folder.glob("*.reg")} == {"plan.reg", "plan1.reg"}


def test_a_plan_for_linux_writes_settings_for_sysctl(folder: Path) -> None:
    relying_on(folder, "linux")
    result = plan(folder, "--function", "io-data", "--target", "4s", "--write")
    assert result.exit_code == 0, result.output
    lines = (folder / "plan.sysctl.conf").read_text().splitlines()
    assert lines == ["# was 15", "net.ipv4.tcp_retries2 = 2"]


def test_both_files_are_written_where_both_have_to_change(folder: Path) -> None:
    relying_on(folder, "windows")
    result = plan(folder, "--target", "6s", "--write")
    assert result.exit_code == 0, result.output
    assert (folder / "plan.reg").exists()
    assert (folder / "citect.ini.bak").exists()
    assert "WatchTime=1" in (folder / "citect.ini").read_text()
