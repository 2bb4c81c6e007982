from __future__ import annotations

import pytest


@pytest.fixture
def rewrites_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("rewrite_golden"))
