import pathlib
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf

from tff_retail.config import ConfigurationError, ModelConfig
from tff_retail.learning.models.keras_model import build_backbone, build_keras_model
from tff_retail.learning.pretrained_weights import load_pretrained_weights, require_loadable


def _config(path: object, **settings) -> ModelConfig:
    given = {"name": "simple_cnn", "width_multiplier": 0.1, "image_size": 32, **settings}
    return ModelConfig(weights=str(path), **given)


def _numbered_weights(model: tf.keras.Model) -> list[np.ndarray]:
    """Every value another, none negative, so that statistics are possible and a swap is seen."""
    generator = np.random.default_rng(1)
    return [generator.uniform(0.5, 1, w.shape).astype(np.float32) for w in model.weights]


def _plausible_weights(model: tf.keras.Model) -> list[np.ndarray]:
    """Random weights and statistics under which a deep network's values stay near 1."""
    generator = np.random.default_rng(2)
    ranges = {"gamma": (0.5, 1), "moving_mean": (-0.2, 0.2), "moving_variance": (0.5, 1)}

    def drawn(variable: tf.Variable) -> np.ndarray:
        kind = variable.name.rpartition("/")[2].removesuffix(":0")
        if len(variable.shape) == 1:
            return generator.uniform(*ranges.get(kind, (-0.5, 0.5)), variable.shape)
        num_inputs = np.prod(variable.shape[: -2 if kind == "depthwise_kernel" else -1])
        return generator.normal(0, num_inputs**-0.5, variable.shape)

    return [drawn(variable).astype(np.float32) for variable in model.weights]


def _trained(num_labels: int = 3, **settings) -> tf.keras.Model:
    model = build_keras_model(_config("none", **settings), num_labels)
    model.set_weights(_numbered_weights(model))
    return model


def _load(path: object, num_labels: int = 3, **settings) -> list[np.ndarray]:
    config = _config(path, **settings)
    model = build_keras_model(config, num_labels)
    zeros = [np.zeros(weight.shape, np.float32) for weight in model.weights]
    return load_pretrained_weights(config, model, zeros)


def _save_npz(path: pathlib.Path, model: tf.keras.Model) -> None:
    named = zip(model.weights, model.get_weights(), strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{f"{i:05d}/{w.name.removesuffix(':0')}": v for i, (w, v) in enumerate(named)})


def _assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("file_name", ["w.h5", "w.weights.h5"])
def test_weights_saved_by_keras_load(tmp_path: pathlib.Path, file_name: str) -> None:
    model = _trained()
    model.save_weights(tmp_path / file_name)
    _assert_equal(_load(tmp_path / file_name), model.get_weights())


@pytest.mark.parametrize("file_name", ["w.h5", "w.keras"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_models_saved_by_keras_load(tmp_path: pathlib.Path, file_name: str) -> None:
    model = _trained()
    model.save(tmp_path / file_name)
    _assert_equal(_load(tmp_path / file_name), model.get_weights())


@pytest.mark.parametrize("given", ["run", "run/model", "run/model/weights.npz"])
def test_runs_and_released_models_load(tmp_path: pathlib.Path, given: str) -> None:
    model = _trained()
    _save_npz(tmp_path / "run" / "model" / "weights.npz", model)
    _assert_equal(_load(tmp_path / given), model.get_weights())


@pytest.mark.parametrize("file_name", ["w.h5", "w.weights.h5", "w.npz"])
def test_another_number_of_labels_gets_a_fresh_head(tmp_path: pathlib.Path, file_name: str) -> None:
    model = _trained(num_labels=3)
    if file_name == "w.npz":
        _save_npz(tmp_path / file_name, model)
    else:
        model.save_weights(tmp_path / file_name)
    found = _load(tmp_path / file_name, num_labels=5)
    _assert_equal(found[:-2], model.get_weights()[:-2])
    assert found[-2].shape == (16, 5) and not np.any(found[-2]) and not np.any(found[-1])


@pytest.mark.parametrize("image_size", [96, 33])
def test_mobilenet_v2_of_keras_has_our_features(tmp_path: pathlib.Path, image_size: int) -> None:
    theirs = tf.keras.applications.MobileNetV2(
        (image_size, image_size, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    theirs.set_weights(_plausible_weights(theirs))
    theirs.save_weights(tmp_path / "theirs.h5")
    _assert_same_features(
        theirs,
        tf.keras.applications.mobilenet_v2.preprocess_input,
        _config(
            tmp_path / "theirs.h5",
            name="mobilenet_v2",
            width_multiplier=0.35,
            image_size=image_size,
            normalization="frozen_batch",
        ),
    )


@pytest.mark.parametrize("file_name", ["theirs.h5", "theirs.weights.h5"])
def test_resnet50_of_keras_has_our_features(tmp_path: pathlib.Path, file_name: str) -> None:
    theirs = tf.keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(50, 50, 3), pooling="avg"
    )
    theirs.set_weights(_plausible_weights(theirs))
    theirs.save_weights(tmp_path / file_name)
    _assert_same_features(
        theirs,
        tf.keras.applications.resnet50.preprocess_input,
        _config(
            tmp_path / file_name,
            name="resnet50",
            width_multiplier=1.0,
            image_size=50,
            normalization="frozen_batch",
        ),
    )


def _assert_same_features(theirs: tf.keras.Model, preprocess_input, config: ModelConfig) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, *theirs.input_shape[1:]), np.uint8)
    expected = theirs(preprocess_input(image.astype(np.float32)), training=False)
    ours = build_backbone(config)
    ours.set_weights(load_pretrained_weights(config, ours, ours.get_weights()))
    found = ours({"image": image}).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert 1e-3 < np.std(found) < 100


def test_files_whose_layers_have_other_names_load_in_keras_order(tmp_path: pathlib.Path) -> None:
    theirs = tf.keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, include_top=False, weights=None
    )
    theirs.set_weights(_numbered_weights(theirs))
    theirs.save_weights(tmp_path / "theirs.h5")
    with h5py.File(tmp_path / "theirs.h5", "r+") as file:
        _rename_layers(file)
    found = _load(
        tmp_path / "theirs.h5",
        name="mobilenet_v2",
        width_multiplier=0.35,
        normalization="frozen_batch",
    )
    _assert_equal(found[:-2], theirs.get_weights())


