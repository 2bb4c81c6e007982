"""From a fault of the changeover model's table to what is done to processes and cables."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from changeover.drill.lab import Lab
from changeover.drill.nemesis import (
    PATIENCE_S,
    CutHost,
    CutLan,
    CutPair,
    Freeze,
    Injector,
    Kill,
    NemesisError,
    Struck,
    Victim,
)
from changeover.drill.rig import Rig
from changeover.drill.strikes import Strike
from changeover.model.moment import Instant
from changeover.model.plant import Plant
from changeover.scenario.fault import Fault
from changeover.scenario.measure import struck_unit

NEEDS_NETWORK = "needs a network of its own: a lab of namespaces, or a user that may make one"
_PAUSE_S = 0.0005


@dataclass(frozen=True, slots=True)
class Moments:
    """When a fault, or its repair, took effect.

    Attributes:
        first: The first of all that it did.
        own: By server, where each has an instant of its own.
    """

    first: Instant
    own: Mapping[str, Instant] = field(default_factory=dict)

    def of(self, target: str) -> Instant:
        """When it was the turn of a row's target."""
        return self.own.get(target, self.first)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a fault.

    Attributes:
        words: In words, for the sheet.
        inject: Makes it.
        repair: Undoes it; from then on what was struck is back.
    """

    words: str
    inject: Callable[[], Moments]
    repair: Callable[[], Moments]


def methods(plant: Plant, strike: Strike, rig: Rig, lab: Lab | None) -> tuple[Method, ...]:
    """Every way to make a fault here; each is a drill of its own. None where it cannot be made here."""
    fault, target = strike.injection.fault, strike.injection.target
    servers = strike.servers
    whose = "the server's process" if len(servers) == 1 else f"the processes of {', '.join(servers)}"
    if fault is Fault.SERVER_CLOSED:
        return (
            _ending(rig, servers, signal.SIGKILL, f"SIGKILL of {whose}"),
            _ending(rig, servers, signal.SIGTERM, f"clean stop (SIGTERM) of {whose}"),
        )
    if fault is Fault.SERVER_FROZEN:
        return (_freezing(rig, servers, f"SIGSTOP of {whose}"),)
    if fault.is_device:
        return _device_methods(plant, strike, rig, lab)
    if lab is None:
        return ()
    if fault is Fault.LAN_SILENT:
        return (_of(CutLan(lab, target), f"every bridge port of {target} disabled, carrier up", lab),)
    if fault is Fault.PARTNER_CUT:
        one, two = target.split("+")
        words = f"frames between {one} and {two} dropped at their bridge ports, carrier up"
        return (_of(CutPair(lab, one, two), words, lab),)
    computer = plant.computer_of(servers[0])
    return (_of(CutHost(lab, computer), f"every bridge port of {computer} disabled, carrier up", lab),)


def obstacle(plant: Plant, strike: Strike, lab: Lab | None) -> str:
    """Why a strike cannot be made here, empty when nothing is known against it."""
    fault, target = strike.injection.fault, strike.injection.target
    if fault in (Fault.SERVER_SILENT, Fault.LAN_SILENT, Fault.PARTNER_CUT) and lab is None:
        return NEEDS_NETWORK
    if fault is Fault.PARTNER_CUT and lab is not None:
        one, two = target.split("+")
        if not plant.common_lans(one, two):
            return "the two share no LAN, so there is nothing to cut between them"
        return "; ".join(why for why in lab.missing() if why.startswith("cutting"))
    return ""


def _device_methods(plant: Plant, strike: Strike, rig: Rig, lab: Lab | None) -> tuple[Method, ...]:
    unit = struck_unit(plant, strike.injection)
    if unit is None:
        return ()
    address = str(unit.address)
    if strike.injection.fault is Fault.DEVICE_CLOSED:
        return (_killed_plc(rig, address),)
    if lab is None:
        return (_freezing(rig, (address,), "SIGSTOP of the simulated PLC"),)
    host = lab.host_at(unit.address.host)
    return (_of(CutHost(lab, host), f"bridge port of the device {host} disabled, carrier up", lab),)


def _of(injector: Injector, words: str, lab: Lab) -> Method:
    def repair() -> Moments:
        repaired = injector.repair().before
        # Neighbours that were asked for in vain would answer late: the drill would measure ARP.
        lab.flush_neighbours()
        return Moments(repaired)

    return Method(words, lambda: Moments(injector.inject().before), repair)


def _freezing(rig: Rig, names: tuple[str, ...], words: str) -> Method:
    frozen: list[tuple[str, Victim]] = []

    def inject() -> Moments:
        frozen[:] = [(name, rig.victim(name)) for name in names]
        struck = _at_once(frozen, signal.SIGSTOP)
        for _, victim in frozen:
            victim.strike(signal.SIGSTOP, until="Tt")
        return struck

    def repair() -> Moments:
        own = {}
        for name, victim in frozen:
            own[name] = Freeze(victim).repair().before
            rig.recovered(name)
        return Moments(min(own.values()), own)

    return Method(words, inject, repair)


def _ending(rig: Rig, servers: tuple[str, ...], number: signal.Signals, words: str) -> Method:
    def inject() -> Moments:
        victims = [(server, rig.victim(server)) for server in servers]
        struck = _at_once(victims, number)
        if number is signal.SIGKILL:
            for _, victim in victims:
                _await_end(victim)
        return struck

    def repair() -> Moments:
        listened = rig.restart(servers)
        return Moments(min(listened.values()), listened)

    return Method(words, inject, repair)


def _at_once(victims: list[tuple[str, Victim]], number: signal.Signals) -> Moments:
    """Send a signal to one process after the other, without waiting for any of them to obey."""
    struck: dict[str, Struck] = {name: victim.strike(number, until="") for name, victim in victims}
    own = {name: one.before for name, one in struck.items()}
    return Moments(min(own.values()), own)


def _await_end(victim: Victim) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while victim.is_alive():
        if time.monotonic() > give_up:
            raise NemesisError(f"process {victim.pid} was killed and does not end")
        time.sleep(_PAUSE_S)


def _killed_plc(rig: Rig, address: str) -> Method:
    return Method(
        "SIGKILL of the simulated PLC",
        lambda: Moments(Kill(rig.victim(address)).inject().before),
        lambda: Moments(rig.restart_plc(address)),
    )
