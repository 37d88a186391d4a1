import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from tests.colour_run import LABELS, MODEL, colour_images, colour_weights
from tff_retail.config import ConfigurationError
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.program.released_model import load_released_model
from tff_retail.program.tflite_conversion import TFLITE_FORMATS, convert_to_tflite
from tff_retail.program.tflite_file import write_tflite_file


@pytest.fixture(scope="module")
def model():
    network = build_keras_model(MODEL, len(LABELS))
    network.set_weights(colour_weights())
    return network


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    calibration, _ = colour_images(30, seed=1)
    for name in TFLITE_FORMATS:
        network = convert_to_tflite(model, name, normalization="group", calibration=calibration)
        metadata = {"export_format": name}
        write_tflite_file(folder / f"{name}.tflite", network, labels=LABELS, metadata=metadata)
    return folder


# float32 does the same arithmetic, float16 has 11 bits of each weight, int8 8 of everything.
@pytest.mark.parametrize(
    ("name", "difference"),
    [("tflite_float32", 1e-5), ("tflite_float16", 5e-3), ("tflite_int8", 0.1)],
)
def test_every_precision_recognises_what_the_model_does(model, files, name, difference):
    images, labels = colour_images(30, seed=2)
    expected = tf.nn.softmax(model({"image": images})).numpy()
    released = load_released_model(files / f"{name}.tflite")
    found = released.predict(images)
    assert (released.labels, released.image_size, found.dtype) == (LABELS, 32, np.float32)
    np.testing.assert_allclose(found, expected, atol=difference)
    np.testing.assert_array_equal(found.argmax(axis=1), labels)


def test_int8_convolves_in_integers_and_normalises_in_float(files):
    interpreter = tf.lite.Interpreter(
        str(files / "tflite_int8.tflite"),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    types = {detail["index"]: detail["dtype"] for detail in interpreter.get_tensor_details()}
    outputs = {}
    for operation in interpreter._get_ops_details():
        kinds = outputs.setdefault(operation["op_name"], set())
        kinds.update(types[index] for index in operation["outputs"])
    assert outputs["CONV_2D"] == outputs["FULLY_CONNECTED"] == {np.int8}
    assert outputs["RSQRT"] == {np.float32}
    assert interpreter.get_input_details()[0]["dtype"] == np.uint8


def test_labels_are_inside_and_beside(files):
    path = files / "tflite_int8.tflite"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)
        assert json.loads(archive.read("model.json"))["export_format"] == "tflite_int8"
    assert (files / "tflite_int8.labels.txt").read_text("utf-8").splitlines() == list(LABELS)


def test_labels_of_a_foreign_file_are_read_beside_it(files, tmp_path):
    content = (files / "tflite_float32.tflite").read_bytes()
    path = tmp_path / "foreign.tflite"
    path.write_bytes(content[: content.index(b"PK\x03\x04")])
    with pytest.raises(ConfigurationError, match=r"found neither .* 'foreign.labels.txt'"):
        load_released_model(path)
    (tmp_path / "foreign.labels.txt").write_text("a\nb\nc\n")
    assert load_released_model(path).labels == ("a", "b", "c")
    (tmp_path / "foreign.labels.txt").write_text("a\nb\n")
    with pytest.raises(ConfigurationError, match="its 3 outputs, found 2 labels"):
        load_released_model(path)


def test_a_damaged_file_is_said_in_a_sentence(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match="whole TFLite file"):
        load_released_model(tmp_path / "a.tflite")
