"""One training run of a study: run by the product's own program, its result kept as JSON.

Accuracies are of the last round, never of the best one: the best would have been chosen on the
photographs that it is measured on.
"""

import csv
import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tff_retail.config import RunConfig

Curve = list[tuple[int, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A run and what its result is filed under.

    Attributes:
      name: of its folder and of its result's file.
      keys: what tells it from the study's other runs, such as `{"alpha": 0.1, "seed": 2}`.
      config: of the run; `output_dir` is its folder.
    """

    name: str
    keys: Mapping[str, Any]
    config: RunConfig


def study_result(study_run: StudyRun, results_dir: pathlib.Path) -> dict[str, Any]:
    """The result of a run: read where it is kept, else trained, or trained on, and then kept.

    A kept result that another configuration gave does not count.

    Returns:
      The keys, `configuration`, and `federated`, `central` and `alone` (by store) with `top_1` in
      [0, 1] after the last round and `curve`, [round, top_1] of each evaluation. `central` is None
      and `alone` empty where the run did not ask for them. Beside them `rounds`, `local_epochs`,
      `labels` and `num_evaluated`.
    """
    kept = kept_result(study_run, results_dir)
    if kept is not None:
        return kept
    from tff_retail.program.run import run  # TensorFlow only where it is needed

    run(study_run.config)
    result = {
        **study_run.keys,
        "configuration": study_run.config.to_json(),
        **read_run(pathlib.Path(study_run.config.output_dir)),
    }
    write_json(_result_file(study_run, results_dir), result)
    return result


def kept_result(study_run: StudyRun, results_dir: pathlib.Path) -> dict[str, Any] | None:
    """The result that this very configuration gave, or None where there is none."""
    kept = _result_file(study_run, results_dir)
    result = _read(kept) if kept.exists() else None
    return result if result and _is_of(result, study_run.config) else None


def _result_file(study_run: StudyRun, results_dir: pathlib.Path) -> pathlib.Path:
    return results_dir / f"{study_run.name}.json"


def _is_of(result: Mapping[str, Any], config: RunConfig) -> bool:
    # As JSON, which knows no tuples.
    return result.get("configuration") == json.loads(json.dumps(config.to_json()))


def read_run(folder: pathlib.Path) -> dict[str, Any]:
    """What a finished run directory says; see `study_result`."""
    summary = _read(folder / "summary.json")
    baselines = [_read(path) for path in sorted((folder / "baselines").glob("*.json"))]
    curves = {found["name"]: found["curve"] for found in baselines}
    central = curves.pop("central", None) if "central_accuracy" in summary else None
    return {
        "federated": _of_curve(_federated_curve(folder / "metrics.csv")),
        "central": None if central is None else _of_curve(central),
        "alone": {store: _of_curve(curve) for store, curve in curves.items()},
        "rounds": summary["rounds_completed"],
        "local_epochs": summary["configuration"]["learning"]["local_epochs"],
        "labels": _read(folder / "manifest.json")["labels"],
        "num_evaluated": summary["eval_examples"],
    }


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, path)


def _federated_curve(metrics_csv: pathlib.Path) -> Curve:
    with metrics_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(int(row["round"]), float(row["eval/top_1"])) for row in rows if row["eval/top_1"]]


def _of_curve(curve: Curve) -> dict[str, Any]:
    return {"top_1": curve[-1][1], "curve": curve}


def _read(path: pathlib.Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
