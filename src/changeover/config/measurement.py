"""network.json: what a site has measured, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from changeover.config.diagnostics import ConfigurationError, Diagnostic, quoted
from changeover.config.text_file import UnreadableFileError, read_any_bytes
from changeover.model.network import FORMAT, VERSION, Network, StreamRecord

MEASURE = "measure anew: changeover measure"
_PATH = re.compile(r"(.*) - at `\$\.?(.*)`$", re.DOTALL)
_WHERE = re.compile(r"\(byte (\d+)\)")
_BINS_MAX = 1047


class _Head(msgspec.Struct):
    """What says whether the rest can be read."""

    format: object = None
    version: object = None


def read_measurement(path: Path) -> Network:
    """Read a network.json.

    Raises:
        ConfigurationError: With what is wrong in it: it is missing, cut off, of another format or version, or
            a field has a value that it cannot have.
    """
    try:
        data = read_any_bytes(path)
    except UnreadableFileError as error:
        found = error.diagnostic
        raise ConfigurationError(
            [Diagnostic(found.file, found.line, found.parameter, found.problem, MEASURE)]
        ) from None
    _check_head(path, data)
    try:
        network = msgspec.json.decode(data, type=Network)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError([_diagnostic(path, data, error)]) from None
    problems = tuple(_problems(path, network))
    if problems:
        raise ConfigurationError(problems)
    return network


def _check_head(path: Path, data: bytes) -> None:
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError([_diagnostic(path, data, error)]) from None
    if head.format != FORMAT:
        said = quoted(head.format) if head.format is not None else "missing"
        wanted = f"a file that changeover measure wrote says '{FORMAT}'"
        raise ConfigurationError([Diagnostic(str(path), None, "format", f"is {said}", wanted)])
    if head.version != VERSION:
        problem = f"is {quoted(head.version)}"
        raise ConfigurationError(
            [Diagnostic(str(path), None, "version", problem, f"{VERSION} is read here; {MEASURE}")]
        )


def _diagnostic(path: Path, data: bytes, error: Exception) -> Diagnostic:
    text = str(error)
    place = _PATH.match(text)
    if place is not None:
        field = place[2] or "network.json"
        return Diagnostic(
            str(path), None, field, place[1], f"see docs/reference/network-json.md, or {MEASURE}"
        )
    at = _WHERE.search(text)
    line = data.count(b"\n", 0, int(at[1])) + 1 if at else data.count(b"\n") + 1
    cut = isinstance(error, msgspec.DecodeError) and "truncated" in text
    problem = "ends in the middle" if cut or not data else f"is no JSON ({text})"
    return Diagnostic(str(path), line, path.name, problem, f"the file is damaged; {MEASURE}")


def _problems(path: Path, network: Network) -> Iterable[Diagnostic]:
    """What each field may be, but not all of them together."""
    for field, utc in _times(network):
        if not _is_time(utc):
            yield Diagnostic(str(path), None, field, f"is {quoted(utc)}", f"no such time; {MEASURE}")
    for number, stream in enumerate(network.streams):
        for field, problem, allowed in _of_stream(stream):
            yield Diagnostic(str(path), None, f"streams[{number}].{field}", problem, f"{allowed}; {MEASURE}")
    names = [(stream.kind.value, stream.name, stream.function) for stream in network.streams]
    for kind, name, function in dict.fromkeys(n for n in names if names.count(n) > 1):
        problem = f"{kind} {quoted(name)} ({function}) is there more than once"
        yield Diagnostic(str(path), None, "streams", problem, f"each stands there once; {MEASURE}")


def _times(network: Network) -> Iterable[tuple[str, str]]:
    """Every UTC in it, with its field."""
    yield from (("began_utc", network.began_utc), ("ended_utc", network.ended_utc))
    yield from ((f"pauses.longest[{n}].at_utc", p.at_utc) for n, p in enumerate(network.pauses.longest))
    for number, stream in enumerate(network.streams):
        here = f"streams[{number}]"
        for n, gap in enumerate(stream.gaps):
            yield from (
                (f"{here}.gaps[{n}].from_utc", gap.from_utc),
                (f"{here}.gaps[{n}].to_utc", gap.to_utc),
            )
        for n, backup in enumerate(stream.backups):
            yield f"{here}.backups[{n}].from_utc", backup.from_utc
            yield f"{here}.backups[{n}].to_utc", backup.to_utc
        for n, long in enumerate(stream.long_answers):
            yield f"{here}.long_answers[{n}].at_utc", long.at_utc
        for n, episode in enumerate(stream.bursts.episodes):
            yield f"{here}.bursts.episodes[{n}].at_utc", episode.at_utc


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_stream(stream: StreamRecord) -> Iterable[tuple[str, str, str]]:
    tail = stream.tail
    for name, bins in (("raw", stream.histogram.raw), ("body", stream.histogram.body)):
        numbers = [number for number, _ in bins]
        if numbers != sorted(set(numbers)) or any(number > _BINS_MAX for number in numbers):
            yield f"histogram.{name}", "bins are not in order", f"they rise, to {_BINS_MAX} at most"
    counted = sum(count for _, count in stream.histogram.raw)
    if counted != stream.messages:
        yield "histogram.raw", f"has {counted} delays", f"messages says {stream.messages}"
    known = 0 if stream.quantiles_ms is None else stream.quantiles_ms.messages
    if known != stream.messages:
        yield "quantiles_ms.messages", f"is {known}", f"messages says {stream.messages}"
    seen = len(tail.excesses_ms) + len(tail.censored_ms)
    if tail.episodes != seen:
        yield "tail.episodes", f"is {tail.episodes}", f"there are {seen} excesses"
    if any(excess <= 0 for excess in (*tail.excesses_ms, *tail.censored_ms)):
        yield "tail.excesses_ms", "has one of 0", "all lie above the threshold"
    if (tail.shape is None) != (tail.scale_ms is None):
        yield "tail.shape", "is there without scale_ms, or that without it", "both are there, or none"
