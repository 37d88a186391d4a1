"""Tests of the make_stores command: flags in, a chain out, one sentence for a wrong setting."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

_REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tff_retail.make_stores", *arguments],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def _photographs(folder: pathlib.Path) -> set[pathlib.Path]:
    return {path.relative_to(folder) for path in folder.glob("*/*/*.*")}


def test_synthetic_stores_are_made_once(tmp_path):
    arguments = (
        f"--output_dir={tmp_path}/my shelf",
        "--synthetic",
        "--num_stores=2",
        "--num_labels=3",
        "--images_per_store=4",
        "--image_size=32",
    )
    first = _run(*arguments)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"--data_dir='{tmp_path}/my shelf'" in first.stdout
    made = _photographs(tmp_path / "my shelf")
    assert len(made) == 8
    assert _run(*arguments).returncode == 0
    assert _photographs(tmp_path / "my shelf") == made
    other = _run(*arguments, "--seed=2")
    assert other.returncode == 2
    assert "one made with seed=1" in other.stderr


def test_label_folders_are_spread(tmp_path):
    for position in range(6):
        path = tmp_path / "source" / f"label {position % 2}" / f"{position}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), position, np.uint8)).save(path)
    done = _run(
        f"--output_dir={tmp_path}/chain",
        f"--source_dir={tmp_path}/source",
        "--num_stores=3",
        "--partitioner=shards",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.parts[0] for path in _photographs(tmp_path / "chain")} == {
        "store_1",
        "store_2",
        "store_3",
    }
    assert {path.name for path in _photographs(tmp_path / "chain")} == {
        f"{position}.png" for position in range(6)
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--synthetic",), "--output_dir must name the folder to make"),
        (("--output_dir=x",), "--source_dir, --tfds or --synthetic must say where"),
        (("--output_dir=x", "--synthetic", "--tfds=mnist"), "found none or several"),
        (("--output_dir=x", "--tfds=mnist", "--num_labels=3"), "--num_labels must go with --synth"),
        (("--output_dir=x", "--synthetic", "--partitioner=iid"), "must be dirichlet with --synth"),
        (("--output_dir=x", "--source_dir=/nowhere"), "--source_dir must be an existing folder"),
    ],
)
def test_a_wrong_setting_is_one_sentence(arguments, sentence, tmp_path):
    done = _run(*(a.replace("=x", f"={tmp_path}/x") for a in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()
