"""May this process make network namespaces? Found out by making a small lab, in a child process.

Nothing else tells: capabilities, seccomp filters, AppArmor profiles, kernel settings and containers all have
a say, and they answer only those who try.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NoReturn

from changeover.drill.lab import Lab, LabError
from changeover.model.lan import Computer, Lan
from changeover.model.plant import Plant, Timing
from changeover.model.policy import POLICIES, Family
from changeover.model.stack import NetworkProtocol

TRIAL_TIMEOUT_S = 20.0

USER_NAMESPACE_PREFIX = ("unshare", "--user", "--map-root-user", "--")
"""Put before a command, it gives an ordinary user the rights of root over networks of his own making."""

_SWITCHES = (
    ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
    ("/proc/sys/user/max_net_namespaces", "0", "user.max_net_namespaces is 0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns is 1",
    ),
)


class Right(Enum):
    """How a process may build labs."""

    DIRECT = "directly"
    USER_NAMESPACE = "in a user namespace"
    NONE = "not at all"


@dataclass(frozen=True, slots=True)
class Rights:
    """What was found.

    Attributes:
        right: How this process may build labs.
        reason: In words, why it is not more; empty for DIRECT.
    """

    right: Right
    reason: str = ""


def probe() -> Rights:
    """Find out how this process may build labs, by trying: directly, then in a user namespace."""
    direct = _trial([])
    if direct is None:
        return Rights(Right.DIRECT)
    if shutil.which(USER_NAMESPACE_PREFIX[0]) is None:
        return Rights(Right.NONE, f"{direct}; the program unshare is missing (Debian package util-linux)")
    inside = _trial(USER_NAMESPACE_PREFIX)
    if inside is None:
        return Rights(Right.USER_NAMESPACE, direct)
    hints = "".join(f" ({hint})" for hint in _hints())
    return Rights(Right.NONE, f"{direct}; in a user namespace: {inside}{hints}")


def in_user_namespace(argv: Sequence[str]) -> list[str]:
    """The command that runs a command in a user namespace of its own, with the same process id."""
    return [*USER_NAMESPACE_PREFIX, *argv]


def reexec_in_user_namespace() -> NoReturn:
    """Start this very command again in a user namespace; process id, files and environment stay.

    Only for a `probe` that found USER_NAMESPACE: the new process then finds DIRECT.

    Raises:
        OSError: The program unshare cannot be run.
    """
    argv = in_user_namespace([sys.executable, *sys.orig_argv[1:]])
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(argv[0], argv)


def _trial(prefix: Sequence[str]) -> str | None:
    """Build a lab in a child process: None when that works, else the reason."""
    argv = [*prefix, sys.executable, "-m", "changeover.drill.rights"]
    try:
        child = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TRIAL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if child.returncode == 0:
        return None
    lines = child.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {child.returncode}"


def _hints() -> list[str]:
    found = []
    for path, value, meaning in _SWITCHES:
        try:
            if Path(path).read_text().strip() == value:
                found.append(meaning)
        except OSError:
            continue  # this kernel has no such switch
    return found


def _smallest_plant() -> Plant:
    """One LAN with one computer: every kind of thing that a lab is made of."""
    return Plant(
        name="trial",
        version="5.0",
        policy=POLICIES[Family.C],
        network_protocol=NetworkProtocol.ACKNOWLEDGED,
        timing=Timing(),
        round_trip=0,
        lans=(Lan("LAN", "10.0.0.0/8"),),
        computers=(Computer("computer", (("LAN", "10.0.0.1"),)),),
        io_servers=(),
        io_devices=(),
        task_servers=(),
        clients=(),
        tags=(),
    )


def main() -> int:
    """The child's part: build a lab, start a program in it, say on standard error what failed."""
    try:
        with Lab.build(_smallest_plant()) as lab:
            subprocess.run(lab.command("computer", ["true"]), check=True, capture_output=True)
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
