import platform

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime.flushed_denormals import flushed_denormals
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import compile_part

TINY = np.full(4, 1.2e-38, np.float32)

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="SSE's control register")


def test_tiny_numbers_are_zero_meanwhile_and_not_afterwards():
    with flushed_denormals():
        assert not np.any(TINY * np.float32(0.1))
        denormal_argument = np.array([1], np.uint32).view(np.float32)
        assert not np.any(denormal_argument * np.float32(2.0**100))
    assert np.all(TINY * np.float32(0.1))
    with pytest.raises(KeyError), flushed_denormals():
        raise KeyError
    assert np.all(TINY * np.float32(0.1))


def test_a_session_in_its_callers_thread_has_the_bits_of_one_in_tensorflows():
    @tff.tensorflow.computation(tff.TensorType(np.float32, [4]))
    def scale(values):
        return tf.constant(0.1) * values

    sessions = [PartSession(compile_part(scale), has_own_core=own) for own in (True, False)]
    (ours,), (theirs,) = (session([TINY]) for session in sessions)
    assert ours.tobytes() == theirs.tobytes() == np.zeros(4, np.float32).tobytes()
    for session in sessions:
        session.close()
