import asyncio
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from changeover.cli.new import write_project
from changeover.config.project import FILES, load_project
from changeover.config.registry import PARAMETERS_KEY, REGISTRY_ROWS
from changeover.config.registry_values import RegistryChange, registry_text
from changeover.drill import lab_messages, rights
from changeover.drill.lab import Lab, LabError, rewrite_loopback
from changeover.drill.lab_keeper import processes_in
from changeover.drill.lab_loopback import rewrite_loopback_text
from changeover.drill.lab_plan import plan_lab
from changeover.drill.rights import Right
from changeover.model.lan import Computer, Lan

SOURCES = Path(lab_messages.__file__).parents[2]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


# ---- the plan -------------------------------------------------------------------------------------------


def test_hosts_are_computers_then_devices(make_plant):
    plan = plan_lab(make_plant())
    assert plan.hosts == ("SCADA1", "SCADA2", "HMI", "10.20.0.101", "10.20.0.102")
    assert [(port.host, port.lan, port.prefix) for port in plan.ports][-3:] == [
        ("HMI", "LAN_B", 16),
        ("10.20.0.101", "FIELD", 16),
        ("10.20.0.102", "FIELD", 16),
    ]


def test_two_units_of_one_address_are_one_host(make_plant, make_device):
    plan = plan_lab(make_plant(io_devices=(make_device("10.20.0.101", "10.20.0.101"),)))
    assert plan.hosts[3:] == ("10.20.0.101",)


def test_a_device_on_a_computer_has_no_host_of_its_own(make_plant, make_device):
    plan = plan_lab(make_plant(io_devices=(make_device("10.20.0.11", "10.20.0.101"),)))
    assert plan.hosts[3:] == ("10.20.0.101",)


def test_the_two_ends_of_a_cable_never_share_a_number(make_plant):
    assert all(port.host_index != port.hub_index for port in plan_lab(make_plant()).ports)


def test_every_port_has_a_hardware_address_of_its_own(make_plant):
    ports = plan_lab(make_plant()).ports
    assert ports[0].hardware_address == bytes((2, 0, 10, 10, 0, 11))
    assert len({port.hardware_address for port in ports}) == len(ports)


@pytest.mark.parametrize(
    ("lans", "computers", "device", "message"),
    [
        (("127.10.0.0/16", "10.20.0.0/16"), (), "10.20.0.101", "is loopback"),
        (("10.20.1.0/24", "10.20.0.0/16"), (), "10.20.0.101", "overlaps 10.20.1.0/24 of LAN L0"),
        (("10.10.0.1/16",), (), "10.10.0.2", "host bits set"),
        (("10.10.0.0/16",), (), "10.30.0.1", "10.30.0.1 is in the subnet of no LAN"),
        (("10.10.0.0/16",), (), "plc1", "plc1"),
        (("10.10.0.0/16",), (("A", "L0", "10.11.0.1"),), "10.10.0.2", "subnet of no LAN"),
        (
            ("10.10.0.0/16", "10.11.0.0/16"),
            (("A", "L0", "10.11.0.1"),),
            "10.10.0.2",
            "not in the subnet of LAN L0",
        ),
        (
            ("10.10.0.0/16",),
            (("A", "L0", "10.10.0.1"), ("B", "L0", "10.10.0.1")),
            "10.10.0.2",
            "B and A both have",
        ),
    ],
)
def test_addresses_that_do_not_fit_are_refused(make_plant, make_device, lans, computers, device, message):
    plant = make_plant(
        lans=tuple(Lan(f"L{number}", subnet) for number, subnet in enumerate(lans)),
        computers=tuple(Computer(name, ((lan, address),)) for name, lan, address in computers),
        io_devices=(make_device(device),),
    )
    with pytest.raises(LabError, match=message):
        plan_lab(plant)


# ---- loopback projects ----------------------------------------------------------------------------------

PROJECT = """\
[plant]
name = "127.9.9.9"          # a name, "127.9.9.9" is none of our business
[[lan]]
name = 'LAN_A'
subnet = "127.10.0.0/16"    # it's "127.10.0.0/16"
[[lan]]
name = "PLANT"
subnet = '192.168.7.0/24'
[[computer]]
name = "SCADA1"
addresses = { LAN_A = "127.10.0.11", PLANT = "192.168.7.11" }
[[computer]]
name = "SCADA2"
addresses.LAN_A = "127.10.0.12"
[[io_device]]
[[io_device.unit]]
address = "127.10.0.101:5020"
"""


