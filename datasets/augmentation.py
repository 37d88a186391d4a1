"""Random changes to a batch of photographs that leave the product on them the same.

A photograph is cropped and flipped in one resampling, its colours are changed by one affine
map, and a square is cut out of it (DeVries & Taylor 2017, https://arxiv.org/abs/1708.04552).
Every step works on the whole batch, and every draw comes from one stateless call, so that the
same seed gives the same bytes in any process, eagerly or inside `tf.data.Dataset.map`.
"""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Strength:
    """How far each change goes.

    Attributes:
      smallest_side: a crop's side, as a share of the photograph's, is in [smallest_side, 1].
      largest_stretch: a crop's height and width differ by at most this factor.
      brightness: added to each channel, in [-brightness, brightness] of the range 0-255.
      contrast: factor on the distance from mid-grey, in [1 - contrast, 1 + contrast].
      saturation: factor on the distance from the pixel's own grey, likewise.
      hue: rotation of the chroma plane, in [-hue, hue] radians.
      largest_cut_out: side of the square that is cut out, in [0, largest_cut_out] of the side.
    """

    smallest_side: float
    largest_stretch: float = 1.0
    brightness: float
    contrast: float
    saturation: float = 0.0
    hue: float = 0.0
    largest_cut_out: float = 0.0


# A crop of 0.85 of the side moves a product by up to 15 %: the four pixels of padding that are
# customary at 32 pixels. `strong` follows the usual colour jitter of 0.4, with the hue held to
# 15 degrees: further, and one flavour of a product becomes the next one.
_STRENGTHS = {
    "light": _Strength(smallest_side=0.85, brightness=0.08, contrast=0.12),
    "strong": _Strength(
        smallest_side=0.6,
        largest_stretch=1.2,
        brightness=0.15,
        contrast=0.4,
        saturation=0.4,
        hue=0.26,
        largest_cut_out=0.4,
    ),
}
_NUM_DRAWS = 12
_MID_GREY = 127.5
# Rec. 601 luma, and the rows that with it make the YIQ space, in which a hue is an angle.
_RGB_TO_YIQ = (
    (0.299, 0.587, 0.114),
    (0.595716, -0.274453, -0.321263),
    (0.211456, -0.522591, 0.311135),
)
_YIQ_TO_RGB = (
    (1.0, 0.956296, 0.621025),
    (1.0, -0.272122, -0.647381),
    (1.0, -1.106989, 1.704615),
)


def augment(images: tf.Tensor, *, strength: str, seed: tf.Tensor) -> tf.Tensor:
    """Changes each photograph of a batch at random.

    Args:
      images: uint8 [batch, height, width, 3].
      strength: `none` (the same tensor comes back), `light` (crop, flip, brightness, contrast) or
        `strong` (larger crops, colour jitter, cut-out).
      seed: int32 or int64 [2]; equal seeds give equal bytes.

    Returns:
      uint8 [batch, height, width, 3].

    Raises:
      ValueError: `strength` is none of the three.
    """
    if strength == "none":
        return images
    if strength not in _STRENGTHS:
        raise ValueError(f"strength must be one of none, light, strong, found {strength!r}")
    limits = _STRENGTHS[strength]
    # Philox by name: the default algorithm depends on the device.
    draws = tf.random.stateless_uniform([tf.shape(images)[0], _NUM_DRAWS], seed, alg="philox")
    draw = tf.unstack(draws, axis=1)
    cropped = _crop_and_flip(images, limits, draw[:5])
    coloured = _change_colours(cropped, limits, draw[5:9])
    if limits.largest_cut_out:
        coloured = _cut_out(coloured, limits, draw[9:])
    # A cast truncates, hence the half.
    changed = tf.cast(tf.clip_by_value(coloured + 0.5, 0.0, 255.0), tf.uint8)
    return tf.ensure_shape(changed, images.shape)


def _between(draw: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + draw * (high - low)


def _crop_and_flip(images: tf.Tensor, limits: _Strength, draw: list[tf.Tensor]) -> tf.Tensor:
    """float32 [batch, height, width, 3]: a random box of each photograph, at full size."""
    side = _between(draw[0], limits.smallest_side, 1.0)
    stretch = tf.exp(_between(draw[1], -0.5, 0.5) * tf.math.log(limits.largest_stretch))
    box_height, box_width = tf.minimum(side * stretch, 1.0), tf.minimum(side / stretch, 1.0)
    top, left = draw[2] * (1.0 - box_height), draw[3] * (1.0 - box_width)
    right = left + box_width
    is_flipped = draw[4] < 0.5
    # A box whose left edge lies right of its right edge comes out mirrored.
    boxes = tf.stack(
        [
            top,
            tf.where(is_flipped, right, left),
            top + box_height,
            tf.where(is_flipped, left, right),
        ],
        axis=1,
    )
    shape = tf.shape(images)
    return tf.image.crop_and_resize(images, boxes, tf.range(shape[0]), shape[1:3])


def _change_colours(images: tf.Tensor, limits: _Strength, draw: list[tf.Tensor]) -> tf.Tensor:
    """float32 [batch, height, width, 3]: one affine map of the colours per photograph."""
    brightness = 255.0 * _between(draw[0], -limits.brightness, limits.brightness)
    contrast = _between(draw[1], 1.0 - limits.contrast, 1.0 + limits.contrast)
    offset = (brightness + _MID_GREY * (1.0 - contrast))[:, None, None, None]
    scale = contrast[:, None, None, None]
    if not (limits.saturation or limits.hue):
        return images * scale + offset
    saturation = _between(draw[2], 1.0 - limits.saturation, 1.0 + limits.saturation)
    mixing = _chroma_map(saturation, _between(draw[3], -limits.hue, limits.hue))
    shape = tf.shape(images)
    pixels = tf.reshape(images, [shape[0], -1, 3])
    mixed = tf.linalg.matmul(pixels, mixing * contrast[:, None, None], transpose_b=True)
    return tf.reshape(mixed, shape) + offset


def _chroma_map(saturation: tf.Tensor, hue: tf.Tensor) -> tf.Tensor:
    """float32 [batch, 3, 3]: scales and turns the chroma plane, keeps the luma."""
    ones, zeros = tf.ones_like(hue), tf.zeros_like(hue)
    cosine, sine = saturation * tf.cos(hue), saturation * tf.sin(hue)
    turned = tf.stack([ones, zeros, zeros, zeros, cosine, -sine, zeros, sine, cosine], axis=1)
    return tf.constant(_YIQ_TO_RGB) @ tf.reshape(turned, [-1, 3, 3]) @ tf.constant(_RGB_TO_YIQ)


def _cut_out(images: tf.Tensor, limits: _Strength, draw: list[tf.Tensor]) -> tf.Tensor:
    """float32 [batch, height, width, 3]: a square of mid-grey over each photograph."""
    shape = tf.shape(images)
    half = draw[0] * limits.largest_cut_out / 2.0
    rows = _is_within(draw[1], half, shape[1])
    columns = _is_within(draw[2], half, shape[2])
    is_cut = rows[:, :, None, None] & columns[:, None, :, None]
    return tf.where(is_cut, _MID_GREY, images)


def _is_within(centre: tf.Tensor, half: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """bool [batch, size]: the positions closer to the centre than half, in shares of size."""
    positions = (tf.range(size, dtype=tf.float32) + 0.5) / tf.cast(size, tf.float32)
    return tf.abs(positions[None, :] - centre[:, None]) < half[:, None]
