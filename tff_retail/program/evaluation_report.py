"""An evaluation as files: numbers for programs, tables for spreadsheets, a picture for people."""

import csv
import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from tff_retail.program.confusion_picture import write_confusion_picture
from tff_retail.program.model_evaluation import (
    LabelResult,
    ModelEvaluation,
    label_results,
    worst_confusions,
)
from tff_retail.program.text_table import format_table

# A terminal shows the labels that need attention; the file has them all.
_MAX_TABLE_LABELS = 30


def write_evaluation_report(evaluation: ModelEvaluation, output_dir: pathlib.Path) -> None:
    """Writes `evaluation.json`, `labels.csv`, `confusion.csv` and `confusion.png`."""
    output_dir.mkdir(parents=True, exist_ok=True)
    results = label_results(evaluation)
    _write_text(output_dir / "evaluation.json", json.dumps(_summary(evaluation), indent=1))
    _write_csv(
        output_dir / "labels.csv",
        ["label", "precision", "recall", "support"],
        ([r.label, _number(r.precision), _number(r.recall), r.support] for r in results),
    )
    _write_csv(
        output_dir / "confusion.csv",
        ["label \\ taken for", *evaluation.labels],
        (
            [label, *row.tolist()]
            for label, row in zip(evaluation.labels, evaluation.confusion, strict=True)
        ),
    )
    write_confusion_picture(evaluation, output_dir / "confusion.png")


def describe_evaluation(evaluation: ModelEvaluation) -> str:
    """The same for a terminal: totals, the label table and the worst confusions."""
    parts = [
        f"accuracy {evaluation.accuracy:.1%}  top-5 {evaluation.top_5:.1%}  "
        f"loss {evaluation.loss:.3f}  on {evaluation.num_examples} photographs",
        _label_table(label_results(evaluation)),
    ]
    mistakes = worst_confusions(evaluation)
    if mistakes:
        rows = [(m.label, m.taken_for, str(m.count), f"{m.share:.1%}") for m in mistakes]
        header = ("label", "taken for", "photographs", "of the label")
        parts.append("Worst confusions:\n" + format_table(header, rows))
    if evaluation.unknown_labels:
        parts.append(_unknown_sentence(evaluation))
    return "\n\n".join(parts)


def _label_table(results: Sequence[LabelResult]) -> str:
    """All labels, or those with the lowest recall where there are many."""
    shown, ending = list(results), ""
    if len(shown) > _MAX_TABLE_LABELS:
        measured = [result for result in results if result.recall is not None]
        shown = sorted(measured, key=lambda result: result.recall or 0.0)[:_MAX_TABLE_LABELS]
        lowest = f"The {len(shown)} of {len(results)} labels with the lowest recall"
        ending = f"\n{lowest}; labels.csv has all."
    rows = [(r.label, _percent(r.precision), _percent(r.recall), str(r.support)) for r in shown]
    return format_table(("label", "precision", "recall", "photographs"), rows) + ending


def _unknown_sentence(evaluation: ModelEvaluation) -> str:
    unknown = evaluation.unknown_labels
    names = ", ".join(sorted(unknown)[:5]) + (" …" if len(unknown) > 5 else "")
    return (
        f"{sum(unknown.values())} photographs of {len(unknown)} labels that the model does not "
        f"know are left out: {names}"
    )


def _summary(evaluation: ModelEvaluation) -> dict[str, Any]:
    return {
        "accuracy": evaluation.accuracy,
        "top_5": evaluation.top_5,
        "loss": evaluation.loss,
        "num_examples": evaluation.num_examples,
        "unknown_labels": dict(evaluation.unknown_labels),
        "labels": [dataclasses.asdict(result) for result in label_results(evaluation)],
        "worst_confusions": [dataclasses.asdict(pair) for pair in worst_confusions(evaluation)],
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _write_csv(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    _write_text(path, text.getvalue())


def _write_text(path: pathlib.Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(partial, path)