def test_only_loopback_addresses_change():
    expected = (
        PROJECT.replace('subnet = "127.', 'subnet = "10.')
        .replace('LAN_A = "127.', 'LAN_A = "10.')
        .replace('address = "127.', 'address = "10.')
    )
    assert expected.count('"10.') == 4
    assert rewrite_loopback_text(PROJECT) == expected


def test_a_copy_keeps_line_ends_and_the_other_files(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "plant.toml").write_bytes(PROJECT.replace("\n", "\r\n").encode())
    (project / "tags.csv").write_bytes(b"name,unit\r\ncaf\xe9,127.0.0.1\r\n")
    (project / "notes.txt").write_text("not part of a project")
    copy = rewrite_loopback(project, project / "lab" / "copy")
    assert (copy / "plant.toml").read_bytes() == rewrite_loopback_text(PROJECT).replace("\n", "\r\n").encode()
    assert (copy / "tags.csv").read_bytes() == (project / "tags.csv").read_bytes()
    assert sorted(path.name for path in copy.iterdir()) == ["plant.toml", "tags.csv"]


def test_a_copy_has_all_files_of_the_project_and_the_templates_of_its_reports(tmp_path):
    project = tmp_path / "project"
    write_project(project)
    (project / "reports" / "head.html.j2").write_text("included")
    (project / "t.html.j2").write_text("at the top")
    (project / "data").mkdir()
    (project / "data" / "archive").write_text("large")
    (project / "tags.csv").rename(project / "Tags.CSV")
    templates = ("reports/shift.html.j2", "t.html.j2")
    copy = rewrite_loopback(project, tmp_path / "copy", templates)
    names = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert names >= {*FILES, "reports/shift.html.j2", "reports/head.html.j2", "t.html.j2"}
    assert not (copy / "data").exists()
    assert '"10.10.0.11"' in (copy / "plant.toml").read_text()
    assert "127.10.0.11" not in (copy / "plant.toml").read_text().replace("# ", "")
    assert load_project(copy).plant.reports == load_project(project).plant.reports


def test_a_copy_has_the_registry_export_that_plant_toml_names(tmp_path):
    project = tmp_path / "project"
    write_project(project)
    text = (project / "plant.toml").read_text() + '[windows]\nregistry = "registry/tcp.reg"\n'
    (project / "plant.toml").write_text(text)
    (project / "registry").mkdir()
    (project / "registry" / "tcp.reg").write_bytes(
        registry_text([RegistryChange(REGISTRY_ROWS[0], PARAMETERS_KEY, None, 3)])
    )
    copy = rewrite_loopback(project, tmp_path / "copy", ("reports/shift.html.j2",))
    assert load_project(copy).plant.windows == load_project(project).plant.windows


def test_an_address_that_cannot_be_replaced_is_an_error():
    text = 'subnet = """127.10.0.0/16"""'
    assert tomllib.loads(text) == {"subnet": "127.10.0.0/16"}
    with pytest.raises(LabError, match="write each address as"):
        rewrite_loopback_text(text)


def test_a_project_is_never_its_own_copy(tmp_path):
    with pytest.raises(LabError, match="the project itself"):
        rewrite_loopback(tmp_path, tmp_path)


@pytest.mark.parametrize("content", [None, b"[plant", b"\xff"])
def test_an_unreadable_project_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "plant.toml").write_bytes(content)
    with pytest.raises(LabError, match="copy "):
        rewrite_loopback(tmp_path, tmp_path / "copy")


# ---- the network ----------------------------------------------------------------------------------------


@pytest.mark.namespaces
def test_hosts_reach_each_other_on_their_lans_only(lab, inside):
    inside.echo(lab, "10.10.0.11")
    inside.echo(lab, "10.20.0.101")
    hmi, server = inside.asker(lab, "HMI"), inside.asker(lab, "SCADA2")
    assert hmi.reaches("10.10.0.11")
    assert server.reaches("10.10.0.11")
    assert server.reaches("10.20.0.101")
    assert hmi.count("10.20.0.101") == 0