def _rename_layers(file: h5py.File) -> None:
    names = list(file.attrs["layer_names"])
    for index, name in enumerate(names):
        file.move(name, f"old{index}")
        group = file[f"old{index}"]
        if name in group:
            group.move(name, f"old{index}")
        weights = [weight.replace(name, f"old{index}") for weight in group.attrs["weight_names"]]
        group.attrs["weight_names"] = weights
    file.attrs["layer_names"] = [f"old{index}" for index in range(len(names))]


def test_weights_of_another_network_are_refused(tmp_path: pathlib.Path) -> None:
    _trained().save_weights(tmp_path / "w.h5")
    with pytest.raises(ConfigurationError, match="has no conv1_conv/kernel"):
        _load(tmp_path / "w.h5", name="resnet18")


def test_weights_of_another_width_are_refused_with_both_shapes(tmp_path: pathlib.Path) -> None:
    _trained().save_weights(tmp_path / "w.h5")
    expected = r"conv1/kernel has shape \(3, 3, 3, 8\) in place of \(3, 3, 3, 32\)"
    with pytest.raises(ConfigurationError, match=expected):
        _load(tmp_path / "w.h5", width_multiplier=1.0)


@pytest.mark.parametrize("file_name", ["w.h5", "w.weights.h5"])
def test_the_other_normalisation_is_refused(tmp_path: pathlib.Path, file_name: str) -> None:
    _trained().save_weights(tmp_path / file_name)
    with pytest.raises(ConfigurationError, match="--normalization=frozen_batch"):
        _load(tmp_path / file_name, normalization="frozen_batch")


def test_frozen_statistics_are_not_dropped_in_silence(tmp_path: pathlib.Path) -> None:
    config = _config("unread", normalization="frozen_batch")
    build_keras_model(config, 3).save_weights(tmp_path / "w.h5")
    with pytest.raises(ConfigurationError, match="frozen_batch"):
        _load(tmp_path / "w.h5", normalization="group")


def test_values_that_are_not_finite_are_refused(tmp_path: pathlib.Path) -> None:
    model = _trained()
    weights = model.get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    model.set_weights(weights)
    _save_npz(tmp_path / "w.npz", model)
    with pytest.raises(ConfigurationError, match="conv1/kernel is not finite"):
        _load(tmp_path / "w.npz")


def test_pickles_are_not_opened(tmp_path: pathlib.Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return pathlib.Path.touch, (tmp_path / "opened",)

    hostile = np.empty((3, 3, 3, 8), object)
    hostile[...] = Hostile()
    np.savez(tmp_path / "w.npz", **{"00000/conv1/kernel": hostile})
    with pytest.raises(ConfigurationError, match="can't be read"):
        _load(tmp_path / "w.npz")
    assert not (tmp_path / "opened").exists()


def test_arrays_are_measured_before_they_are_read(tmp_path: pathlib.Path) -> None:
    # Says it has 2^50 values; reading it would ask for 4 PiB.
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1125899906842624,), }\n"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("00000/conv1/kernel.npy", npy)
    with pytest.raises(ConfigurationError, match="has shape"):
        _load(tmp_path / "w.npz")


def test_weights_in_another_file_are_not_fetched(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4 * 216))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset(
            "conv1/conv1/kernel:0",
            (3, 3, 3, 8),
            np.float32,
            external=[(str(tmp_path / "secret"), 0, 4 * 216)],
        )
    with pytest.raises(ConfigurationError, match="lies in another file"):
        _load(tmp_path / "w.h5")


@pytest.mark.parametrize("file_name", ["w.h5", "w.keras", "w.npz", "w"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04" + bytes(40)])
def test_damaged_files_are_one_sentence(
    tmp_path: pathlib.Path, file_name: str, content: bytes
) -> None:
    (tmp_path / file_name).write_bytes(content)
    with pytest.raises(ConfigurationError, match="can't be read") as caught:
        _load(tmp_path / file_name)
    assert "\n" not in str(caught.value)


def test_truncated_weights_are_one_sentence(tmp_path: pathlib.Path) -> None:
    _save_npz(tmp_path / "w.npz", _trained())
    whole = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match="can't be read"):
        _load(tmp_path / "w.npz")


@pytest.mark.parametrize("given", ["missing.h5", "."])
def test_missing_files_are_named_before_anything_slow(tmp_path: pathlib.Path, given: str) -> None:
    with pytest.raises(ConfigurationError, match="directory of a finished run.*check the path"):
        require_loadable(_config(tmp_path / given))
