"""The graph that computes features gives what the backbone gives, whatever the batches."""

import collections

import numpy as np
import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.feature_extraction import build_feature_computation
from tff_retail.learning.initial_weights import initial_weights
from tff_retail.learning.models.keras_model import build_backbone
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import compile_part

MODEL = ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32)
SPEC = (
    collections.OrderedDict(image=tf.TensorSpec([None, 32, 32, 3], tf.uint8)),
    tf.TensorSpec([None], tf.int32),
)


class _Batches:
    """Images in batches of 4."""

    def input_specs(self):
        return {"image": SPEC[0]["image"]}

    def build(self, inputs):
        images = tf.data.Dataset.from_tensor_slices(inputs["image"])
        return images.map(lambda image: (collections.OrderedDict(image=image), 0)).batch(4)


def _compile() -> GraphPart:
    return compile_part(build_feature_computation(MODEL, SPEC))


def test_features_are_the_backbones():
    backbone = build_backbone(MODEL)
    weights = initial_weights(MODEL, 3, seed=1)[: len(backbone.weights)]
    backbone.set_weights(weights)
    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3)).astype(np.uint8)
    (features,) = PartSession(_compile(), [_Batches()])(weights, [{"image": images}])
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, backbone({"image": images}), rtol=1e-4, atol=1e-5)


def test_the_graph_holds_no_weights():
    graph = _compile().graph_def()
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    constants = [tf.make_ndarray(node.attr["value"].tensor) for node in nodes if node.op == "Const"]
    assert constants
    assert max(constant.size for constant in constants) <= 16  # shapes, axes and the like
