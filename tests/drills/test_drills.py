"""Real drills: the product's own processes, real faults, held against the forecast."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from changeover.cli.new import write_project
from changeover.config.project import load_project
from changeover.drill.traces import TraceReader, notes_of, shown_of
from changeover.model.moment import SECOND, to_seconds
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import measure, measured_devices

SMALL_C = "[LAN]\nSendTimeout=1500\nClientRetryTime=500\n[MODNET]\nTimeout=700\nWatchTime=1\n"
SMALLEST_C = (
    "[LAN]\nSendTimeout=700\nTimeOut=700\nWatchTime=1\nClientRetryTime=500\n[MODNET]\nTimeout=500\nWatchTime=1\n"
    "[Trend]\nGapFillTime=1000\n"
)
SMALL_B = (
    "[LAN]\nSendTimeout=4000\nTimeOut=700\nClientRetryTime=500\n[IOSERVER]\nHeartTime=1500\n"
    "[MODNET]\nTimeout=500\nWatchTime=1\n"
)


def project(folder: Path, ini: str, version: str = "5.0", lans: int = 1) -> Path:
    """The template with small values, and with a second LAN for clients where that is wanted."""
    write_project(folder)
    plant = (folder / "plant.toml").read_text().replace('version = "5.0"', f'version = "{version}"')
    if lans == 2:
        second = '[[lan]]\nname = "LAN_B"\nsubnet = "127.11.0.0/16"\n\n[[lan]]\nname = "FIELD"'
        plant = plant.replace('[[lan]]\nname = "FIELD"', second)
        for host in (11, 12, 21):
            address = f'LAN_A = "127.10.0.{host}"'
            assert address in plant
            plant = plant.replace(address, f'{address}, LAN_B = "127.11.0.{host}"')
    (folder / "plant.toml").write_text(plant)
    (folder / "citect.ini").write_text(ini)
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "changeover", *map(str, arguments)]


def drill(folder: Path, *arguments: object) -> list[dict]:
    out = folder.parent / "out"
    done = subprocess.run(
        command("drill", folder, "--out", out, "--json", *arguments),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert document == json.loads((out / "drills.json").read_text())
    assert "PASS" in (out / "sheet.html").read_text()
    return document["drills"]


def failures(drills: list[dict]) -> list[str]:
    """What failed for good: a miss by lateness that its repetition made good does not count."""
    made_good = {(d["function"], d["fault"], d["target"], d["repeats"]) for d in drills if d["pass"]}
    return [
        f"{d['function']} {d['fault']} {d['target']} {d['repetition']}: {d['why']}"
        for d in drills
        if not d["pass"] and (d["function"], d["fault"], d["target"], d["repetition"]) not in made_good
    ]


def running_in(folder: Path) -> list[str]:
    """Processes whose command line names a folder, our own aside."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and int(entry.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.mark.namespaces
@pytest.mark.usefixtures("lab_right")
def test_every_io_fault_lies_within_its_forecast(tmp_path):
    drills = drill(project(tmp_path / "plant", SMALL_C, lans=2), "--function", "io-data")
    assert {d["fault"] for d in drills} == {fault.value for fault in Fault}
    assert {d["target"] for d in drills if d["fault"] == "lan-silent"} == {"LAN_A", "LAN_B", "FIELD"}
    assert failures(drills) == []
    silent = next(d for d in drills if d["fault"] == "server-silent")
    assert silent["changeover_s"] >= 1.45, "a silent server is not found before SendTimeout"
    assert silent["com_s"] == 0
    assert running_in(tmp_path) == []


@pytest.mark.namespaces
@pytest.mark.usefixtures("lab_right")
@pytest.mark.parametrize("fault", ["server-silent", "device-silent"])
def test_family_b_waits_for_a_heartbeat(tmp_path, fault):
    folder = project(tmp_path / "plant", SMALL_B, version="4.50")
    drills = drill(folder, "--function", "io-data", "--fault", fault)
    assert failures(drills) == []
    assert all(d["com_s"] > 0 for d in drills), "below version 5.0 the tags show #COM until the heartbeat"


