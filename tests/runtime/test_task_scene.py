"""A plant whose alarm, trend and report servers run as processes in pairs, for the tests beside this one.

Two SCADA computers, an operator's computer HMI, and one simulated PLC that both I/O servers reach. Time-outs
are small: SendTimeout 500 ms, WatchTime 1 s, scans of 250 ms. Every plant has a network 127.150.N of its own
and ports that were free. Nothing here measures time: `until` waits for something to happen at all.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from changeover.config.project import load_project
from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.core.machine import Frame
from changeover.core.messages import Hello, Message, Welcome
from changeover.core.report_records import RunRecord
from changeover.core.task_messages import Found, News, Poll, Query
from changeover.drill.archives import journal, runs, samples
from changeover.drivers.modbus.address import check_address
from changeover.model.lan import Endpoint
from changeover.model.server import Function
from changeover.protocol.frames import FrameDecoder, encode
from changeover.protocol.queries import Answer, Question, decode_answer
from changeover.protocol.queries import encode as encode_question
from loopback import free_port

HAPPENS_SECONDS = 60.0
STOPS_SECONDS = 30.0
ALARM, TREND, REPORT = Function.ALARM, Function.TREND, Function.REPORT
PAIRS = {ALARM: ("Alarm1", "Alarm2"), TREND: ("Trend1", "Trend2"), REPORT: ("Report1", "Report2")}
SHARED_PLC = "PLC"
COILS = range(20, 28)
"""Coils that keep what was written; an alarm `A20` … looks at each."""
SWITCHED = tuple(f"A{coil}" for coil in COILS)
PERIODIC = ("T1", "T2", "T3")

_networks = count(os.getpid())

TAGS = (
    *(f"C{coil},DIGITAL,{{device}},{coil:05d},,,,,,," for coil in COILS),
    "Held,INT,{device},40030,,,,,,,",
    "T1,UINT,{device},40101,,,,,,,",
    "T2,UINT,{device},40102,,,,,,,",
    "T3,INT,{device},40002,-10000,10000,0,100,m,,",
)
INI = """[LAN]
SendTimeout=500
WatchTime=1
ClientRetryTime=300
[MODNET]
Timeout=500
WatchTime=1
[Alarm]
ScanTime=250
[Trend]
GapFillTime=1000
[Report]
WatchTime=200
"""
PAGE = "<html><body><table><caption>Now</caption><tr><th>T1<td>{{ tag('T1') }}</table></body></html>"


def until(
    condition: Callable[[], Any], what: str = "", seconds: float = HAPPENS_SECONDS, pause: float = 0.05
) -> Any:
    """Wait until a condition holds, and what it then is; a failure of the test when it never does."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"did not happen within {seconds} s: {what or condition}"
        time.sleep(pause)
    return found


@dataclass
class Layout:
    """What a test wants in its plant.

    Attributes:
        functions: Which pairs there are.
        tags, alarms, trends, reports: Further lines of the tables, `{device}` for the I/O device.
        templates: By name, the report templates besides `page.j2`.
        alone: Each function has one server only.
        ini: Replaces `INI`.
    """

    functions: Sequence[Function] = (ALARM,)
    tags: Sequence[str] = ()
    alarms: Sequence[str] = ()
    trends: Sequence[str] = ()
    reports: Sequence[str] = ("Now,,2s,page.j2,html;csv,all",)
    templates: dict[str, str] = field(default_factory=dict)
    alone: bool = False
    ini: str = INI


