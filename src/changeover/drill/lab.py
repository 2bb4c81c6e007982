"""The network lab: a plant's computers, I/O devices and LANs as network namespaces of this machine.

Every computer and every I/O device address is a namespace; one more, the hub, has a bridge per LAN, and a
veth pair is the cable between a host and a bridge. Nothing of it appears in the machine's own network and
nothing has a name, so labs can stand side by side. The lab holds the namespaces by open files: when its
process ends, however it ends, the kernel takes them down as soon as the keeper (`lab_keeper`) has ended what
still ran inside.

In a switched lab no bridge joins two hosts: a process (`lab_switch`) carries each frame, and can do it badly.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from changeover.drill import lab_keeper, lab_messages
from changeover.drill.lab_hub import Direction, Hub, step
from changeover.drill.lab_loopback import rewrite_loopback
from changeover.drill.lab_namespace import Namespace, make_namespace
from changeover.drill.lab_netlink import Span
from changeover.drill.lab_plan import LabError, LabPlan, Port, plan_lab
from changeover.drill.lab_switch_control import SwitchControl
from changeover.drill.lab_tap import why_no_taps
from changeover.drill.lab_traffic import Bottleneck, Queue
from changeover.model.plant import Plant
from changeover.scenario.impairment import Impairment, Passage

__all__ = ["Bottleneck", "Lab", "LabError", "Queue", "Span", "rewrite_loopback"]


class Lab:
    """A plant's network; made by `Lab.build`, ended by `close` or as a context manager.

    Faults act on bridge ports. A port is cut or whole, by whatever was done to it last: cutting a host and
    a LAN and then restoring the host leaves the LAN cut at every port but the host's. What keeps two hosts
    apart, the bottleneck before a host, and impairments, are beside that: each is undone by its own call
    only, or by `restore_all`.

    Every method that changes something raises LabError when the kernel refuses, the lab is closed or its
    switch has died, and KeyError for a host, or a LAN of it, that does not exist. All of them may be called
    from any thread and from inside a running asyncio loop.

    Attributes:
        notes: Settings that this machine does not let its hosts have, in words; empty on an ordinary one.
    """

    def __init__(self, plan: LabPlan) -> None:
        self._plan = plan
        self._ports = {(port.host, port.lan): port for port in plan.ports}
        self._taps = {tap.port: tap for tap in plan.taps}
        self._hub: Hub | None = None
        self._spaces: dict[str, Namespace] = {}
        self._keeper: subprocess.Popen[bytes] | None = None
        self._switch = SwitchControl(plan.taps) if plan.taps else None
        self._closed = False
        self.notes: tuple[str, ...] = ()

    @classmethod
    def build(cls, plant: Plant, *, switched: bool = False, seed: int = 0) -> Self:
        """Build a plant's network; it carries traffic when this returns.

        Args:
            plant: Whose.
            switched: Whether traffic can be impaired; it costs a process, and some 20 µs of each round trip.
            seed: Of all that happens to frames at random; with it a run can be repeated as far as its traffic
                can.

        Raises:
            LabError: The plant's addresses do not fit, or a step failed; nothing is left behind.
        """
        lab = cls(plan_lab(plant, switched=switched))
        try:
            # Whoever makes a namespace stands in it: a thread of its own, never the caller.
            with ThreadPoolExecutor(max_workers=1) as thread:
                thread.submit(lab._make_namespaces).result()
            lab._start_keeper()
            lab._wire(seed)
        except BaseException:
            lab.close()
            raise
        return lab

    @property
    def hosts(self) -> tuple[str, ...]:
        """Computers in file order, then the addresses of I/O devices that are no computer's."""
        return self._plan.hosts

    @property
    def lans(self) -> tuple[str, ...]:
        """LANs in file order."""
        return self._plan.lans

    @property
    def switched(self) -> bool:
        """Whether traffic can be impaired."""
        return self._switch is not None

    @property
    def inodes(self) -> frozenset[int]:
        """The numbers of the lab's namespaces, as in /proc/PID/ns/net; empty when closed."""
        return frozenset(space.inode for space in self._all_spaces())

    def lans_of(self, host: str) -> tuple[str, ...]:
        """The LANs that a host is plugged into."""
        if host not in self._plan.hosts:
            raise KeyError(host)
        return tuple(port.lan for port in self._plan.ports if port.host == host)

    def address(self, host: str, lan: str) -> str:
        """A host's IPv4 address on a LAN."""
        return self._ports[host, lan].address

    def host_at(self, address: str) -> str:
        """The host that has this IPv4 address; KeyError when nobody has it."""
        for port in self._plan.ports:
            if port.address == address:
                return port.host
        raise KeyError(address)

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """The command that runs a program inside a host.

        The program replaces its launcher: the process that is started is the program itself, and signals to
        its id reach it. It lives no longer than the lab.
        """
        return self._space(host).command(argv)

    def processes(self, host: str) -> tuple[int, ...]:
        """The ids of all processes inside a host."""
        return lab_keeper.processes_in({self._space(host).inode})

    def cut_port(self, host: str, lan: str) -> Span:
        """Cut a cable behind the switch: nothing passes, the host's carrier stays up."""
        return self._live_hub().cut(self._ports[host, lan])

    def restore_port(self, host: str, lan: str) -> Span:
        """Undo `cut_port`."""
        return self._live_hub().restore(self._ports[host, lan])

    def cut_host(self, host: str) -> Span:
        """Cut every cable of a host behind the switch, in one call."""
        return self._live_hub().cut(*self._ports_of(host))

    def restore_host(self, host: str) -> Span:
        """Undo `cut_host`."""
        return self._live_hub().restore(*self._ports_of(host))

    def cut_lan(self, lan: str) -> Span:
        """Cut every cable of a LAN behind the switch, in one call."""
        return self._live_hub().cut(*self._ports_on(lan))

    def restore_lan(self, lan: str) -> Span:
        """Undo `cut_lan`."""
        return self._live_hub().restore(*self._ports_on(lan))

    def cut_carrier(self, host: str, lan: str) -> Span:
        """Pull the host's own cable: the host sees its carrier go, which is another way of failing."""
        return self._live_hub().pull(self._ports[host, lan])

    def restore_carrier(self, host: str, lan: str) -> Span:
        """Plug the host's cable in again; the port is whole when this returns, cut before or not."""
        return self._live_hub().plug_in(self._ports[host, lan])

    def cut_pair(self, host: str, other: str) -> Span:
        """Let two hosts not see each other on any LAN, in one call; everybody else sees both.

        Raises:
            LabError: They share no LAN.
        """
        directions = (*self._directions(host, other), *self._directions(other, host))
        return self._live_hub().deafen(*directions, spare_arp=False)

    def restore_pair(self, host: str, other: str) -> Span:
        """Undo `cut_pair`, and `cut_direction` both ways."""
        return self._live_hub().hear(*self._directions(host, other), *self._directions(other, host))

    def cut_direction(self, sender: str, listener: str) -> Span:
        """Let nothing but ARP pass from one host to another on any LAN; the other direction stays whole.

        Without ARP's answers the listener would forget where the sender is after half a minute or so, and the
        other direction would be lost as well.

        Raises:
            LabError: They share no LAN.
        """
        return self._live_hub().deafen(*self._directions(sender, listener), spare_arp=True)

    def restore_direction(self, sender: str, listener: str) -> Span:
        """Undo `cut_direction`."""
        return self._live_hub().hear(*self._directions(sender, listener))

    def narrow(self, host: str, lan: str, bottleneck: Bottleneck) -> Span:
        """Let what goes to a host on a LAN pass a bottleneck; done again, it takes the new values."""
        return self._live_hub().narrow(self._ports[host, lan], bottleneck)

    def widen(self, host: str, lan: str) -> Span:
        """Undo `narrow`; what waits in the queue is lost."""
        return self._live_hub().widen(self._ports[host, lan])

    def queue(self, host: str, lan: str) -> Queue | None:
        """What the bottleneck before a host on a LAN has seen, None where there is none."""
        return self._live_hub().queue(self._ports[host, lan])

    def impair(self, sender: str, listener: str, impairment: Impairment, lan: str | None = None) -> Span:
        """Impair what goes from one host to another on a LAN, or on all; done again, it takes the new values.

        What is under way stays as it was, but a cut loses it. Random numbers go on where they were; only a
        new lab repeats them.

        Raises:
            LabError: They share no LAN, or the lab is not `switched`.
        """
        return self._live_switch().impair(self._directions(sender, listener, lan), impairment)

    def unimpair(self, sender: str, listener: str, lan: str | None = None) -> Span:
        """Undo `impair`; what is under way arrives at once."""
        return self._live_switch().unimpair(self._directions(sender, listener, lan))

    def passage(self, sender: str, listener: str, lan: str | None = None) -> Passage:
        """What has become of all frames from one host to another, on a LAN or on all."""
        return self._live_switch().passage(self._directions(sender, listener, lan))

    def overrun(self, host: str, lan: str) -> int:
        """Frames that a host has sent faster than the switch could take them: lost, and in no `passage`."""
        self._live_switch()
        return self._live_hub().dropped(self._taps[self._ports[host, lan]])

    def missing(self) -> tuple[str, ...]:
        """What this machine lacks for some of the faults, in words; empty when all can be made."""
        no_taps = None if self.switched else why_no_taps()
        return (*self._live_hub().missing(), *([no_taps] if no_taps else ()))

    def restore_all(self) -> None:
        """Undo every fault and let all hosts forget the ARP entries that it has spoilt."""
        hub = self._live_hub()
        hub.clear()
        hub.plug_in(*self._plan.ports)
        if self._switch is not None:
            self._switch.clear()
        self.flush_neighbours()

    def flush_neighbours(self, host: str | None = None) -> None:
        """Let one host, or all, forget what ARP told it, so that no repetition measures a stale entry."""
        for name in self._plan.hosts if host is None else (host,):
            netlink = self._space(name).netlink
            with step(f"flush the neighbours of {name}"):
                known = netlink.ask(lab_messages.get_neighbours())
                # Some age away between the two calls.
                netlink.change(*lab_messages.neighbours_to_forget(known), missing_ok=True)

    def port_is_cut(self, host: str, lan: str) -> bool:
        """Whether nothing passes through a host's bridge port."""
        return self._live_hub().is_cut(self._ports[host, lan])

    def has_carrier(self, host: str, lan: str) -> bool:
        """Whether the host itself sees a live cable on a LAN."""
        port = self._ports[host, lan]
        with step(f"look at the carrier of {host} on {lan}"):
            answers = self._space(host).netlink.ask(lab_messages.get_link(port.host_index))
        return lab_messages.has_carrier(answers[0])

    def close(self) -> None:
        """End every process inside the lab and take it down; closing again does nothing.

        Raises:
            LabError: A process inside would not die; the keeper goes on trying for a while.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._stop_switch()
            ended = lab_keeper.end_processes_in(self.inodes)
        finally:
            self._stop_keeper()
            for space in self._all_spaces():
                space.close()
            self._spaces.clear()
            self._hub = None
        if not ended:
            raise LabError("close the lab: a process inside it cannot be ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_namespaces(self) -> None:
        with step("make the hub's namespace"):
            self._hub = Hub(make_namespace())
        if self._switch is not None:
            self._switch.open_taps()  # in the hub: this thread is there
        for host in self._plan.hosts:
            with step(f"make the namespace of {host}"):
                self._spaces[host] = make_namespace(self._plan.kernel)
        self.notes = tuple(dict.fromkeys(note for space in self._spaces.values() for note in space.notes))

    def _start_keeper(self) -> None:
        files = tuple(space.fd for space in self._all_spaces())
        argv = [sys.executable, "-I", "-S", str(lab_keeper.__file__), *map(str, files)]
        with step("start the lab's keeper"):
            self._keeper = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=files,
                start_new_session=True,  # Ctrl-C is for the drill, not for who cleans up behind it
            )

    def _stop_switch(self) -> None:
        if self._switch is None:
            return
        if self._hub is not None:
            with contextlib.suppress(LabError):
                self._hub.part()
        self._switch.close()

    def _stop_keeper(self) -> None:
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()

    def _wire(self, seed: int) -> None:
        hub = self._live_hub()
        if self._switch is not None:
            self._switch.start(hub.space, seed)  # it takes longer than all that follows
        for bridge in self._plan.bridges:
            hub.make_bridge(bridge)
        for host, space in self._spaces.items():
            with step(f"set up the loopback interface of {host}"):
                space.netlink.change(lab_messages.set_link(lab_messages.LOOPBACK_INDEX, up=True))
        for port in self._plan.ports:
            self._plug(hub, port)
        hub.join(*self._plan.taps)
        hub.plug_in(*self._plan.ports)
        if self._switch is not None:
            self._switch.await_start()

    def _plug(self, hub: Hub, port: Port) -> None:
        space = self._space(port.host)
        hub.make_cable(port, space)
        with step(f"give {port.host} the address {port.address}"):
            space.netlink.change(
                lab_messages.new_address(port.host_index, port.address, port.prefix),
                lab_messages.set_link(port.host_index, up=True),
            )

    def _ports_of(self, host: str) -> tuple[Port, ...]:
        return tuple(self._ports[host, lan] for lan in self.lans_of(host))

    def _ports_on(self, lan: str) -> tuple[Port, ...]:
        if lan not in self.lans:
            raise KeyError(lan)
        return tuple(port for port in self._plan.ports if port.lan == lan)

    def _directions(self, sender: str, listener: str, lan: str | None = None) -> tuple[Direction, ...]:
        heard_on = self.lans_of(listener) if lan is None else (self._ports[listener, lan].lan,)
        sent_on = self._ports_of(sender) if lan is None else (self._ports[sender, lan],)
        shared = [port for port in sent_on if port.lan in heard_on]
        if sender == listener or not shared:
            raise LabError(f"{sender} and {listener} are no two hosts of one LAN")
        return tuple((port, self._ports[listener, port.lan]) for port in shared)

    def _live_hub(self) -> Hub:
        if self._hub is None:
            raise LabError("the lab is closed")
        if self._switch is not None:
            self._switch.check()
        return self._hub

    def _live_switch(self) -> SwitchControl:
        self._live_hub()
        if self._switch is None:
            raise LabError("only a switched lab can do this: Lab.build(plant, switched=True)")
        return self._switch

    def _space(self, host: str) -> Namespace:
        self._live_hub()
        return self._spaces[host]

    def _all_spaces(self) -> Iterator[Namespace]:
        if self._hub is not None:
            yield self._hub.space
        yield from self._spaces.values()
