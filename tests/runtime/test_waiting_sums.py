import numpy as np

from tff_retail.runtime.cohort_sums import PartialSum
from tff_retail.runtime.waiting_sums import WaitingSums


def _sum(value):
    accumulator = [np.full((2, 3), value, np.float32), np.array(value, np.int64)]
    return PartialSum(accumulator, [np.array([value], np.int32)])


def _join(left, right):
    return PartialSum(
        [a + b for a, b in zip(left.accumulator, right.accumulator, strict=True)],
        [a + b for a, b in zip(left.secure, right.secure, strict=True)],
    )


def _values(total):
    return [leaf.reshape(-1)[0].item() for leaf in (*total.accumulator, *total.secure)]


BYTES = 2 * 3 * 4 + 8 + 4


def test_what_does_not_fit_waits_on_disk_and_comes_back_as_it_was(tmp_path):
    sums = WaitingSums(_join, tmp_path, max_bytes=2 * BYTES)
    waiting = []
    for value in range(5):
        waiting.append(sums.keep(_sum(value)))
        sums.make_room()
    assert sums.num_bytes == 2 * BYTES
    assert list(tmp_path.iterdir()) == []  # the file has no name, so that a kill leaves nothing
    for value in (3, 0, 4, 2, 1):
        found, sent = sums.take(waiting[value]), _sum(value)
        assert len(found.accumulator) == len(sent.accumulator)
        pairs = zip(found.accumulator + found.secure, sent.accumulator + sent.secure, strict=True)
        for ours, theirs in pairs:
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            np.testing.assert_array_equal(ours, theirs)
    sums.close()


def test_the_place_of_a_sum_that_was_taken_is_used_again(tmp_path):
    sums = WaitingSums(_join, tmp_path, max_bytes=0)
    left, right = (sums.keep(_sum(value)) for value in (1, 2))
    sums.make_room()
    for value in range(3, 20):
        left = sums.join(left, right)
        right = sums.keep(_sum(value))
        sums.make_room()
        assert sums._file.seek(0, 2) <= 3 * BYTES
    assert _values(sums.take(left)) == [sum(range(1, 19))] * 3
    sums.close()


def test_nothing_is_written_that_fits(tmp_path):
    sums = WaitingSums(_join, tmp_path / "missing", max_bytes=3 * BYTES)
    joined = sums.join(sums.keep(_sum(1)), sums.keep(_sum(2)))
    sums.make_room()
    assert _values(sums.take(joined)) == [3, 3, 3]
    assert sums.num_bytes == 0
