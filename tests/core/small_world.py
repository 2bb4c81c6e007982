"""Two report servers and a client, connected by queues: machines, a clock and cuts, nothing else.

A connection is a pair of queues. While two nodes are cut from each other nothing passes between them, and
what was sent is delivered once they are not, as TCP does: a connection ends when one of its ends says so, or
its process is gone. A node that is killed keeps its archive. A node that stands still is called by nobody;
what comes meanwhile waits for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

from changeover.core import machine as core
from changeover.core.machine import Machine
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.report_server import KeptRuns, ReportServer
from changeover.core.task_client import TaskClient
from changeover.core.task_messages import Batch, FetchRecords
from changeover.core.trace import TraceKind
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant
from changeover.model.plant import Timing, Way
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from changeover.model.server import Function
from core.task_scene import Periods

SEND_TIMEOUT: Duration = SECOND
RETRY: Duration = 1500 * MILLISECOND
PAGE_SCAN: Duration = 350 * MILLISECOND
PERIOD: Duration = 2 * SECOND
TIMING = Timing(send_timeout=SEND_TIMEOUT, client_retry=RETRY, watch=SECOND, report_watch=SECOND // 2)
REPORT = Report("shift", Schedule(period=PERIOD), "", (ReportFormat.HTML,), MissedRuns.ALL)
EPOCH = 1000 * PERIOD
SERVERS, CLIENT = ("Report1", "Report2"), "HMI1"
NODES = (*SERVERS, CLIENT)
ENDS = (RunEvent.FINISHED, RunEvent.FAILED, RunEvent.SKIPPED)

Run = tuple[str, int]


class Archive:
    """What a server keeps: its log of runs, and the files that wait for their names."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.logs: dict[str, list[RunRecord]] = {}
        self.waiting: set[Run] = set()

    def keep(self, records: tuple[RunRecord, ...]) -> None:
        for record in records:
            log = self.logs.setdefault(record.origin, [])
            assert record.number <= len(log) + 1, f"{record} leaves a gap"
            if record.number > len(log):
                log.append(record)
            assert log[record.number - 1] == record, f"{record} is kept as another one"

    def fetch(self, fetch: FetchRecords) -> Batch:
        log = self.logs.get(fetch.origin, [])
        part = tuple(log[fetch.after : fetch.after + fetch.limit])
        return Batch(done=fetch.after + fetch.limit >= len(log), runs=part)

    def kept(self) -> KeptRuns:
        records = sorted(self.records(), key=lambda record: (record.utc, record.origin, record.number))
        saved = max((record.utc for record in records), default=0)
        return KeptRuns(self.origin, self.numbers(), tuple(records), saved)

    def records(self) -> list[RunRecord]:
        return [record for log in self.logs.values() for record in log]

    def numbers(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted((origin, len(log)) for origin, log in self.logs.items()))


class Node:
    """A process that is there, stands still, or is gone.

    Attributes:
        inbox: What came while it stood still.
        accepted: How many connections it was told of.
        over: Sessions of this life that the machine has ended, or was told the end of.
    """

    def __init__(self, name: str, make: Callable[[], Machine]) -> None:
        self.name = name
        self.make = make
        self.machine: Machine | None = None
        self.is_frozen = False
        self.inbox: list[core.Stimulus] = []
        self.accepted = 0
        self.over: set[int] = set()


class Connection:
    """Two ends; each is (node, session), None when it is closed. Frames wait by the end that they go to."""

    def __init__(self, dialler: str, session: int, answerer: str) -> None:
        self.ends: dict[str, int | None] = {dialler: session, answerer: None}
        self.queues: dict[str, list[core.Stimulus]] = {dialler: [], answerer: []}

    def other(self, name: str) -> str:
        return next(end for end in self.ends if end != name)


