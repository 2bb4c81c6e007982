"""Plants for tests, built as values: no files, no parser."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.model.device import DriverTiming, IoDevice, Unit, UnitMode
from changeover.model.lan import Computer, Endpoint, Lan
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.plant import Plant, Timing
from changeover.model.policy import POLICIES, Family, family_of, parse_version
from changeover.model.server import Client, Function, IoServer, TaskMode, TaskServer
from changeover.model.stack import LinuxStack, NetworkProtocol, WindowsStack
from changeover.model.tag import Tag, TagType

VERSIONS = {Family.A: "3.30", Family.B: "3.40", Family.C: "5.0"}
"""One version of each family."""

_IO_PORT, _TASK_PORT, _DEVICE_PORT = 2082, 2080, 5020


def version_of(family: Family | str) -> str:
    """A version of a family (`Family.A` or `"A"`); a version is given back as it is."""
    if isinstance(family, Family):
        return VERSIONS[family]
    return VERSIONS[Family(family)] if family in Family.__members__ else family


def timing_for(family: Family | str, **milliseconds_or_flags: float) -> Timing:
    """The defaults of a family with some fields replaced, durations given in milliseconds.

    `timing_for("A", send_timeout=6000, watch=2000)`.
    """
    policy = POLICIES[family_of(parse_version(version_of(family)))]
    fields: dict[str, Duration] = {"watch": policy.watch_period_default}
    for name, value in milliseconds_or_flags.items():
        fields[name] = value if name == "watchdog" else round(value * MILLISECOND)
    return Timing(**fields)


def two_server_plant(
    family: Family | str = Family.C,
    *,
    timing: Timing | None = None,
    lans: int = 1,
    clients: Sequence[Client] | int = 1,
    page_scan: Duration = 250 * MILLISECOND,
    driver: DriverTiming | None = None,
    protocol: str = "MODNET",
    devices: int = 1,
    servers: int = 2,
    shared_address: bool = False,
    tasks: bool = True,
    tags_per_device: int = 1,
    network_protocol: NetworkProtocol = NetworkProtocol.ACKNOWLEDGED,
    round_trip: Duration = MILLISECOND,
    windows: WindowsStack | None = None,
    linux: LinuxStack | None = None,
) -> Plant:
    """A plant of I/O servers SCADA1, SCADA2, … and clients on computers of their own, on loopback addresses.

    Args:
        family: A family, its letter, or a version.
        timing: Parameters; the family's defaults without.
        lans: Client LANs, LAN_A, LAN_B, …; FIELD comes after them and carries the devices alone.
        clients: How many clients (HMI1 on HMI1, …), or the clients themselves; their computers are made.
        page_scan: R of counted clients.
        driver: Timing of every unit.
        protocol: Of every device.
        devices: I/O devices PLC1, …; all have their primary on IOServer1.
        servers: I/O servers IOServer1, …; every device has one unit on each, in this order.
        shared_address: Units of a device share one address: several paths to one device.
        tasks: With alarm, trend and report servers: Alarm1 on SCADA1, Alarm2 on SCADA2, …
        tags_per_device: INT tags PLC1_T1, … at 40001, ….
        network_protocol: Who detects silence.
        round_trip: Of every LAN.
        windows: Stack parameters, the defaults without.
        linux: Stack parameters, the defaults without.
    """
    version = version_of(family)
    names = [f"LAN_{chr(ord('A') + i)}" for i in range(lans)]
    if isinstance(clients, int):
        clients = [Client(f"HMI{i + 1}", f"HMI{i + 1}", page_scan) for i in range(clients)]
    scadas = [f"SCADA{i + 1}" for i in range(servers)]
    stations = [c for c in dict.fromkeys(client.computer for client in clients) if c not in scadas]
    return Plant(
        name="test plant",
        version=version,
        policy=POLICIES[family_of(parse_version(version))],
        network_protocol=network_protocol,
        timing=timing if timing is not None else timing_for(version),
        round_trip=round_trip,
        lans=(
            *(Lan(name, f"127.{10 + i}.0.0/16") for i, name in enumerate(names)),
            Lan("FIELD", "127.100.0.0/16"),
        ),
        computers=(
            *(_computer(name, [*names, "FIELD"], 11 + i) for i, name in enumerate(scadas)),
            *(_computer(name, names, 101 + i) for i, name in enumerate(stations)),
        ),
        io_servers=tuple(IoServer(f"IOServer{i + 1}", name, _IO_PORT) for i, name in enumerate(scadas)),
        io_devices=tuple(
            _device(number, protocol, servers, driver or DriverTiming(), shared_address)
            for number in range(1, devices + 1)
        ),
        task_servers=_task_servers(scadas[:2]) if tasks else (),
        clients=tuple(clients),
        tags=tuple(
            Tag(f"PLC{number}_T{k}", TagType.INT, f"PLC{number}", str(40000 + k))
            for number in range(1, devices + 1)
            for k in range(1, tags_per_device + 1)
        ),
        windows=windows or WindowsStack(),
        linux=linux or LinuxStack(),
    )


def seed_configurations() -> dict[str, Plant]:
    """The seed's configurations by name: the defaults of A, B and C, and its three recommended sections."""
    return {
        "A defaults": two_server_plant("A"),
        "B defaults": two_server_plant("B"),
        "C defaults": two_server_plant("C"),
        "A recommended": two_server_plant(
            "A",
            timing=timing_for("A", watch=2000, send_timeout=2000, request_timeout=2000, heartbeat=5000),
        ),
        "B recommended": two_server_plant("B", timing=timing_for("B", send_timeout=2000, heartbeat=5000)),
        "C recommended": two_server_plant("C", timing=timing_for("C", send_timeout=2000)),
    }


def _computer(name: str, lans: list[str], host: int) -> Computer:
    subnets = {"FIELD": 100}
    return Computer(
        name,
        tuple((lan, f"127.{subnets.get(lan, 10 + index)}.0.{host}") for index, lan in enumerate(lans)),
    )


def _device(number: int, protocol: str, servers: int, timing: DriverTiming, shared: bool) -> IoDevice:
    name = f"PLC{number}"
    units = tuple(
        Unit(
            device=name,
            io_server=f"IOServer{k + 1}",
            mode=UnitMode.PRIMARY if k == 0 else UnitMode.STANDBY,
            address=Endpoint(f"127.100.{0 if shared else k + 1}.{number}", _DEVICE_PORT),
            priority=k + 1,
            timing=timing,
        )
        for k in range(servers)
    )
    return IoDevice(name, number, protocol, units)


def _task_servers(computers: list[str]) -> tuple[TaskServer, ...]:
    return tuple(
        TaskServer(
            function=function,
            name=f"{function.name.title()}{i + 1}",
            computer=computer,
            mode=TaskMode.PRIMARY if i == 0 else TaskMode.STANDBY,
            priority=1,
            port=_TASK_PORT + 3 * i + k,
        )
        for k, function in enumerate((Function.ALARM, Function.TREND, Function.REPORT))
        for i, computer in enumerate(computers)
    )


__all__ = [
    "SECOND",
    "VERSIONS",
    "seed_configurations",
    "timing_for",
    "two_server_plant",
    "version_of",
]
