"""The weights a run starts from: drawn from its seed, and read from `--weights` where set."""

import math
import zlib

import numpy as np
import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.learning.pretrained_weights import load_pretrained_weights


def initial_weights(model: ModelConfig, num_labels: int, seed: int) -> list[np.ndarray]:
    """First weights of `build_keras_model(model, num_labels)`, in `keras_model.weights` order.

    Each array is drawn from (seed, its own name): it is the same in every process, whatever was
    built before and however many labels there are. Kernels are drawn as in He et al. 2015
    (https://arxiv.org/abs/1502.01852).

    Raises:
      ConfigurationError: `model.weights` can't be had, can't be read or doesn't fit.
    """
    keras_model = build_keras_model(model, num_labels)
    drawn = [_drawn(variable, seed) for variable in keras_model.weights]
    return load_pretrained_weights(model, keras_model, drawn)


def _drawn(variable: tf.Variable, seed: int) -> np.ndarray:
    name, shape = variable.name, tuple(variable.shape)
    kind = name.rpartition("/")[2].removesuffix(":0")
    if kind in ("gamma", "moving_variance"):
        return np.ones(shape, np.float32)
    if kind in ("beta", "bias", "moving_mean"):
        return np.zeros(shape, np.float32)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return generator.normal(0, math.sqrt(2 / _fan_in(kind, shape)), shape).astype(np.float32)


def _fan_in(kind: str, shape: tuple[int, ...]) -> int:
    """Inputs that one output sums: a depthwise kernel's last two axes are outputs."""
    return math.prod(shape[:-2] if kind == "depthwise_kernel" else shape[:-1])
