"""A virtual network: connections between computers, and to devices, over LANs that can fall silent.

What it keeps of TCP: a connection delivers in order; what is under way when the path falls silent waits, and
is delivered when the path comes back, unless an end has given up by then; an end that lets go takes back
what still waits, and resets (docs/decisions/0015): one packet, which nobody repeats when it is lost: the
other end hears of it by its kernel's keep-alive; a process that is gone resets its connections and refuses
new ones; a process that stands still has its connections accepted and filled by its kernel. An attempt to
connect whose first packet is lost comes to nothing: packets of an attempt are not repeated here, so that a
return waits exactly for the next attempt.

Where the network stack decides (D2), what waits is delivered when its sender repeats it, not before; a sender
that has had enough ends its side, and so does an attempt to connect. A host that is silent for long is no
neighbour any more: a connect to it fails as soon as that is found.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from random import Random
from typing import Protocol

from changeover.core.machine import (
    Accepted,
    Closed,
    Connected,
    ConnectFailed,
    Frame,
    FrameArrived,
    SessionId,
    Stimulus,
)
from changeover.core.messages import ReadRequest
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.plant import Plant, Way
from changeover.model.stack import LINUX_DELAYED_ACK, NetworkProtocol
from changeover.simulation.stacks import (
    NEIGHBOUR_CONFIRMED,
    NEIGHBOUR_GRACE,
    NEIGHBOUR_QUESTIONS,
    Sender,
    Stack,
    stack_of,
)
from changeover.simulation.world import World

KEEP_ALIVES = 2
"""So many in vain, and the kernel gives a connection up."""
KEEP_ALIVE_OF_STACK: Duration = 7200 * SECOND
"""Where the stack decides, nobody asks it to look earlier."""


class Party(Protocol):
    """A process on the network."""

    name: str
    computer: str
    alive: bool

    def deliver(self, stimulus: Stimulus) -> None:
        """Give it a stimulus, now or when it runs again."""

    def new_session(self) -> SessionId:
        """A number for a session that a peer opens."""


class Connection:
    """Two ends, each a party with its own number of the session; None once that end has let go."""

    __slots__ = ("arrived", "computers", "ends", "held", "is_asked", "lan", "senders")

    def __init__(self, lan: str, client: Party, client_session: SessionId, server_computer: str) -> None:
        self.lan = lan
        self.computers = (client.computer, server_computer)
        self.ends: list[tuple[Party, SessionId] | None] = [(client, client_session), None]
        self.held: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        # Of each side, where the stack decides: its sender, and how many frames came from it unconfirmed.
        self.senders: tuple[Sender, Sender] | None = None
        self.arrived = [0, 0]
        self.is_asked = False


class Paths:
    """Which computers can reach each other now. A field LAN's devices are reached over it as well."""

    def __init__(self) -> None:
        self.silent_lans: set[str] = set()
        self.silent_computers: set[str] = set()
        self.silent_hosts: set[str] = set()
        self.cut_pairs: set[frozenset[str]] = set()

    def between(self, one: str, other: str, lan: str) -> bool:
        """Whether packets pass between two computers on a LAN; a computer always reaches itself."""
        if one == other:
            return True
        if self.cut_pairs and frozenset((one, other)) in self.cut_pairs:
            return False
        cut = self.silent_computers
        return lan not in self.silent_lans and one not in cut and other not in cut

    def to_device(self, computer: str, host: str, lan: str | None) -> bool:
        """Whether packets pass between a computer and a device's address."""
        away = lan in self.silent_lans or host in self.silent_hosts
        return not away and computer not in self.silent_computers


