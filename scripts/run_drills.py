"""The long drills, in namespaces: every fault for every function, one setting against a limit, or a plan.

    make drills                            families A, B and C, two LANs, each fault 10 times
    make drills ARGS="--repeat 2"
    make drills ARGS="--hold 8 --send-timeout 2000 --watch 2 --lans 1 --repeat 50"
    make drills ARGS="--plan 5 --repeat 20"
    make drills ARGS="--stack 1,1 3,1 5,2 --repeat 10"

The parameters of the first are small, and such that they can be told apart; the families run side by side,
each in a lab of its own. The second strikes the server of a silent computer and, with two LANs, the first of
them, and looks whether every changeover of alarms, trends and reports stays below so many seconds.

The third begins with the defaults of each family, lets `changeover plan --write` set the parameters for
that target, and strikes likewise: every changeover of every function has to meet it.

The fourth lets the kernel alone find a silent peer (D2), with tcp_retries2 and tcp_syn_retries set in the
lab, and strikes likewise: nothing may lie outside its forecast by more than a tenth.

Sheets and records are in out/drills. The exit status is 1 when a drill missed its forecast, or an audit found
something lost or doubled, or the limit did not hold.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from drill_project import write_drill_project

FAMILIES = {"A": "3.30", "B": "4.50", "C": "5.0"}
SMALL_INI = {
    "LAN": {"SendTimeout": 1000, "TimeOut": 500, "WatchTime": 1, "ClientRetryTime": 500},
    "IOSERVER": {"HeartTime": 1000},
    "MODNET": {"Timeout": 500, "WatchTime": 1},
    "Trend": {"GapFillTime": 2000},
}
SMALL_PAGE_SCAN_MS = 100
STACK_MISS_MAX = 0.1
"""A share of the forecast: how far outside of it a drill may lie where the kernel decides."""
MEASURES = ("detection_s", "changeover_s", "com_s", "return_s", "redundant_s")
TASKS = ("alarm", "trend", "report")


def summarise(label: str, records: Path) -> tuple[int, int]:
    """Print a line per function, fault and measure; how many drills there were, how many failed for good."""
    document = json.loads(records.read_text())
    drills = document["drills"]
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for drill in drills:
        cells.setdefault((drill["function"], drill["fault"], drill["target"]), []).append(drill)
    for (function, fault, target), members in sorted(cells.items()):
        for measure in MEASURES:
            seen = [d[measure] for d in members if d[measure] is not None]
            forecast = members[0]["forecast"].get(measure)
            if seen and (forecast or measure == "redundant_s"):
                inside = f", forecast {forecast['min']:.3f} to {forecast['max']:.3f}" if forecast else ""
                print(f"{label} {function:8} {fault:22} {target:14} {measure:12} {_told(seen)}{inside}")
    for drill in drills:
        if not drill["pass"]:
            repeated = f" (repeats {drill['repeats']})" if drill["repeats"] else ""
            cell = f"{drill['function']} {drill['fault']} {drill['target']} {drill['repetition']}{repeated}"
            print(f"{label} MISS {cell}: {drill['why']}")
    for function in dict.fromkeys(drill["function"] for drill in drills):
        of_function = [drill for drill in drills if drill["function"] == function]
        missed = sum(not drill["pass"] for drill in of_function)
        worst = max((_off(drill) for drill in of_function), default=0.0)
        print(f"{label} {function}: {len(of_function)} drills, {missed} missed, worst miss {worst:.3f} s")
    _print_audits(label, document["audits"])
    failed = [drill for drill in drills if not drill["pass"] and not _is_made_good(drill, drills)]
    return len(drills), len(failed)


def _told(seen: list[float]) -> str:
    return f"n={len(seen):<3} {min(seen):.3f} / {median(seen):.3f} / {max(seen):.3f} s"


def _off(drill: dict[str, Any]) -> float:
    """By how much a drill's worst measurement lies outside its forecast, without any margin; 0 inside."""
    off = 0.0
    for measure in (*MEASURES, "changeover_last_s"):
        forecast = drill["forecast"].get(measure.replace("_last_s", "_s"))
        if forecast and drill[measure] is not None:
            off = max(off, drill[measure] - forecast["max"], forecast["min"] - drill[measure])
    return off


def _is_made_good(drill: dict[str, Any], drills: list[dict[str, Any]]) -> bool:
    cell = ("function", "fault", "target")
    return any(
        other["pass"]
        and other["repeats"] == drill["repetition"]
        and all(other[key] == drill[key] for key in cell)
        for other in drills
    )


