"""What `changeover measure` shows: bars and numbers on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from changeover.model.network import Kind, Load, Network, StreamRecord
from changeover.survey.measuring import Progress

LINES_SECONDS = 10.0
_BAR = " ▁▂▃▄▅▆▇█"
_BARS_PER_DECADE = 6
_BIN_RATIO_LOG10 = 0.0086001717619176
_FIXED_ROWS = 8
"""Rows besides streams and what has a name: title, rules, heads, what is left out, trouble, load."""
_NAMED_SHOWN = 4
_KINDS = {Kind.SESSION: "acknowledged", Kind.ROUND_TRIP: "answered", Kind.DEVICE: "device"}


class Lines:
    """Plain lines on standard output, one every ten seconds.

    Args:
        quiet: Whether standard output belongs to somebody else.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._next = LINES_SECONDS
        self._trouble = ""

    def __enter__(self) -> Lines:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def show(self, progress: Progress) -> None:
        """Say where it stands, if it is time."""
        if progress.trouble and progress.trouble != self._trouble:
            click.echo(f"not written, measuring goes on: {progress.trouble}", err=True)
        self._trouble = progress.trouble
        if progress.seconds < self._next:
            return
        self._next = progress.seconds + LINES_SECONDS
        click.echo(progress_line(progress), err=self._quiet)


class Screen:
    """A live screen."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def __enter__(self) -> Screen:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw."""
        self._live.update(screen(progress, self._console.height, self._console.width), refresh=True)


def progress_line(progress: Progress) -> str:
    """Where it stands, in one line."""
    network = progress.network
    delays = sum(stream.messages for stream in network.streams)
    slowest = max((s for s in network.streams if s.quantiles_ms), key=_longest, default=None)
    worst = f", slowest {_longest(slowest):.3g} ms by {slowest.name}" if slowest else ""
    named = sum(stream.backups_count for stream in network.streams)
    long = sum(stream.long_answers_count for stream in network.streams)
    left = "" if progress.left is None else f", {_span(progress.left)} left"
    return (
        f"{_span(progress.seconds)}{left}: {delays} delays{worst}, {named} backups, {long} long answers; "
        f"{load_words(network.load)}"
    )


def load_words(load: Load) -> str:
    """What measuring adds, in words."""
    return (
        f"load added: {load.messages_s:.0f} messages/s, {load.bytes_s / 1000:.1f} kB/s, "
        f"{100 * load.cpu_share:.1f} % of a CPU, {load.memory_mb:.0f} MB"
    )


def screen(progress: Progress, height: int, width: int) -> RenderableType:
    """The whole screen.

    Args:
        progress: What is shown.
        height: Rows that there are.
        width: Columns that there are.
    """
    network = progress.network
    left = "until Ctrl-C" if progress.left is None else f"{_span(progress.left)} left"
    title = Text.assemble(
        (f" {network.plant or 'two hosts'}", "bold"),
        f" from {network.computer}: {_span(progress.seconds)}, {left}",
        no_wrap=True,
        overflow="ellipsis",
    )
    streams = [stream for stream in network.streams if stream.messages or stream.closed]
    rows = max(3, height - _FIXED_ROWS - _NAMED_SHOWN)
    shown = sorted(streams, key=_longest, reverse=True)[:rows]
    parts: list[RenderableType] = [title, Rule(style="dim"), _table(shown, width)]
    if len(streams) > len(shown):
        parts.append(Text(f" … {len(streams) - len(shown)} more, all faster", "dim"))
    named = list(_named(network))
    parts += [Rule(style="dim"), *(_line(line, "yellow") for line in named[-_NAMED_SHOWN:])]
    if len(named) > _NAMED_SHOWN:
        parts.append(_line(f"… {len(named) - _NAMED_SHOWN} more at the end", "dim"))
    if progress.trouble:
        parts.append(_line(f"not written, measuring goes on: {progress.trouble}", "bold red"))
    parts.append(_line(load_words(network.load), "dim"))
    return Group(*parts)


def _line(text: str, style: str) -> Text:
    return Text(f" {text}", style, no_wrap=True, overflow="ellipsis")


def _table(streams: list[StreamRecord], width: int) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("ms", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for name in ("delays", "p50", "p99", "p99.9", "longest", "gap s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("0.01 … 10 000 ms, log", no_wrap=True)
    for stream in streams:
        q = stream.quantiles_ms
        numbers = [f"{value:.3g}" for value in (q.p50, q.p99, q.p999, q.max)] if q else ["–"] * 4
        gap = f"{stream.gaps[0].seconds:.3g}" if stream.gaps else "–"
        bars = Text(bar(stream), "cyan" if stream.kind is not Kind.DEVICE else "green")
        table.add_row(_KINDS[stream.kind], stream.name, str(stream.messages), *numbers, gap, bars)
    return table


def bar(stream: StreamRecord) -> str:
    """A histogram in one line, from 0.01 ms to 10 s; the height goes by the logarithm of the count."""
    columns = [0] * (6 * _BARS_PER_DECADE)
    for number, count in stream.histogram.raw:
        decades = number * _BIN_RATIO_LOG10 - 1.0
        columns[min(len(columns) - 1, max(0, int(decades * _BARS_PER_DECADE)))] += count
    return "".join(_BAR[min(8, count.bit_length())] if count else " " for count in columns)


def final_lines(network: Network) -> Iterator[str]:
    """What was found, for the end."""
    yield f"{network.plant or 'two hosts'} from {network.computer}: {_span(network.seconds)} measured"
    for stream in network.streams:
        q = stream.quantiles_ms
        if q is None:
            yield f"  {_KINDS[stream.kind]:<12} {stream.name}: nothing came"
            continue
        yield (
            f"  {_KINDS[stream.kind]:<12} {stream.name}: {q.messages} delays, median {q.p50:.3g}, "
            f"99 % {q.p99:.3g}, longest {q.max:.3g} ms{_rate_words(stream)}{_closed_words(stream)}"
        )
    yield from (f"  {line}" for line in _named(network))
    yield load_words(network.load)


def _rate_words(stream: StreamRecord) -> str:
    if not stream.tail.rates:
        return ""
    rate = stream.tail.rates[-1]
    return f"; beyond {rate.at_ms:.3g} ms {rate.per_hour:.2g} an hour, at most {rate.high_per_hour:.2g}"


def _closed_words(stream: StreamRecord) -> str:
    return f"; closed {stream.closed} times" if stream.closed else ""


def _named(network: Network) -> Iterator[str]:
    """The last backups and long answers, and our own pauses."""
    for stream in network.streams:
        for backup in stream.backups[-_NAMED_SHOWN:]:
            yield (
                f"backup {backup.from_utc} to {backup.to_utc}: {stream.name} "
                f"median {backup.median_ms:.3g}, longest {backup.max_ms:.3g} ms"
            )
        for long in stream.long_answers[-_NAMED_SHOWN:]:
            yield f"long answer {long.at_utc}: {stream.name} {long.ms:.0f} ms"
    if network.pauses.count:
        yield f"{network.pauses.count} pauses of this process, {network.pauses.max_ms:.0f} ms at most"


def _longest(stream: StreamRecord) -> float:
    return stream.quantiles_ms.max if stream.quantiles_ms else 0.0


def _span(seconds: float) -> str:
    """A span of time for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
