import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.colour_run import LABELS, MODEL, colour_images, colour_weights, make_colour_run
from tff_retail.config import ConfigurationError
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.program.model_folder import read_description
from tff_retail.program.released_model import (
    load_released_model,
    rebuild_keras_model,
    save_released_model,
)
from tff_retail.program.serving_signature import resize_to_square
from tff_retail.program.tflite_conversion import convert_to_tflite
from tff_retail.program.tflite_file import write_tflite_file

_PLAIN_TENSORFLOW = """
import sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
images = tf.fill([2, 50, 70, 3], tf.constant(0, tf.uint8)) + tf.constant([40, 200, 40], tf.uint8)
out = model.signatures["serving_default"](images=images)
single = model.signatures["single_image"](image=images[0])
assert out["label"].numpy().tolist() == [b"green $5"] * 2, out
assert single["label"].numpy() == b"green $5", single
assert single["score"].shape == () and out["score"].shape == (2,)
assert out["probabilities"].shape == (2, 3)
assert not any(name.startswith(("tff_retail", "datasets", "tests")) for name in sys.modules)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_colour_run(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def keras_model():
    model = build_keras_model(MODEL, len(LABELS))
    model.set_weights(colour_weights())
    return model


def _softmax(model, images):
    return tf.nn.softmax(model({"image": images})).numpy()


def test_predicts_what_the_keras_model_predicts(run, keras_model):
    images, labels = colour_images(70, seed=5)
    model = load_released_model(run)
    assert (model.labels, model.image_size) == (LABELS, 32)
    found = model.predict(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, _softmax(keras_model, images), atol=1e-6)
    np.testing.assert_array_equal(found.argmax(axis=1), labels)
    assert model.predict(images[:0]).shape == (0, 3)


def test_a_run_directory_and_its_model_folder_are_the_same(run):
    images, _ = colour_images(3)
    np.testing.assert_array_equal(
        load_released_model(run).predict(images), load_released_model(run / "model").predict(images)
    )


def test_runs_without_this_package(run, tmp_path):
    command = [sys.executable, "-c", _PLAIN_TENSORFLOW, str(run / "model")]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)


def test_files_say_what_the_model_is(run):
    model = run / "model"
    assert (model / "assets" / "labels.txt").read_text("utf-8").splitlines() == list(LABELS)
    description = json.loads((model / "model.json").read_text("utf-8"))
    assert description["labels"] == list(LABELS)
    assert description["metadata"] == {"round": 3}
    assert description["model"]["name"] == "simple_cnn"
    with np.load(model / "weights.npz", allow_pickle=False) as arrays:
        stored = [arrays[name] for name in sorted(arrays.files)]
        assert sorted(arrays.files)[0] == "00000/conv1/kernel"
    for array, weight in zip(stored, colour_weights(), strict=True):
        np.testing.assert_array_equal(array, weight.astype(np.float32))


def test_the_keras_model_comes_back(run, keras_model):
    images, _ = colour_images(4)
    rebuilt = rebuild_keras_model(run / "model")
    np.testing.assert_array_equal(rebuilt({"image": images}), keras_model({"image": images}))


def test_square_images_are_not_touched():
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(resize_to_square(tf.constant(images), 32), images)


def test_resizes_as_photographs_are_decoded():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR))
    found = resize_to_square(tf.constant(pixels[None]), 32)[0].numpy()
    # Pillow rounds to whole numbers after each of its two passes.
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1


def test_a_new_model_takes_the_place_of_the_old_one(run, tmp_path):
    folder = tmp_path / "model"
    for metadata in ({"round": 1}, {"round": 2}):
        save_released_model(
            folder, model_config=MODEL, labels=LABELS, weights=colour_weights(), metadata=metadata
        )
    assert json.loads((folder / "model.json").read_text("utf-8"))["metadata"] == {"round": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_threshold_of_unknown_products_travels_with_the_model(run, tmp_path):
    assert load_released_model(run).unknown_threshold is None  # as of models before there was one
    save_released_model(
        tmp_path / "model",
        model_config=MODEL,
        labels=LABELS,
        weights=colour_weights(),
        metadata={"unknown_threshold": 0.25},
    )
    assert load_released_model(tmp_path / "model").unknown_threshold == 0.25
    description = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    network = convert_to_tflite(
        rebuild_keras_model(tmp_path / "model"),
        "tflite_float32",
        normalization="group",
        calibration=colour_images(1)[0],
    )
    write_tflite_file(tmp_path / "a.tflite", network, labels=LABELS, metadata=description)
    assert load_released_model(tmp_path / "a.tflite").unknown_threshold == 0.25


def test_many_labels(tmp_path):
    labels = [f"{number} 商品" for number in range(3000)]
    network = build_keras_model(MODEL, len(labels))
    weights = [np.zeros_like(weight) for weight in network.get_weights()]
    weights[-1][2345] = 5
    save_released_model(
        tmp_path / "model", model_config=MODEL, labels=labels, weights=weights, metadata={}
    )
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    out = loaded.signatures["single_image"](image=tf.zeros([5, 9, 3], tf.uint8))
    assert out["label"].numpy().decode() == "2345 商品"


def test_weights_of_another_network_are_refused(tmp_path):
    with pytest.raises(ValueError):
        save_released_model(
            tmp_path / "model",
            model_config=MODEL,
            labels=LABELS,
            weights=colour_weights()[:-1],
            metadata={},
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nothing", "empty", "missing.tflite"])
def test_what_is_no_model_is_said_in_a_sentence(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="--model must be .* found '"):
        load_released_model(tmp_path / name)


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.json", "{"), ("model.json", '{"format": 9}'), ("weights.npz", "damaged")],
)
def test_a_damaged_model_is_said_in_a_sentence(run, tmp_path, file, content):
    folder = pathlib.Path(shutil.copytree(run / "model", tmp_path / "model"))
    (folder / file).write_text(content)
    with pytest.raises(ConfigurationError, match="--model must be"):
        load_released_model(folder)


def test_a_program_in_a_delivered_model_is_not_run(run, tmp_path):
    """TensorFlow's operations copy files: from the photographs to wherever they are fetched."""
    photograph, stolen = tmp_path / "photograph.jpg", tmp_path / "stolen"
    photograph.write_bytes(b"pixels")
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")])
    def serve(images):
        copied = tf.io.write_file(str(stolen), tf.io.read_file(str(photograph)))
        with tf.control_dependencies([copied]):
            return {"probabilities": tf.fill([tf.shape(images)[0], len(LABELS)], 1 / len(LABELS))}

    module.serve = serve
    folder = pathlib.Path(shutil.copytree(run / "model", tmp_path / "model"))
    shutil.rmtree(folder / "variables")
    tf.saved_model.save(module, str(folder), {"serving_default": serve})
    assert "WriteFile" in str((folder / "saved_model.pb").read_bytes())

    images, labels = colour_images(3)
    found = load_released_model(folder).predict(images)
    assert not stolen.exists()
    np.testing.assert_array_equal(found.argmax(axis=1), labels)  # by the weights beside it


def test_other_programs_get_the_same_from_the_saved_model(run):
    images, _ = colour_images(5)
    served = tf.saved_model.load(str(run / "model")).signatures["serving_default"]
    np.testing.assert_allclose(
        load_released_model(run).predict(images),
        served(images=tf.constant(images))["probabilities"],
        atol=1e-6,
    )


def test_a_description_nested_without_end_is_one_sentence(tmp_path):
    (tmp_path / "model.json").write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match="--model must be a whole model folder"):
        read_description(tmp_path)
