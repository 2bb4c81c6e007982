"""Whether a plant under drill is as it was at the beginning, and how it is brought back there.

Clients of alarms, trends and reports stay on the standby when the primary returns (T5), and a standby that
became active stays active. So after a changeover the standby's servers are stopped, the clients begin anew
while only the primary is there, and the servers are started again. Clients that begin anew draw the phases of
their watch timers anew, too: no two repetitions measure the same phases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

from changeover.drill.rig import Rig
from changeover.model.device import IoDevice
from changeover.model.moment import SECOND
from changeover.model.plant import Plant
from changeover.model.server import Client, Function, TaskMode, TaskServer
from changeover.scenario.measure import way_in_use
from changeover.scenario.measure_task import first_way

STEADY_SECONDS_MAX = 60.0
REDUNDANT_SECONDS_MAX = 60.0
YIELD_SECONDS = 0.5
"""Until one of two that are active yields, and whoever goes back by himself has."""


class Stage:
    """The plant under drill, between two strikes.

    Args:
        plant: The plant as it runs.
        rig: The running product.
        functions: Those that are drilled; servers of the others may be as they like.
        say: Takes a word on what is going on, for people who wait.
    """

    def __init__(
        self, plant: Plant, rig: Rig, functions: Collection[Function], say: Callable[[str], None]
    ) -> None:
        self._plant = plant
        self._rig = rig
        self._say = say
        self._tasks = tuple(server for server in plant.task_servers if server.function in functions)

    def await_steady(self, io_clients: Collection[Client]) -> str:
        """Bring everything back to the primaries; why it is not there in time, empty when it is.

        Args:
            io_clients: Those that measure I/O data.
        """
        self._say("until the primaries serve everybody, and every pair is redundant")
        well = self._rig.wait(lambda: not self.not_redundant(), STEADY_SECONDS_MAX)
        if well and not self._rig.wait(lambda: not self._displaced(), YIELD_SECONDS):
            self._bring_back()
        if self._rig.wait(lambda: not self.unsteady(io_clients), STEADY_SECONDS_MAX):
            return ""
        return f"after {STEADY_SECONDS_MAX:g} s {self.unsteady(io_clients)}"

    def unsteady(self, io_clients: Collection[Client]) -> str:
        """The first thing that is not as at the beginning, empty when everything is."""
        served = (self._not_served(client) for client in io_clients)
        return next((why for why in (*served, self._displaced(), self.not_redundant()) if why), "")

    def await_redundant(self) -> bool:
        """Wait until a second fault would be survived; whether it came to that in time."""
        self._say("until redundant again")
        return self._rig.wait(lambda: not self.not_redundant(), REDUNDANT_SECONDS_MAX)

    def not_redundant(self) -> str:
        """What a second fault would find, as far as anybody has said; empty when all is well."""
        # Alarm, trend and report servers read I/O data too.
        for node, trace in self._rig.traces.items():
            for subject, state in trace.states.items():
                if state not in ("unit-online", "session-opened"):
                    return f"{node} has said {state} of {subject}"
        for server in self._tasks:
            if self._plant.partner_of(server) and not self._rig.traces[server.name].is_redundant:
                return f"{server.name} is not redundant"
        return ""

    # --- alarms, trends and reports ---

    def _displaced(self) -> str:
        """Which server or client of alarms, trends or reports is not where it is while all is well."""
        return next((why for why in (*self._servers_displaced(), *self._clients_displaced())), "")

    def _servers_displaced(self) -> Iterator[str]:
        for server in self._tasks:
            should = server.mode is TaskMode.PRIMARY or self._plant.partner_of(server) is None
            if self._rig.traces[server.name].is_active != should:
                yield f"{server.name} is {'not ' if should else ''}active"

    def _clients_displaced(self) -> Iterator[str]:
        for client in self._plant.clients:
            for function in dict.fromkeys(server.function for server in self._tasks):
                wanted = first_way(self._plant, function, client)
                asked = self._rig.traces[client.name].serving.get(function.value)
                if wanted is not None and asked != str(wanted):
                    yield f"{client.name} asks {asked or 'nobody'} for {function.value}, not {wanted}"

    def _bring_back(self) -> None:
        self._say("back to the primaries")
        standbys = [server.name for server in self._tasks if self._is_to_yield(server)]
        self._rig.stop(standbys)
        primaries = [server for server in self._tasks if server.mode is TaskMode.PRIMARY]
        self._rig.wait(
            lambda: all(self._rig.traces[server.name].is_active for server in primaries), STEADY_SECONDS_MAX
        )
        self._rig.renew([client.name for client in self._plant.clients])
        self._rig.wait(lambda: not any(self._clients_displaced()), STEADY_SECONDS_MAX)
        self._rig.begin(standbys)

    def _is_to_yield(self, server: TaskServer) -> bool:
        trace = self._rig.traces[server.name]
        return server.mode is TaskMode.STANDBY and trace.is_active

    # --- I/O data ---

    def _not_served(self, client: Client) -> str:
        """A device that a client is not served by its primary just now, empty for none."""
        recent = time.monotonic_ns() - 4 * client.page_scan - SECOND
        serving: dict[str, tuple[str, str]] = {}
        for line in reversed(self._rig.traces[client.name].lines):
            if line["at"] < recent:
                break
            if line["kind"] == "answered":
                serving.setdefault(line["device"], (line["unit"], line["lan"]))
        for device in self._plant.io_devices:
            usual = self._usual(client, device)
            if self._plant.tags_of(device.name) and serving.get(device.name) != usual:
                return f"{client.name} is not served {device.name} by {usual[0]} over {usual[1]}"
        return ""

    def _usual(self, client: Client, device: IoDevice) -> tuple[str, str]:
        """The unit and the LAN by which a client reads a device while all is well."""
        server = device.primary.io_server
        computer = self._plant.io_server(server).computer
        lan = way_in_use(self._plant, client, server) or self._plant.common_lans(client.computer, computer)[0]
        return device.primary.name, lan