def write_project(folder: Path, layout: Layout) -> None:
    net = f"127.150.{next(_networks) % 250}"
    lines = ['[plant]\nname = "pairs"\nversion = "5.0"']
    lines += [f'[[lan]]\nname = "LAN_A"\nsubnet = "{net}.0/25"']
    lines += [f'[[lan]]\nname = "FIELD"\nsubnet = "{net}.128/25"']
    for n in (1, 2):
        addresses = f'{{ LAN_A = "{net}.{n}", FIELD = "{net}.{128 + n}" }}'
        lines += [f'[[computer]]\nname = "SCADA{n}"\naddresses = {addresses}']
    lines += [f'[[computer]]\nname = "HMI"\naddresses = {{ LAN_A = "{net}.100" }}']
    for n in (1, 2):
        port = free_port(f"{net}.{n}")
        lines += [f'[[io_server]]\nname = "IOServer{n}"\ncomputer = "SCADA{n}"\nport = {port}']
    plc = f"{net}.200:{free_port(f'{net}.200')}"
    lines += ['[[io_device]]\nname = "PLC1"\nnumber = 1\nprotocol = "MODNET"']
    for n, mode in ((1, "primary"), (2, "standby")):
        lines += [f'[[io_device.unit]]\nio_server = "IOServer{n}"\nmode = "{mode}"\naddress = "{plc}"']
    for function in layout.functions:
        for n, name in enumerate(PAIRS[function][: 1 if layout.alone else 2], 1):
            lines += [
                f'[[{function.value}_server]]\nname = "{name}"\ncomputer = "SCADA{n}"\n'
                f'mode = "{"primary" if n == 1 else "standby"}"\nport = {free_port(f"{net}.{n}")}'
            ]
    lines += ['[[client]]\nname = "HMI1"\ncomputer = "HMI"\npage_scan_ms = 250']
    folder.mkdir(parents=True)
    (folder / "plant.toml").write_text("\n".join(lines) + "\n")
    (folder / "citect.ini").write_text(layout.ini)
    columns = "name,type,unit,addr,raw_zero,raw_full,eng_zero,eng_full,eng_units,deadband,comment"
    _write_table(folder / "tags.csv", columns, (*TAGS, *layout.tags))
    for name, text in {"page.j2": PAGE, **layout.templates}.items():
        (folder / name).write_text(text)
    if ALARM in layout.functions:
        alarms = (*(f"A{coil},digital,C{coil}," for coil in COILS), *layout.alarms)
        _write_table(folder / "alarms.csv", "tag,type,var_a,category", alarms)
    if TREND in layout.functions:
        trends = (*(f"{tag},periodic,1s,," for tag in PERIODIC), *layout.trends)
        _write_table(folder / "trends.csv", "tag,type,sampleper,trigger,retention", trends)
    if REPORT in layout.functions:
        columns = "name,schedule,period,template,formats,missed"
        _write_table(folder / "reports.csv", columns, layout.reports)


def _write_table(path: Path, columns: str, lines: Iterable[str]) -> None:
    text = "\n".join((columns, *(line.format(device="PLC1") for line in lines)))
    path.write_text(text + "\n")


