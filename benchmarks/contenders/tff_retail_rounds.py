"""tff_retail's engine: FedAvg on the round form, simulated stores in this process.

What `python -m tff_retail.train` does in a round, without evaluation and saving: the cohort's
pictures from memory-mapped arrays through the pipeline, TFF's `build_weighted_fed_avg` with SGD
and the metrics of a run, the merge tree, the server's update.
"""

import importlib.metadata
import os
import pathlib

from benchmarks.contender import Orders, contender_arguments
from benchmarks.workloads import WORKLOADS, Workload, build_model, cohort


class _Photographs:
    """What a simulated store has: its pictures, as the role `train` takes them."""

    def __init__(self, name, pipeline, images, labels) -> None:  # type: ignore[no-untyped-def]
        from datasets.examples import Examples

        self._name, self._pipeline = name, pipeline
        self._examples = Examples(images, labels, ())

    def feeds(self, role: str, *, seed: int, round_num: int):  # type: ignore[no-untyped-def]
        del role
        return self._pipeline.feeds(
            self._examples, seed=seed, round_num=round_num, store=self._name
        )


class _Engine:
    """Stores, round form and sessions of a workload."""

    def __init__(self, workload: Workload, examples: pathlib.Path, parallel_stores: int) -> None:
        import numpy as np

        from datasets.example_pipeline import ExamplePipeline
        from tff_retail.config import LearningConfig
        from tff_retail.learning.fed_avg import build_fed_avg
        from tff_retail.learning.functional_model import build_functional_model
        from tff_retail.learning.loss import build_loss
        from tff_retail.learning.metrics import build_metrics
        from tff_retail.runtime.federated_round import FederatedRound
        from tff_retail.runtime.part_session import PartSession
        from tff_retail.runtime.plain_collector import PlainCollector
        from tff_retail.runtime.round_form import compile_round_form
        from tff_retail.runtime.session_pool import SessionPool
        from tff_retail.runtime.simulated_store import Role, SimulatedStore
        from tff_retail.runtime.tensorflow_settings import parallel_stores_at_end

        self._workload, self._round_num = workload, 0
        size = workload.image_size
        pipeline = ExamplePipeline(
            feature="image",
            shape=(size, size, 3),
            dtype="uint8",
            batch_size=workload.batch_size,
        )
        learning = LearningConfig(
            client_optimizer="sgd",
            client_learning_rate=workload.learning_rate,
            batch_size=workload.batch_size,
        )
        weights = build_model(workload).get_weights()
        model = build_functional_model(
            lambda: build_model(workload),
            initial_weights=weights,
            loss=build_loss(learning, workload.num_labels),
            input_spec=pipeline.element_spec(),
            metrics=build_metrics(workload.num_labels),
        )
        process = build_fed_avg(model, learning, rounds=100)
        form = compile_round_form(process.initialize, process.next)
        sessions = SessionPool(
            lambda device: PartSession(form["work"], [pipeline], device=device, has_own_core=True)
        )
        roles = {"train": Role(sessions, lambda outputs: {})}
        with np.load(examples) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        self._stores = [
            SimulatedStore(
                f"store {number}",
                _Photographs(f"store {number}", pipeline, images[number], labels[number]),
                roles,
            )
            for number in range(workload.num_stores)
        ]
        collector = PlainCollector(
            form,
            parallel_stores=parallel_stores,
            parallel_at_end=parallel_stores_at_end(parallel_stores, [""]),
        )
        self._round = FederatedRound(form, collector)
        self._state = self._round.initial_state()

    def train_round(self) -> int:
        """Trains one round; the number of pictures."""
        from tff_retail.runtime.store import WorkRequest

        self._round_num += 1
        request = WorkRequest("train", self._round_num, 0, self._round.broadcast(self._state))
        chosen = [self._stores[number] for number in cohort(self._workload, self._round_num)]
        collection = self._round.collect(chosen, request)
        result = self._round.update(self._state, collection)
        self._state = result.state
        return int(result.metrics["client_work/train/num_examples"])


def main() -> None:
    """Serves rounds."""
    arguments, orders = contender_arguments(__doc__ or ""), Orders()
    from tff_retail.config import RuntimeConfig
    from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings

    apply_tensorflow_settings(RuntimeConfig(intra_op_threads=max(arguments.threads, 1)), seed=0)
    cores = len(os.sched_getaffinity(0))
    engine = _Engine(WORKLOADS[arguments.workload], pathlib.Path(arguments.examples), cores)
    names = ("tensorflow", "tensorflow-federated", "keras")
    orders.serve(engine.train_round, {name: importlib.metadata.version(name) for name in names})


if __name__ == "__main__":
    main()
