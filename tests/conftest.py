"""Makes `plants` importable from every test below this folder, and knows its options."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the traces of tests/scenarios anew")
