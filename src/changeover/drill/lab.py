"""The network lab: a plant's computers, I/O devices and LANs as network namespaces of this machine.

Every computer and every I/O device address is a namespace; one more, the hub, has a bridge per LAN, and a
veth pair is the cable between a host and a bridge. Nothing of it appears in the machine's own network and
nothing has a name, so labs can stand side by side. The lab holds the namespaces by open files: when its
process ends, however it ends, the kernel takes them down as soon as the keeper (`lab_keeper`) has ended what
still ran inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from changeover.drill import lab_keeper, lab_messages
from changeover.drill.lab_loopback import rewrite_loopback
from changeover.drill.lab_messages import DISABLED, FORWARDING
from changeover.drill.lab_namespace import Namespace, make_namespace
from changeover.drill.lab_netlink import Message, Netlink, Span
from changeover.drill.lab_plan import LabError, LabPlan, Port, plan_lab
from changeover.model.plant import Plant

__all__ = ["Lab", "LabError", "Span", "rewrite_loopback"]

CABLE_PATIENCE_S = 5.0
"""How long a cable may take from being plugged in to carrying frames; usually it takes under 1 ms."""


class Lab:
    """A plant's network; made by `Lab.build`, ended by `close` or as a context manager.

    Faults act on bridge ports. A port is cut or whole, by whatever was done to it last: cutting a host and
    a LAN and then restoring the host leaves the LAN cut at every port but the host's.

    Every method that changes something raises LabError when the kernel refuses or the lab is closed, and
    KeyError for a host, or a LAN of it, that does not exist. All of them may be called from any thread and
    from inside a running asyncio loop.

    Attributes:
        notes: Settings that this machine does not let its hosts have, in words; empty on an ordinary one.
    """

    def __init__(self, plan: LabPlan) -> None:
        self._plan = plan
        self._ports = {(port.host, port.lan): port for port in plan.ports}
        self._hub: Namespace | None = None
        self._spaces: dict[str, Namespace] = {}
        self._keeper: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.notes: tuple[str, ...] = ()

    @classmethod
    def build(cls, plant: Plant) -> Self:
        """Build a plant's network; it carries traffic when this returns.

        Raises:
            LabError: The plant's addresses do not fit, or a step failed; nothing is left behind.
        """
        lab = cls(plan_lab(plant))
        try:
            # Whoever makes a namespace stands in it: a thread of its own, never the caller.
            with ThreadPoolExecutor(max_workers=1) as thread:
                thread.submit(lab._make_namespaces).result()
            lab._start_keeper()
            lab._wire()
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
        return tuple(bridge.lan for bridge in self._plan.bridges)

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
        space = self._space(host)
        return [_tool("nsenter"), f"--net=/proc/{os.getpid()}/fd/{space.fd}", "--", *argv]

    def processes(self, host: str) -> tuple[int, ...]:
        """The ids of all processes inside a host."""
        return lab_keeper.processes_in({self._space(host).inode})

    def cut_port(self, host: str, lan: str) -> Span:
        """Cut a cable behind the switch: nothing passes, the host's carrier stays up."""
        return self._set_ports(DISABLED, self._ports[host, lan])

    def restore_port(self, host: str, lan: str) -> Span:
        """Undo `cut_port`."""
        return self._set_ports(FORWARDING, self._ports[host, lan])

    def cut_host(self, host: str) -> Span:
        """Cut every cable of a host behind the switch, in one call."""
        return self._set_ports(DISABLED, *self._ports_of(host))

    def restore_host(self, host: str) -> Span:
        """Undo `cut_host`."""
        return self._set_ports(FORWARDING, *self._ports_of(host))

    def cut_lan(self, lan: str) -> Span:
        """Cut every cable of a LAN behind the switch, in one call."""
        return self._set_ports(DISABLED, *self._ports_on(lan))

    def restore_lan(self, lan: str) -> Span:
        """Undo `cut_lan`."""
        return self._set_ports(FORWARDING, *self._ports_on(lan))

    def cut_carrier(self, host: str, lan: str) -> Span:
        """Pull the host's own cable: the host sees its carrier go, which is another way of failing."""
        port = self._ports[host, lan]
        return self._change(
            f"pull the cable of {host} on {lan}", lab_messages.set_link(port.hub_index, up=False)
        )

    def restore_carrier(self, host: str, lan: str) -> Span:
        """Plug the host's cable in again; the port is whole when this returns, cut before or not."""
        return self._plug_in(self._ports[host, lan])

    def restore_all(self) -> None:
        """Make every cable whole and let all hosts forget the ARP entries that the fault has spoilt."""
        self._plug_in(*self._plan.ports)
        self.flush_neighbours()

    def flush_neighbours(self, host: str | None = None) -> None:
        """Let one host, or all, forget what ARP told it, so that no repetition measures a stale entry."""
        for name in self._plan.hosts if host is None else (host,):
            netlink = self._space(name).netlink
            with _step(f"flush the neighbours of {name}"):
                for message in lab_messages.neighbours_to_forget(netlink.ask(lab_messages.get_neighbours())):
                    _forget(netlink, message)

    def port_is_cut(self, host: str, lan: str) -> bool:
        """Whether nothing passes through a host's bridge port."""
        return lab_messages.port_state(self._link(self._ports[host, lan])) != FORWARDING

    def has_carrier(self, host: str, lan: str) -> bool:
        """Whether the host itself sees a live cable on a LAN."""
        port = self._ports[host, lan]
        with _step(f"look at the carrier of {host} on {lan}"):
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
        with _step("make the hub's namespace"):
            self._hub = make_namespace()
        for host in self._plan.hosts:
            with _step(f"make the namespace of {host}"):
                self._spaces[host] = make_namespace()
        self.notes = tuple(dict.fromkeys(note for space in self._spaces.values() for note in space.notes))

    def _start_keeper(self) -> None:
        files = tuple(space.fd for space in self._all_spaces())
        argv = [sys.executable, "-I", "-S", str(lab_keeper.__file__), *map(str, files)]
        with _step("start the lab's keeper"):
            self._keeper = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=files,
                start_new_session=True,  # Ctrl-C is for the drill, not for who cleans up behind it
            )

    def _stop_keeper(self) -> None:
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()

    def _wire(self) -> None:
        for bridge in self._plan.bridges:
            message = lab_messages.new_bridge(bridge.interface, bridge.index)
            self._change(f"make the bridge of LAN {bridge.lan}", message)
        for host, space in self._spaces.items():
            with _step(f"set up the loopback interface of {host}"):
                space.netlink.change(lab_messages.set_link(lab_messages.LOOPBACK_INDEX, up=True))
        for port in self._plan.ports:
            self._plug(port)
        self._plug_in(*self._plan.ports)

    def _plug(self, port: Port) -> None:
        space = self._space(port.host)
        cable = lab_messages.new_cable(
            port.hub_interface, port.hub_index, port.bridge_index, port.interface, port.host_index, space.fd
        )
        self._change(f"plug {port.host} into {port.lan}", cable)
        with _step(f"give {port.host} the address {port.address}"):
            space.netlink.change(
                lab_messages.new_address(port.host_index, port.address, port.prefix),
                lab_messages.set_link(port.host_index, up=True),
            )

    def _set_ports(self, state: int, *ports: Port) -> Span:
        verb = "cut" if state == DISABLED else "restore"
        messages = [lab_messages.set_port_state(port.hub_index, state) for port in ports]
        return self._change(f"{verb} {_where(ports)}", *messages)

    def _change(self, step: str, *messages: Message) -> Span:
        with _step(step):
            return self._hub_netlink().change(*messages)

    def _plug_in(self, *ports: Port) -> Span:
        where = _where(ports)
        links = [lab_messages.set_link(port.hub_index, up=True) for port in ports]
        span = self._change(f"plug in {where}", *links)
        # The kernel takes note of a new carrier a moment later, and no port can forward before that.
        for port in ports:
            self._await_carrier(port)
        self._set_ports(FORWARDING, *ports)
        return span

    def _await_carrier(self, port: Port) -> None:
        give_up = time.monotonic() + CABLE_PATIENCE_S
        while not lab_messages.is_up(self._link(port)):
            if time.monotonic() > give_up:
                raise LabError(f"plug in {_where([port])}: no carrier after {CABLE_PATIENCE_S:g} s")
            time.sleep(0.0005)

    def _link(self, port: Port) -> bytes:
        with _step(f"look at the port of {_where([port])}"):
            return self._hub_netlink().ask(lab_messages.get_link(port.hub_index))[0]

    def _ports_of(self, host: str) -> tuple[Port, ...]:
        return tuple(self._ports[host, lan] for lan in self.lans_of(host))

    def _ports_on(self, lan: str) -> tuple[Port, ...]:
        if lan not in self.lans:
            raise KeyError(lan)
        return tuple(port for port in self._plan.ports if port.lan == lan)

    def _hub_netlink(self) -> Netlink:
        if self._hub is None:
            raise LabError("the lab is closed")
        return self._hub.netlink

    def _space(self, host: str) -> Namespace:
        if self._hub is None:
            raise LabError("the lab is closed")
        return self._spaces[host]

    def _all_spaces(self) -> Iterator[Namespace]:
        if self._hub is not None:
            yield self._hub
        yield from self._spaces.values()


@contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LabError(f"{name}: {error.strerror or error}") from error


def _where(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.host} on {port.lan}" for port in ports)


def _forget(netlink: Netlink, message: Message) -> None:
    try:
        netlink.change(message)
    except FileNotFoundError:
        return  # it aged away between the two calls


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LabError(f"the program {name} is missing (Debian package util-linux)")
    return found
