"""How late small messages are on a way through a lab: the delay that an acknowledgement has."""

from __future__ import annotations

import json
import subprocess
import sys

from changeover.drill import lab_probe
from changeover.drill.lab import Lab, LabError
from changeover.model.moment import Duration, to_seconds


class Probe:
    """Asks from one host to another by one LAN; made when it is entered, ended when it is left.

    Args:
        lab: Where.
        source: The host that asks.
        target: The host that answers.
        lan: The LAN that both are on; KeyError where they are not.
        period: How often it asks.
    """

    def __init__(self, lab: Lab, source: str, target: str, lan: str, period: Duration) -> None:
        lab.address(source, lan)
        self._lab, self._source, self._target = lab, source, target
        self._address = lab.address(target, lan)
        self._period = period
        self._answerer: subprocess.Popen[str] | None = None
        self._asker: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Begin to ask.

        Raises:
            LabError: It cannot; the text says why.
        """
        self._answerer = self._start(self._target, "answer", self._address)
        port = _expect(self._answerer, "listening")
        self._asker = self._start(self._source, "ask", self._address, port, str(to_seconds(self._period)))
        _expect(self._asker, "asking")

    def end(self) -> tuple[float, ...]:
        """Stop asking; how long each answer took, in seconds."""
        assert self._asker is not None
        told, _ = self._asker.communicate()
        self.close()
        return tuple(json.loads(told))

    def close(self) -> None:
        """End both programs, whatever they are at."""
        for program in (self._asker, self._answerer):
            if program is not None:
                program.kill()
                program.communicate()
        self._asker = self._answerer = None

    def _start(self, host: str, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-I", "-S", str(lab_probe.__file__), *arguments]
        return subprocess.Popen(
            self._lab.command(host, argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the drill; what it does not end, the lab's keeper does
        )


def _expect(program: subprocess.Popen[str], word: str) -> str:
    """Wait for a line that begins with a word; what follows it."""
    assert program.stdout is not None
    line = program.stdout.readline().strip()
    if not line.startswith(word):
        raise LabError(f"probe: {line or 'it ended'}")
    return line.removeprefix(word).strip()
