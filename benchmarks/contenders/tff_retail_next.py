"""The user's code of `stock_tff`, `process.next` at TFF's defaults, in tff_retail's context."""

import importlib.metadata
import os

from benchmarks.contender import Orders, contender_arguments
from benchmarks.contenders.stock_tff import LearningProcess
from benchmarks.workloads import WORKLOADS


def main() -> None:
    """Serves rounds."""
    arguments = contender_arguments(__doc__ or "", variants=("default", "tuned"))
    orders = Orders()
    from tff_retail.config import RuntimeConfig
    from tff_retail.runtime.context import install_context
    from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings

    apply_tensorflow_settings(RuntimeConfig(), seed=0)
    install_context(parallel_stores=len(os.sched_getaffinity(0)))
    process = LearningProcess(WORKLOADS[arguments.workload], arguments.examples, arguments.variant)
    names = ("tensorflow-federated", "tensorflow", "keras")
    versions = {name: importlib.metadata.version(name) for name in names}
    orders.serve(process.train_round, versions)


if __name__ == "__main__":
    main()
