"""`python -m tff_retail.inspect_data`, as a user runs it."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

_CLONE = pathlib.Path(__file__).resolve().parents[1]


def _photo(path: pathlib.Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), colour, np.uint8)).save(path)


@pytest.fixture
def data_dir(tmp_path):
    for store in range(3):
        for number in range(6):
            _photo(tmp_path / f"data/店 {store}/苹果/{number}.png", (store, number, 0))
            _photo(tmp_path / f"data/店 {store}/tea/{number}.png", (store, number, 1))
    _photo(tmp_path / "data/店 1/tea/copy.png", (0, 0, 1))
    (tmp_path / "data/店 2/tea/empty.jpg").touch()
    return tmp_path / "data"


def _run(module: str, *arguments: str, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(_CLONE), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-m", f"tff_retail.{module}", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_table_picture_and_advice(data_dir, tmp_path):
    done = _run("inspect_data", f"--data_dir={data_dir}", "--output_dir=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("店")]
    assert [row[:2] for row in rows] == [["店", "0"], ["店", "1"], ["店", "2"]]
    assert [row[-2:] for row in rows] == [["0", "1"], ["0", "1"], ["1", "0"]]
    assert "left out 1 file that can't be used" in done.stdout
    assert "There are 3 stores, fewer than the 5" in done.stdout
    assert "1 photographs lie in more than one store" in done.stdout
    folder = tmp_path / "out"
    assert {path.name for path in folder.iterdir()} == {
        "heat_map.png", "stores.csv", "labels.csv", "skipped.json", "inspection.json"
    }  # fmt: skip
    with open(folder / "labels.csv", encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    assert [(row["label"], row["num_examples"]) for row in labels] == [
        ("tea", "19"),
        ("苹果", "18"),
    ]
    skipped = json.loads((folder / "skipped.json").read_text())["skipped"]
    assert [file["path"] for file in skipped] == ["tea/empty.jpg"]


def test_names_that_no_font_draws_are_listed_by_number(tmp_path):
    for store in ("a", "b\U00012000"):
        for label in ("tea", "jam\U00012000"):
            _photo(tmp_path / "data" / store / label / "1.png", (len(store), len(label), 0))
    done = _run("inspect_data", "--data_dir=data", "--output_dir=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sentence = "No font here can draw these {}, so the picture has their numbers: {}"
    assert sentence.format("labels", "#0 jam\U00012000") in done.stdout
    assert sentence.format("stores", "#1 b\U00012000") in done.stdout


def test_json_is_all_that_is_printed(data_dir, tmp_path):
    done = _run("inspect_data", f"--data_dir={data_dir}", "--json", cwd=tmp_path)
    values = json.loads(done.stdout)
    assert values["num_stores"] == 3
    assert values["labels"] == {"tea": 19, "苹果": 18}
    assert (tmp_path / "runs/inspection/heat_map.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--data_dir"),
        (("--data_dir=missing",), "--data_dir must be an existing folder"),
        (("--data_dir=.", "--image_size=7"), "--image_size must be in [32, 1024], found 7"),
        (("--data_dir=.", "stray"), "found the argument 'stray'"),
        (("--data_dir=data", "--output_dir=file/x"), "--output_dir must be a folder"),
    ],
)
def test_a_wrong_flag_is_one_sentence(data_dir, tmp_path, arguments, sentence):
    (tmp_path / "file").touch()
    done = _run("inspect_data", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_clear_cache_frees_and_is_content_with_nothing(data_dir, tmp_path):
    _run("inspect_data", f"--data_dir={data_dir}", "--json", cwd=tmp_path)
    assert (data_dir / ".tff_retail_cache").is_dir()
    assert "cleared" in _run("clear_cache", f"--data_dir={data_dir}", cwd=tmp_path).stdout
    assert not (data_dir / ".tff_retail_cache").exists()
    again = _run("clear_cache", f"--data_dir={data_dir}", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "there is no cache to clear\n")
    nothing = _run("clear_cache", cwd=tmp_path)
    assert nothing.returncode == 2
    assert "found neither" in nothing.stderr
