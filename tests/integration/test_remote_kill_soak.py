"""Real processes killed with -9 at any moment, 200 times: bit for bit the same model."""

import collections
import os
import pathlib
import random

import pytest

from tests.integration.kill_campaign import KillCampaign
from tests.integration.real_training import (
    NAMES,
    RUN_FLAGS,
    RealChain,
    coordinator,
    real_chain,
    require_same,
)
from tests.train_command import train

_KILLS = int(os.environ.get("TFF_RETAIL_SOAK_REMOTE_KILLS", "200"))
_SEED = int(os.environ.get("TFF_RETAIL_SOAK_SEED", "1"))
_ROUNDS = 20
# A round without one of the stores is another round, and its model another model.
_SCHEDULE = {"rounds": _ROUNDS, "min_stores": len(NAMES)}
_PATIENT = ("--rejoin_wait_s=240", "--wait_for_stores_s=240")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    with real_chain(tmp_path_factory.mktemp("killed chain")) as chain:
        yield chain


@pytest.fixture(scope="module")
def undisturbed(chain, tmp_path_factory) -> pathlib.Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    flags = [f"--{name}={value}" for name, value in _SCHEDULE.items()]
    done = train(*RUN_FLAGS, *flags, f"--data_dir={chain.photographs}", f"--output_dir={run}")
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.soak
def test_killed_at_any_moment_all_parties_make_the_same_model(
    chain: RealChain, undisturbed, tmp_path
):
    chance, killed, num_runs = random.Random(_SEED), collections.Counter[str](), 0
    print(f"seed {_SEED}, {_KILLS} kills", flush=True)
    while killed.total() < _KILLS:
        num_runs += 1
        with coordinator(chain, tmp_path / f"{num_runs}", *_PATIENT, **_SCHEDULE) as command:
            campaign = KillCampaign(chain, command, chance, most=_KILLS - killed.total())
            campaign.go()
            require_same(command.run, undisturbed)
        killed += campaign.killed
        print(f"run {num_runs} is the same; {killed.total()} kills so far", flush=True)
        model = (undisturbed / "model" / "weights.npz").read_bytes()
        assert [store.model.read_bytes() for store in chain.stores.values()] == [model] * len(NAMES)
    print(f"{killed.total()} kills over {num_runs} runs: {dict(killed)}", flush=True)


@pytest.mark.soak
def test_killed_in_evaluation_and_release_it_makes_the_same_model(chain: RealChain, tmp_path):
    """The phases that random moments seldom meet."""
    with coordinator(chain, tmp_path / "run", *_PATIENT, min_stores=len(NAMES)) as command:
        for phase in ("evaluated", "releasing", "released", "delivering", "finished"):
            command.start(dies_in=phase)
            command.let_stores_in()
            assert command.wait() == -9, command.said()
            assert command.said().endswith(f"dies in {phase}\n")
            chain.shut()
        command.start()
        assert command.wait() == 0, command.said()
        assert "all stores have its model" in command.said()
        require_same(command.run, chain.simulated)
