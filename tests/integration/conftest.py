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


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    """A real store under its default policy, and an attacker for its headquarters."""
    from tests.integration.attacked_store import attacked_store  # imports TensorFlow

    with attacked_store(tmp_path_factory.mktemp("attack")) as found:
        yield found
