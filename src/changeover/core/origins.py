"""Under which names servers number their records.

A server's origin is its own name, a tilde, and something that no archive had before. Numbers are given once
for each origin: an archive that may not know all that were given under its origin takes a new one.
"""

from __future__ import annotations


def server_of(origin: str) -> str:
    """The server whose origin it is."""
    return origin.partition("~")[0]
