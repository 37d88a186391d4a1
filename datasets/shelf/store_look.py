"""How one store's photographs look: its shelves, its lamps and its camera."""

import dataclasses

import numpy as np

from datasets.shelf.catalogue import Colour

_SHELVES: tuple[tuple[Colour, Colour], ...] = (
    # (back wall, board): white metal, pine, grey metal, dark wood, blue chiller, beige panel
    ((214, 214, 210), (238, 238, 236)),
    ((188, 150, 104), (212, 174, 122)),
    ((122, 126, 130), (158, 162, 166)),
    ((70, 52, 42), (98, 72, 54)),
    ((120, 148, 178), (206, 222, 232)),
    ((200, 186, 160), (150, 132, 108)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreLook:
    """One store's look.

    Attributes:
      wall, board: RGB in 0-255 of the shelf's back and of its boards.
      tag: RGB of the price tags.
      white_balance: float32 [3], gain of each channel.
      exposure: gain of all channels.
      light_x, light_y: where the light comes from, in [-1, 1] (left to right, top to bottom).
      fall_off: how much darker the far side is, as a share.
      blur_radius: of the lens, in pixels of a photograph of 64 pixels.
      noise: standard deviation of the sensor, in 0-255.
      jpeg_quality: of the file.
      tilt: of the camera, in radians.
    """

    wall: Colour
    board: Colour
    tag: Colour
    white_balance: np.ndarray
    exposure: float
    light_x: float
    light_y: float
    fall_off: float
    blur_radius: float
    noise: float
    jpeg_quality: int
    tilt: float


def store_look(store: int, rng: np.random.Generator) -> StoreLook:
    """The look of a store; neighbouring numbers get different shelves.

    Args:
      store: position of the store in the chain.
      rng: the store's own; two draws in a row make two looks.
    """
    wall, board = _SHELVES[store % len(_SHELVES)]
    # From the amber of an old lamp (above 0) to the blue of a chiller's tubes.
    warmth = rng.uniform(-0.16, 0.16)
    tags: tuple[Colour, ...] = ((250, 236, 90), (250, 250, 250), (214, 60, 50), (120, 190, 90))
    return StoreLook(
        wall=wall,
        board=board,
        tag=tags[store % len(tags)],
        white_balance=np.array([1 + warmth, 1 + rng.uniform(-0.05, 0.05), 1 - warmth], np.float32),
        exposure=rng.uniform(0.9, 1.25),
        light_x=rng.choice([-1, 1]) * rng.uniform(0.3, 1.0),
        light_y=rng.uniform(-1.0, 0.3),
        fall_off=rng.uniform(0.1, 0.45),
        blur_radius=rng.uniform(0.0, 0.5),
        noise=rng.uniform(2.0, 7.0),
        jpeg_quality=int(rng.integers(75, 96)),
        tilt=rng.uniform(-0.08, 0.08),
    )
