import numpy as np
import pytest
import tensorflow as tf

from tff_retail.learning.update_encoding import UpdateEncoding

INTEGERS = {"int8": 127, "int4": 7}
SCALED = ("float16", "int8", "int4")
ALL = (*SCALED, "bfloat16")


def _encode(dtype, *tensors):
    encode = tf.function(lambda *found: UpdateEncoding(dtype).encode(found))
    arrays = [np.asarray(tensor, np.float32) for tensor in tensors]
    return {name: value.numpy() for name, value in encode(*arrays).items()}


def _decode(dtype, encoded, *shapes):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    constants = {name: tf.constant(value) for name, value in encoded.items()}
    return [tensor.numpy() for tensor in UpdateEncoding(dtype).decode(constants, specs)]


def _there_and_back(dtype, *tensors):
    return _decode(dtype, _encode(dtype, *tensors), *(np.shape(tensor) for tensor in tensors))


@pytest.mark.parametrize(
    ("dtype", "num_bytes"), [("int8", 258 + 12), ("int4", 129 + 12), ("float16", 516 + 12)]
)
def test_so_many_bytes_travel(dtype, num_bytes):
    encoded = _encode(dtype, np.ones([2, 128]), np.ones([2]))
    assert sum(value.nbytes for value in encoded.values()) == num_bytes


def test_bfloat16_has_two_bytes_a_number_and_no_scale():
    encoded = _encode("bfloat16", np.ones([300]))
    assert encoded["codes"].nbytes == 600
    assert encoded["scales"].size == 0


@pytest.mark.parametrize(
    ("dtype", "largest"), [("int8", 127), ("int4", 7), ("float16", 8), ("bfloat16", 8)]
)
def test_what_it_can_say_comes_back_exactly_in_its_shape(dtype, largest):
    tensors = [np.array([[largest, -7, 0], [3, -1, 5]]), np.array([1, 2, -6])]
    for found, sent in zip(_there_and_back(dtype, *tensors), tensors, strict=True):
        np.testing.assert_array_equal(found, sent)


@pytest.mark.parametrize("size", [1, 2, 127, 128, 129, 385])
@pytest.mark.parametrize("dtype", SCALED)
def test_no_number_is_off_by_more_than_a_step(dtype, size):
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    (found,) = _there_and_back(dtype, values)
    largest = np.repeat(np.abs(np.pad(values, (0, -size % 128))).reshape(-1, 128).max(1), 128)
    step = largest[:size] / INTEGERS.get(dtype, 2048)
    assert (np.abs(found - values) <= step * 1.00001).all()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_rounding_has_no_bias(dtype):
    step = 1 / INTEGERS[dtype]
    values = np.full(128 * 400, 0.3 * step, np.float32)
    values[::128] = 1.0  # sets the scale of each block
    (found,) = _there_and_back(dtype, values)
    small = found[values != 1.0] / step
    assert set(np.round(small, 4)) == {0.0, 1.0}
    # Six standard deviations of the mean of 50,800 draws.
    assert abs(small.mean() - 0.3) < 6 * np.sqrt(0.21 / small.size)


@pytest.mark.parametrize("dtype", ALL)
def test_the_same_update_gives_the_same_bits_and_another_one_others(dtype):
    values = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    first, again = _encode(dtype, values), _encode(dtype, values)
    assert {name: value.tobytes() for name, value in first.items()} == {
        name: value.tobytes() for name, value in again.items()
    }
    values[500] = np.nextafter(values[500], np.float32(9))
    if dtype in INTEGERS:
        assert (_encode(dtype, values)["codes"] != first["codes"]).sum() > 10


@pytest.mark.parametrize("dtype", SCALED)
@pytest.mark.parametrize("size", [1e-30, 1e6, 1e18, 3e38])
def test_no_size_overflows(dtype, size):
    values = np.array([size, -size, size / 2], np.float32)
    (found,) = _there_and_back(dtype, values)
    np.testing.assert_allclose(found[:2], values[:2], rtol=1e-6)
    assert abs(found[2] - size / 2) <= size / 6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", SCALED)
def test_a_block_that_is_not_finite_is_nan_whole(dtype, bad):
    values = np.ones(256, np.float32)
    values[3] = bad
    (found,) = _there_and_back(dtype, values)
    assert np.isnan(found[:128]).all()
    np.testing.assert_allclose(found[128:], 1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", ALL)
def test_zero_is_zero(dtype):
    (found,) = _there_and_back(dtype, np.zeros(130))
    assert not found.any()


def test_two_numbers_share_a_byte():
    encoded = _encode("int4", [7.0, -7.0, 0.0])
    assert encoded["codes"].tolist() == [15 + 16 * 1, 8 + 16 * 8]
    assert encoded["scales"].tolist() == [1.0]


def test_every_byte_that_a_store_could_send_is_a_number():
    encoded = {"codes": np.arange(256, dtype=np.uint8), "scales": np.ones(4, np.float32)}
    (found,) = _decode("int4", encoded, (512,))
    assert sorted(set(found)) == list(range(-8, 8))
