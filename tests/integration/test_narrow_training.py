"""A training over real stores, its numbers rounded on their way, to the bits of a simulation."""

import pytest

from tests.integration import real_training
from tests.train_command import weights

_NARROW = ("--update_dtype=int4", "--broadcast_dtype=bfloat16")


# tests/runtime/test_encoded_updates.py has the same through executors, without processes.
@pytest.mark.soak
def test_rounded_on_the_way_it_is_the_model_that_simulated_stores_make(tmp_path, monkeypatch):
    monkeypatch.setattr(real_training, "RUN_FLAGS", (*real_training.RUN_FLAGS, *_NARROW))
    with (
        real_training.real_chain(tmp_path) as chain,
        real_training.training(chain, tmp_path / "run") as remote,
    ):
        assert remote.wait() == 0, remote.said()
        assert "updates are rounded on their way (--update_dtype=int4)" in remote.said()
        assert weights(remote.run / "model_last") == weights(chain.simulated / "model_last")
