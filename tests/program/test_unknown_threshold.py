import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.unknown_threshold import read_unknown_threshold


@pytest.mark.parametrize(
    ("value", "threshold"), [("auto", None), ("0", 0.0), ("0.35", 0.35), ("1", 1.0)]
)
def test_auto_or_a_probability(value, threshold):
    assert read_unknown_threshold(value) == threshold


@pytest.mark.parametrize("value", ["-0.1", "1.01", "35 %", "nan", ""])
def test_anything_else_is_one_sentence(value):
    with pytest.raises(ConfigurationError) as error:
        read_unknown_threshold(value)
    assert str(error.value) == (
        f"--unknown_threshold must be auto or a number in [0, 1], found {value!r}"
    )
