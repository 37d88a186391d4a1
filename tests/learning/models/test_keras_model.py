import numpy as np
import pytest
import tensorflow as tf

from tff_retail.config import MODELS, ModelConfig
from tff_retail.learning.models.keras_model import build_backbone, build_head, build_keras_model

# ResNet34 is ResNet18 with more blocks.
_DISTINCT_MODELS = tuple(name for name in MODELS if name != "resnet34")


def _config(name: str, **settings) -> ModelConfig:
    return ModelConfig(**{"name": name, "width_multiplier": 0.1, "image_size": 32, **settings})


@pytest.mark.parametrize("name", MODELS)
def test_raw_photographs_in_scores_out(name: str) -> None:
    model = build_keras_model(_config(name), 7)
    logits = model({"image": np.full((2, 32, 32, 3), 200, np.uint8)})
    assert logits.shape == (2, 7) and logits.dtype == tf.float32
    assert np.all(np.isfinite(logits))


@pytest.mark.parametrize("name", _DISTINCT_MODELS)
@pytest.mark.parametrize("image_size", [33, 50, 100])
def test_image_sizes_need_not_divide(name: str, image_size: int) -> None:
    model = build_backbone(_config(name, image_size=image_size))
    features = model({"image": np.zeros((1, image_size, image_size, 3), np.uint8)})
    assert features.shape[0] == 1


@pytest.mark.parametrize("name", _DISTINCT_MODELS)
def test_weights_are_the_backbones_then_the_heads(name: str) -> None:
    config = _config(name)
    backbone = build_backbone(config)
    head = build_head(config, backbone.output_shape[1], 3)
    parts = [(w.name, w.shape) for part in (backbone, head) for w in part.weights]
    assert [(w.name, w.shape) for w in build_keras_model(config, 3).weights] == parts


def test_head_on_backbone_is_the_whole_model() -> None:
    config = _config("simple_cnn")
    backbone, whole = build_backbone(config), build_keras_model(config, 3)
    head = build_head(config, backbone.output_shape[1], 3)
    backbone.set_weights(whole.get_weights()[:-2])
    head.set_weights(whole.get_weights()[-2:])
    image = {"image": np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)}
    np.testing.assert_array_equal(head({"features": backbone(image)}), whole(image))


@pytest.mark.parametrize("name", _DISTINCT_MODELS)
def test_training_computes_the_same(name: str) -> None:
    model = build_keras_model(_config(name), 2)
    image = {"image": np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)}
    np.testing.assert_array_equal(model(image, training=True), model(image, training=False))


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50"])
def test_image_size_changes_no_shape_of_a_weight(name: str) -> None:
    shapes = [
        [w.shape for w in build_backbone(_config(name, image_size=size)).weights]
        for size in (32, 64)
    ]
    assert shapes[0] == shapes[1]


def test_small_pictures_keep_their_resolution_unless_statistics_are_frozen() -> None:
    def places(**settings) -> int:
        backbone = build_backbone(_config("mobilenet_v2", **settings))
        return backbone.get_layer("out_relu").output_shape[1]

    assert places(image_size=32) == 2
    assert places(image_size=64) == 2
    assert places(image_size=32, normalization="frozen_batch", weights="imagenet") == 1


@pytest.mark.parametrize(
    ("name", "num_parameters"),
    [
        ("mobilenet_v2", 2_223_872),
        ("resnet18", 11_176_512),
        ("resnet34", 21_284_672),
        ("resnet50", 23_534_592),
    ],
)
def test_networks_have_the_parameters_of_their_papers(name: str, num_parameters: int) -> None:
    backbone = build_backbone(ModelConfig(name=name, image_size=64))
    assert sum(np.prod(weight.shape) for weight in backbone.trainable_weights) == num_parameters


def test_resnet50_takes_its_published_pixels_with_frozen_statistics() -> None:
    backbone = build_backbone(
        _config("resnet50", normalization="frozen_batch", weights="somewhere.h5")
    )
    pixels = tf.keras.Model(backbone.input, backbone.get_layer("caffe_pixels").output)
    image = np.full((1, 32, 32, 3), (10, 20, 30), np.uint8)
    expected = tf.keras.applications.resnet50.preprocess_input(image.astype(np.float32))
    np.testing.assert_allclose(pixels({"image": image}), expected, rtol=1e-6)


def test_other_models_take_pixels_between_minus_one_and_one() -> None:
    backbone = build_backbone(_config("simple_cnn"))
    pixels = tf.keras.Model(backbone.input, backbone.get_layer("scaled_pixels").output)
    image = np.full((1, 32, 32, 3), (0, 51, 255), np.uint8)
    np.testing.assert_allclose(pixels({"image": image})[0, 0, 0], [-1, -0.6, 1], atol=1e-6)
