"""A daemon whose renewal hangs stops all the same; no child, no headquarters."""

import asyncio
import threading

import pytest

from tests.integration.store_daemons import Fleet
from tff_retail.config import ConfigurationError, StoreConfig
from tff_retail.program import store_daemon


class _IdleExecutor:
    def __init__(self, *arguments, **settings) -> None:
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()


@pytest.fixture
def config(tmp_path):
    state_dir = Fleet(tmp_path).enrol("north")
    (tmp_path / "photographs").mkdir()
    return StoreConfig(
        data_dir=str(tmp_path / "photographs"),
        state_dir=str(state_dir),
        server_address="localhost:1",
        max_steps_per_round=3,
        max_seconds_per_round=20.0,
        batch_size="auto",
    )


def test_it_stops_while_a_renewal_hangs(config, monkeypatch):
    has_begun, may_end = threading.Event(), threading.Event()

    def hang(state_dir):
        has_begun.set()
        may_end.wait(60)

    monkeypatch.setattr(store_daemon, "renew_if_due", hang)
    monkeypatch.setattr(store_daemon, "ExecutorSupervisor", _IdleExecutor)
    said = []

    async def scene():
        daemon = store_daemon.StoreDaemon(config, say=said.append)
        running = asyncio.create_task(daemon.run())
        while not has_begun.is_set():
            await asyncio.sleep(0)
        daemon.stop("The store stops")
        await asyncio.wait_for(running, 20)

    asyncio.run(scene())
    assert not may_end.is_set()
    assert said[0].startswith(
        "a round trains for 3 steps at most, for 20 s at most, in batches of as many as fit its "
        "memory: what was done counts, and results are a simulation's to tolerance"
    )
    may_end.set()


def test_a_state_directory_has_one_daemon(config):
    with store_daemon.holding_state_dir(config.state_dir):
        with pytest.raises(ConfigurationError, match="used by one daemon at a time"):
            with store_daemon.holding_state_dir(config.state_dir):
                raise AssertionError("it must be refused")
    with store_daemon.holding_state_dir(config.state_dir):
        pass
