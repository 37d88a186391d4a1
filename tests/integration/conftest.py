"""Fixtures of the tests of the store link."""

import pytest

from tests.integration.link_stores import link_surroundings


@pytest.fixture
def around():
    with link_surroundings() as found:
        yield found


@pytest.fixture
def connected(around):
    headquarters = around.headquarters(run="run-7")
    store = around.store(headquarters.address)
    return headquarters, store, headquarters.next_link()
