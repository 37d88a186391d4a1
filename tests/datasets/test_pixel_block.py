import numpy as np
import pytest

from datasets.pixel_block import block_name, map_pixels, read_keys, read_row, write_block

KEYS = [bytes([number]) * 32 for number in range(3)]
ROWS = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)


def test_pixels_come_back_from_offset_zero_on_a_page(tmp_path):
    path = tmp_path / "a.pixels"
    write_block(path, KEYS, ROWS, 4)
    pixels = map_pixels(path, 3, 4)
    assert pixels.ctypes.data % 4096 == 0
    assert not pixels.flags.writeable
    np.testing.assert_array_equal(pixels, ROWS)
    np.testing.assert_array_equal(read_row(path, 2, 4), ROWS[2])
    assert [key.tobytes() for key in read_keys(path, 4)] == KEYS
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_part_of_a_block_is_taken_for_one(tmp_path):
    path = tmp_path / "a.pixels"
    write_block(path, KEYS, ROWS, 4)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert read_keys(path, 4) is None
    path.write_bytes(content[:-1] + b"\1")
    assert read_keys(path, 4) is None
    path.write_bytes(content)
    assert read_keys(path, 8) is None
    assert read_keys(tmp_path / "missing", 4) is None


def test_a_failed_write_leaves_nothing(tmp_path):
    def rows():
        yield ROWS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_block(tmp_path / "a.pixels", KEYS, rows(), 4)
    assert list(tmp_path.iterdir()) == []


def test_equal_content_has_equal_names():
    assert block_name("train", KEYS) == block_name("train", list(KEYS))
    names = {block_name("train", KEYS[:n]) for n in range(4)} | {block_name("train", KEYS[::-1])}
    assert len(names) == 5


def test_no_rows_need_no_file(tmp_path):
    assert map_pixels(tmp_path / "missing", 0, 4).shape == (0, 4, 4, 3)
