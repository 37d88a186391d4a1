import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tff_retail.config import ConfigurationError, ModelConfig
from tff_retail.learning.imagenet_weights import fetch_imagenet_weights, require_published

_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"


def _config(name: str = "mobilenet_v2", width_multiplier: float = 0.35, image_size: int = 100):
    return ModelConfig(
        name=name,
        width_multiplier=width_multiplier,
        image_size=image_size,
        normalization="frozen_batch",
        weights="imagenet",
    )


@pytest.fixture
def keras_home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder in which MobileNetV2's file for 96 pixels has arrived already."""
    network = tf.keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, include_top=False, weights=None
    )
    (tmp_path / "models").mkdir()
    network.save_weights(tmp_path / "models" / _FILE)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise Exception("URL fetch failure on the file: None -- Name or service not known")

    monkeypatch.setattr(tf.keras.utils, "get_file", fail)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "simple_cnn"])
def test_models_nobody_trained_on_imagenet_are_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"only mobilenet_v2 and resnet50.*{name}"):
        require_published(_config(name))


@pytest.mark.parametrize(
    ("name", "width", "published"),
    [("mobilenet_v2", 0.4, "0.35, 0.5, 0.75"), ("resnet50", 0.5, r"one of 1\.0")],
)
def test_widths_nobody_trained_are_named(name: str, width: float, published: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{published}.*found {width}"):
        require_published(_config(name, width))


@pytest.mark.usefixtures("no_network")
def test_files_are_kept_and_the_nearest_size_is_taken(keras_home: pathlib.Path) -> None:
    weights = fetch_imagenet_weights(_config(image_size=100), keras_home)
    assert weights["Conv1/kernel"].shape == (3, 3, 3, 16)


def test_a_file_that_changed_is_refused(keras_home: pathlib.Path) -> None:
    fetch_imagenet_weights(_config(), keras_home)
    path = keras_home / "models" / _FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="another sha256 hash"):
        fetch_imagenet_weights(_config(), keras_home)


def test_resnet50_is_checked_by_the_hash_keras_states(tmp_path: pathlib.Path) -> None:
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path.write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="another md5 hash"):
        fetch_imagenet_weights(_config("resnet50", 1.0), tmp_path)


@pytest.mark.usefixtures("no_network")
def test_no_network_is_one_sentence(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError, match="Name or service not known") as caught:
        fetch_imagenet_weights(_config(), tmp_path)
    assert "\n" not in str(caught.value) and _FILE in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_download_arrives_whole_and_is_noted(
    keras_home: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = (keras_home / "models" / _FILE).read_bytes()

    def get_file(name: str, origin: str, cache_dir: str, cache_subdir: str) -> str:
        assert origin.endswith(name)
        path = pathlib.Path(cache_dir, cache_subdir, name)
        path.write_bytes(published)
        return str(path)

    monkeypatch.setattr(tf.keras.utils, "get_file", get_file)
    weights = fetch_imagenet_weights(_config(), tmp_path / "other")
    assert np.all(np.isfinite(weights["Conv_1/kernel"]))
    kept = sorted(path.name for path in (tmp_path / "other" / "models").iterdir())
    assert kept == [_FILE, f"{_FILE}.sha256"]
