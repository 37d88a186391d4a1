"""Fixtures of the transport tests."""

import pytest

from tests.transport.small_fleet import SmallFleet


@pytest.fixture
def fleet(tmp_path) -> SmallFleet:
    return SmallFleet(tmp_path / "fleet")
