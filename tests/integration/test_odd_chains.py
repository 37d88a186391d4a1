"""Chains unlike the usual one train, or say in one sentence why not."""

import io
import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    ScheduleConfig,
)
from tff_retail.program.console import PlainConsole
from tff_retail.program.released_model import load_released_model
from tff_retail.program.run import run

_LONG = "n" * 200
_RNG = np.random.default_rng(0)


def _photo(path: pathlib.Path, width: int = 20, height: int = 24, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = _RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def _five_hundred_labels_with_one_photograph_in_one_store(chain: pathlib.Path) -> None:
    for number in range(500):
        _photo(chain / "only" / f"label {number}" / "1.png")


def _two_hundred_stores_of_five(chain: pathlib.Path) -> None:
    for store in range(200):
        for number in range(5):
            _photo(chain / f"store {store}" / "ab"[(store + number) % 2] / f"{number}.png")


def _all_kinds_of_names_and_photographs(chain: pathlib.Path) -> None:
    for store in ("-dash and  spaces", "上海 南京路店", _LONG):
        for label in ("100% $x", "苹果", _LONG):
            _photo(chain / store / label / f"{label[:50]}.png")
            _photo(chain / store / label / "grey.jpg", 300, 7, "L")
            _photo(chain / store / label / "print.jpg", 33, 99, "CMYK")
            _photo(chain / store / label / "clear.webp", 1, 1, "RGBA")
            _photo(chain / store / label / "drawn.bmp", 64, 64, "P")


def _stores_that_keep_their_own_lists(chain: pathlib.Path) -> None:
    """A manifest, a store with nothing usable, and labels that nobody has or wants."""
    for number in range(12):
        _photo(chain / "listed" / "photos" / f"{number}.png")
        _photo(chain / "folders" / "abx"[number % 3] / f"{number}.png")
    rows = [f"photos/{number}.png,{'ab'[number % 2]}\n" for number in range(12)]
    (chain / "listed" / "manifest.csv").write_text("file,label\n" + "".join(rows))
    (chain / "broken" / "a").mkdir(parents=True)
    (chain / "broken" / "a" / "empty.jpg").touch()
    (chain / "broken" / "a" / "half.png").write_bytes(b"\x89PNG\r\n")
    (chain / "labels.txt").write_text("b\na\nz\n")


def _config(tmp_path: pathlib.Path) -> RunConfig:
    return RunConfig(
        data=DataConfig(data_dir=str(tmp_path / "chain")),
        model=ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32),
        learning=LearningConfig(augmentation="none"),
        schedule=ScheduleConfig(rounds=1),
        output_dir=str(tmp_path / "run"),
    )


@pytest.mark.parametrize(
    "make, num_stores, labels, said",
    [
        (
            _five_hundred_labels_with_one_photograph_in_one_store,
            1,
            sorted(f"label {number}" for number in range(500)),
            ["1 store, 500 labels, ", "there is 1 store, so --min_stores is 1 and"],
        ),
        (_two_hundred_stores_of_five, 200, ["a", "b"], ["200 stores, 2 labels, "]),
        (
            _all_kinds_of_names_and_photographs,
            3,
            ["100% $x", _LONG, "苹果"],
            ["3 stores, 3 labels, "],
        ),
        (
            _stores_that_keep_their_own_lists,
            2,
            ["b", "a", "z"],
            [
                "left out 4 photographs of 1 label not in the list of labels: x",
                "left out 2 files that can't be used; which and why stands in ",
                "left out 1 store without a usable photograph: broken",
                "2 stores, 3 labels, ",
            ],
        ),
    ],
)
def test_it_trains(
    make: Callable[[pathlib.Path], None],
    num_stores: int,
    labels: list[str],
    said: list[str],
    tmp_path: pathlib.Path,
):
    make(tmp_path / "chain")
    stream = io.StringIO()
    summary = run(_config(tmp_path), console=PlainConsole(stream))
    lines = stream.getvalue().splitlines()
    for beginning in said:
        assert any(line.startswith(beginning) for line in lines), (beginning, lines)
    assert (summary["num_stores"], summary["num_labels"]) == (num_stores, len(labels))
    model = load_released_model(tmp_path / "run")
    assert list(model.labels) == labels
    images = _RNG.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_allclose(model.predict(images).sum(axis=1), 1, rtol=1e-5)
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary


@pytest.mark.parametrize(
    "photographs, sentence",
    [
        (["s1/a/1.png", "s2/a/2.png"], "photographs of at least 2 labels, found only a; "),
        ([], "must hold a usable photograph, found no folder of a store; the layout is "),
    ],
)
def test_it_says_why_not(photographs: list[str], sentence: str, tmp_path: pathlib.Path):
    (tmp_path / "chain").mkdir()
    for photograph in photographs:
        _photo(tmp_path / "chain" / photograph)
    with pytest.raises(ConfigurationError) as error:
        run(_config(tmp_path), console=PlainConsole(io.StringIO()))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
