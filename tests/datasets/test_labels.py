import pytest

from datasets.labels import normalize_label, read_label_file
from tff_retail.config import ConfigurationError


def test_decomposed_names_are_composed():
    assert normalize_label("cafe\u0301 ") == "caf\u00e9"
    assert normalize_label(" 苹果") == "苹果"
    assert normalize_label("bad\udcff") == "bad\ufffd"


def test_no_file_fixes_nothing(tmp_path):
    assert read_label_file(tmp_path / "labels.txt") is None


def test_order_blank_lines_repetitions_and_byte_order_mark(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufefftea\r\n\r\ncafe\u0301\r\ntea\r\n  milk \r\ncaf\u00e9".encode())
    assert read_label_file(path) == ("tea", "caf\u00e9", "milk")


@pytest.mark.parametrize("content", [b"\n \n", "tea\n".encode("utf-16"), b"\xff\xfe\xff"])
def test_a_file_without_labels_or_of_another_encoding_is_refused(tmp_path, content):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="labels.txt must"):
        read_label_file(path)
