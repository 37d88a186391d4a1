"""Settings of TensorFlow that belong to the process and must come before its first operation."""

import os

import tensorflow as tf

from tff_retail.config import ConfigurationError, RuntimeConfig


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


def default_parallel_stores(config: RuntimeConfig, num_devices: int) -> int:
    """Stores side by side where none is said: one for each core that an operation leaves free."""
    if config.parallel_stores is not None:
        return config.parallel_stores
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // config.intra_op_threads, num_devices)
