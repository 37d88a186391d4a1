"""What a finished run says of itself, in `summary.json`."""

import importlib.metadata
import os
import platform
from typing import Any

from tff_retail.program.model_release import ReleasedConfidence
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.training_run import Trained

_PACKAGES = ("tensorflow", "tensorflow-federated", "keras", "numpy")


def make_summary(
    *,
    recogniser: Recogniser,
    trained: Trained,
    num_stores: int,
    parallel_stores: int,
    devices: list[str],
    baselines: dict[str, Any],
    confidence: ReleasedConfidence,
) -> dict[str, Any]:
    """The summary as JSON values.

    `eval_accuracy` and `eval_loss` are of the model in `model/`, and so is `confidence`, always
    over the stores' validation photographs where they have any; `images_per_second` is training
    images over the time of training rounds, the first round of each start left out.
    """
    progress = trained.progress
    config = recogniser.config
    speed = progress.timed_images / progress.timed_seconds if progress.timed_seconds else None
    return {
        "status": "converged" if trained.is_converged else "completed",
        "rounds_completed": progress.round_num,
        "best_round": progress.best_round or progress.round_num,
        "eval_accuracy": progress.best_metrics.get("top_1"),
        "eval_loss": progress.best_metrics.get("loss"),
        "eval_top_5": progress.best_metrics.get("top_5"),
        "eval_ece": progress.best_metrics.get("ece"),
        "eval_examples": progress.best_metrics.get("num_examples"),
        "confidence": confidence.to_json(),
        **baselines,
        "num_stores": num_stores,
        "num_labels": len(recogniser.labels),
        "images_per_second": speed,
        "configuration": config.to_json(),
        "versions": versions(),
        "threads": {
            "intra_op": config.runtime.intra_op_threads,
            "parallel_stores": parallel_stores,
            "cores": len(os.sched_getaffinity(0)),
        },
        "machine": {
            "devices": [device or "CPU" for device in devices],
            "processor": platform.machine(),
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        },
        "digests": {role: form.digests for role, form in recogniser.forms.items()},
    }


def versions() -> dict[str, str]:
    """Versions of Python and of what the numbers depend on."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **packages}
