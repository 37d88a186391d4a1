"""tff_retail's own engines, wired as a run wires them: in this process, or on Ray."""

import importlib.metadata
import pathlib
from typing import TYPE_CHECKING

from benchmarks.contender import Orders, contender_arguments
from benchmarks.workloads import WORKLOADS, Workload, build_model, cohort

if TYPE_CHECKING:
    from datasets.store_photographs import StorePhotographs
    from tff_retail.config import RuntimeConfig
    from tff_retail.program.engine import Engine
    from tff_retail.program.recogniser import Recogniser


def _recogniser(workload: Workload, runtime: "RuntimeConfig") -> "Recogniser":
    """FedAvg with SGD on the workload's model, compiled as a run compiles it."""
    import tensorflow as tf

    from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig
    from tff_retail.learning.fed_avg import build_fed_avg
    from tff_retail.learning.fed_eval import build_fed_eval
    from tff_retail.learning.functional_model import build_functional_model
    from tff_retail.learning.loss import build_loss
    from tff_retail.learning.metrics import build_metrics
    from tff_retail.program.recogniser import Recogniser, make_pipelines
    from tff_retail.runtime.round_form import compile_round_form

    config = RunConfig(
        data=DataConfig(data_dir="noise"),
        model=ModelConfig(name="simple_cnn", image_size=workload.image_size),  # stands for its size
        learning=LearningConfig(
            client_optimizer="sgd",
            client_learning_rate=workload.learning_rate,
            batch_size=workload.batch_size,
            augmentation="none",
        ),
        runtime=runtime,
    )
    tf.keras.utils.set_random_seed(0)  # of the first weights: both engines do the same work
    pipelines = make_pipelines(config, (workload.image_size, workload.image_size, 3))
    model = build_functional_model(
        lambda: build_model(workload),
        initial_weights=build_model(workload).get_weights(),
        loss=build_loss(config.learning, workload.num_labels),
        input_spec=pipelines["train"].element_spec(),
        metrics=build_metrics(workload.num_labels),
    )
    processes = {
        "train": build_fed_avg(model, config.learning, rounds=100),
        "evaluate": build_fed_eval(model),
    }
    forms = {
        role: compile_round_form(process.initialize, process.next)
        for role, process in processes.items()
    }
    labels = tuple(f"label {number}" for number in range(workload.num_labels))
    return Recogniser(config, labels, forms, pipelines, None)


def _photographs(workload: Workload, examples: pathlib.Path) -> list["StorePhotographs"]:
    """The stores' pictures in a cache beside `examples`, shared by all contenders."""
    import numpy as np

    from datasets.cached_store import CachedSplit, CachedStore
    from datasets.pixel_block import write_block
    from datasets.private_files import FileLock
    from datasets.store_photographs import store_photographs

    folder = examples.parent / f"{examples.stem}_cache"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock")
    nothing = CachedSplit(folder / "nothing", np.zeros((0, 32), np.uint8), ())
    positions = {str(label): label for label in range(workload.num_labels)}
    stores = []
    with np.load(examples) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    for number in range(workload.num_stores):
        keys = np.zeros((workload.examples_per_store, 32), np.uint8)
        split = CachedSplit(
            folder / f"{number}.pixels", keys, tuple(str(label) for label in labels[number])
        )
        if not split.block.exists():
            write_block(
                split.block, [key.tobytes() for key in keys], images[number], workload.image_size
            )
        store = CachedStore(f"store {number}", folder, {"train": split, "validation": nothing})
        stores.append(store_photographs(store, positions, workload.image_size, lock))
    return stores


class _Rounds:
    """Rounds of training on an engine."""

    def __init__(
        self,
        workload: Workload,
        recogniser: "Recogniser",
        photographs: "list[StorePhotographs]",
        engine: "Engine",
    ) -> None:
        from tff_retail.runtime.federated_round import FederatedRound

        self._workload, self._round_num = workload, 0
        self._stores = [engine.store(one) for one in photographs]
        self._round = FederatedRound(recogniser.forms["train"], engine.collector("train"))
        self._state = self._round.initial_state()

    def train_round(self) -> int:
        """Trains one round; the number of pictures."""
        from tff_retail.runtime.store import WorkRequest

        self._round_num += 1
        request = WorkRequest("train", self._round_num, 0, self._round.broadcast(self._state))
        chosen = [self._stores[number] for number in cohort(self._workload, self._round_num)]
        result = self._round.update(self._state, self._round.collect(chosen, request))
        self._state = result.state
        return int(result.metrics["client_work/train/num_examples"])


def main() -> None:
    """Serves rounds."""
    arguments = contender_arguments(__doc__ or "", variants=("local", "ray"))
    orders = Orders()
    from tff_retail.config import RuntimeConfig
    from tff_retail.program.engine import Headquarters

    workload = WORKLOADS[arguments.workload]
    runtime = RuntimeConfig(engine=arguments.variant, ray_address="local")
    headquarters = Headquarters(runtime, seed=0)  # before TensorFlow's first operation
    recogniser = _recogniser(workload, runtime)
    photographs = _photographs(workload, pathlib.Path(arguments.examples))
    with headquarters.cluster() as cluster:
        engine = headquarters.engine(recogniser, photographs, cluster, say=print)
        try:
            rounds = _Rounds(workload, recogniser, photographs, engine)
            names = ["tensorflow", *(["ray"] if arguments.variant == "ray" else [])]
            versions = {name: importlib.metadata.version(name) for name in names}
            orders.serve(rounds.train_round, versions)
        finally:
            engine.close()


if __name__ == "__main__":
    main()
