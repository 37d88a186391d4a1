"""The shapes goods are packed in, as outlines that mirror themselves left and right."""

import dataclasses
import functools

import numpy as np

# Steps of an outline from top to bottom: finer than a product is ever drawn.
OUTLINE_STEPS = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packaging:
    """One shape.

    Attributes:
      name: such as `bottle`.
      corners: (position from top 0 to bottom 1, half the width as a share of the height) of
        the outline, in order from the top.
      is_round: the print runs around it, and light falls off to both sides.
      cap: (first, last) position of the part without print, a lid or a cap; equal for none.
      height: as a share of the tallest shape's.
    """

    name: str
    corners: tuple[tuple[float, float], ...]
    is_round: bool
    cap: tuple[float, float]
    height: float

    @functools.cached_property
    def half_widths(self) -> np.ndarray:
        """float32 [OUTLINE_STEPS]: half the width at each step, as a share of the height."""
        positions, widths = zip(*self.corners, strict=True)
        steps = (np.arange(OUTLINE_STEPS) + 0.5) / OUTLINE_STEPS
        return np.interp(steps, positions, widths).astype(np.float32)

    @functools.cached_property
    def area(self) -> float:
        """What it covers, as a share of its height squared."""
        return float(2 * self.half_widths.mean())


PACKAGINGS = {
    shape.name: shape
    for shape in (
        Packaging(
            name="bottle",
            corners=(
                (0.0, 0.085),
                (0.1, 0.085),
                (0.1, 0.065),
                (0.24, 0.07),
                (0.32, 0.12),
                (0.4, 0.185),
                (0.46, 0.2),
                (0.97, 0.2),
                (1.0, 0.18),
            ),
            is_round=True,
            cap=(0.0, 0.1),
            height=1.0,
        ),
        Packaging(
            name="can",
            corners=((0.0, 0.29), (0.05, 0.33), (0.95, 0.33), (1.0, 0.29)),
            is_round=True,
            cap=(0.0, 0.06),
            height=0.76,
        ),
        Packaging(
            name="carton",
            corners=((0.0, 0.15), (0.07, 0.15), (0.07, 0.13), (0.24, 0.24), (1.0, 0.24)),
            is_round=False,
            cap=(0.0, 0.07),
            height=0.96,
        ),
        Packaging(
            name="box",
            corners=((0.0, 0.36), (1.0, 0.36)),
            is_round=False,
            cap=(0.0, 0.0),
            height=0.84,
        ),
        Packaging(
            name="bag",
            corners=(
                (0.0, 0.36),
                (0.06, 0.34),
                (0.2, 0.29),
                (0.5, 0.34),
                (0.8, 0.3),
                (0.94, 0.34),
                (1.0, 0.36),
            ),
            is_round=False,
            cap=(0.0, 0.06),
            height=0.86,
        ),
        Packaging(
            name="jar",
            corners=(
                (0.0, 0.27),
                (0.18, 0.27),
                (0.18, 0.24),
                (0.24, 0.25),
                (0.34, 0.36),
                (0.92, 0.36),
                (1.0, 0.29),
            ),
            is_round=True,
            cap=(0.0, 0.18),
            height=0.7,
        ),
        Packaging(
            name="tube",
            corners=((0.0, 0.25), (0.08, 0.25), (0.8, 0.15), (0.82, 0.1), (1.0, 0.1)),
            is_round=False,
            cap=(0.82, 1.0),
            height=0.92,
        ),
        Packaging(
            name="cup",
            corners=((0.0, 0.45), (0.1, 0.45), (0.1, 0.41), (1.0, 0.29)),
            is_round=True,
            cap=(0.0, 0.1),
            height=0.6,
        ),
    )
}
