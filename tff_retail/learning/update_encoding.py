"""An update in few bits: blocks of numbers that share a scale, rounded at random without bias.

QSGD (Alistarh et al. 2017, section 3.3, https://arxiv.org/abs/1610.02132) with the largest number
of a block for its scale. TFF's own `tff.learning.compression_aggregator` packs 8 bits into 9.1 and
leaves small tensors as they are.
"""

import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# A scale takes 32 bits, a quarter of a bit a number: 4 bits are 4.25, 0.133 of float32. Shorter
# blocks keep more of the small numbers beside large ones.
_BLOCK = 128
# The largest code. An even number of codes would have no zero, or one more on one side.
_LARGEST = {"int8": 127.0, "int4": 7.0, "float16": 1.0}
_NIBBLE = 16
_NIBBLE_ZERO = 8  # a nibble has no sign


@dataclasses.dataclass(frozen=True)
class UpdateEncoding:
    """How numbers travel.

    Integers are rounded up or down at random so that the mean over stores has no bias. The random
    numbers derive from the update itself: the same update gives the same bits, at every store, in
    every run. A block with a number that is not finite becomes NaN whole, never something harmless.

    Attributes:
      dtype: `float16`, `int8` and `int4` are relative to the largest of 128 neighbours, so that
        nothing overflows; `bfloat16` has float32's range and needs no scale.
    """

    dtype: str

    @property
    def growth(self) -> float:
        """The factor by which an update's norm may grow on its way.

        A number moves by less than a level, which is a block's largest number over `_LARGEST`; a
        block's norm is no less than its largest number.
        """
        if self.dtype not in ("int8", "int4"):
            return 1.0
        return 1.0 + math.sqrt(_BLOCK) / _LARGEST[self.dtype]

    def encode(self, tensors: Sequence[tf.Tensor]) -> Any:
        """float32 tensors, n numbers in all, as they travel.

        Returns:
          `codes`: int8, float16 or bfloat16 [n], for int4 uint8 [(n + 1) / 2] with two to a byte;
          `scales`: float32 [n / 128], rounded up, none for bfloat16.
        """
        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
        if self.dtype == "bfloat16":
            return _encoded(tf.cast(flat, tf.bfloat16), tf.zeros([0]))
        blocks = _to_blocks(flat)
        is_finite = tf.reduce_all(tf.math.is_finite(blocks), axis=1, keepdims=True)
        finite = tf.where(is_finite, blocks, 0.0)
        largest = _LARGEST[self.dtype]
        scales = tf.reduce_max(tf.abs(finite), axis=1, keepdims=True) / largest
        # Zero where the scale is: of an update that was dropped, or below what float32 can hold.
        levels = tf.math.divide_no_nan(finite, scales)
        if self.dtype != "float16":
            levels = tf.floor(levels + _uniform(flat, levels.shape))
        # Sums such as 127 + 0.99999994 come out as 128.
        levels = tf.clip_by_value(levels, -largest, largest)
        codes = tf.reshape(levels, [-1])[: flat.shape[0]]
        return _encoded(self._packed(codes), tf.where(is_finite, scales, float("nan"))[:, 0])

    def decode(self, encoded: Any, specs: Sequence[tf.TensorSpec]) -> list[tf.Tensor]:
        """The tensors of these shapes that `encoded` stands for."""
        sizes = [spec.shape.num_elements() for spec in specs]
        numbers = self._unpacked(encoded["codes"], sum(sizes))
        if self.dtype != "bfloat16":
            blocks = _to_blocks(numbers) * encoded["scales"][:, tf.newaxis]
            numbers = tf.reshape(blocks, [-1])[: sum(sizes)]
        parts = tf.split(numbers, sizes)
        return [tf.reshape(part, spec.shape) for part, spec in zip(parts, specs, strict=True)]

    def _packed(self, codes: tf.Tensor) -> tf.Tensor:
        if self.dtype != "int4":
            return tf.cast(codes, self.dtype)
        pairs = tf.reshape(tf.pad(codes, [[0, codes.shape[0] % 2]]), [-1, 2]) + _NIBBLE_ZERO
        return tf.cast(pairs[:, 0] + _NIBBLE * pairs[:, 1], tf.uint8)

    def _unpacked(self, codes: tf.Tensor, size: int) -> tf.Tensor:
        if self.dtype != "int4":
            return tf.cast(codes, tf.float32)
        pairs = tf.stack([codes % _NIBBLE, codes // _NIBBLE], axis=1)
        return tf.cast(tf.reshape(pairs, [-1])[:size], tf.float32) - _NIBBLE_ZERO


def _encoded(codes: tf.Tensor, scales: tf.Tensor) -> Any:
    return collections.OrderedDict(codes=codes, scales=scales)


def _to_blocks(flat: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.pad(flat, [[0, -flat.shape[0] % _BLOCK]]), [-1, _BLOCK])


def _uniform(flat: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Random numbers in [0, 1) that are a function of `flat`."""
    bits = tf.cast(tf.bitcast(flat, tf.int32), tf.int64)
    # Sums of integers do not depend on their order.
    seed = tf.stack([tf.reduce_sum(bits), tf.reduce_sum(bits // 2**16)])
    # The generator is named: what `auto` means differs from device to device.
    return tf.random.stateless_uniform(shape, seed, alg="philox")
