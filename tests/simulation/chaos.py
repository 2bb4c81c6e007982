"""Random faults on a random small plant, and everything that must hold during and after them.

Phase 1, safety: faults and repairs come and go, overlapping, some shorter than SendTimeout.
Phase 2, liveness under one fault that leaves a way to each device: data must flow by the best unit left.
Phase 3, liveness: the last fault is repaired, everything must be as on the first day.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from changeover.core.device_channel import ChannelState
from changeover.core.io_client import IoClient
from changeover.core.io_group import GroupState
from changeover.core.io_server import IoServer
from changeover.core.link import LinkState
from changeover.core.machine import (
    DeviceAnswered,
    Effects,
    FrameArrived,
    Present,
    SendAnswer,
    SendFrame,
    ShowCom,
    Stimulus,
)
from changeover.core.messages import Answer, ReadRequest, UnitStatus
from changeover.core.trace import TraceLine
from changeover.model.device import DriverTiming, OfflineRule
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant
from changeover.model.plant import Plant
from changeover.scenario.fault import Fault, Injection
from changeover.simulation.host import Host
from changeover.simulation.plant_world import PlantWorld
from plants import timing_for, two_server_plant

EFFECTS_MAX = 100
"""More effects of one call than this plant can ever need."""
FAULTS_MAX = 3


@dataclass(frozen=True, slots=True)
class Served:
    """What a client shows for one device: since when, and by which unit and way; no unit for #COM."""

    at: Instant
    unit: str = ""
    server: str = ""


def random_plant(seed: int, rng: Random) -> Plant:
    """Family and number of LANs follow from the seed, so that a few seeds meet all; the rest is drawn."""
    family = "ABC"[seed % 3]
    scan = rng.choice((100, 250)) * MILLISECOND
    send_timeout = rng.choice((600, 1000))
    timing = timing_for(
        family,
        send_timeout=send_timeout,
        request_timeout=rng.choice((300, 800, 1500)),
        heartbeat=rng.choice((500, 1200, 3000)),
        client_retry=rng.choice((300, 1100)),
        watch=500,
    )
    driver = DriverTiming(
        timeout=rng.choice((100, 400)) * MILLISECOND,
        retry=rng.choice((0, 1)),
        offline_rule=rng.choice((OfflineRule.PER_REQUEST, OfflineRule.SQUARED)),
        watch=rng.choice((300, 900)) * MILLISECOND,
        max_pending=rng.choice((1, 2)),
    )
    return two_server_plant(
        family,
        timing=timing,
        driver=driver,
        lans=1 + seed // 3 % 2,
        clients=2,
        devices=2,
        page_scan=scan,
        shared_address=rng.random() < 0.15,
        tasks=False,
    )


def settling(plant: Plant) -> Duration:
    """Longer than any way back to the primary can take: every wait of the model, one after the other.

    The heartbeat three times: one that re-issues in vain, one that re-issues, one that returns.
    """
    timing = plant.timing
    unit = plant.io_devices[0].units[0].timing
    device = unit.timeout * unit.attempts_until_offline
    scan = plant.clients[0].page_scan
    waits = 2 * timing.send_timeout + 2 * timing.client_retry + timing.request_timeout
    return waits + 3 * timing.heartbeat + 2 * unit.watch_period + 2 * device + 4 * scan + SECOND


