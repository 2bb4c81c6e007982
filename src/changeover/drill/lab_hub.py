"""The lab's hub: the namespace with a switch per LAN, and all that is done to the ports of these switches.

Hosts and LANs have names in the lab; here there are only ports. Every method raises LabError when the kernel
refuses, and may be called from any thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from changeover.drill import lab_messages, lab_traffic
from changeover.drill.lab_messages import DISABLED, FORWARDING
from changeover.drill.lab_namespace import Namespace
from changeover.drill.lab_netlink import Message, Span
from changeover.drill.lab_plan import FIRST_HUB_INDEX, Bridge, LabError, Port, Tap
from changeover.drill.lab_traffic import Bottleneck, Queue

CABLE_PATIENCE_S = 5.0
"""How long a cable may take from being plugged in to carrying frames; usually it takes under 1 ms."""

NEEDED_BY_FILTERS = "a kernel with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF"
NEEDED_BY_BUCKETS = "a kernel with CONFIG_NET_SCH_TBF"

Direction = tuple[Port, Port]
"""The port of the host that sends, and the one of the host that is to hear it, on one LAN."""


class Hub:
    """The switches of a lab.

    Args:
        space: The namespace they are in; the hub does not close it.
    """

    def __init__(self, space: Namespace) -> None:
        self.space = space
        # The kernel complains about deletions where nothing ever was, and small kernels cannot do it at all.
        self._filtered: set[Port] = set()
        self._narrowed: set[Port] = set()

    def make_bridge(self, bridge: Bridge) -> None:
        """Make the switch of a LAN, or of one host on it."""
        whose = f"LAN {bridge.lan}" if bridge.host is None else f"{bridge.host} on {bridge.lan}"
        message = lab_messages.new_bridge(bridge.interface, bridge.index)
        self._change(f"make the bridge of {whose}", message)

    def make_cable(self, port: Port, space: Namespace) -> None:
        """Lay the cable from a port to the host whose namespace this is; it is not plugged in yet."""
        cable = lab_messages.new_cable(
            port.hub_interface,
            port.hub_index,
            port.bridge_index,
            port.interface,
            port.host_index,
            port.hardware_address,
            space.fd,
        )
        self._change(f"plug {port.host} into {port.lan}", cable)

    def join(self, *taps: Tap) -> None:
        """Plug TAPs into the bridges of their ports."""
        links = [lab_messages.plug_in(tap.index, tap.port.bridge_index) for tap in taps]
        self._change(f"join the switch and {_where([tap.port for tap in taps])}", *links)

    def part(self) -> None:
        """Take all TAPs away in one: each by itself takes the kernel some 20 ms."""
        self._change("part the switch from all", lab_messages.delete_taps(), missing_ok=True)

    def dropped(self, tap: Tap) -> int:
        """Frames that came to a TAP and were more than its queue holds."""
        return lab_messages.frames_dropped(self._link(tap.index, tap.port))

    def cut(self, *ports: Port) -> Span:
        """Let nothing pass; the hosts' carriers stay up."""
        return self._set_states(DISABLED, ports)

    def restore(self, *ports: Port) -> Span:
        """Undo `cut`."""
        return self._set_states(FORWARDING, ports)

    def is_cut(self, port: Port) -> bool:
        """Whether nothing passes through a port."""
        return lab_messages.port_state(self._link(port.hub_index, port)) != FORWARDING

    def pull(self, port: Port) -> Span:
        """Pull a cable: its host sees the carrier go."""
        message = lab_messages.set_link(port.hub_index, up=False)
        return self._change(f"pull the cable of {port.host} on {port.lan}", message)

    def plug_in(self, *ports: Port) -> Span:
        """Undo `pull`; the ports are whole when this returns, cut before or not."""
        links = [lab_messages.set_link(port.hub_index, up=True) for port in ports]
        span = self._change(f"plug in {_where(ports)}", *links)
        # The kernel takes note of a new carrier a moment later, and no port can forward before that.
        for port in ports:
            self._await_carrier(port)
        self.restore(*ports)
        return span

    def deafen(self, *directions: Direction, spare_arp: bool) -> Span:
        """Let no frame pass in these directions, or none but ARP; the last call for a direction holds."""
        listeners = {listener: None for _, listener in directions}
        points = [lab_traffic.new_filter_point(port.hub_index) for port in listeners]
        name = f"cut {_ways(directions)} (it needs {NEEDED_BY_FILTERS})"
        self._change(name, *points)
        self._filtered.update(listeners)
        drops = [
            lab_traffic.drop_from(
                listener.hub_index, _filter_number(sender), sender.hardware_address, spare_arp=spare_arp
            )
            for sender, listener in directions
        ]
        return self._change(name, *drops)

    def hear(self, *directions: Direction) -> Span:
        """Undo `deafen`."""
        messages = [
            lab_traffic.delete_filter(listener.hub_index, _filter_number(sender))
            for sender, listener in directions
            if listener in self._filtered
        ]
        return self._change(f"restore {_ways(directions)}", *messages, missing_ok=True)

    def narrow(self, port: Port, bottleneck: Bottleneck) -> Span:
        """Let what goes to a host pass a bottleneck; the last call for a port holds."""
        name = f"narrow {_where([port])} (it needs {NEEDED_BY_BUCKETS})"
        span = self._change(name, lab_traffic.new_bucket(port.hub_index, bottleneck))
        self._narrowed.add(port)
        return span

    def widen(self, port: Port) -> Span:
        """Undo `narrow`; what waits in the queue is lost."""
        messages = [lab_traffic.delete_bucket(port.hub_index)] if port in self._narrowed else []
        return self._change(f"widen {_where([port])}", *messages, missing_ok=True)

    def queue(self, port: Port) -> Queue | None:
        """What a port's bottleneck has seen, None where there is none."""
        with step(f"look at the queue of {_where([port])}"):
            answers = self.space.netlink.ask(lab_traffic.get_queues())
        return lab_traffic.queue_of(answers, port.hub_index)

    def clear(self) -> None:
        """Take away every filter and every bottleneck."""
        points = [lab_traffic.delete_filter_point(port.hub_index) for port in self._filtered]
        buckets = [lab_traffic.delete_bucket(port.hub_index) for port in self._narrowed]
        self._change("take filters and bottlenecks away", *points, *buckets, missing_ok=True)
        self._filtered.clear()
        self._narrowed.clear()

    def missing(self) -> tuple[str, ...]:
        """What this kernel cannot do to a port, in words; found out on an interface that carries nothing."""
        index = lab_messages.LOOPBACK_INDEX
        point = lab_traffic.new_filter_point(index)
        drop = lab_traffic.drop_from(index, 1, bytes(6), spare_arp=True)
        bucket = lab_traffic.new_bucket(index, Bottleneck(rate_bit_s=1_000_000, queue_delay=0))
        trials = (
            (f"cutting a pair or a direction needs {NEEDED_BY_FILTERS}", (point, drop)),
            (f"a network backup needs {NEEDED_BY_BUCKETS}", (bucket,)),
        )
        found = []
        for words, messages in trials:
            try:
                self._change(words, *messages)
            except LabError as error:
                found.append(str(error))
        undo = (lab_traffic.delete_filter_point(index), lab_traffic.delete_bucket(index))
        self._change("undo a trial", *undo, missing_ok=True)
        return tuple(found)

    def _change(self, name: str, *messages: Message, missing_ok: bool = False) -> Span:
        with step(name):
            return self.space.netlink.change(*messages, missing_ok=missing_ok)

    def _set_states(self, state: int, ports: Sequence[Port]) -> Span:
        verb = "cut" if state == DISABLED else "restore"
        messages = [lab_messages.set_port_state(port.hub_index, state) for port in ports]
        return self._change(f"{verb} {_where(ports)}", *messages)

    def _await_carrier(self, port: Port) -> None:
        give_up = time.monotonic() + CABLE_PATIENCE_S
        while not lab_messages.is_up(self._link(port.hub_index, port)):
            if time.monotonic() > give_up:
                raise LabError(f"plug in {_where([port])}: no carrier after {CABLE_PATIENCE_S:g} s")
            time.sleep(0.0005)

    def _link(self, index: int, port: Port) -> bytes:
        with step(f"look at the port of {_where([port])}"):
            return self.space.netlink.ask(lab_messages.get_link(index))[0]


@contextmanager
def step(name: str) -> Iterator[None]:
    """Name a step: what the kernel refuses in it becomes a LabError that says so."""
    try:
        yield
    except OSError as error:
        raise LabError(f"{name}: {error.strerror or error}") from error


def _where(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.host} on {port.lan}" for port in ports)


def _ways(directions: Sequence[Direction]) -> str:
    return ", ".join(f"{sender.host} to {listener.host} on {listener.lan}" for sender, listener in directions)


def _filter_number(sender: Port) -> int:
    """A number of its own for each sender: a port has one filter for each host that it must not hear."""
    return sender.hub_index - FIRST_HUB_INDEX + 1