@pytest.mark.namespaces
@pytest.mark.usefixtures("lab_right")
def test_where_the_kernel_alone_decides_the_drill_lies_within_its_forecast(tmp_path):
    """tcp_retries2 = 1 in the lab: about 1.7 s from the first unanswered send, whatever SendTimeout says."""
    folder = project(tmp_path / "plant", SMALL_C)
    plant = (folder / "plant.toml").read_text()
    plant = plant.replace('network_protocol = "acknowledged"', 'network_protocol = "linux"')
    stack = "\n[linux]\ntcp_retries2 = 1\ntcp_syn_retries = 1\n\n[network]\nanswer_ms = 40\n"
    (folder / "plant.toml").write_text(plant + stack)
    (folder / "citect.ini").write_text(SMALL_C.replace("SendTimeout=1500", "SendTimeout=100"))
    drills = drill(folder, "--function", "io-data", "--fault", "server-silent")
    assert failures(drills) == []
    assert all(1.4 < d["changeover_s"] < 2.5 for d in drills)


def test_without_namespaces_what_needs_no_network_is_drilled(tmp_path):
    drills = drill(project(tmp_path / "plant", SMALLEST_C), "--loopback", "--fault", "server-frozen")
    assert failures(drills) == []
    assert [d["function"] for d in drills if d["repetition"] == 1] == ["io-data", "alarm", "trend", "report"]
    left_out = drill_left_out(project(tmp_path / "second", SMALL_C), tmp_path / "second-out")
    assert left_out == ["server-silent SCADA1"]


def drill_left_out(folder: Path, out: Path) -> list[str]:
    arguments = ("drill", folder, "--out", out, "--json", "--loopback", "--fault", "server-silent")
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, check=False)
    # A script must not take it for a success.
    assert (done.returncode, "nothing was drilled" in done.stderr) == (2, True)
    return [what for what, _ in json.loads(done.stdout)["left_out"]]


def test_anyone_can_measure_again_from_the_raw_traces(tmp_path):
    folder = project(tmp_path / "plant", SMALL_C)
    record = drill(folder, "--loopback", "--function", "io-data", "--fault", "server-frozen")[0]
    plant = load_project(folder).plant
    traces = tmp_path / "out" / record["trace"]
    client = plant.clients[0]
    shown = TraceReader(traces / f"{client.name}.trace.jsonl")
    shown.read()
    fault_at = record["fault_at"]
    injection = Injection(Fault.SERVER_FROZEN, "IOServer1")
    tags = frozenset(
        tag.name for device in measured_devices(plant, injection, client) for tag in plant.tags_of(device)
    )
    assert len(tags) == 12
    lines = shown_of(shown.lines, tags, fault_at)
    again = measure(plant, injection, client, lines, notes_of(shown.lines), fault_at, record["repair_at"])
    assert again.changeover is not None
    assert to_seconds(again.changeover.first) == record["changeover_s"]
    assert to_seconds(again.changeover.last) == record["changeover_last_s"]
    assert again.return_ is not None
    assert to_seconds(again.return_.last) == record["return_s"]
    assert record["repair_at"] - fault_at > 1.5 * SECOND


@pytest.mark.namespaces
@pytest.mark.usefixtures("lab_right")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nobody_is_left_behind(tmp_path, number):
    folder = project(tmp_path / "plant", SMALL_C)
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("drill", folder, "--out", out, "--fault", "server-frozen", "--repeat", "50"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    give_up = time.monotonic() + 60
    try:
        while len(running_in(out)) < 10 and time.monotonic() < give_up:
            time.sleep(0.05)
        assert len(running_in(out)) >= 10, "eight servers, a client and an operator"
        time.sleep(2)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    if number is not signal.SIGKILL:
        assert process.returncode == 130, printed
        assert "interrupted" in printed
        assert (out / "sheet.html").exists()
    while running_in(tmp_path) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert running_in(tmp_path) == []


@pytest.mark.namespaces
@pytest.mark.usefixtures("lab_right")
def test_two_labs_at_once_do_not_see_each_other(tmp_path):
    processes = []
    for name in ("one", "two"):
        folder = project(tmp_path / name / "plant", SMALL_C)
        out = tmp_path / name / "out"
        arguments = (
            "drill",
            folder,
            "--out",
            out,
            "--function",
            "io-data",
            "--fault",
            "server-closed",
            "--json",
        )
        processes.append(subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, text=True))
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert failures(json.loads(printed)["drills"]) == []


