"""Draws one product onto a picture: its outline, the print around it, light and shadow."""

import dataclasses

import numpy as np

from datasets.shelf.catalogue import Product
from datasets.shelf.packaging import OUTLINE_STEPS
from datasets.shelf.printing import PRINT_SIZE, print_of

# Positions across a product that the tables below tell apart.
_ACROSS_STEPS = 256
_SHADOW = np.float32(0.55)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pose:
    """Where and how a product stands.

    Attributes:
      centre_x, centre_y: in pixels of the picture.
      height: of the packaging, in pixels.
      angle: clockwise tilt in radians.
      spin: of a round product about its axis, in faces of its print.
      light_x: side the light comes from, in [-1, 1].
    """

    centre_x: float
    centre_y: float
    height: float
    angle: float = 0.0
    spin: float = 0.0
    light_x: float = 0.0


def _around_table() -> np.ndarray:
    """float32 [_ACROSS_STEPS]: which share of the face shows at each position across a cylinder."""
    across = (np.arange(_ACROSS_STEPS) + 0.5) / _ACROSS_STEPS * 2 - 1
    return (np.arcsin(across) / np.pi + 0.5).astype(np.float32)


_AROUND = _around_table()
_ACROSS = ((np.arange(_ACROSS_STEPS) + 0.5) / _ACROSS_STEPS * 2 - 1).astype(np.float32)


def draw_product(picture: np.ndarray, product: Product, pose: Pose) -> None:
    """Draws a product in place, with its shadow; what lies outside the picture is cut off.

    Args:
      picture: float32 [height, width, 3] in 0-255.
    """
    window = _window(picture, pose)
    along, across = _product_coordinates(window, product, pose)
    rows, columns = np.nonzero((np.abs(across) < 1) & (along >= 0) & (along < OUTLINE_STEPS))
    if not rows.size:
        return
    view = picture[window]
    _cast_shadow(view, rows, columns, pose)
    step = along[rows, columns].astype(np.int32)
    # The largest float32 below 1 becomes 2 when 1 is added.
    position = ((across[rows, columns] + 1) * (_ACROSS_STEPS / 2)).astype(np.int32)
    position = np.minimum(position, _ACROSS_STEPS - 1)
    print_rows = step * PRINT_SIZE // OUTLINE_STEPS
    print_columns = _print_columns(product, pose)[position]
    shading = _shading(product, pose)[position]
    view[rows, columns] = print_of(product)[print_rows, print_columns] * shading[:, None]


def _window(picture: np.ndarray, pose: Pose) -> tuple[slice, slice]:
    """The part of the picture that the product and its shadow lie in."""
    # No packaging is wider than it is high, so a tilted one stays within this radius.
    radius = 0.72 * pose.height
    height, width = picture.shape[:2]
    return (
        slice(max(0, int(pose.centre_y - radius)), min(height, int(pose.centre_y + radius) + 1)),
        slice(max(0, int(pose.centre_x - radius)), min(width, int(pose.centre_x + radius) + 1)),
    )


def _product_coordinates(
    window: tuple[slice, slice], product: Product, pose: Pose
) -> tuple[np.ndarray, np.ndarray]:
    """Outline step (from the top) and position across (-1 to 1) of each pixel of the window."""
    down = np.arange(window[0].start, window[0].stop, dtype=np.float32) + 0.5 - pose.centre_y
    right = np.arange(window[1].start, window[1].stop, dtype=np.float32) + 0.5 - pose.centre_x
    cosine, sine = np.float32(np.cos(pose.angle)), np.float32(np.sin(pose.angle))
    along = (cosine * down)[:, None] - (sine * right)[None, :]
    along = (along / np.float32(pose.height) + np.float32(0.5)) * OUTLINE_STEPS
    sideways = (sine * down)[:, None] + (cosine * right)[None, :]
    steps = np.clip(along, 0, OUTLINE_STEPS - 1).astype(np.int32)
    half_widths = product.packaging.half_widths * np.float32(pose.height)
    return along, sideways / half_widths[steps]


def _cast_shadow(view: np.ndarray, rows: np.ndarray, columns: np.ndarray, pose: Pose) -> None:
    """Darkens the product's outline, moved away from the light; the product then covers most."""
    shift_x = round(-0.07 * pose.height * (pose.light_x or 1.0))
    shift_y = round(0.02 * pose.height)
    moved_rows, moved_columns = rows + shift_y, columns + shift_x
    height, width = view.shape[:2]
    is_inside = (moved_rows < height) & (moved_columns >= 0) & (moved_columns < width)
    view[moved_rows[is_inside], moved_columns[is_inside]] *= _SHADOW


def _print_columns(product: Product, pose: Pose) -> np.ndarray:
    """int32 [_ACROSS_STEPS]: the column of the print at each position across."""
    share = _AROUND + np.float32(pose.spin) if product.packaging.is_round else (_ACROSS + 1) / 2
    return (share * PRINT_SIZE).astype(np.int32) % PRINT_SIZE


def _shading(product: Product, pose: Pose) -> np.ndarray:
    """float32 [_ACROSS_STEPS]: light across the product, 1 where the print shows as printed."""
    if not product.packaging.is_round:
        return 1.0 + 0.18 * np.float32(pose.light_x) * _ACROSS
    facing = np.sqrt(1 - _ACROSS**2)
    toward_light = np.clip(facing + 0.5 * np.float32(pose.light_x) * _ACROSS, 0, None)
    gloss = 0.45 * np.exp(-(((_ACROSS - 0.5 * np.float32(pose.light_x)) / 0.09) ** 2))
    return (0.4 + 0.62 * toward_light + gloss).astype(np.float32)
