"""From the bytes of a photograph to RGB pixels: the one decoder everything here uses.

Training, evaluation and `recognize` must see the same pixels, so there is one function. The
whole picture is squashed to a square; its colour profile is ignored, as is usual in training.
"""

import io
import os
import pathlib
import stat

import numpy as np
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

# Part of the cache's key: raise it whenever the same bytes come out as other pixels.
DECODER_VERSION = 1

# A photograph of the largest phone sensors (200 megapixels) has about 60 MB as JPEG.
MAX_FILE_BYTES = 256 * 2**20
# Pillow holds 4 bytes a pixel, twice while it converts: 0.5 GB at most for each worker.
MAX_DECODED_PIXELS = 64 * 2**20
# JPEG decodes at a fraction of its size, row by row, so phones' 200 megapixels may pass.
MAX_JPEG_PIXELS = 256 * 2**20
# A box filter down to three times the size and the true one from there: Pillow's documentation
# of `resize` calls that indistinguishable from the true filter alone, which is far slower.
REDUCING_GAP = 3.0

# EXIF 2.32, tag 0x0112: how the stored picture has to be turned to stand upright.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadablePhotograph(Exception):
    """A file that is no usable photograph; the message is the reason, in a few words."""


def decode_photograph(path: str | os.PathLike[str], image_size: int) -> np.ndarray:
    """The photograph at `path` as uint8 RGB [image_size, image_size, 3].

    Raises:
      UnreadablePhotograph: the file is missing, empty, truncated, no photograph, or too large.
    """
    content, _ = read_regular_file(path)
    return decode_content(content, image_size)


def read_regular_file(path: str | os.PathLike[str]) -> tuple[bytes, os.stat_result]:
    """The bytes of a file and its status, never waiting on what is no regular file.

    Raises:
      UnreadablePhotograph: it can't be opened, is no regular file, empty, or too large.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _check_file(status)
            return file.read(MAX_FILE_BYTES), status
    except OSError as error:
        raise UnreadablePhotograph(error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the name, from a manifest
        raise UnreadablePhotograph(str(error)) from error


def decode_content(content: bytes, image_size: int) -> np.ndarray:
    """The photograph whose file has the bytes `content`, uint8 RGB [image_size, image_size, 3].

    EXIF orientation is honoured; grey, palette, CMYK and 16-bit pictures become RGB, and
    transparent ones stand on white. Of an animation the first picture is taken.

    Raises:
      UnreadablePhotograph: empty, truncated, of another format, or too many pixels.
    """
    if not content:
        raise UnreadablePhotograph("empty file")
    try:
        with _open_image(content) as image:
            return _square_pixels(image, image_size)
    except UnreadablePhotograph:
        raise
    # Pillow's decoders answer bad bytes with almost any exception (SyntaxError, struct.error,
    # ZeroDivisionError, MemoryError, ...); one bad file must never end a run.
    except Exception as error:
        raise UnreadablePhotograph(f"unreadable: {error or type(error).__name__}") from error


def _check_file(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadablePhotograph("not a regular file")
    if status.st_size == 0:
        raise UnreadablePhotograph("empty file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadablePhotograph(
            f"file of {status.st_size} bytes, above the bound of {MAX_FILE_BYTES}"
        )


def _open_image(content: bytes) -> ImageFile.ImageFile:
    """Reads the header only. Pillow's own `open` would also try formats that run programs."""
    file = io.BytesIO(content)
    if content.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile(file)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImagePlugin.PngImageFile(file)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile(file)
    if content.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile(file)
    raise UnreadablePhotograph("not a JPEG, PNG, WebP or BMP picture")


def _square_pixels(image: ImageFile.ImageFile, image_size: int) -> np.ndarray:
    _check_pixels(image.size, MAX_JPEG_PIXELS)
    # A progressive JPEG is held whole, whatever fraction of it is asked for.
    if image.info.get("progressive"):
        _check_pixels(image.size, MAX_DECODED_PIXELS)
    gap_size = int(image_size * REDUCING_GAP)
    image.draft(None, (gap_size, gap_size))
    _check_pixels(image.size, MAX_DECODED_PIXELS)
    image.load()
    orientation = _orientation(image)
    square = _to_rgb(image).resize(
        (image_size, image_size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP
    )
    if orientation in _UPRIGHT:
        square = square.transpose(_UPRIGHT[orientation])
    return np.asarray(square, dtype=np.uint8)


def _check_pixels(size: tuple[int, int], bound: int) -> None:
    if size[0] * size[1] > bound:
        raise UnreadablePhotograph(f"{size[0]}x{size[1]} pixels, above the bound of {bound}")


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged metadata around a sound picture: take it as it lies
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 where it converts; the high byte is what 16-bit RGB gets.
        high_byte = np.asarray(image).astype(np.uint32) >> 8
        return Image.fromarray(high_byte.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return image.convert("RGB")


def is_photograph_name(path: pathlib.PurePath) -> bool:
    """Whether the extension is one of those read here, in any case."""
    return path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
