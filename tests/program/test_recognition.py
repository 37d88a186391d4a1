import dataclasses

import numpy as np
import pytest
from PIL import Image

from tff_retail.program.photograph_search import find_photographs
from tff_retail.program.recognition import recognize_photographs
from tff_retail.program.released_model import ReleasedModel


def _brightness_model():
    """`dark` and `light` by the mean of the pixels; `grey` is never first."""

    def predict(images):
        assert images.shape[1:] == (8, 8, 3) and images.dtype == np.uint8
        light = images.mean(axis=(1, 2, 3)) / 510
        return np.stack([0.5 - light, np.full_like(light, 0.1), light], axis=1)

    return ReleasedModel(("dark", "grey", "light"), 8, predict)


def _photograph(path, value):
    Image.new("RGB", (20, 10), (value, value, value)).save(path)
    return str(path)


def test_every_path_has_its_answer_in_order(tmp_path):
    paths = [_photograph(tmp_path / f"{i}.png", 255 * (i % 2)) for i in range(70)]
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    paths[3:3] = [str(tmp_path / "bad.jpg"), str(tmp_path / "gone.png")]
    found = list(recognize_photographs(_brightness_model(), paths, top_k=2))
    assert [recognition.path for recognition in found] == paths
    assert [name for name, _ in found[0].best] == ["dark", "grey"]
    assert [name for name, _ in found[1].best] == ["light", "grey"]
    assert found[3].best == () and found[3].error is not None and "\n" not in found[3].error
    assert found[4].error == "No such file or directory"
    assert all(recognition.error is None for recognition in found[5:])


def test_top_k_beyond_the_labels_gives_all(tmp_path):
    path = _photograph(tmp_path / "a.png", 0)
    (found,) = recognize_photographs(_brightness_model(), [path], top_k=9)
    assert len(found.best) == 3


@pytest.mark.parametrize(
    ("of_model", "given", "is_unknown"),
    [
        (None, None, [False, False]),
        (0.45, None, [False, True]),
        (0.45, 0.0, [False, False]),
        (None, 0.6, [True, True]),
    ],
)
def test_an_unsure_answer_is_an_unknown_product(tmp_path, of_model, given, is_unknown):
    model = dataclasses.replace(_brightness_model(), unknown_threshold=of_model)
    paths = [_photograph(tmp_path / f"{value}.png", value) for value in (0, 100)]
    (tmp_path / "bad.jpg").touch()
    paths.append(str(tmp_path / "bad.jpg"))
    found = list(recognize_photographs(model, paths, unknown_threshold=given))
    assert [recognition.is_unknown for recognition in found] == [*is_unknown, False]
    assert [name for name, _ in found[1].best] == ["dark"]


def test_photographs_are_found_below_folders_and_named_files_are_kept(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a/x.webp", "note.txt", ".cache/3.png", "b/.4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = str(tmp_path)
    named = [f"{folder}/note.txt", f"{folder}/missing"]
    assert find_photographs([*named, folder]) == [
        *named,
        f"{folder}/a/x.webp",
        f"{folder}/b/1.png",
        f"{folder}/b/2.JPG",
    ]
