"""What all pictures in files share: colours, letters, and how a figure becomes a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO

import matplotlib
from matplotlib.figure import Figure

from changeover.forecast.detection import (
    HEARTBEAT,
    PAGE_SCAN,
    REQUEST_TIMEOUT,
    ROUND_TRIP,
    SEND_TIMEOUT,
    WATCH,
)

INK, PALE, GRID, ALARM = "#22262a", "#6b7177", "#dfe3e6", "#c1272d"
BLUE = "#2f6db3"

_PARAMETERS = {
    SEND_TIMEOUT: BLUE,
    REQUEST_TIMEOUT: "#e39b1d",
    WATCH: "#2a9d78",
    HEARTBEAT: "#b0609f",
    PAGE_SCAN: "#8c9196",
    ROUND_TRIP: "#3b3f44",
}
_FURTHER = ("#cf5a2a", "#5bb0dd", "#8a6d3b", "#6f63b6", "#a3b83b")
_PNG_DPI = 150
_STYLE = {
    "svg.hashsalt": "changeover",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "hatch.linewidth": 0.65,
    "path.simplify": True,
    # A plant may be called anything.
    "text.parse_math": False,
}


def colours(parameters: Iterable[str]) -> dict[str, str]:
    """A colour for each parameter, in every picture the same; names repeat without harm."""
    listed = list(dict.fromkeys(parameters))
    further = iter(_FURTHER * len(listed))
    return {parameter: _PARAMETERS.get(parameter) or next(further) for parameter in listed}


def drawn(figure: Callable[[], Figure], form: str = "svg") -> bytes:
    """Draw a figure, in the style that pictures share.

    Args:
        figure: Makes it.
        form: `svg` or `png`.

    Returns:
        The file; equal figures give equal bytes.
    """
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    out = BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure().savefig(out, format=form, dpi=_PNG_DPI, metadata=metadata)
    return out.getvalue()