def _print_audits(label: str, audits: list[dict[str, Any]]) -> None:
    for is_cut in (False, True):
        for kind in dict.fromkeys(audit["kind"] for audit in audits):
            found = [audit for audit in audits if audit["kind"] == kind and audit["is_cut"] == is_cut]
            if found:
                names = ("expected", "lost", "doubled", "folded")
                counts = ", ".join(f"{sum(audit[name] for audit in found)} {name}" for name in names)
                print(f"{label} audit {kind}{' under partner-cut' if is_cut else ''}: {counts}")
    for audit in audits:
        if not audit["pass"]:
            print(f"{label} AUDIT {audit['kind']} after {audit['after']}: {audit['names']}")


def start(folder: Path, out: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `changeover drill` on a project."""
    command = [sys.executable, "-m", "changeover", "drill", str(folder), "--out", str(out), *arguments]
    return subprocess.Popen(command, stdout=log.open("wb"), stderr=subprocess.STDOUT)


def await_all(running: dict[str, subprocess.Popen[bytes]]) -> dict[str, int]:
    """The exit statuses; an interrupt ends all of them in good order."""
    try:
        return {name: process.wait() for name, process in running.items()}
    except KeyboardInterrupt:
        for process in running.values():
            process.terminate()
        return {name: process.wait() for name, process in running.items()}


def drill_families(options: argparse.Namespace) -> int:
    """Every fault for every function in each family; the worst exit status."""
    running = {}
    for family in options.families:
        folder = options.out / f"project-{family}"
        write_drill_project(folder, SMALL_INI, FAMILIES[family], page_scan_ms=SMALL_PAGE_SCAN_MS)
        log = options.out / f"{family}.log"
        arguments = ["--repeat", str(options.repeat), "--seed", str(options.seed)]
        arguments += ["--fault", options.fault] if options.fault else []
        running[family] = start(folder, options.out / family, log, *arguments)
        print(f"family {family}: follow it with tail -f {log}", flush=True)
    statuses = await_all(running)
    for family, status in statuses.items():
        records = options.out / family / "drills.json"
        if records.exists():
            count, failed = summarise(family, records)
            print(f"family {family}: {count} drills, {failed} failed for good, status {status}")
        else:
            print(f"family {family}: no records, status {status}: see {options.out / f'{family}.log'}")
    return max(statuses.values())


def drill_limit(options: argparse.Namespace) -> int:
    """One setting against a limit; 0 when it holds in every drill, else 1."""
    ini = {**SMALL_INI, "LAN": {**SMALL_INI["LAN"], "TimeOut": options.send_timeout}}
    ini["LAN"] |= {"SendTimeout": options.send_timeout, "WatchTime": options.watch}
    folder = options.out / "project"
    version = FAMILIES[options.families[0]]
    write_drill_project(folder, ini, version, options.lans, options.page_scan)
    held = True
    faults = ("server-silent", "lan-silent") if options.lans == 2 else ("server-silent",)
    for fault in [options.fault] if options.fault else faults:
        held &= _strike(options, {fault: folder}, fault, options.hold, TASKS)
    return 0 if held else 1


def drill_plan(options: argparse.Namespace) -> int:
    """What `changeover plan` makes of the defaults of each family; 0 when its target holds in every drill."""
    folders = {}
    for family in options.families:
        folder = options.out / f"project-{family}"
        write_drill_project(folder, {"LAN": {"ClientRetryTime": 500}}, FAMILIES[family], options.lans)
        target = [str(folder), "--target", f"{options.plan}s", "--write"]
        subprocess.run([sys.executable, "-m", "changeover", "plan", *target], check=True)
        # The return is no part of the target: it is made short, so that the drills are.
        with (folder / "citect.ini").open("a") as ini:
            ini.write("[MODNET]\nWatchTime=1\n[Trend]\nGapFillTime=2000\n")
        folders[family] = folder
    held = True
    for fault in ("server-silent", "lan-silent") if options.lans == 2 else ("server-silent",):
        held &= _strike(options, folders, fault, options.plan, ("io-data", *TASKS))
    return 0 if held else 1


def drill_stacks(options: argparse.Namespace) -> int:
    """The kernel's own time-outs, set by set; 0 when nothing is off its forecast by more than a tenth."""
    held = True
    for setting in options.stack:
        retries2, syn_retries = setting.split(",")
        # TimeOut is out of the way: below 5.0 it would find the silence first.
        ini = {**SMALL_INI, "LAN": {**SMALL_INI["LAN"], "TimeOut": 60_000}}
        name = f"{retries2}-{syn_retries}"
        faults = ("server-silent", "lan-silent") if options.lans == 2 else ("server-silent",)
        for fault in [options.fault] if options.fault else faults:
            folders = {}
            for family in options.families:
                label = f"{family}-{name}-{fault}"
                folder = options.out / f"project-{label}"
                write_drill_project(folder, ini, FAMILIES[family], options.lans)
                _rely_on_kernel(folder / "plant.toml", retries2, syn_retries)
                folders[label] = folder
            held &= _strike_stacks(options, folders, fault)
    return 0 if held else 1


def _rely_on_kernel(plant: Path, retries2: str, syn_retries: str) -> None:
    text = plant.read_text()
    assert 'network_protocol = "acknowledged"' in text
    text = text.replace('network_protocol = "acknowledged"', 'network_protocol = "linux"')
    plant.write_text(f"{text}\n[linux]\ntcp_retries2 = {retries2}\ntcp_syn_retries = {syn_retries}\n")


def _strike_stacks(options: argparse.Namespace, folders: dict[str, Path], fault: str) -> bool:
    running = {}
    target = ["--target", "LAN_A"] if fault == "lan-silent" else []
    for label, folder in folders.items():
        arguments = ["--repeat", str(options.repeat), "--seed", str(options.seed), "--fault", fault, *target]
        running[label] = start(folder, options.out / label, options.out / f"{label}.log", *arguments)
    held = True
    for label, status in await_all(running).items():
        records = options.out / label / "drills.json"
        if not records.exists():
            print(f"{label}: no records, status {status}: see {options.out / label}.log")
            return False
        summarise(label, records)
        drills = json.loads(records.read_text())["drills"]
        worst = max((_off_by_share(drill) for drill in drills), default=0.0)
        print(f"{label}: the worst lies {worst:.1%} outside its forecast")
        held &= worst <= STACK_MISS_MAX and all(drill["changeover_s"] is not None for drill in drills)
    return held


def _off_by_share(drill: dict[str, Any]) -> float:
    """By how much of its bound a detection or changeover lies outside its forecast; 0 inside."""
    off = 0.0
    for measure in ("detection_s", "changeover_s"):
        forecast, seen = drill["forecast"].get(measure), drill[measure]
        if forecast and seen is not None and forecast["min"] > 0:
            off = max(off, seen / forecast["max"] - 1, 1 - seen / forecast["min"])
    return off


def _strike(
    options: argparse.Namespace,
    folders: dict[str, Path],
    fault: str,
    limit: float,
    functions: tuple[str, ...],
) -> bool:
    """Drill a fault in some projects, side by side; whether every changeover stays below the limit."""
    running, records = {}, {}
    for name, folder in folders.items():
        out = options.out / (fault if name == fault else f"{name}-{fault}")
        target = ["--target", "LAN_A"] if fault == "lan-silent" else []
        arguments = ["--repeat", str(options.repeat), "--seed", str(options.seed), "--fault", fault, *target]
        running[name] = start(folder, out, Path(f"{out}.log"), *arguments)
        records[name] = out / "drills.json"
    held = True
    for name, status in await_all(running).items():
        if not records[name].exists():
            print(f"{name} {fault}: no records, status {status}: see {records[name].parent}.log")
            return False
        summarise(name, records[name])
        for function in functions:
            held &= _holds(limit, function, f"{name} {fault}" if name != fault else fault, records[name])
        held &= status == 0
    return held


def _holds(limit: float, function: str, fault: str, records: Path) -> bool:
    drills = [d for d in json.loads(records.read_text())["drills"] if d["function"] == function]
    seen = [d["changeover_s"] for d in drills if d["changeover_s"] is not None]
    forecast = drills[0]["forecast"]["changeover_s"]
    held = len(seen) == len(drills) and max(seen) <= limit
    print(
        f"{fault} {function}: {len(seen)} of {len(drills)} changeovers seen, {_told(seen)}, forecast "
        f"{forecast['min']:.3f} to {forecast['max']:.3f} s: {limit:g} s {'held' if held else 'NOT HELD'}"
    )
    return held


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("out/drills"))
    parser.add_argument("--families", default="ABC", help="of --hold the first counts")
    parser.add_argument("--fault", help="only this fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hold", type=float, metavar="SECONDS", help="hold this limit")
    parser.add_argument("--plan", type=float, metavar="SECONDS", help="hold what a plan for this target sets")
    parser.add_argument(
        "--stack", nargs="+", metavar="N,N", help="tcp_retries2,tcp_syn_retries: only the kernel"
    )
    parser.add_argument("--send-timeout", type=int, default=2000, metavar="MS")
    parser.add_argument("--watch", type=int, default=2, metavar="SECONDS")
    parser.add_argument("--page-scan", type=int, default=250, metavar="MS")
    parser.add_argument("--lans", type=int, choices=(1, 2), default=2)
    options = parser.parse_args()
    # Whoever ends this script ends the drills that it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.out.mkdir(parents=True)
    if options.stack:
        return drill_stacks(options)
    if options.plan is not None:
        return drill_plan(options)
    return drill_families(options) if options.hold is None else drill_limit(options)


if __name__ == "__main__":
    raise SystemExit(main())
