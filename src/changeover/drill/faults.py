"""From a fault of the changeover model's table to what is done to processes and cables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from changeover.drill.lab import Lab
from changeover.drill.nemesis import CutHost, CutLan, Freeze, Injector, Kill, Stop, Struck
from changeover.drill.rig import Rig
from changeover.model.moment import Instant
from changeover.model.plant import Plant
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import struck_unit

NEEDS_NETWORK = "needs a network of its own: a lab of namespaces, or a user that may make one"


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a fault.

    Attributes:
        words: In words, for the sheet.
        inject: Makes it.
        repair: Undoes it; the instant from which what was struck is back.
    """

    words: str
    inject: Callable[[], Struck]
    repair: Callable[[], Instant]


def methods(plant: Plant, injection: Injection, rig: Rig, lab: Lab | None) -> tuple[Method, ...]:
    """Every way to make a fault here; each is a drill of its own. None where it cannot be made here."""
    fault, target = injection.fault, injection.target
    if fault is Fault.SERVER_CLOSED:
        return (
            _ending(rig, target, Kill, "SIGKILL of the server's process"),
            _ending(rig, target, Stop, "clean stop (SIGTERM) of the server's process"),
        )
    if fault is Fault.SERVER_FROZEN:
        return (_of(Freeze(rig.victim(target)), "SIGSTOP of the server's process"),)
    if fault.is_device:
        return _device_methods(plant, injection, rig, lab)
    if lab is None:
        return ()
    if fault is Fault.LAN_SILENT:
        return (_of(CutLan(lab, target), f"every bridge port of {target} disabled, carrier up", lab),)
    computer = plant.io_server(target).computer
    return (_of(CutHost(lab, computer), f"every bridge port of {computer} disabled, carrier up", lab),)


def _device_methods(plant: Plant, injection: Injection, rig: Rig, lab: Lab | None) -> tuple[Method, ...]:
    unit = struck_unit(plant, injection)
    if unit is None:
        return ()
    if injection.fault is Fault.DEVICE_CLOSED:
        return (_killed_plc(rig, str(unit.address)),)
    if lab is None:
        return (_of(Freeze(rig.victim(str(unit.address))), "SIGSTOP of the simulated PLC"),)
    host = lab.host_at(unit.address.host)
    return (_of(CutHost(lab, host), f"bridge port of the device {host} disabled, carrier up", lab),)


def _of(injector: Injector, words: str, lab: Lab | None = None) -> Method:
    def repair() -> Instant:
        repaired = injector.repair().before
        if lab is not None:
            # Neighbours that were asked for in vain would answer late: the drill would measure ARP.
            lab.flush_neighbours()
        return repaired

    return Method(words, injector.inject, repair)


def _ending(rig: Rig, server: str, injector: type[Kill] | type[Stop], words: str) -> Method:
    return Method(
        words,
        lambda: injector(rig.victim(server)).inject(),
        lambda: rig.restart_server(server),
    )


def _killed_plc(rig: Rig, address: str) -> Method:
    return Method(
        "SIGKILL of the simulated PLC",
        lambda: Kill(rig.victim(address)).inject(),
        lambda: rig.restart_plc(address),
    )