class Network:
    """Connections between clients and servers."""

    def __init__(self, world: World, plant: Plant, paths: Paths, rng: Random) -> None:
        self._world = world
        self._paths = paths
        self._one_way: Duration = plant.round_trip // 2
        self._rng = rng
        self._round_trip: Duration = plant.round_trip
        self._answer: Duration = min(plant.answer, LINUX_DELAYED_ACK)
        self._stack: Stack | None = None
        self._keep_alive: Duration = max(SECOND, 2 * plant.timing.send_timeout)
        # By computers and LAN, where neighbours are forgotten: when they heard of each other last.
        self._heard: dict[tuple[tuple[str, str], str], Instant] | None = None
        if plant.network_protocol is not NetworkProtocol.ACKNOWLEDGED:
            self._stack = stack_of(plant, round(rng.random() * SECOND * SECOND))
            self._keep_alive = KEEP_ALIVE_OF_STACK
        if plant.network_protocol is NetworkProtocol.LINUX:
            self._heard = {}
            self._neighbour_kept = round((0.5 + rng.random()) * NEIGHBOUR_CONFIRMED) + NEIGHBOUR_GRACE
        self._listeners: dict[str, Party] = {}
        self._connections: dict[tuple[str, SessionId], tuple[Connection, int]] = {}

    def listen(self, server: Party) -> None:
        """A server can be connected to from now on."""
        self._listeners[server.name] = server

    def connect(self, client: Party, session: SessionId, way: Way) -> None:
        """A client's packet goes out to a server."""
        connection = Connection(way.lan, client, session, self._listeners[way.server].computer)
        self._connections[client.name, session] = (connection, 0)
        self._world.after(self._one_way, self._arrive_at_listener, connection, way)
        if self._stack is not None:
            connection.senders = (self._sender(connection, 0), self._sender(connection, 1))
            self._world.at(self._fails_at(connection), self._fail_connect, connection)

    def send(self, party: Party, session: SessionId, frame: Frame) -> None:
        """A frame goes out; nothing happens on a connection that is gone."""
        held = self._connections.get((party.name, session))
        if held is not None:
            connection, side = held
            self._world.after(self._one_way, self._arrive, connection, 1 - side, frame)
            if connection.senders is not None:
                if isinstance(frame.message, ReadRequest) and not connection.is_asked:
                    # The server's kernel acknowledges with the answer from now on, whatever that takes.
                    connection.is_asked = True
                    connection.senders[side].round_trip += round(self._rng.random() * self._answer)
                connection.senders[side].sent()

    def close(self, party: Party, session: SessionId) -> None:
        """One end lets go; the other hears of it if the path carries, or when it sends again."""
        held = self._connections.pop((party.name, session), None)
        if held is not None:
            connection, side = held
            connection.ends[side] = None
            connection.held[1 - side].clear()
            if connection.senders is not None:
                connection.senders[side].stop()
            self._world.after(self._one_way, self._arrive, connection, 1 - side, None)

    def close_all(self, party: Party) -> None:
        """A process is gone: its operating system ends its connections."""
        for name, session in tuple(self._connections):
            if name == party.name:
                self.close(party, session)

    def heal(self) -> None:
        """Paths came back: what waited on open connections is delivered, unless it waits to be repeated."""
        if self._stack is not None:
            return
        for connection, side in tuple(self._connections.values()):
            for direction in (side, 1 - side):
                if connection.held[direction] and self._passes(connection):
                    waiting = tuple(connection.held[direction])
                    connection.held[direction].clear()
                    for item in waiting:
                        self._deliver(connection, direction, item)

    # --- packets ---

    def _arrive_at_listener(self, connection: Connection, way: Way) -> None:
        server = self._listeners[way.server]
        if connection.ends[0] is None or not self._passes(connection):
            return
        if not server.alive:
            self._world.after(self._one_way, self._answer_connect, connection, False)
            return
        session = server.new_session()
        connection.ends[1] = (server, session)
        self._connections[server.name, session] = (connection, 1)
        self._world.after(self._one_way, self._answer_connect, connection, True)
        server.deliver(Accepted(session))

    def _answer_connect(self, connection: Connection, stands: bool) -> None:
        end = connection.ends[0]
        if end is None or (stands and not self._passes(connection)):
            return
        party, session = end
        if not stands:
            self._connections.pop((party.name, session), None)
        party.deliver(Connected(session) if stands else ConnectFailed(session))

    def _arrive(self, connection: Connection, side: int, item: Frame | None) -> None:
        passes = self._passes(connection)
        if item is None and passes:
            self._deliver(connection, side, None)
        elif item is None:
            self._world.after(self._keep_alive, self._on_keep_alive, connection, side, KEEP_ALIVES)
        elif connection.held[side] or not passes:
            connection.held[side].append(item)
        else:
            self._deliver(connection, side, item)
            self._confirm(connection, side, 1)

    def _on_keep_alive(self, connection: Connection, side: int, left: int) -> None:
        """The kernel asks whether the other end is still there: it says no, or nothing at all."""
        if self._passes(connection) or left == 1:
            self._deliver(connection, side, None)
        else:
            self._world.after(self._keep_alive, self._on_keep_alive, connection, side, left - 1)

    def _deliver(self, connection: Connection, side: int, item: Frame | None) -> None:
        end = connection.ends[side]
        if end is None:
            other = connection.ends[1 - side]
            if item is not None and other is not None:
                # A frame for an end that let go is answered with a reset.
                self._world.after(self._one_way, self._arrive, connection, 1 - side, None)
            return
        party, session = end
        if item is not None:
            party.deliver(FrameArrived(session, item))
            return
        self._end(connection, side, timed_out=False)

    def _end(self, connection: Connection, side: int, timed_out: bool) -> None:
        """One side hears that its connection is over."""
        end = connection.ends[side]
        if end is None:
            return
        party, session = end
        connection.ends[side] = None
        if connection.senders is not None:
            connection.senders[side].stop()
        self._connections.pop((party.name, session), None)
        party.deliver(Closed(session, timed_out))

    def _passes(self, connection: Connection) -> bool:
        return self._paths.between(*connection.computers, connection.lan)

    # --- kernels, where the network stack decides ---

    def _sender(self, connection: Connection, side: int) -> Sender:
        assert self._stack is not None
        repeat = partial(self._world.after, self._one_way, self._on_repetition, connection, 1 - side)
        give_up = partial(self._end, connection, side, timed_out=True)
        return Sender(self._world, self._stack, self._round_trip, repeat, give_up)

    def _on_repetition(self, connection: Connection, side: int) -> None:
        """What waited for this side comes again; if nothing did, its confirmation was lost and goes again."""
        if not self._passes(connection):
            return
        waiting = tuple(connection.held[side])
        connection.held[side].clear()
        for item in waiting:
            self._deliver(connection, side, item)
        self._confirm(connection, side, len(waiting))

    def _confirm(self, connection: Connection, side: int, count: int) -> None:
        """The kernel of this side confirms what came, whether its process runs or not."""
        if connection.senders is not None:
            connection.arrived[side] += count
            self._world.after(self._one_way, self._on_confirmed, connection, side)

    def _on_confirmed(self, connection: Connection, side: int) -> None:
        if not self._passes(connection):
            return
        assert connection.senders is not None
        count, connection.arrived[side] = connection.arrived[side], 0
        if connection.ends[1 - side] is not None:
            connection.senders[1 - side].acknowledged(count)
        if self._heard is not None:
            self._heard[connection.computers, connection.lan] = self._world.now

    def _fails_at(self, connection: Connection) -> Instant:
        """When a connect that is never answered fails."""
        assert self._stack is not None
        now = self._world.now
        fails_at = self._stack.connect_until(now)
        if self._heard is None:
            return fails_at
        asked = now + NEIGHBOUR_QUESTIONS * SECOND
        heard = self._heard.get((connection.computers, connection.lan))
        forgotten = asked if heard is None else max(asked, heard + self._neighbour_kept)
        return min(fails_at, forgotten)

    def _fail_connect(self, connection: Connection) -> None:
        end = connection.ends[0]
        if end is not None and connection.ends[1] is None and self._connections.get((end[0].name, end[1])):
            party, session = end
            connection.ends[0] = None
            del self._connections[party.name, session]
            party.deliver(ConnectFailed(session, refused=False))