@pytest.mark.namespaces
@pytest.mark.parametrize("fault", ["port", "host", "lan"])
def test_a_cut_is_silent_with_carrier_and_traffic_comes_back(lab, inside, fault):
    what = {"port": ("SCADA1", "LAN A"), "host": ("SCADA1",), "lan": ("LAN A",)}[fault]
    inside.echo(lab, "10.10.0.11")
    hmi = inside.asker(lab, "HMI")
    assert hmi.reaches("10.10.0.11")
    cut = getattr(lab, f"cut_{fault}")(*what)
    assert cut.before < cut.after
    assert lab.port_is_cut("SCADA1", "LAN A")
    assert hmi.count("10.10.0.11", 10) == 0
    assert lab.has_carrier("SCADA1", "LAN A")
    getattr(lab, f"restore_{fault}")(*what)
    lab.flush_neighbours()
    assert not lab.port_is_cut("SCADA1", "LAN A")
    assert hmi.reaches("10.10.0.11")


@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("fault", "what", "still_whole"),
    [
        ("port", ("SCADA1", "LAN A"), {"B", "field", "other"}),
        ("host", ("SCADA1",), {"other"}),
        ("lan", ("LAN A",), {"B", "field"}),
    ],
)
def test_a_cut_strikes_nothing_else(lab, inside, fault, what, still_whole):
    ways = {
        "A": ("SCADA2", "10.10.0.11"),
        "B": ("SCADA2", "10.11.0.11"),
        "field": ("SCADA2", "10.20.0.11"),
        "other": ("HMI", "10.10.0.12"),
    }
    for address in ("10.10.0.11", "10.11.0.11", "10.20.0.11", "10.10.0.12"):
        inside.echo(lab, address)
    askers = {host: inside.asker(lab, host) for host in ("SCADA2", "HMI")}
    assert all(askers[host].reaches(address) for host, address in ways.values())
    getattr(lab, f"cut_{fault}")(*what)
    whole = {name for name, (host, address) in ways.items() if askers[host].count(address)}
    assert whole == still_whole


@pytest.mark.namespaces
def test_a_pulled_cable_is_seen_by_its_host_only(lab, inside):
    inside.echo(lab, "10.10.0.11")
    hmi = inside.asker(lab, "HMI")
    assert hmi.reaches("10.10.0.11")
    lab.cut_carrier("SCADA1", "LAN A")
    assert not lab.has_carrier("SCADA1", "LAN A")
    assert lab.has_carrier("HMI", "LAN A")
    assert hmi.count("10.10.0.11") == 0
    with pytest.raises(LabError, match="restore SCADA1 on LAN A"):
        lab.restore_port("SCADA1", "LAN A")
    lab.restore_carrier("SCADA1", "LAN A")
    assert lab.has_carrier("SCADA1", "LAN A")
    assert hmi.reaches("10.10.0.11")


@pytest.mark.namespaces
def test_restore_all_undoes_everything(lab, inside):
    inside.echo(lab, "10.10.0.11")
    hmi = inside.asker(lab, "HMI")
    lab.cut_host("SCADA1")
    lab.cut_lan("LAN A")
    lab.cut_carrier("SCADA1", "LAN A")
    lab.cut_carrier("HMI", "LAN_B")
    lab.restore_all()
    assert not any(lab.port_is_cut(host, lan) for host in lab.hosts for lan in lab.lans_of(host))
    assert all(lab.has_carrier(host, lan) for host in lab.hosts for lan in lab.lans_of(host))
    assert hmi.reaches("10.10.0.11")


@pytest.mark.namespaces
def test_neighbours_are_forgotten(lab, inside):
    def known():
        table = subprocess.run(
            lab.command("HMI", ["cat", "/proc/net/arp"]), capture_output=True, text=True, check=True
        )
        return {line.split()[0] for line in table.stdout.splitlines()[1:]}

    inside.echo(lab, "10.10.0.11")
    assert inside.asker(lab, "HMI").reaches("10.10.0.11")
    assert "10.10.0.11" in known()
    lab.flush_neighbours("HMI")
    assert known() == set()


