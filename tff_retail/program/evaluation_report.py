"""An evaluation as files: numbers for programs, tables for spreadsheets, a picture for people."""

import csv
import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tff_retail.program.confusion_picture import write_confusion_picture
from tff_retail.program.evaluation_photographs import EvaluationPhotographs
from tff_retail.program.mistakes import Mistake, list_mistakes, mistake_positions
from tff_retail.program.model_evaluation import (
    LabelResult,
    ModelEvaluation,
    label_results,
    worst_confusions,
)
from tff_retail.program.predictions_picture import write_predictions
from tff_retail.program.reliability_picture import write_reliability
from tff_retail.program.text_table import format_table
from tff_retail.program.unknown_calls import UnknownCalls, unknown_calls

# A terminal shows what needs attention; the files have it all.
_MAX_TABLE_LABELS = 30
_MAX_TABLE_MISTAKES = 10
# As many as a picture shows.
_MAX_PICTURED_MISTAKES = 24


def write_evaluation_report(
    evaluation: ModelEvaluation,
    photographs: EvaluationPhotographs,
    output_dir: pathlib.Path,
    *,
    unknown_threshold: float | None,
) -> None:
    """Writes the numbers, the tables and the pictures.

    `evaluation.json`, `labels.csv`, `confusion.csv`, `confusion.png`, `reliability.png`; and of
    the photographs that the model gets wrong, the surest first, `mistakes.csv` and `mistakes.png`
    (without one, there is no picture).

    Args:
      evaluation: of `photographs`.
      photographs: to name and show mistakes.
      output_dir: made where it is missing.
      unknown_threshold: below it an answer is called an unknown product; None for no such thing.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    results = label_results(evaluation)
    summary = _summary(evaluation, unknown_threshold)
    _write_text(output_dir / "evaluation.json", json.dumps(summary, indent=1))
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
    write_reliability(
        evaluation.confidence, output_dir / "reliability.png", unknown_threshold=unknown_threshold
    )
    _write_mistakes(evaluation, photographs, output_dir)


def describe_evaluation(
    evaluation: ModelEvaluation,
    photographs: EvaluationPhotographs,
    *,
    unknown_threshold: float | None,
) -> str:
    """The same for a terminal: totals, the label table, the worst confusions and mistakes."""
    calls = None if unknown_threshold is None else unknown_calls(evaluation, unknown_threshold)
    parts = [_totals(evaluation, calls), _label_table(label_results(evaluation))]
    mistakes = worst_confusions(evaluation)
    if mistakes:
        rows = [(m.label, m.taken_for, str(m.count), f"{m.share:.1%}") for m in mistakes]
        header = ("label", "taken for", "photographs", "of the label")
        parts.append("Worst confusions:\n" + format_table(header, rows))
        parts.append(_mistake_table(evaluation, photographs))
    if evaluation.unknown_labels:
        parts.append(_other_labels_sentence(evaluation, calls))
    return "\n\n".join(parts)


def _totals(evaluation: ModelEvaluation, calls: UnknownCalls | None) -> str:
    error = evaluation.confidence.expected_calibration_error
    lines = [
        f"accuracy {evaluation.accuracy:.1%}  top-5 {evaluation.top_5:.1%}  "
        f"loss {evaluation.loss:.3f}  on {evaluation.num_examples} photographs",
        f"calibration error (ECE) {_percent(error)}: how far its probabilities are, on average, "
        "from the share that is right",
    ]
    if calls is not None:
        lines.append(
            f"below {calls.threshold:.1%} an answer is called an unknown product: "
            f"{_percent(calls.called_unknown)} of the photographs, "
            f"{_percent(calls.right_called_unknown)} of the right ones; "
            f"{_percent(calls.accuracy_of_rest)} of the rest are right"
        )
    return "\n".join(lines)


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


def _mistake_table(evaluation: ModelEvaluation, photographs: EvaluationPhotographs) -> str:
    positions = mistake_positions(evaluation)
    shown = list_mistakes(evaluation, photographs, positions[:_MAX_TABLE_MISTAKES])
    rows = [
        (f"{mistake.store}/{mistake.photograph}", mistake.taken_for, f"{mistake.score:.1%}")
        for mistake in shown
    ]
    table = format_table(("photograph", "taken for", "score"), rows)
    ending = "" if len(positions) == len(rows) else f"\nmistakes.csv has all {len(positions)}."
    return f"Wrong, the surest first:\n{table}{ending}"


def _write_mistakes(
    evaluation: ModelEvaluation, photographs: EvaluationPhotographs, output_dir: pathlib.Path
) -> None:
    positions = mistake_positions(evaluation)
    mistakes = list_mistakes(evaluation, photographs, positions)
    header = [field.name for field in dataclasses.fields(Mistake)]
    _write_csv(
        output_dir / "mistakes.csv", header, (dataclasses.astuple(found) for found in mistakes)
    )
    (output_dir / "mistakes.png").unlink(missing_ok=True)  # of an evaluation before
    if len(positions):
        shown, answers = positions[:_MAX_PICTURED_MISTAKES], evaluation.answers
        write_predictions(
            output_dir / "mistakes.png",
            images=photographs.take(shown),
            labels=answers.wanted[shown],
            predicted=answers.given[shown],
            scores=answers.confidence[shown],
            label_names=evaluation.labels,
        )


def _other_labels_sentence(evaluation: ModelEvaluation, calls: UnknownCalls | None) -> str:
    unknown = evaluation.unknown_labels
    names = ", ".join(sorted(unknown)[:5]) + (" …" if len(unknown) > 5 else "")
    sentence = (
        f"{sum(unknown.values())} photographs of {len(unknown)} labels that the model does not "
        f"know are left out: {names}"
    )
    if calls is None or calls.other_labels_called_unknown is None:
        return sentence
    seen = int(np.sum(~evaluation.answers.is_known))
    share = calls.other_labels_called_unknown
    return f"{sentence}\nof {seen} of them {share:.1%} are called an unknown product"


def _summary(evaluation: ModelEvaluation, unknown_threshold: float | None) -> dict[str, Any]:
    calls = None if unknown_threshold is None else unknown_calls(evaluation, unknown_threshold)
    confidence = evaluation.confidence
    return {
        "accuracy": evaluation.accuracy,
        "top_5": evaluation.top_5,
        "loss": evaluation.loss,
        "ece": confidence.expected_calibration_error,
        "num_examples": evaluation.num_examples,
        "unknown": None if calls is None else dataclasses.asdict(calls),
        "reliability": [dataclasses.asdict(found) for found in confidence.reliability()],
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
