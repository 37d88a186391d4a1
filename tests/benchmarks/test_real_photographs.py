"""The study on real photographs: folders, plan, what it reads from runs and what it reports."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from benchmarks import study_run
from benchmarks.backbone_file import write_backbone
from benchmarks.grocery_folders import write_grocery_folders, write_halves
from benchmarks.marked_section import write_marked_section
from benchmarks.real_photographs_pictures import draw_curves, draw_stores, own_mix_accuracy
from benchmarks.real_photographs_plan import STARTS, StudyPlan
from benchmarks.real_photographs_table import study_rows, study_table
from benchmarks.study_run import kept_result, read_run, study_result, write_json
from tff_retail.config import ConfigurationError

PNG = b"\x89PNG"


@pytest.fixture
def grocery(tmp_path):
    """The layout of the authors: two labels, three and two photographs to train, one to measure."""
    folder = tmp_path / "dataset"
    paths = {
        "train": [
            "Fruit/Apple/Gala/a_1.jpg",
            "Fruit/Apple/Gala/a_2.jpg",
            "Fruit/Apple/Gala/a_3.jpg",
        ],
        "val": ["Fruit/Apple/Gala/a_1.jpg"],
    }
    paths["train"] += ["Packages/Milk/m_1.jpg", "Packages/Milk/m_2.jpg"]
    for split, names in paths.items():
        lines = []
        for name in names:
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{split} {name}".encode())
            lines.append(f"{split}/{name}, {int('Milk' in name)}, 0")
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    (folder / "classes.csv").write_text("Class Name (str),Class ID (int)\nGala,0\nMilk,1\n")
    return folder


def _names(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.jpg")}


def test_photographs_become_folders_by_label(grocery, tmp_path):
    write_grocery_folders(grocery, tmp_path / "out")
    assert _names(tmp_path / "out" / "validation") == {"Gala/val_Fruit_Apple_Gala_a_1.jpg"}
    assert len(_names(tmp_path / "out" / "train")) == 5
    photograph = tmp_path / "out" / "train" / "Milk" / "train_Packages_Milk_m_2.jpg"
    assert photograph.read_bytes() == b"train Packages/Milk/m_2.jpg"


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="--grocery_dir must be the folder `dataset`"):
        write_grocery_folders(tmp_path, tmp_path / "out")


def test_halves_share_no_photograph_and_have_all_labels(grocery, tmp_path):
    write_grocery_folders(grocery, tmp_path / "out")
    write_halves(tmp_path / "out" / "train", tmp_path / "halves")
    ours = _names(tmp_path / "halves" / "headquarters" / "headquarters")
    theirs = _names(tmp_path / "halves" / "stores")
    assert not ours & theirs
    assert ours | theirs == _names(tmp_path / "out" / "train")
    assert {name.split("/")[0] for name in ours} == {name.split("/")[0] for name in theirs}


@pytest.fixture
def plan(tmp_path):
    return StudyPlan(folder=tmp_path, rounds=6, alphas=(0.5, 0.1))


def test_central_is_trained_once_for_all_alphas(plan):
    assert plan.run("scratch", 0.5, 1).config.compare_central
    assert not plan.run("scratch", 0.1, 1).config.compare_central


def test_stores_alone_are_trained_in_one_run(plan):
    runs = [(start, alpha, seed) for start in STARTS for alpha in plan.alphas for seed in (1, 2)]
    assert [run for run in runs if plan.run(*run).config.compare_local] == [("half", 0.5, 1)]


def test_another_pretraining_changes_what_starts_from_it(plan):
    longer = dataclasses.replace(plan, pretraining_epochs=plan.pretraining_epochs + 1)
    for start in STARTS:
        changed = plan.run(start, 0.5, 1).config != longer.run(start, 0.5, 1).config
        assert changed == (start != "scratch")


def test_all_runs_are_measured_on_the_same_photographs(plan):
    runs = [plan.run(start, alpha, 1) for start in STARTS for alpha in plan.alphas]
    assert {run.config.data.eval_dir for run in runs} == {str(plan.validation_dir)}
    assert len({run.name for run in runs}) == len(runs)
    assert len({run.config.data.data_dir for run in runs}) == 4  # all or half, by alpha


@pytest.mark.parametrize("start", STARTS)
def test_what_a_network_starts_from(plan, start):
    model = plan.run(start, 0.5, 1).config.model
    before = plan.pretraining(start)
    assert model.weights == (
        "none" if before is None else f"{before.config.output_dir}/backbone.npz"
    )
    assert model.freeze_backbone == (start == "half")
    if before is not None:
        assert before.config.data.eval_dir is None
        assert before.config.data.data_dir != plan.run(start, 0.5, 1).config.data.data_dir


def test_a_backbone_comes_without_its_head(tmp_path):
    (tmp_path / "model").mkdir()
    arrays = {"00000/conv1/kernel": np.ones((2, 3)), "00001/logits/kernel": np.ones((3, 4))}
    np.savez(tmp_path / "model" / "weights.npz", **arrays)
    write_backbone(tmp_path)
    with np.load(tmp_path / "backbone.npz") as backbone:
        assert backbone.files == ["00000/conv1/kernel"]
        np.testing.assert_array_equal(backbone["00000/conv1/kernel"], arrays["00000/conv1/kernel"])


@pytest.fixture
def run_folder(tmp_path):
    """What a run writes that the study reads."""
    folder = tmp_path / "run"
    (folder / "baselines").mkdir(parents=True)
    (folder / "metrics.csv").write_text("round,eval/top_1\n1,0.2\n2,\n3,0.25\n")
    values = {
        "summary.json": {
            "central_accuracy": 0.5,
            "rounds_completed": 3,
            "eval_examples": 8,
            "configuration": {"learning": {"local_epochs": 2}},
        },
        "manifest.json": {"labels": ["Gala", "Milk"]},
        "baselines/central.json": {"name": "central", "curve": [[1, 0.5], [3, 0.375]]},
        "baselines/local-00000.json": {"name": "store_1", "curve": [[1, 0.1], [3, 0.125]]},
    }
    for name, value in values.items():
        (folder / name).write_text(json.dumps(value))
    return folder


def test_a_result_is_of_the_last_round_not_the_best(run_folder):
    assert read_run(run_folder) == {
        "federated": {"top_1": 0.25, "curve": [(1, 0.2), (3, 0.25)]},
        "central": {"top_1": 0.375, "curve": [[1, 0.5], [3, 0.375]]},
        "alone": {"store_1": {"top_1": 0.125, "curve": [[1, 0.1], [3, 0.125]]}},
        "rounds": 3,
        "local_epochs": 2,
        "labels": ["Gala", "Milk"],
        "num_evaluated": 8,
    }


@pytest.fixture
def trained(monkeypatch):
    """Configurations that were trained, instead of training."""
    configs = []
    monkeypatch.setattr("tff_retail.program.run.run", configs.append)
    monkeypatch.setattr(study_run, "read_run", lambda folder: {"folder": str(folder)})
    return configs


def test_a_kept_result_is_not_trained_again(plan, tmp_path, trained):
    wanted = plan.run("scratch", 0.1, 2)
    first = study_result(wanted, tmp_path / "results")
    assert study_result(wanted, tmp_path / "results") == first
    assert trained == [wanted.config]
    assert first == {
        "start": "scratch",
        "alpha": 0.1,
        "seed": 2,
        "configuration": wanted.config.to_json(),
        "folder": wanted.config.output_dir,
    }


def test_a_result_of_another_configuration_is_made_anew(plan, tmp_path, trained):
    before = plan.run("scratch", 0.1, 2)
    after = dataclasses.replace(plan, rounds=plan.rounds + 1).run("scratch", 0.1, 2)
    assert (after.name, after.config.output_dir) != (before.name, before.config.output_dir)
    study_result(before, tmp_path)
    assert kept_result(after, tmp_path) is None
    result = study_result(after, tmp_path)
    assert trained == [before.config, after.config]
    assert kept_result(after, tmp_path) == result
    assert kept_result(before, tmp_path) is None


def test_a_result_without_a_configuration_does_not_count(plan, tmp_path, trained):
    wanted = plan.run("half", 0.5, 1)
    write_json(tmp_path / f"{wanted.name}.json", {"federated": {"top_1": 1.0}})
    study_result(wanted, tmp_path)
    assert trained == [wanted.config]


def _result(alpha, seed, federated, central=None, alone=(0.1, 0.2)):
    def trained(top_1):
        return {"top_1": top_1, "curve": [[1, top_1 / 2], [3, top_1]]}

    return {
        "start": "scratch",
        "alpha": alpha,
        "seed": seed,
        "federated": trained(federated),
        "central": None if central is None else trained(central),
        "alone": {f"store_{i}": trained(top_1) for i, top_1 in enumerate(alone)},
        "rounds": 3,
        "local_epochs": 2,
        "labels": ["Gala", "Milk"],
        "num_evaluated": 100,
    }


RESULTS = [
    _result(0.5, 1, 0.50, central=0.52),
    _result(0.1, 1, 0.40, alone=(0.05, 0.15)),
    _result(0.5, 2, 0.54, central=0.54),
    _result(0.1, 2, 0.44, alone=(0.25, 0.35)),
]


def test_rows_pair_central_and_federated_by_seed():
    near, far = study_rows(RESULTS)
    assert (near["alpha"], near["seeds"], far["alpha"]) == (0.5, [1, 2], 0.1)
    assert near["gap"] == pytest.approx({"mean": 1.0, "sd": 2**0.5})
    assert far["gap"]["mean"] == pytest.approx(11.0)
    assert far["central"] == near["central"] == pytest.approx({"mean": 53.0, "sd": 2**0.5})
    assert far["alone"] == pytest.approx({"mean": 20.0, "min": 5.0, "max": 35.0})


def test_how_soon_central_training_is_as_good():
    # Central is at 0.26 after round 1 and at 0.52 after round 3, of 2 epochs each.
    for federated, epochs in ((0.25, 2), (0.26, 2), (0.27, 6), (0.52, 6), (0.53, None)):
        (row,) = study_rows([_result(0.5, 1, federated, central=0.52)])
        assert row["central_epochs"] == [epochs]


def test_one_seed_has_no_spread():
    (row,) = study_rows(RESULTS[:1])
    assert row["federated"] == {"mean": 50.0, "sd": None}


def test_no_difference_has_no_sign():
    results = [_result(0.5, 1, 0.22 + 1e-9, central=0.22)]
    assert "| **0.0** | 6 |" in study_table(study_rows(results), results)


def test_the_table_says_what_a_person_needs():
    table = study_table(study_rows(RESULTS), RESULTS)
    assert (
        "| from scratch | 0.5 | 2 | 6 | 53.0 ± 1.4 | 52.0 ± 2.8 | **1.0 ± 1.4** | 6, 6 "
        "| 15.0 (10.0 to 20.0) |" in table
    )
    assert "| 11.0 ± 1.4 |" in table  # beyond 3 points: not bold
    assert "over the stores of seed 1, 2." in table
    assert "± 5.0 points" in table  # sqrt(0.5 * 0.5 / 100)


def test_own_mix_weighs_products_as_the_store_has_them():
    confusion = np.array([[3, 1, 0], [0, 1, 1], [0, 0, 0]])
    labels = ("Gala", "Milk", "Leek")
    assert own_mix_accuracy({"Gala": 5}, confusion, labels) == 0.75
    assert own_mix_accuracy({"Gala": 1, "Milk": 1, "Leek": 9}, confusion, labels) == 0.625
    assert own_mix_accuracy({"Leek": 9}, confusion, labels) == 0.0


def test_pictures_are_drawn(tmp_path):
    draw_curves(RESULTS, tmp_path / "curves.png")
    counts = {"store_0": {"Gala": 3}, "store_1": {"Milk": 2}}
    draw_stores(RESULTS[0], counts, np.eye(2, dtype=int), tmp_path / "stores.png")
    for name in ("curves", "stores"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)


def test_a_marked_section_is_replaced_and_nothing_else(tmp_path):
    document = tmp_path / "results.md"
    document.write_text("before\n<!-- skew begins -->\nold\n<!-- skew ends -->\nafter\n")
    write_marked_section(document, "skew", "new\n")
    assert document.read_text() == "before\n<!-- skew begins -->\nnew\n<!-- skew ends -->\nafter\n"


@pytest.mark.parametrize("text", ["", "<!-- a ends -->\n<!-- a begins -->", "<!-- a begins -->"])
def test_a_document_without_the_markers_is_left_alone(tmp_path, text):
    document = tmp_path / "results.md"
    document.write_text(text)
    with pytest.raises(ValueError, match="a begins"):
        write_marked_section(document, "a", "new")
    assert document.read_text() == text