@pytest.mark.namespaces
def test_faults_work_inside_a_running_loop(lab):
    async def cut_and_restore():
        lab.cut_host("SCADA1")
        cut = lab.port_is_cut("SCADA1", "FIELD")
        lab.restore_all()
        return cut, lab.port_is_cut("SCADA1", "FIELD")

    assert asyncio.run(cut_and_restore()) == (True, False)


@pytest.mark.namespaces
def test_hosts_are_quiet_and_ordinary(lab):
    def setting(name):
        argv = lab.command("SCADA1", ["cat", f"/proc/sys/{name}"])
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    assert setting("net/ipv4/tcp_congestion_control") in ("cubic", "reno")
    assert setting("net/ipv4/ip_forward") == "0"
    if Path("/proc/sys/net/ipv6").exists():
        assert setting("net/ipv6/conf/lan0/disable_ipv6") == "1"


@pytest.mark.namespaces
def test_unknown_hosts_and_lans_are_key_errors(lab):
    for wrong in (
        lambda: lab.command("nobody", ["true"]),
        lambda: lab.cut_host("nobody"),
        lambda: lab.cut_lan("nowhere"),
        lambda: lab.cut_port("HMI", "FIELD"),
        lambda: lab.host_at("10.10.0.99"),
    ):
        with pytest.raises(KeyError):
            wrong()


# ---- processes, and the end of it all -------------------------------------------------------------------


def remains(inodes):
    """Whatever still holds one of these namespaces: a process inside, or an open file anywhere."""
    links = {f"net:[{inode}]" for inode in inodes}
    found = [f"process {pid}" for pid in processes_in(inodes)]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                files = list((process / "fd").iterdir())
            except OSError:
                continue
            for file in files:
                try:
                    if str(file.readlink()) in links:
                        found.append(str(file))
                except OSError:
                    continue
    return found


def remains_after_a_while(inodes):
    give_up = time.monotonic() + 10
    while (found := remains(inodes)) and time.monotonic() < give_up:
        time.sleep(0.01)
    return found


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def own_interfaces():
    return sorted(line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines())


@pytest.mark.namespaces
def test_the_process_that_is_started_is_the_program(lab, inside):
    program = inside.start(lab, "SCADA1", sys.executable, "-c", "import os; print(os.getpid()); input()")
    assert int(program.stdout.readline()) == program.pid
    assert lab.processes("SCADA1") == (program.pid,)
    assert lab.processes("SCADA2") == ()
    program.send_signal(signal.SIGKILL)
    assert program.wait(timeout=30) == -signal.SIGKILL


@pytest.mark.namespaces
def test_nothing_is_left_after_close(lab_right, make_plant, inside):
    interfaces, files = own_interfaces(), open_files()
    with Lab.build(make_plant()) as lab:
        inodes = lab.inodes
        assert len(inodes) == 6
        assert remains(inodes)
        assert own_interfaces() == interfaces
        frozen = inside.start(lab, "SCADA1", "sh", "-c", "echo started; exec sleep 1000")
        assert frozen.stdout.readline() == "started\n"
        frozen.send_signal(signal.SIGSTOP)
        family = inside.start(lab, "HMI", "sh", "-c", "sleep 1000 & echo started; wait")
        assert family.stdout.readline() == "started\n"
        assert len(lab.processes("HMI")) == 2
    assert frozen.wait(timeout=30) == -signal.SIGKILL
    assert family.wait(timeout=30) == -signal.SIGKILL
    assert remains(inodes) == []
    assert own_interfaces() == interfaces
    lab.close()
    inside.close()
    assert open_files() == files
    with pytest.raises(LabError, match="closed"):
        lab.cut_host("SCADA1")
    with pytest.raises(LabError, match="closed"):
        lab.command("SCADA1", ["true"])


HOLD = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from conftest import make_plant
from changeover.drill.lab import Lab
lab = Lab.build(make_plant())
program = subprocess.Popen(lab.command("SCADA1", ["sh", "-c", "sleep 1000 & sleep 1000"]))
while len(lab.processes("SCADA1")) < 2:
    pass
