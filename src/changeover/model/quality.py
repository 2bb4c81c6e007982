"""Quality of a tag's value, and how a page shows a bad one."""

from __future__ import annotations

from enum import Enum


class Quality(Enum):
    """What a client may show for a tag.

    The value of each member is what a page shows instead of the number; empty for good values.
    """

    GOOD = ""
    WAITING = "#WAIT"
    COM = "#COM"
    ERROR = "#ERR"
    RANGE = "#RANGE"

    @property
    def is_good(self) -> bool:
        """Whether the value may be used."""
        return self is Quality.GOOD