class SmallWorld:
    """All of it.

    Args:
        rng: Latencies, how long a report takes, and the machines' phases come from here.

    Attributes:
        now: Monotonic nanoseconds, the same for all.
        cuts: Pairs of nodes between which nothing passes.
        contact: Of the two servers: [from, to) of every span in which both were there, awake and not cut from
            each other; `to` is None while it lasts.
        published: (when, server, run) of every run that got its name.
        notes: (when, node, kind, subject) of every trace line.
    """

    def __init__(self, rng: Random) -> None:
        self.now: Instant = 0
        self.rng = rng
        self.archives = {name: Archive(name) for name in SERVERS}
        self.nodes = {name: Node(name, lambda name=name: self._server(name)) for name in SERVERS}
        self.nodes[CLIENT] = Node(CLIENT, self._client)
        self.cuts: set[frozenset[str]] = set()
        self.contact: list[list[Instant | None]] = []
        self.published: list[tuple[Instant, str, Run]] = []
        self.notes: list[tuple[Instant, str, TraceKind, str]] = []
        self._connections: list[Connection] = []
        self._events: list[tuple[Instant, int, Callable[[], None]]] = []
        self._order = count()
        self._latency = {pair: rng.randrange(1, 5) * MILLISECOND for pair in self._pairs()}

    # --- what may be done to it ---

    def start(self, name: str) -> None:
        node = self.nodes[name]
        if node.machine is not None:
            return
        node.machine = node.make()
        node.inbox.clear()
        node.over.clear()
        self._note_contact()
        self._bring(name, core.Start())
        if name in SERVERS:
            self._tick(name, node.machine)

    def kill(self, name: str) -> None:
        """The process is gone, its operating system closes what it had."""
        node = self.nodes[name]
        node.machine, node.is_frozen = None, False
        node.inbox.clear()
        self._note_contact()
        for connection in self._connections:
            if name in connection.ends:
                self._close(connection, name)

    def freeze(self, name: str) -> None:
        self.nodes[name].is_frozen = self.nodes[name].machine is not None
        self._note_contact()

    def thaw(self, name: str) -> None:
        """The process runs again; its timers are looked at first, or what waits for it."""
        node = self.nodes[name]
        if not node.is_frozen:
            return
        node.is_frozen = False
        self._note_contact()
        assert node.machine is not None
        if self.rng.random() < 0.5:
            self._carry_out(name, node.machine.handle_timeout(self.now))
        while node.inbox:
            self._bring(name, node.inbox.pop(0))

    def cut(self, one: str, other: str) -> None:
        self.cuts.add(frozenset((one, other)))
        self._note_contact()

    def heal(self, one: str, other: str) -> None:
        pair = frozenset((one, other))
        self.cuts.discard(pair)
        self._note_contact()
        for connection in self._connections:
            if set(connection.ends) == pair:
                for end in connection.ends:
                    self._after(self._latency[pair], lambda c=connection, e=end: self._deliver(c, e))

    def run(self, span: Duration) -> None:
        """Let time pass."""
        until = self.now + span
        while (at := self._next()) is not None and at <= until:
            self.now = max(self.now, at)
            if self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
                continue
            for name, node in self.nodes.items():
                deadline = self._deadline(node)
                if deadline is not None and deadline <= self.now:
                    assert node.machine is not None
                    self._carry_out(name, node.machine.handle_timeout(self.now))
        self.now = until

    def server(self, name: str) -> ReportServer:
        machine = self.nodes[name].machine
        assert isinstance(machine, ReportServer)
        return machine

    def active(self) -> list[str]:
        """Servers that believe that they are active."""
        machines = {name: self.nodes[name].machine for name in SERVERS}
        return [name for name, m in machines.items() if isinstance(m, ReportServer) and m.is_active]

    def _note_contact(self) -> None:
        awake = all(node.machine is not None and not node.is_frozen for node in map(self.nodes.get, SERVERS))
        is_there = awake and frozenset(SERVERS) not in self.cuts
        was_there = bool(self.contact) and self.contact[-1][1] is None
        if is_there and not was_there:
            self.contact.append([self.now, None])
        elif was_there and not is_there:
            self.contact[-1][1] = self.now

    # --- machines ---

    def _server(self, name: str) -> ReportServer:
        partner = SERVERS[1 - SERVERS.index(name)]
        kept = self.archives[name].kept()
        return ReportServer(
            name,
            partner,
            (Way(partner, "A"),),
            name == SERVERS[0],
            frozenset(),
            TIMING,
            self.rng,
            (REPORT,),
            Periods(),
            kept,
            has_visitors=True,
        )

    def _client(self) -> TaskClient:
        ways = tuple(Way(name, "A") for name in SERVERS)
        priority = dict.fromkeys(SERVERS, 1)
        return TaskClient(CLIENT, Function.REPORT, ways, priority, PAGE_SCAN, TIMING, self.rng)

    def _tick(self, name: str, life: Machine) -> None:
        if self.nodes[name].machine is not life:
            return
        if not self.nodes[name].is_frozen:
            self._bring(name, core.WallClock(EPOCH + self.now))
        self._after(TIMING.report_watch, lambda: self._tick(name, life))

    # --- time ---

    def _after(self, delay: Duration, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), act))

    def _deadline(self, node: Node) -> Instant | None:
        return node.machine.next_deadline() if node.machine is not None and not node.is_frozen else None

    def _next(self) -> Instant | None:
        times = [at for node in self.nodes.values() if (at := self._deadline(node)) is not None]
        times += [self._events[0][0]] if self._events else []
        return min(times, default=None)

    def _bring(self, name: str, stimulus: core.Stimulus) -> None:
        node = self.nodes[name]
        if node.machine is None:
            return
        if node.is_frozen:
            node.inbox.append(stimulus)
            return
        if isinstance(stimulus, core.Closed | core.ConnectFailed):
            node.over.add(stimulus.session)
        self._carry_out(name, node.machine.handle(stimulus, self.now))

    # --- effects ---

    def _carry_out(self, name: str, effects: core.Effects) -> None:
        for effect in effects:
            if isinstance(effect, core.OpenConnection):
                connection = Connection(name, effect.session, effect.way.server)
                self._connections.append(connection)
                self._after(self._latency_to(connection), lambda c=connection: self._answer(c))
            elif isinstance(effect, core.SendFrame):
                self._send(name, effect)
            elif isinstance(effect, core.CloseConnection):
                self._end(name, effect.session)
            elif isinstance(effect, core.ResetListener):
                self._reset_listener(name)
            elif isinstance(effect, core.Note):
                self.notes.append((self.now, name, effect.kind, effect.subject))
            elif name in SERVERS:
                self._carry_out_on_disk(name, effect)

    def _carry_out_on_disk(self, name: str, effect: core.Effect) -> None:
        archive, life = self.archives[name], self.nodes[name].machine
        if isinstance(effect, core.KeepRuns):
            archive.keep(effect.records)
        elif isinstance(effect, core.LookUp):
            assert isinstance(effect.what, FetchRecords)
            found = core.Looked(effect.token, archive.fetch(effect.what))
            self._after(MILLISECOND, lambda: self._bring_to(life, name, found))
        elif isinstance(effect, core.RunReport):
            run = (effect.report, effect.scheduled_utc)
            span = self.rng.choice((5, 50, 400, 3000)) * MILLISECOND
            self._after(span, lambda: self._rendered(life, name, run))
        elif isinstance(effect, core.PublishRun):
            run = (effect.report, effect.scheduled_utc)
            assert run in archive.waiting, f"{name} publishes {run}, which is not prepared"
            archive.waiting.discard(run)
            self.published.append((self.now, name, run))
        elif isinstance(effect, core.DropRun):
            archive.waiting.discard((effect.report, effect.scheduled_utc))

    def _rendered(self, life: Machine | None, name: str, run: Run) -> None:
        if self.nodes[name].machine is life:
            self.archives[name].waiting.add(run)
            self._bring(name, core.RunRendered(*run, ("shift.html",), ()))

    def _bring_to(self, life: Machine | None, name: str, stimulus: core.Stimulus) -> None:
        if self.nodes[name].machine is life:
            self._bring(name, stimulus)

    # --- the network ---

    @staticmethod
    def _pairs() -> list[frozenset[str]]:
        return [frozenset((one, other)) for n, one in enumerate(NODES) for other in NODES[n + 1 :]]

    def _latency_to(self, connection: Connection) -> Duration:
        return self._latency[frozenset(connection.ends)]

    def _find(self, name: str, session: int) -> Connection | None:
        return next((c for c in self._connections if c.ends.get(name) == session), None)

    def _answer(self, connection: Connection) -> None:
        """A connection is asked for: it is accepted, refused, or, in a cut, left without an answer."""
        self._connections = [c for c in self._connections if any(c.ends.values()) or c is connection]
        dialler, answerer = connection.ends
        session = connection.ends[dialler]
        if session is None or frozenset(connection.ends) in self.cuts:
            return
        node = self.nodes[answerer]
        back = self._latency_to(connection)
        if node.machine is None:
            life = self.nodes[dialler].machine
            connection.ends[dialler] = None
            self._after(back, lambda: self._bring_to(life, dialler, core.ConnectFailed(session)))
            return
        node.accepted += 1
        connection.ends[answerer] = accepted = 2 * node.accepted - 1
        self._bring(answerer, core.Accepted(accepted))
        connection.queues[dialler].insert(0, core.Connected(session))
        self._after(back, lambda: self._deliver(connection, dialler))

    def _send(self, name: str, effect: core.SendFrame) -> None:
        assert effect.session not in self.nodes[name].over, f"{name} sends on {effect.session}, which is over"
        connection = self._find(name, effect.session)
        if connection is not None:
            other = connection.other(name)
            connection.queues[other].append(core.FrameArrived(-1, effect.frame))
            self._after(self._latency_to(connection), lambda: self._deliver(connection, other))

    def _deliver(self, connection: Connection, to: str) -> None:
        """Everything that waits for one end, in its order."""
        session = connection.ends[to]
        while connection.queues[to] and session is not None and frozenset(connection.ends) not in self.cuts:
            stimulus = connection.queues[to].pop(0)
            if isinstance(stimulus, core.FrameArrived):
                stimulus = core.FrameArrived(session, stimulus.frame)
            if isinstance(stimulus, core.Closed):
                stimulus = core.Closed(session)
                connection.ends[to] = None
            self._bring(to, stimulus)
            session = connection.ends[to]

    def _end(self, name: str, session: int) -> None:
        self.nodes[name].over.add(session)
        connection = self._find(name, session)
        if connection is not None:
            self._close(connection, name)

    def _close(self, connection: Connection, name: str) -> None:
        """One end is closed; the other hears of it behind what was sent."""
        if connection.ends[name] is None:
            return
        connection.ends[name] = None
        connection.queues[name].clear()
        other = connection.other(name)
        if connection.ends[other] is not None:
            connection.queues[other].append(core.Closed(-1))
            self._after(self._latency_to(connection), lambda: self._deliver(connection, other))

    def _reset_listener(self, name: str) -> None:
        """Connections that the machine was not told of yet are gone, with all that came by them."""
        node = self.nodes[name]
        untold = {s.session for s in node.inbox if isinstance(s, core.Accepted)}
        node.inbox = [s for s in node.inbox if getattr(s, "session", None) not in untold]
        for session in sorted(untold):
            self._end(name, session)
