import csv
import json
import pathlib
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tests.colour_run import LABELS, make_colour_run, save_unsure_model, write_photographs

_CLONE = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_colour_run(tmp_path_factory.mktemp("chain"))


def _evaluate(*arguments):
    command = [sys.executable, "-m", "tff_retail.evaluate", *map(str, arguments)]
    return subprocess.run(command, cwd=_CLONE, capture_output=True, text=True, timeout=120)


def _summary(folder):
    return json.loads((folder / "evaluation.json").read_text("utf-8"))


def test_the_validation_photographs_of_the_run(run):
    result = _evaluate(f"--model={run}")
    assert result.returncode == 0, result.stderr
    summary = _summary(run / "evaluation")
    # Which of the 30 photographs are for validation (--validation_fraction=0.4) depends on their
    # content alone.
    assert 3 < summary["num_examples"] < 27
    assert summary["accuracy"] == summary["top_5"] == 1
    assert summary["worst_confusions"] == [] and summary["unknown_labels"] == {}
    with open(run / "evaluation" / "confusion.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == list(LABELS)
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == summary["num_examples"]
    with open(run / "evaluation" / "labels.csv", encoding="utf-8", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == list(LABELS)
    assert Image.open(run / "evaluation" / "confusion.png").format == "PNG"
    assert "accuracy 100.0%  top-5 100.0%" in result.stdout
    assert "calibration error (ECE) " in result.stdout
    assert 0 <= summary["ece"] < 0.1 and len(summary["reliability"]) == 15
    # A model from before there was a threshold, and nothing wrong to list.
    assert summary["unknown"] is None and "unknown product" not in result.stdout
    assert (run / "evaluation" / "mistakes.csv").read_text().count("\n") == 1
    assert not (run / "evaluation" / "mistakes.png").exists()
    assert Image.open(run / "evaluation" / "reliability.png").format == "PNG"


def test_another_chain_with_a_mistake_and_an_unknown_label(run, tmp_path):
    chain = tmp_path / "other chain"
    shutil.copytree(run.parent / "chain" / "store 0", chain / "s", symlinks=True)
    # Two red photographs among the green ones, and a label that the model never saw.
    write_photographs(chain / "s" / LABELS[1] / "wrong", 0, num_photographs=2, seed=9)
    write_photographs(chain / "s" / "梨", 2, num_photographs=4, seed=8)
    save_unsure_model(tmp_path / "unsure")
    output = tmp_path / "out"
    result = _evaluate(
        f"--model={tmp_path / 'unsure'}",
        f"--data_dir={chain}",
        "--split=all",
        f"--output_dir={output}",
    )
    assert result.returncode == 0, result.stderr
    summary = _summary(output)
    assert (summary["num_examples"], summary["unknown_labels"]) == (17, {"梨": 4})
    assert summary["accuracy"] == pytest.approx(15 / 17)
    assert summary["worst_confusions"] == [
        {"label": LABELS[1], "taken_for": LABELS[0], "count": 2, "share": 2 / 7}
    ]
    with open(output / "mistakes.csv", encoding="utf-8", newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert {row["photograph"] for row in mistakes} == {
        f"{LABELS[1]}/wrong/{number}.png" for number in range(2)
    }
    assert [(row["store"], row["label"], row["taken_for"]) for row in mistakes] == [
        ("s", LABELS[1], LABELS[0])
    ] * 2
    assert float(mistakes[0]["score"]) >= float(mistakes[1]["score"]) > 1 / 3
    assert f"s/{mistakes[0]['photograph']}" in result.stdout
    assert Image.open(output / "mistakes.png").format == "PNG"
    # Below a probability of 1 everything is unknown, the label the model lacks above all.
    assert summary["unknown"]["other_labels_called_unknown"] == 1
    assert "of 4 of them 100.0% are called an unknown product" in result.stdout
    assert (
        "4 photographs of 1 labels that the model does not know are left out: 梨" in result.stdout
    )


def test_a_test_set_in_label_folders(run, tmp_path):
    for colour in (0, 2):
        write_photographs(tmp_path / "test" / LABELS[colour], colour, seed=7)
    write_photographs(tmp_path / "test" / "other", 1, num_photographs=2)
    (tmp_path / "test" / LABELS[0] / "bad.jpg").write_bytes(b"")
    output = tmp_path / "out"
    result = _evaluate(
        f"--model={run}", f"--eval_dir={tmp_path / 'test'}", f"--output_dir={output}"
    )
    assert result.returncode == 0, result.stderr
    summary = _summary(output)
    assert (summary["num_examples"], summary["accuracy"]) == (10, 1)
    assert [label["support"] for label in summary["labels"]] == [5, 0, 5]
    assert summary["labels"][1]["recall"] is None
    assert summary["unknown_labels"] == {"other": 2}
    # Each loss is told of once.
    assert result.stdout.count("left out") + result.stdout.count("are left out") == 3, result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--model must be"),
        (["--model=nothing"], "--data_dir or --eval_dir must be set"),
        (["--model=nothing", "--data_dir=tests"], "found 'nothing'"),
        (["--model=nothing", "--data_dir=none"], "--data_dir must be an existing folder"),
        (["--model=nothing", "--data_dir=tests", "--eval_dir=tests"], "left out beside"),
        (["--model=nothing", "--data_dir=tests", "--split=test"], "--split must be one of"),
        (["--model=nothing", "--unknown_threshold=2"], "auto or a number in [0, 1], found '2'"),
        (["nothing"], "--model must be the only way"),
    ],
)
def test_a_wrong_command_is_one_sentence(arguments, sentence):
    result = _evaluate(*arguments)
    assert sentence in result.stderr and result.stderr.count("\n") == 1
    assert (result.stdout, result.returncode) == ("", 2)