print(program.pid, *lab.inodes, flush=True)
input()
"""


@pytest.mark.namespaces
def test_nothing_is_left_after_a_lab_is_killed(lab_right):
    argv = [sys.executable, "-c", HOLD, str(Path(__file__).parent)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        numbers = [int(number) for number in holder.stdout.readline().split()]
        inodes = frozenset(numbers[1:])
        assert numbers[0] in processes_in(inodes)
        holder.send_signal(signal.SIGKILL)
    assert remains_after_a_while(inodes) == []


@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ("new_bridge", "make the bridge of LAN LAN A"),
        ("new_cable", "plug SCADA1 into LAN A"),
        ("new_address", "give SCADA1 the address 10.10.0.11"),
    ],
)
def test_a_step_that_fails_is_named_and_undone(lab_right, make_plant, monkeypatch, broken, step):
    built = []
    make_namespaces = Lab._make_namespaces

    def remember(lab):
        make_namespaces(lab)
        built.append(lab.inodes)

    # An RTM_NEWLINK for an interface that does not exist: the kernel itself refuses.
    wrong = lab_messages.set_link(987654, up=True)
    monkeypatch.setattr(Lab, "_make_namespaces", remember)
    monkeypatch.setattr(lab_messages, broken, lambda *_: wrong)
    files = open_files()
    with pytest.raises(LabError, match=f"{step}: No such device"):
        Lab.build(make_plant())
    assert open_files() == files
    assert remains(built[0]) == []


@pytest.mark.namespaces
def test_two_labs_stand_side_by_side(lab, lab_right, make_plant, inside):
    with Lab.build(make_plant()) as other:
        assert not lab.inodes & other.inodes
        inside.echo(lab, "10.10.0.11")
        inside.echo(other, "10.10.0.11")
        here, there = inside.asker(lab, "HMI"), inside.asker(other, "HMI")
        assert here.reaches("10.10.0.11")
        assert there.reaches("10.10.0.11")
        lab.cut_lan("LAN A")
        assert here.count("10.10.0.11") == 0
        assert there.reaches("10.10.0.11")
    lab.restore_all()
    assert here.reaches("10.10.0.11")


# ---- the right to do it ---------------------------------------------------------------------------------


def run_with_sources(argv):
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def ordinary_user():
    """A command prefix and an interpreter with which an ordinary user runs the package; or skips."""
    if os.geteuid() != 0:
        return [], sys.executable
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            # Twice: setpriv itself still may start what its user may not.
            tried = run_with_sources([*NOBODY, "env", python, "-c", "import changeover.drill.rights"])
        except OSError as error:
            pytest.skip(str(error))
        if tried.returncode == 0:
            return NOBODY, python
    pytest.skip(f"user nobody can run no interpreter that knows the package: {tried.stderr}")


REEXEC = """
import os
from changeover.drill.rights import Right, probe, reexec_in_user_namespace
rights = probe()
print(os.getpid(), rights.right.name, rights.reason, flush=True)
if rights.right is Right.USER_NAMESPACE:
    reexec_in_user_namespace()
"""


@pytest.mark.namespaces
def test_an_ordinary_user_builds_labs_in_a_user_namespace():
    prefix, python = ordinary_user()
    tried = run_with_sources([*prefix, python, "-c", REEXEC])
    lines = [line.split(maxsplit=2) for line in tried.stdout.splitlines()]
    assert lines, tried.stderr
    if lines[0][1] == "NONE":
        pytest.skip(lines[0][2])
    assert [line[1] for line in lines] == ["USER_NAMESPACE", "DIRECT"]
    assert lines[0][0] == lines[1][0]
    assert "hub's namespace: Operation not permitted" in lines[0][2]


@pytest.mark.namespaces
def test_where_nothing_is_allowed_the_reason_is_said():
    # The limits are those of the new user namespace alone.
    forbid = "echo 0 > /proc/sys/user/max_net_namespaces && echo 0 > /proc/sys/user/max_user_namespaces"
    script = f'{forbid} && exec "$@"'
    probing = (
        "from changeover.drill.rights import probe; found = probe(); print(found.right.name, found.reason)"
    )
    tried = run_with_sources(
        rights.in_user_namespace(["sh", "-c", script, "sh", sys.executable, "-c", probing])
    )
    if "unshare" in tried.stderr or "/proc/sys/user" in tried.stderr:
        pytest.skip(tried.stderr)
    right, reason = tried.stdout.split(maxsplit=1)
    assert Right[right] is Right.NONE
    assert "make the hub's namespace" in reason
    assert "user.max_user_namespaces is 0" in reason
