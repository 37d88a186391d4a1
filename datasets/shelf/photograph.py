"""Takes photographs in one synthetic store: a product among its neighbours, seen by its camera."""

import io

import numpy as np
from PIL import Image, ImageFilter

from datasets.shelf.catalogue import Product, catalogue
from datasets.shelf.drawing import Pose, draw_product
from datasets.shelf.store_look import StoreLook

# Scenes are drawn larger and averaged, because the drawing has hard edges.
_OVERSAMPLING = 2
# Enough that photographs of a store rarely share their surroundings, at 5 ms each.
_NUM_SCENES = 24
_BOARD_TOP = 0.86
_BACKGROUND_BLUR = 0.025


class StoreCamera:
    """The camera of one store, its scenes set up once.

    Attributes:
      look: the store's look.
      image_size: height and width of a photograph in pixels.
    """

    def __init__(self, look: StoreLook, *, image_size: int, rng: np.random.Generator) -> None:
        self.look = look
        self.image_size = image_size
        # Neighbours on the shelf come from the whole chain, so that they say nothing of the label.
        self._neighbours = catalogue(200)
        self._scenes = [self._set_up_scene(rng) for _ in range(_NUM_SCENES)]
        self._light = _light_field(look, image_size)

    def photograph(self, product: Product, rng: np.random.Generator) -> bytes:
        """One photograph of a product, as the bytes of a JPEG file."""
        scene = self._random_view(rng)
        self._place_product(scene, product, rng)
        if rng.random() < 0.35:
            self._place_obstacle(scene, rng)
        return self._develop(scene, rng)

    @property
    def _side(self) -> int:
        return self.image_size * _OVERSAMPLING

    def _set_up_scene(self, rng: np.random.Generator) -> np.ndarray:
        """float32 [side, 2 * side, 3]: a stretch of shelf, wider than a photograph."""
        side, look = self._side, self.look
        scene = np.empty((side, 2 * side, 3), np.float32)
        scene[:] = look.wall
        scene *= np.linspace(0.62, 1.0, side, dtype=np.float32)[:, None, None]
        board = int(side * _BOARD_TOP)
        position = rng.uniform(0, 0.3) * side
        while position < 2 * side:
            neighbour = self._random_neighbour(rng)
            height = neighbour.packaging.height * side * rng.uniform(0.5, 0.72)
            pose = self._pose(rng, position, board - 0.46 * height, height, tilt=0.04)
            draw_product(scene, neighbour, pose)
            position += rng.uniform(0.3, 0.6) * side
        self._draw_board(scene, board, rng)
        # The camera is focused on the product in front; what stands behind is dim and soft.
        scene *= np.float32(rng.uniform(0.3, 0.6))
        blurred = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).filter(
            ImageFilter.BoxBlur(_BACKGROUND_BLUR * side)
        )
        return np.asarray(blurred, np.float32)

    def _draw_board(self, scene: np.ndarray, board: int, rng: np.random.Generator) -> None:
        side = self._side
        scene[board:] = self.look.board
        scene[board : board + max(1, side // 40)] *= np.float32(0.7)
        tag_height, tag_width = int(0.1 * side), int(0.2 * side)
        for left in range(int(rng.uniform(0, 0.3) * side), 2 * side, int(0.55 * side)):
            tag = scene[board + side // 30 :, left : left + tag_width][:tag_height]
            tag[:] = self.look.tag
            tag[tag_height // 3 : tag_height // 2, tag_width // 6 : -tag_width // 3] = 40

    def _random_neighbour(self, rng: np.random.Generator) -> Product:
        return self._neighbours[rng.integers(len(self._neighbours))]

    def _random_view(self, rng: np.random.Generator) -> np.ndarray:
        """float32 [side, side, 3]: a part of a scene, mirrored or not, lit a little differently."""
        scene = self._scenes[rng.integers(len(self._scenes))]
        left = rng.integers(self._side)
        view = scene[:, left : left + self._side]
        step = 1 if rng.random() < 0.5 else -1
        return view[:, ::step] * np.float32(rng.uniform(0.8, 1.15))

    def _pose(
        self, rng: np.random.Generator, x: float, y: float, height: float, *, tilt: float
    ) -> Pose:
        return Pose(
            centre_x=x,
            centre_y=y,
            height=height,
            angle=self.look.tilt + rng.normal(0, tilt),
            spin=rng.uniform(-0.3, 0.3),
            light_x=self.look.light_x,
        )

    def _place_product(self, scene: np.ndarray, product: Product, rng: np.random.Generator) -> None:
        side = self._side
        # Every shape fills as much of the picture, so that its size says nothing of the label.
        height = side * rng.uniform(0.4, 0.66) / np.sqrt(product.packaging.area)
        x, y = side * rng.uniform(0.24, 0.76), side * rng.uniform(0.3, 0.7)
        draw_product(scene, product, self._pose(rng, x, y, height, tilt=0.12))

    def _place_obstacle(self, scene: np.ndarray, rng: np.random.Generator) -> None:
        """Another product or an offer's sticker in front, over a part of the photograph."""
        side = self._side
        if rng.random() < 0.5:
            x = side * (rng.uniform(-0.06, 0.12) if rng.random() < 0.5 else rng.uniform(0.88, 1.06))
            neighbour = self._random_neighbour(rng)
            height = neighbour.packaging.height * side * rng.uniform(0.6, 0.9)
            pose = self._pose(rng, x, side - 0.3 * height, height, tilt=0.06)
            draw_product(scene, neighbour, pose)
        else:
            size = int(side * rng.uniform(0.12, 0.24))
            left, top = rng.integers(int(0.1 * side), int(0.75 * side), 2)
            sticker = scene[top : top + size, left : left + int(1.4 * size)]
            sticker[:] = self.look.tag
            sticker[size // 3 : size // 2, size // 4 : -size // 4] = 50

    def _develop(self, scene: np.ndarray, rng: np.random.Generator) -> bytes:
        """The scene through the lens, the sensor and the JPEG encoder."""
        size, look = self.image_size, self.look
        blocks = scene.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 3)
        pixels = blocks.mean(axis=(1, 3)) * self._light
        gains = look.white_balance * look.exposure * rng.normal(1, [0.03, 0.03, 0.03])
        pixels *= (gains * rng.uniform(0.7, 1.3)).astype(np.float32)
        pixels += rng.standard_normal(pixels.shape, np.float32) * np.float32(look.noise)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        radius = look.blur_radius * size / 64 * rng.uniform(0.5, 1.5)
        image = image.filter(ImageFilter.GaussianBlur(radius))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=look.jpeg_quality)
        return file.getvalue()


def _light_field(look: StoreLook, image_size: int) -> np.ndarray:
    """float32 [image_size, image_size, 1]: the light of the store's lamps, 1 at its brightest."""
    axis = np.linspace(-1, 1, image_size, dtype=np.float32)
    away = 1 - (axis[None, :] * look.light_x + axis[:, None] * look.light_y)
    return (1 - look.fall_off * np.clip(away / 2, 0, 1))[:, :, None].astype(np.float32)
