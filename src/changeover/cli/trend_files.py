"""A trend as a file: CSV, Parquet, SVG or PNG. A file is there whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path

import numpy as np

from changeover.cli.trend_data import TrendData
from changeover.cli.trend_times import iso
from changeover.model.moment import MICROSECOND
from changeover.model.plant import Plant

_PART = ".part"


def write_file(path: Path, plant: Plant, data: TrendData, local: bool) -> None:
    """Write it in the format that the file's name says.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    writers: dict[str, Callable[[Path], None]] = {
        ".csv": lambda part: _write_csv(part, data),
        ".parquet": lambda part: _write_parquet(part, data),
        ".svg": lambda part: _draw(part, plant, data, local, "svg"),
        ".png": lambda part: _draw(part, plant, data, local, "png"),
    }
    part = path.with_name(f".{path.name}{_PART}")
    try:
        writers[path.suffix.lower()](part)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


FORMATS = (".csv", ".parquet", ".svg", ".png")


def _write_csv(path: Path, data: TrendData) -> None:
    """A row each: UTC as ISO 8601, the values as they are kept, the quality in a word; a gap has no value."""
    columns = [["" if v is None else repr(v) for v in data.cells(name)] for name in data.columns]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["utc", *data.columns, "quality"])
    writer.writerows(zip(map(iso, data.utc.tolist()), *columns, data.qualities(), strict=True))
    path.write_text(text.getvalue(), "utf-8")


def _write_parquet(path: Path, data: TrendData) -> None:
    """The same columns: a timestamp with time zone, doubles with NULL for no value, a text."""
    import duckdb

    table = {"utc": data.utc // MICROSECOND, **data.columns, "quality": np.array(data.qualities(), object)}
    values = ", ".join(
        f"{name}::BIGINT AS {name}" if name == "count" else f'nullif("{name}", \'NaN\'::DOUBLE) AS "{name}"'
        for name in data.columns
    )
    target = str(path).replace("'", "''")
    try:
        with duckdb.connect() as connection:
            connection.register("trend", table)
            connection.execute(
                f"COPY (SELECT make_timestamptz(utc) AS utc, {values}, quality::VARCHAR AS quality"
                f" FROM trend) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )
    except duckdb.IOException as error:
        raise OSError(None, str(error).splitlines()[0], str(path)) from error


def _draw(path: Path, plant: Plant, data: TrendData, local: bool, form: str) -> None:
    from changeover.cli.trend_chart import chart

    path.write_bytes(chart(plant, data, local, form))
