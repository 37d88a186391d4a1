import numpy as np
import pytest

from tff_retail.runtime import zero_pages
from tff_retail.runtime.zero_pages import zeros_without_memory

LARGE = 1024 * 1024


def _resident_pages() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1])


def test_large_zeros_take_no_memory():
    zeros = zeros_without_memory(np.zeros((64, LARGE), np.float32))
    before = _resident_pages()
    assert zeros.shape == (64, LARGE) and zeros.dtype == np.float32
    assert not any(row.any() for row in zeros)
    assert _resident_pages() - before < 1000  # of 65,536


@pytest.mark.parametrize("last", [1.0, -0.0, np.nan])
def test_what_is_not_all_zero_bits_stays_as_it_is(last):
    array = np.zeros(LARGE, np.float32)
    array[-1] = last
    assert zeros_without_memory(array) is array


def test_small_arrays_stay_as_they_are():
    scalar, few = np.asarray(np.float32(0)), np.zeros(zero_pages._LEAST_BYTES - 1, np.uint8)
    assert zeros_without_memory(scalar) is scalar
    assert zeros_without_memory(few) is few