def test_a_second_instance_on_loopback_says_so(tmp_path):
    folder = project(tmp_path / "plant", SMALL_C)
    first = subprocess.Popen(
        command("run", folder, "--computer", "SCADA1", "--node", "IOServer1"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "runs" in first.stdout.readline()
        arguments = ("drill", folder, "--out", tmp_path / "out", "--loopback", "--fault", "server-frozen")
        done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "IOServer1 did not start" in done.stderr
        assert "127.10.0.11:12082" in done.stderr
    finally:
        first.terminate()
        first.communicate(timeout=10)
    assert running_in(tmp_path) == []


def test_an_existing_output_folder_is_not_touched(tmp_path):
    folder = project(tmp_path / "plant", SMALL_C)
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        command("drill", folder, "--out", tmp_path / "out"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_the_version_that_is_forecast_is_the_one_that_runs(tmp_path):
    folder = project(tmp_path / "plant", SMALL_B, version="5.0")
    chosen = ("--function", "io-data", "--fault", "server-closed")
    drills = drill(folder, "--loopback", *chosen, "--version", "4.50")
    assert failures(drills) == []
    assert all(d["com_s"] > 0 for d in drills), "family B shows #COM until a heartbeat, family C would not"


def test_a_device_without_a_standby_is_left_out_with_its_reason(tmp_path):
    folder = project(tmp_path / "plant", SMALL_C)
    plant = (folder / "plant.toml").read_text()
    start = plant.index('[[io_device.unit]]\nio_server = "IOServer2"')
    end = plant.index("\n\n", start)
    (folder / "plant.toml").write_text(plant[:start] + plant[end:])
    arguments = ("--loopback", "--json", "--fault", "standby-device-silent", "--out", tmp_path / "out")
    done = subprocess.run(
        command("drill", folder, *arguments), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["left_out"] == [["standby-device-silent PLC1", "it has no standby unit"]]


def test_what_was_found_is_kept_when_the_product_ends_by_itself(tmp_path):
    folder = project(tmp_path / "plant", SMALL_C)
    out = tmp_path / "out"
    chosen = ("--function", "io-data", "--fault", "server-frozen")
    arguments = ("drill", folder, "--loopback", *chosen, "--repeat", "50", "--out", out)
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for printed in process.stdout:
        if "PASS" in printed:
            break
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (client,) = (c for c in children if b"--node\0HMI1\0" in Path(f"/proc/{c}/cmdline").read_bytes())
    os.kill(int(client), signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 2, rest
    assert "HMI1 ended by itself" in rest
    records = json.loads((out / "drills.json").read_text())
    assert records["drills"][0]["pass"]
    assert any("ended early" in note and "HMI1" in note for note in records["notes"])
    assert (out / "sheet.html").exists()
    assert running_in(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--function", "alarms"), "'alarms' is not one of 'io-data', 'alarm', 'trend', 'report'"),
        (("--fault", "server-gone"), "'server-gone' is not one of"),
        (("--target", "SCADA9"), "water works has nothing to strike: --target SCADA9"),
        (
            ("--function", "report", "--fault", "server-closed", "--target", "LAN_A"),
            "nothing to strike: --function report --fault server-closed --target LAN_A",
        ),
        (("--seconds", "5"), "--send-timeouts, --device-timeouts and --seconds go with --backup"),
        (("--disturb", "rain"), "write loss:SHARE like loss:2%"),
        (("--disturb", "loss:1%", "--backup"), "--backup and --disturb are two things"),
        (("--disturb", "loss:1%", "--fault", "server-closed"), "--disturb strikes nothing"),
        (("--disturb", "loss:1%", "--loopback"), "--disturb strikes nothing, and needs namespaces"),
        (("--disturb", "loss:1%", "--device-timeouts", "500"), "this disturbance trips SendTimeout"),
        (("--disturb", "slow-device:1s/1m", "--send-timeouts", "500"), "a slow device trips the driver's"),
        (("--backup", "--fault", "server-closed"), "--backup strikes nothing"),
        (("--backup", "--loopback"), "--backup strikes nothing, and needs namespaces"),
        (("--backup", "--send-timeouts", "500,soon"), "write milliseconds with commas between"),
        (("--backup", "--send-timeouts", "500,500"), "each must be above 0, and stand there once"),
    ],
)
def test_what_cannot_be_drilled_is_refused_before_anything_starts(tmp_path, arguments, why):
    folder = project(tmp_path / "plant", SMALL_C)
    out = tmp_path / "out"
    done = subprocess.run(
        command("drill", folder, "--out", out, *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert why in " ".join(done.stderr.split())
    assert not out.exists()


def test_a_project_without_report_servers_has_nothing_to_drill_there(tmp_path):
    folder = project(tmp_path / "plant", SMALL_C)
    plant = (folder / "plant.toml").read_text()
    start, end = plant.index('[[report_server]]\nname = "Report1"'), plant.index("# The operator's pages")
    (folder / "plant.toml").write_text(plant[:start] + plant[end:])
    (folder / "reports.csv").unlink()
    done = subprocess.run(
        command("drill", folder, "--function", "report"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "has nothing to strike: --function report" in done.stderr
