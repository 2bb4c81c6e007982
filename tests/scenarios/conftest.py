from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the traces of tests/scenarios anew")


@pytest.fixture
def rewrites_golden(request: pytest.FixtureRequest) -> bool:
    # Known to pytest only when this folder is named on the command line.
    return bool(request.config.getoption("rewrite_golden", default=False))
