"""What a notebook does with a fleet: `python -m tests.integration.fleet_notebook CHAIN`.

Trains three rounds over the real stores of a chain of `test_remote_training`, and says whether the
model is that of the simulated run.
"""

import contextlib
import pathlib
import sys

import numpy as np

from tests.integration.store_daemons import TIMEOUT_S
from tff_retail.config import (
    DataConfig,
    FleetConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    ScheduleConfig,
)
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.initial_weights import initial_weights
from tff_retail.learning.loss import build_loss
from tff_retail.learning.loss_scale import loss_scale
from tff_retail.learning.metrics import build_metrics
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.learning.weight_order import join_weights
from tff_retail.program.fleet_context import connect_fleet
from tff_retail.program.recogniser import make_pipelines

NUM_STORES = 3
ROUNDS = 3


def main(chain: pathlib.Path) -> str:
    """What the comparison says."""
    fleet_dir = chain / "fleet"
    labels = (fleet_dir / "labels.txt").read_text(encoding="utf-8").splitlines()
    config = RunConfig(
        data=DataConfig(stores="remote", validation_fraction=0.3),
        model=ModelConfig(name="simple_cnn", width_multiplier=1, image_size=32),
        learning=LearningConfig(batch_size=8),
        schedule=ScheduleConfig(rounds=ROUNDS),
        fleet=FleetConfig(
            listen_address="localhost:0",
            fleet_dir=str(fleet_dir),
            manifest_key=str(fleet_dir / "signing" / "manifest.key"),
        ),
    )
    process = _process(config, len(labels))
    with contextlib.ExitStack() as ending:
        fleet = ending.enter_context(connect_fleet({"train": process}, config, labels))
        print(f"listening on {fleet.address}", flush=True)
        state = process.initialize()
        fleet.wait_for_stores(NUM_STORES, within_s=TIMEOUT_S)
        for _ in range(ROUNDS):
            state = process.next(state, fleet.stores()).state
        weights = process.get_model_weights(state)
    model = build_keras_model(config.model, len(labels))
    found = join_weights(model, list(weights.trainable), list(weights.non_trainable))
    return _compared(found, chain / "simulated" / "model_last" / "weights.npz")


def _process(config: RunConfig, num_labels: int):
    model = build_functional_model(
        lambda: build_keras_model(config.model, num_labels, "float32"),
        initial_weights=initial_weights(config.model, num_labels, config.schedule.seed),
        loss=build_loss(config.learning, num_labels),
        input_spec=make_pipelines(config, (32, 32, 3))["train"].element_spec(),
        metrics=build_metrics(num_labels),
        loss_scale=loss_scale("float32"),
    )
    return build_fed_avg(model, config.learning, config.schedule.rounds)


def _compared(found, path: pathlib.Path) -> str:
    with np.load(path, allow_pickle=False) as arrays:
        expected = [arrays[name] for name in sorted(arrays.files)]
    same = [
        np.asarray(ours).tobytes() == theirs.tobytes()
        for ours, theirs in zip(found, expected, strict=True)
    ]
    return "the same" if all(same) else f"{same.count(False)} of {len(same)} arrays differ"


if __name__ == "__main__":
    print(main(pathlib.Path(sys.argv[1])))
