"""The short table at the end of a run: federated, central and alone, on the same photographs."""

import statistics
from collections.abc import Mapping

from tff_retail.program.text_table import format_table

# A table of 200 stores is a file's job (summary.json); the best and the worst say the most.
_MAX_STORES = 10
_NUM_BEST = 3
_NUM_WORST = 3


def result_table(
    *,
    federated: float,
    central: float | None = None,
    local: Mapping[str, float] | None = None,
    paths: Mapping[str, str] | None = None,
    measured_on: str = "the validation photographs of all stores",
) -> str:
    """Says how well the model does, against what it would do otherwise, and where things lie.

    Args:
      federated: top-1 accuracy in [0, 1] of the run's model.
      central: of the same model trained on the pooled photographs, where it was asked for.
      local: of the same model trained on each store alone, by store, where it was asked for.
      paths: what lies where, such as `{"model": "runs/quickstart/model"}`.
      measured_on: the photographs that all of them were measured on.

    Returns:
      Lines of at most 100 columns, except where a path alone is longer; without a last newline.
    """
    baselines = [] if central is None else [("trained centrally", central)]
    accuracies = [("trained federatedly", federated), *baselines, *_alone(local or {})]
    header = ["accuracy (top-1)", ""]
    rows = [[name, f"{100 * accuracy:.1f} %"] for name, accuracy in accuracies]
    if central:
        header.append("of central")
        for row, (_, accuracy) in zip(rows, accuracies, strict=True):
            row.append(f"{100 * accuracy / central:.0f} %")
    lines = [format_table(header, rows), f"measured on {measured_on}"]
    if paths:
        width = max(map(len, paths))
        lines += ["", *(f"{name:{width}}  {path}" for name, path in paths.items())]
    return "\n".join(lines)


def _alone(local: Mapping[str, float]) -> list[tuple[str, float]]:
    """A row for each store, or for the best, the worst and the middle where they are many."""
    if len(local) <= _MAX_STORES:
        return [(f"trained alone: {store}", accuracy) for store, accuracy in local.items()]
    ordered = sorted(local.items(), key=lambda item: -item[1])
    return [
        *((f"trained alone: {store}", accuracy) for store, accuracy in ordered[:_NUM_BEST]),
        (f"trained alone: median of {len(local)}", statistics.median(local.values())),
        *((f"trained alone: {store}", accuracy) for store, accuracy in ordered[-_NUM_WORST:]),
    ]
