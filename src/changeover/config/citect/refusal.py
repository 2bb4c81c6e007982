"""What cannot be imported at all: damaged tables, archives that do harm, folders that are no project."""

from __future__ import annotations

from changeover.config.diagnostics import one_line


class RefusedError(Exception):
    """The import ends here.

    Args:
        file: The file as the user can find it, such as `site.ctz: plant/units.dbf`.
        problem: What is wrong, with the bound that is passed.
        fix: What is wanted, or what to do.
        record: Number of the record from 1, deleted ones counted; None where it is not about one.
        field: The column; empty where it is not about one.
    """

    def __init__(
        self, file: str, problem: str, fix: str, *, record: int | None = None, field: str = ""
    ) -> None:
        places = [file]
        if record is not None:
            places.append(f"record {record}")
        if field:
            places.append(f"field {field}")
        super().__init__(one_line(f"{': '.join(places)}: {problem}, {fix}"))
        self.file = file
        self.record = record
        self.field = field
