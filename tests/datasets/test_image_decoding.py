"""Every kind of photograph comes out as upright RGB, every damaged one as a reason."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from datasets import image_decoding
from datasets.image_decoding import UnreadablePhotograph, decode_content, decode_photograph


def _encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _colour(content: bytes) -> tuple[int, ...]:
    """The one colour of a picture."""
    pixels = decode_content(content, 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 1
    return tuple(int(value) for value in pixels[0, 0])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "JPEG"])
def test_formats(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    content = _encode(Image.new("RGB", (40, 20), (128, 128, 128)), kind, **options)
    assert _colour(content) == (128, 128, 128)


def test_grey_palette_and_one_bit_become_rgb():
    assert _colour(_encode(Image.new("L", (5, 5), 77))) == (77, 77, 77)
    palette = Image.new("RGB", (5, 5), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert _colour(_encode(palette)) == (10, 200, 30)
    assert _colour(_encode(Image.new("1", (5, 5), 1))) == (255, 255, 255)


def test_sixteen_bits_keep_their_high_byte():
    grey = Image.fromarray(np.full((5, 5), 0x8FFF, np.uint16))
    assert grey.mode == "I;16"
    assert _colour(_encode(grey)) == (0x8F, 0x8F, 0x8F)


def test_cmyk_becomes_rgb():
    # No ink but cyan, which takes the red away.
    content = _encode(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100)
    red, green, blue = _colour(content)
    assert red < 5
    assert min(green, blue) > 250


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white(mode):
    image = Image.new("RGBA", (6, 6), (9, 9, 9, 0))
    options = {}
    if mode == "LA":
        image = image.convert("LA")
    elif mode == "P":
        image, options = Image.new("P", (6, 6), 3), {"transparency": 3}
        image.putpalette(list(range(12)))
    assert _colour(_encode(image, "PNG", **options)) == (255, 255, 255)


def test_half_transparent_is_mixed_with_white():
    assert _colour(_encode(Image.new("RGBA", (6, 6), (0, 0, 0, 128)))) == (127, 127, 127)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_exif_orientation_is_undone(orientation, kind):
    upright = np.zeros((64, 64, 3), np.uint8)
    upright[:32, :32] = (255, 0, 0)
    upright[:32, 32:] = (0, 255, 0)
    upright[32:, :32] = (0, 0, 255)
    # How a camera held that way stores the scene: the inverse of what a viewer has to do.
    store = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(store(upright)))
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode_content(_encode(image, kind, exif=exif, **options), 64)
    for row, column in ((8, 8), (8, 56), (56, 8), (56, 56)):
        np.testing.assert_allclose(pixels[row, column], upright[row, column], atol=30)


def test_damaged_exif_leaves_the_picture_as_it_lies():
    content = _encode(Image.new("RGB", (8, 8), (50, 50, 50)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff")
    assert _colour(content) == (50, 50, 50)


def test_whole_picture_is_squashed_and_antialiased():
    pixels = np.zeros((100, 400, 3), np.uint8)
    pixels[:, ::2] = 255
    squashed = decode_content(_encode(Image.fromarray(pixels)), 50)
    assert squashed.shape == (50, 50, 3)
    assert abs(int(squashed[25, 25, 0]) - 128) < 10


def test_a_large_jpeg_decodes_at_a_fraction_and_close_to_the_exact_picture():
    ramp = np.linspace(0, 255, 1600, dtype=np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp[None, :, None], (1200, 1600, 3)).copy())
    exact = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    decoded = decode_content(_encode(image, "JPEG", quality=95), 32).astype(int)
    assert abs(decoded - exact).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "JPEG"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_is_unreadable(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = _encode(Image.fromarray(noise), kind)
    decode_content(content, 32)
    with pytest.raises(UnreadablePhotograph):
        decode_content(content[: int(len(content) * share)], 32)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not a JPEG, PNG, WebP or BMP picture"),
        (b"\xff\xd8\xff" + bytes(50), "unreadable"),
        (b"\x89PNG\r\n\x1a\n", "unreadable"),
        (b"BM", "unreadable"),
        (b"RIFF\x04\0\0\0WEBP", "unreadable"),
    ],
)
def test_what_is_no_picture_says_why(content, reason):
    with pytest.raises(UnreadablePhotograph, match=reason):
        decode_content(content, 32)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "JPEG"])
def test_flipped_bytes_never_raise_anything_else(kind):
    noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    content = _encode(Image.fromarray(noise), kind)
    rng = np.random.default_rng(2)
    for _ in range(100):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), 3):
            damaged[position] = rng.integers(0, 256)
        try:
            assert decode_content(bytes(damaged), 32).shape == (32, 32, 3)
        except UnreadablePhotograph as error:
            assert str(error)


def test_too_many_pixels_are_refused_from_the_header(monkeypatch):
    content = _encode(Image.new("1", (3000, 2000)))
    monkeypatch.setattr(image_decoding, "MAX_DECODED_PIXELS", 1_000_000)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadablePhotograph, match="3000x2000 pixels, above the bound of 1000000"):
        decode_content(content, 32)


def test_bound_is_on_what_is_held_so_a_large_baseline_jpeg_passes(monkeypatch):
    image = Image.new("RGB", (1600, 1600), (90, 90, 90))
    monkeypatch.setattr(image_decoding, "MAX_DECODED_PIXELS", 100_000)
    assert _colour(_encode(image, "JPEG")) == (90, 90, 90)
    with pytest.raises(UnreadablePhotograph, match="above the bound"):
        decode_content(_encode(image, "JPEG", progressive=True), 32)


def test_a_real_bomb_is_refused_at_once():
    # 60,000 x 60,000 pixels: 10 GB in memory, 450 MB as a bitmap of one bit; here only a header.
    header = _encode(Image.new("1", (1, 1)), "BMP")
    bomb = header[:18] + (60_000).to_bytes(4, "little") * 2 + header[26:]
    with pytest.raises(UnreadablePhotograph, match="60000x60000 pixels"):
        decode_content(bomb, 32)


def test_no_file_waits_or_kills(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "empty.jpg").touch()
    reasons = {
        "pipe.jpg": "not a regular file",
        "folder.jpg": "directory|not a regular file",
        "broken.jpg": "No such file",
        "loop.jpg": "symbolic links",
        "empty.jpg": "empty file",
        "missing.jpg": "No such file",
        "nul\0.jpg": "null byte",
        "x" * 300: "too long",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadablePhotograph, match=reason):
            decode_photograph(tmp_path / name, 32)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "sparse.jpg"
    with open(path, "wb") as file:
        file.truncate(image_decoding.MAX_FILE_BYTES + 1)
    with pytest.raises(UnreadablePhotograph, match="above the bound"):
        decode_photograph(path, 32)


def test_unreadable_permission_is_a_reason(tmp_path, write_photo, monkeypatch):
    path = write_photo(tmp_path / "a.png")

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root, who runs the tests in a container, may read all
    with pytest.raises(UnreadablePhotograph, match="Permission denied"):
        decode_photograph(path, 32)
