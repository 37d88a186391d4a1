"""Settings of TensorFlow that belong to the process and must come before its first operation."""

import contextlib
import ctypes
import os
from collections.abc import Sequence

import tensorflow as tf

from tff_retail.config import ConfigurationError, RuntimeConfig

# TensorFlow runs all kernels of a process on one stream of a GPU, whichever session they belong to:
# a second store fills the gaps that the first leaves between kernels and between its batches, a
# third finds none and takes memory for another set of activations.
_STORES_ON_A_GPU = 2

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2


def apply_tensorflow_settings(config: RuntimeConfig, *, seed: int) -> list[str]:
    """Fixes devices, threads and determinism.

    The pool of threads inside an operation decides the order of its sums and so the bits of the
    model. Whatever first runs an operation fixes it; later settings are ignored by TensorFlow
    without a word, which is why this is said here.

    Args:
      config: what is wanted.
      seed: of the process, which op determinism asks for.

    Returns:
      The names of the devices that stores are spread over: `['']` on a CPU.

    Raises:
      ConfigurationError: a GPU was asked for and TensorFlow sees none, or TensorFlow is already
        running with other settings.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if config.device == "gpu" and not gpus:
        raise ConfigurationError(
            "--device must be auto or cpu where TensorFlow sees no GPU, found 'gpu'; "
            "install the CUDA libraries with: make venv GPU=1"
        )
    _bound_memory_arenas()
    try:
        _apply(config, gpus if config.device != "cpu" else [])
    except RuntimeError as error:
        raise ConfigurationError(
            f"TensorFlow is already running with other settings ({error}); "
            "start a new process or restart the notebook's kernel."
        ) from error
    if config.deterministic:
        tf.keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
    if not gpus or config.device == "cpu":
        return [""]
    return [f"/GPU:{number}" for number in range(len(gpus))]


def _bound_memory_arenas() -> None:
    """Lets TensorFlow's threads share what they free.

    glibc gives almost every thread an arena of its own, which fills over the rounds: 12 % more
    memory at the fiftieth than at the fifth when it was measured, and no faster.
    """
    with contextlib.suppress(OSError, AttributeError):  # where the C library is another one
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _apply(config: RuntimeConfig, gpus: list[tf.config.PhysicalDevice]) -> None:
    if tf.config.threading.get_intra_op_parallelism_threads() != config.intra_op_threads:
        tf.config.threading.set_intra_op_parallelism_threads(config.intra_op_threads)
    if tf.config.get_visible_devices("GPU") != gpus:
        tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    # Starts TensorFlow, which makes the pool. Sessions have settings of their own: one that came
    # first would make a pool of all cores, and a resumed run begins with sessions.
    tf.config.list_logical_devices()


def default_parallel_stores(config: RuntimeConfig, devices: Sequence[str]) -> int:
    """Stores side by side, over all devices together.

    Where none is said: on a CPU one for each core that an operation leaves free; on GPUs two for
    each, where there are cores to feed them, and one at least.

    Args:
      config: what is wanted.
      devices: as `apply_tensorflow_settings` gives them.
    """
    if config.parallel_stores is not None:
        return config.parallel_stores
    cores = max(1, len(os.sched_getaffinity(0)) // config.intra_op_threads)
    if is_cpu(devices):
        return cores
    return len(devices) * min(_STORES_ON_A_GPU, max(1, cores // len(devices)))


def parallel_stores_at_end(parallel_stores: int, devices: Sequence[str]) -> int:
    """Stores side by side where no further one waits; see `store_slots`.

    On a CPU the last ones share the cores; on a GPU each would take memory for its activations.
    """
    return 2 * parallel_stores - 1 if is_cpu(devices) else parallel_stores


def is_cpu(devices: Sequence[str]) -> bool:
    """Whether stores compute on the CPU; `devices` as `apply_tensorflow_settings` gives them."""
    return list(devices) == [""]