class Peer:
    """Somebody who connects to a server and speaks frames: a client, a partner, or a stranger.

    Args:
        server: Whom to connect to.
        name: Whom to greet as; None greets not at all.
        patience: How long a call waits, seconds.
    """

    def __init__(
        self, server: Endpoint, name: str | None = "HMI1", patience: float = HAPPENS_SECONDS
    ) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder = FrameDecoder(frozenset((Welcome, News, Found)))
        self._sent = 0
        self._received = 0
        self._waiting: list[Message] = []
        self._requests = count(1)
        if name is not None:
            self.say(Hello(name))

    def say(self, message: object) -> None:
        """Send a message, whatever it is."""
        self._sent += 1
        self.socket.sendall(encode(Frame(self._sent, self._received, message)))

    def hear(self, kind: type) -> Any:
        """The next message of a kind; ConnectionError when the server has ended it."""
        while True:
            for place, message in enumerate(self._waiting):
                if isinstance(message, kind):
                    return self._waiting.pop(place)
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError("the server ended it")
            for frame in self._decoder.feed(data):
                if frame.seq:
                    self._received = frame.seq
                    self.socket.sendall(encode(Frame(0, self._received)))
                if frame.message is not None:
                    self._waiting.append(frame.message)

    def poll(self, revision: int = 0) -> News:
        """What is new since a revision."""
        self.say(Poll(next(self._requests), revision))
        return self.hear(News)

    def ask(self, question: Question | bytes) -> Answer | str:
        """The answer to a question, or to bytes that are none: a text when there is no answer."""
        body = question if isinstance(question, bytes) else encode_question(question)
        self.say(Query(next(self._requests), body))
        found = self.hear(Found)
        return found.failure or decode_answer(found.body)

    def is_dropped(self) -> bool:
        """Whether the server has ended it, once what it sent is read."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(1 << 20):
                pass
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()


class Pairs:
    """The plant of a test: its processes, its archives, its traces."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder / "project"
        write_project(self.folder, layout)
        self.plant = load_project(self.folder, check_address=check_address).plant
        self.data = folder / "data"
        self.traces = folder / "traces"
        self.traces.mkdir()
        self.device = self.plant.io_devices[0].units[0].address
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._peers: list[Peer] = []

    def __enter__(self) -> Pairs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in self._peers:
            peer.close()
        for process in self._processes.values():
            _end(process)

    # --- processes ---

    def start(self, *names: str, data: Path | None = None) -> None:
        """Start servers; they listen when this returns."""
        for name in names:
            self.launch(name, data)
        for name in names:
            until(lambda name=name: self._listens(name), f"{name} listens")

    def launch(self, name: str, data: Path | None = None) -> subprocess.Popen[str]:
        """Start a server, whatever becomes of it."""
        trace = self.traces / f"{name}.trace.jsonl"
        trace.unlink(missing_ok=True)
        arguments = ["run", str(self.folder), "--computer", self.plant.computer_of(name), "--node", name]
        arguments += ["--data", str(data or self.data), "--trace-dir", str(self.traces)]
        return self.spawn(name, arguments)

    def start_device(self) -> None:
        """Start the PLC that both I/O servers reach, and these."""
        process = self.spawn(SHARED_PLC, ["plc", "--address", str(self.device), "--registers", "200"])
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening")
        self.start("IOServer1", "IOServer2")

    def process(self, name: str) -> subprocess.Popen[str]:
        return self._processes[name]

    def kill(self, name: str) -> None:
        self.process(name).kill()
        self.process(name).wait(STOPS_SECONDS)

    def stop(self, *names: str) -> None:
        """Stop servers in good order, at once."""
        for name in names:
            self.process(name).terminate()
        for name in names:
            assert self.process(name).wait(STOPS_SECONDS) == 0, self.said(name)

    def freeze(self, name: str) -> None:
        self.process(name).send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.process(name).send_signal(signal.SIGCONT)

    def status(self, name: str) -> int:
        """The exit status of a process that ends by itself."""
        return self.process(name).wait(STOPS_SECONDS)

    def said(self, name: str) -> str:
        """What a process that has ended said on stderr."""
        err = self.process(name).stderr
        assert err is not None
        return err.read()

    def runs(self, name: str) -> bool:
        """Whether a server's process is there."""
        return self.process(name).poll() is None

    def spawn(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
        """Start the command under a name."""
        before = self._processes.get(name)
        if before is not None:
            _end(before)
        process = subprocess.Popen(
            [sys.executable, "-m", "changeover", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes[name] = process
        return process

    def once(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command until it ends."""
        words = [sys.executable, "-m", "changeover", *arguments]
        return subprocess.run(words, capture_output=True, text=True, timeout=STOPS_SECONDS)

    def _listens(self, name: str) -> bool:
        status = self.process(name).poll()
        assert status is None, f"{name} ended with {status}: {self.said(name)}"
        return bool(self.lines(name, "listening"))

    def start_pair(self, function: Function, data: Path | None = None) -> tuple[str, str]:
        """Start a pair and the operator's client; the first is active, each has what the other has.

        Args:
            function: Of the servers.
            data: Where the first one has its archive.
        """
        first, second = PAIRS[function]
        self.start(first, data=data)
        client = self.spawn("HMI1", ["run", str(self.folder), "--computer", "HMI", "--node", "HMI1"])
        assert client.stdout is not None
        assert client.stdout.readline() == "HMI1 runs\n"
        self.await_active(first)
        self.start(second)
        self.await_redundant(first, second)
        return first, second

    # --- what is seen ---

    def endpoint(self, name: str) -> Endpoint:
        """Where a server of any function listens."""
        host = self.plant.computer(self.plant.computer_of(name)).address_on("LAN_A")
        servers = (*self.plant.io_servers, *self.plant.task_servers)
        return Endpoint(str(host), next(server.port for server in servers if server.name == name))

    def peer(self, name: str, greets: str | None = "HMI1", patience: float = HAPPENS_SECONDS) -> Peer:
        """Somebody connected to a server, until the plant's end."""
        peer = Peer(self.endpoint(name), greets, patience)
        self._peers.append(peer)
        return peer

    def lines(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Lines of one kind of a server's trace since it was started."""
        path = self.traces / f"{name}.trace.jsonl"
        if not path.exists():
            return []
        text = path.read_text()
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in found if line["kind"] == kind]

    def is_active(self, name: str) -> bool:
        """Whether a server tells that it is the active one; one that starts tells nothing."""
        try:
            peer = Peer(self.endpoint(name))
        except OSError:
            return False
        try:
            return peer.poll().active
        except OSError:
            return False
        finally:
            peer.close()

    def await_active(self, name: str) -> None:
        """Wait until a server tells that it is the active one."""
        until(lambda: self.is_active(name), f"{name} is active")

    def await_redundant(self, *names: str, since: dict[str, int] | None = None) -> None:
        """Wait until servers say, once more than before, that they and their partners have the same."""
        for name in names:
            before = (since or {}).get(name, 0)
            until(lambda name=name, before=before: len(self.lines(name, "redundant")) > before, f"{name}")

    def redundant_so_far(self, *names: str) -> dict[str, int]:
        """How often servers have said so, for `await_redundant`."""
        return {name: len(self.lines(name, "redundant")) for name in names}

    # --- the device ---

    def switch(self, coil: int, on: bool) -> None:
        """Set a coil of the PLC, as a program in it would."""
        request = bytes((0, 1, 0, 0, 0, 6, 1, 5, 0, coil - 1, 0xFF if on else 0, 0))
        with socket.create_connection((self.device.host, self.device.port), timeout=10) as sock:
            sock.sendall(request)
            assert sock.recv(100) == request

    # --- archives ---

    def journal(self, name: str) -> tuple[JournalRecord, ...]:
        """Both servers' records as one server has them."""
        return journal(self.data, self.plant.task_server(name), 0)

    def transitions(self, name: str, alarm: str) -> list[AlarmEvent]:
        """What a server's journal tells of an alarm, each record of either server once."""
        return [record.event for record in self.journal(name) if record.tag == alarm]

    def log(self, name: str) -> tuple[RunRecord, ...]:
        """The log of runs, of both servers, as one server has it."""
        return runs(self.data, self.plant.task_server(name), 0)

    def ends(self, name: str) -> Counter[tuple[str, int]]:
        """How often each run of a report has ended, by one server's log."""
        ended = (r for r in self.log(name) if r.event.name in ("FINISHED", "FAILED", "SKIPPED"))
        return Counter((record.report, record.scheduled_utc) for record in ended)

    def samples(self, name: str) -> set[tuple[int, str]]:
        """(UTC, tag) of all that a trend server whose process has ended recorded."""
        found, _ = samples(self.data, self.plant.task_server(name), self.plant, 0, 2**62)
        return found


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.wait(STOPS_SECONDS)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


@pytest.mark.parametrize("function", PAIRS, ids=lambda function: function.value)
def test_of_a_pair_one_is_active_and_each_has_what_the_other_has(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,))) as plant:
        pair = plant.start_pair(function)
        assert [plant.is_active(name) for name in pair].count(True) == 1
        plant.stop(*pair)
        assert [plant.said(name) for name in pair] == ["", ""]