class Chaos:
    """One plant under random faults.

    Attributes:
        world: The plant's virtual world.
        trace: Every trace line.
        active: The faults under way.
    """

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"chaos {seed}")
        self.plant = random_plant(seed, self._rng)
        self.trace: list[TraceLine] = []
        self.active: list[Injection] = []
        self.world = PlantWorld(self.plant, self._rng, self.trace.append)
        self.served: dict[tuple[str, str], Served] = {}
        self._requests: dict[tuple[str, str, int], Instant] = {}
        for host in (*self.world.servers.values(), *self.world.clients.values()):
            self._watch(host)

    # --- watching every stimulus and effect ---

    def _watch(self, host: Host) -> None:
        """Let every stimulus and effect of a host pass through the checks of safety."""
        deliver, carry_out = host.deliver, host._carry_out
        handling: list[Stimulus | None] = [None]

        def watched_deliver(stimulus: Stimulus) -> None:
            # What comes for a host that stands still waits, and comes here again when it runs.
            if not host.frozen:
                handling[0] = stimulus
            deliver(stimulus)
            handling[0] = None

        def watched_carry_out(effects: Effects) -> None:
            assert len(effects) <= EFFECTS_MAX, f"{len(effects)} effects of {handling[0]}"
            for effect in effects:
                if isinstance(effect, SendFrame) and isinstance(effect.frame.message, ReadRequest):
                    request = effect.frame.message
                    self._requests[host.name, request.unit, request.request] = self.world.world.now
                elif isinstance(effect, SendAnswer):
                    self._check_answer(host, effect, handling[0])
                elif isinstance(effect, Present):
                    self._check_present(host, effect, handling[0])
                elif isinstance(effect, ShowCom):
                    self.served[host.name, effect.device] = Served(self.world.world.now)
            carry_out(effects)

        host.deliver = watched_deliver
        host._carry_out = watched_carry_out

    def _check_answer(self, server: Host, effect: SendAnswer, cause: Stimulus | None) -> None:
        """A good answer leaves in the very moment in which its device has answered, never from a store."""
        answer = effect.frame.message
        assert isinstance(answer, Answer)
        assert isinstance(cause, DeviceAnswered), f"{server.name} answered because of {cause}"
        assert cause.unit == answer.unit
        assert not answer.failure

    def _check_present(self, client: Host, effect: Present, cause: Stimulus | None) -> None:
        """Values are shown only when the answer to this client's own request to that unit came in."""
        assert isinstance(cause, FrameArrived), f"{client.name} showed values because of {cause}"
        answer = cause.frame.message
        assert isinstance(answer, Answer)
        assert (answer.unit, answer.failure) == (effect.unit, "")
        asked = self._requests.pop((client.name, answer.unit, answer.request))
        now = self.world.world.now
        # One round trip to the server. Of the device's own a part may have passed before: another client's
        # equal read may have been under way (merged reads), but its answer was not out yet.
        assert now - asked >= self.plant.round_trip, "shown before the device can have answered"
        self.served[client.name, effect.device] = Served(now, effect.unit, effect.way.server)

    # --- phase 1 ---

    def run_faults(self, span: Duration) -> None:
        """Let faults come and go for a span: of some seeds any, of others two or three that flap."""
        clock = self.world.world
        end = clock.now + span
        faults = self._all_faults()
        if self._rng.random() < 0.6:
            faults = self._rng.sample(faults, self._rng.choice((1, 2, 3)))
        pauses = self._rng.choice(((50, 400, 1500, 3000), (20, 200), (400, 1200), (1200,)))
        while clock.now < end:
            clock.run(clock.now + self._rng.randrange(self._rng.choice(pauses) * MILLISECOND))
            possible = self._possible(faults)
            full = len(self.active) == FAULTS_MAX or not possible
            if self.active and (full or self._rng.random() < 0.5):
                self.repair(self._rng.choice(self.active))
            elif possible:
                self.inject(self._rng.choice(possible))

    def _all_faults(self) -> list[Injection]:
        servers = [server.name for server in self.plant.io_servers]
        devices = [device.name for device in self.plant.io_devices]
        return [
            *(Injection(f, s) for f in Fault if f.is_server for s in servers),
            *(Injection(f, d) for f in Fault if f.is_device for d in devices),
            *(Injection(Fault.LAN_SILENT, lan.name) for lan in self.plant.lans),
        ]

    def _possible(self, faults: list[Injection]) -> list[Injection]:
        """Those that are not under way, a dead process cannot freeze."""
        dead = {i.target for i in self.active if i.fault is Fault.SERVER_CLOSED}
        return [
            i
            for i in faults
            if i not in self.active and not (i.fault is Fault.SERVER_FROZEN and i.target in dead)
        ]

    def inject(self, injection: Injection) -> None:
        """A fault takes effect; a process that is killed is no longer frozen."""
        frozen = Injection(Fault.SERVER_FROZEN, injection.target)
        if injection.fault is Fault.SERVER_CLOSED and frozen in self.active:
            self.active.remove(frozen)
        self._tell(f"{injection.fault.value} {injection.target}")
        self.active.append(injection)
        self.world.inject(injection)

    def repair(self, injection: Injection) -> None:
        """A fault is taken away; one that strikes the same address stays."""
        self._tell(f"repair {injection.fault.value} {injection.target}")
        self.active.remove(injection)
        self.world.repair(injection)
        for other in self.active:
            if other.fault.is_device and other.target == injection.target:
                self.world.inject(other)

    def _tell(self, what: str) -> None:
        print(f"at {self.world.world.now / SECOND:.6f} s: {what}")  # pytest shows it with a failure

    # --- phases 2 and 3 ---

    def leave_one_fault(self) -> Injection | None:
        """Repair all but one fault that leaves a way to each device: one under way, or perhaps a new one."""
        survivable = self._survivable()
        staying = [injection for injection in self.active if injection in survivable]
        stays = self._rng.choice([*staying, None]) or self._rng.choice([None, *survivable])
        for injection in tuple(self.active):
            if injection != stays:
                self.repair(injection)
        if stays is not None and stays not in self.active:
            self.inject(stays)
        return stays

    def _survivable(self) -> list[Injection]:
        faults = [
            *(Injection(fault, "IOServer1") for fault in Fault if fault.is_server),
            Injection(Fault.SERVER_CLOSED, "IOServer2"),
        ]
        units = self.plant.io_devices[0].units
        if units[0].address != units[1].address:
            device_faults = (Fault.DEVICE_SILENT, Fault.DEVICE_CLOSED)
            faults += [Injection(f, device.name) for f in device_faults for device in self.plant.io_devices]
        if len(self.plant.client_lans()) > 1:
            faults += [Injection(Fault.LAN_SILENT, lan) for lan in self.plant.client_lans()]
        return faults

    def settle(self) -> None:
        """Run for as long as everything may need to come to rest."""
        self.world.world.run(self.world.world.now + settling(self.plant))

    def settle_as_new(self) -> None:
        """Run until everything is as on the first day, for no longer than that may need."""
        clock = self.world.world
        end = clock.now + settling(self.plant)
        while clock.now < end:
            clock.run(clock.now + SECOND)
            try:
                self.check_as_new()
            except AssertionError:
                continue
            return
        self.check_as_new()

    def check_served(self, stays: Injection | None) -> None:
        """Every client shows fresh good values of each device, by the best unit that a fault leaves."""
        now = self.world.world.now
        fresh = now - 2 * max(client.page_scan for client in self.plant.clients)
        for client in self.plant.clients:
            for device in self.plant.io_devices:
                moved = stays is not None and (
                    (stays.fault.is_server and stays.target == "IOServer1") or stays.target == device.name
                )
                served = self.served.get((client.name, device.name))
                wanted = device.units[1 if moved else 0].name
                where = f"{client.name} {device.name} with {stays}"
                assert served is not None, f"{where}: never served"
                assert served.unit == wanted, f"{where}: {served}, wanted {wanted}"
                assert served.at >= fresh, (
                    f"{where}: nothing since {served.at / SECOND} s, now {now / SECOND} s"
                )

    def check_as_new(self) -> None:
        """Every link stands, every group is served, every unit is online, and nothing was left behind."""
        self.check_served(None)
        links = 0
        for host in self.world.clients.values():
            client = host.machine
            assert isinstance(client, IoClient)
            for link in client.links.values():
                links += 1
                assert link.state is LinkState.OPEN, f"{host.name}: {link.way} is {link.state}"
            for group in client.groups.values():
                assert group.state is GroupState.SERVED
                assert group.returning is None
                assert not group.shows_com
            assert set(client._beliefs.values()) == {UnitStatus.ONLINE}, f"{host.name}: {client._beliefs}"
            assert len(client._by_session) <= len(client.links)
        peers = 0
        for host in self.world.servers.values():
            server = host.machine
            assert isinstance(server, IoServer)
            peers += len(server._peers)
            for unit, channel in server.channels.items():
                assert channel.state is ChannelState.ONLINE, f"{unit} is {channel.state}"
        assert peers == links
        assert len(self.world.network._connections) == 2 * links

    def check_standby_probing(self) -> None:
        """A standby that dies is found by its own server's probes, and nobody changes over (I8)."""
        units = self.plant.io_devices[0].units
        if units[0].address == units[1].address:
            return
        # A unit that clients have just read is not idle yet: its next tick may pass without a probe.
        self.world.world.run(
            self.world.world.now + 2 * max(client.page_scan for client in self.plant.clients)
        )
        fault = Injection(Fault.STANDBY_DEVICE_SILENT, "PLC1")
        self.inject(fault)
        self.world.world.run(
            self.world.world.now
            + units[1].timing.watch_period
            + units[1].timing.timeout * units[1].timing.attempts_until_offline
            + 10 * self.plant.round_trip
        )
        server = self.world.servers[units[1].io_server].machine
        assert isinstance(server, IoServer)
        state = server.channels[units[1].name].state
        assert state in (ChannelState.OFFLINE, ChannelState.TRYING), f"a dead standby is {state}"
        self.check_served(None)
