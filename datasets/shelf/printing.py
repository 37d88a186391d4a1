"""What is printed on a product: two colours in a layout, a logo, and lines of small print."""

import functools
import math

import numpy as np
from PIL import Image, ImageDraw

from datasets.shelf.catalogue import Colour, Product

# Height and width in pixels of one face's print; faces repeat around a round product.
PRINT_SIZE = 96
# Drawn larger and averaged, because ImageDraw's edges are hard.
_OVERSAMPLING = 3
_SIZE = PRINT_SIZE * _OVERSAMPLING
_METAL: Colour = (176, 178, 182)


# A chain has up to 528 products, and a print is 27 KB.
@functools.lru_cache(maxsize=1024)
def print_of(product: Product) -> np.ndarray:
    """float32 [PRINT_SIZE, PRINT_SIZE, 3] in 0-255: one face, from the top of the product down."""
    face = Image.new("RGB", (_SIZE, _SIZE), product.base)
    draw = ImageDraw.Draw(face)
    _LAYOUTS[product.layout](draw, product.accent)
    _draw_logo(draw, product)
    _draw_small_print(draw, product)
    _draw_cap(draw, product)
    return np.asarray(face.reduce(_OVERSAMPLING), np.float32)


def _box(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], fill: Colour) -> None:
    """Fills (left, top, right, bottom), given in shares of the face."""
    draw.rectangle([share * _SIZE for share in box], fill=fill)


# Every layout gives half of the face to each colour: the average colour tells no two apart.
def _draw_band(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    _box(draw, (0.0, 0.35, 1.0, 0.85), accent)


def _draw_halves(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    _box(draw, (0.0, 0.55, 1.0, 1.0), accent)


def _draw_panel(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    _box(draw, (0.14, 0.22, 0.86, 0.92), accent)


def _draw_stripes(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    for stripe in range(3):
        _box(draw, (stripe / 3 + 0.08, 0.0, stripe / 3 + 0.25, 1.0), accent)


def _draw_hoops(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    for hoop in range(4):
        _box(draw, (0.0, hoop / 4 + 0.06, 1.0, hoop / 4 + 0.185), accent)


def _draw_dots(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    for row in range(5):
        for column in range(4):
            middle_x, middle_y = (column + 0.25 + 0.5 * (row % 2)) / 4, (row + 0.5) / 5
            box = (middle_x - 0.1, middle_y - 0.08, middle_x + 0.1, middle_y + 0.08)
            draw.ellipse([share * _SIZE for share in box], fill=accent)


def _draw_checks(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    for row in range(4):
        for column in range(row % 2, 4, 2):
            _box(draw, (column / 4, row / 4, (column + 1) / 4, (row + 1) / 4), accent)


def _draw_diagonal(draw: ImageDraw.ImageDraw, accent: Colour) -> None:
    corners = [(0.0, 0.95), (0.0, 0.45), (1.0, 0.15), (1.0, 0.65)]
    draw.polygon([(x * _SIZE, y * _SIZE) for x, y in corners], fill=accent)


_LAYOUTS = {
    "band": _draw_band,
    "halves": _draw_halves,
    "panel": _draw_panel,
    "stripes": _draw_stripes,
    "hoops": _draw_hoops,
    "dots": _draw_dots,
    "checks": _draw_checks,
    "diagonal": _draw_diagonal,
}


def _radius(logo: str, angle: float) -> float:
    """Distance of the logo's edge from its middle, at an angle from the top, in [0, 1]."""
    if logo == "star":
        return 0.45 + 0.55 * abs(1 - (angle * 5 / math.pi) % 2)
    if logo == "flower":
        return 0.65 + 0.35 * math.cos(5 * angle)
    if logo == "heart":
        return 0.25 + 0.75 * abs(math.sin((angle + 2 * math.pi) / 2)) ** 0.7
    if logo == "drop":
        return 0.55 + 0.45 * max(0.0, math.cos(angle)) ** 6
    if logo == "leaf":
        return 0.4 + 0.6 * abs(math.cos(angle - math.pi / 4)) ** 3
    corners = {"triangle": 3, "diamond": 4}.get(logo)
    if corners is None:
        return 1.0
    half = math.pi / corners
    return math.cos(half) / math.cos(angle % (2 * half) - half)


def _draw_logo(draw: ImageDraw.ImageDraw, product: Product) -> None:
    """The figure in the base colour on a disc of the accent colour, edged to show on both."""
    middle_y, disc, figure = 0.58, 0.21, 0.17
    aspect = _aspect(product)

    def outline(radius: float, logo: str) -> list[tuple[float, float]]:
        return [
            (
                (0.5 + radius * aspect * _radius(logo, angle) * math.sin(angle)) * _SIZE,
                (middle_y - radius * _radius(logo, angle) * math.cos(angle)) * _SIZE,
            )
            for angle in (2 * math.pi * step / 72 for step in range(72))
        ]

    draw.polygon(outline(disc + 0.02, "circle"), fill=product.base)
    draw.polygon(outline(disc, "circle"), fill=product.accent)
    draw.polygon(outline(figure, product.logo), fill=product.base)
    if product.logo == "ring":
        draw.polygon(outline(figure * 0.55, "circle"), fill=product.accent)


def _aspect(product: Product) -> float:
    """Width of a figure on the face that shows as one of width 1 on the product."""
    widest = float(product.packaging.half_widths.max())
    shown = math.pi * widest if product.packaging.is_round else 2 * widest
    return min(1.0 / shown, 1.6)


def _draw_small_print(draw: ImageDraw.ImageDraw, product: Product) -> None:
    red, green, blue = product.base
    ink = (red // 3, green // 3, blue // 3)
    for line, width in enumerate((0.3, 0.22)):
        top = 0.9 + 0.04 * line
        _box(draw, (0.5 - width, top, 0.5 + width, top + 0.018), ink)


def _draw_cap(draw: ImageDraw.ImageDraw, product: Product) -> None:
    first, last = product.packaging.cap
    if first < last:
        has_metal = product.packaging.name in ("can", "jar")
        _box(draw, (0.0, first, 1.0, last), _METAL if has_metal else product.accent)
