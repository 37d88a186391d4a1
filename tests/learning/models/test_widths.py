import pytest

from tff_retail.learning.models.widths import scaled_width


@pytest.mark.parametrize(
    ("channels", "multiplier", "expected"),
    [(32, 1, 32), (32, 0.05, 8), (32, 0.35, 16), (24, 0.75, 24), (16, 1.4, 24), (1280, 1.3, 1664)],
)
def test_widths_are_multiples_of_eight(channels: int, multiplier: float, expected: int) -> None:
    assert scaled_width(channels, multiplier) == expected
