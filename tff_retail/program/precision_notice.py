"""Says where `--precision` is no help on the devices that a run has."""

import pathlib
import re
from collections.abc import Sequence

import tensorflow as tf

# The first GPUs with tensor cores for these numbers: Volta's and Ampere's
# (https://docs.nvidia.com/deeplearning/performance/mixed-precision-training).
_COMPUTE_CAPABILITY = {"mixed_float16": (7, 0), "mixed_bfloat16": (8, 0)}
# Matrix units for bfloat16; AVX512_BF16 alone gained nothing where it was tried.
_CPU_FLAG = "amx_bf16"


def precision_notice(
    precision: str, devices: Sequence[str], cpu_info: pathlib.Path = pathlib.Path("/proc/cpuinfo")
) -> str | None:
    """One line where `precision` gains nothing; None where it may, or where it is float32.

    Args:
      precision: one of `config.PRECISIONS`.
      devices: as `apply_tensorflow_settings` gives them; `['']` is the CPU.
      cpu_info: what Linux says of the processor.
    """
    if precision == "float32":
        return None
    if list(devices) == [""]:
        return _on_cpu(precision, cpu_info)
    slow = [_described(device) for device in _gpus_below(_COMPUTE_CAPABILITY[precision])]
    if not slow:
        return None
    major, minor = _COMPUTE_CAPABILITY[precision]
    return (
        f"--precision={precision} gains nothing on {', '.join(slow)}, below compute capability "
        f"{major}.{minor}"
    )


def _on_cpu(precision: str, cpu_info: pathlib.Path) -> str | None:
    if precision == "mixed_float16":
        return "--precision=mixed_float16 is many times slower than float32 on a CPU"
    try:
        flags = cpu_info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        flags = ""
    if re.search(rf"\b{_CPU_FLAG}\b", flags):
        return None
    return f"--precision={precision} gains nothing on this CPU"


def _gpus_below(capability: tuple[int, int]) -> list[dict]:
    details = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return [each for each in details if each.get("compute_capability", (0, 0)) < capability]


def _described(details: dict) -> str:
    name = details.get("device_name", "a GPU")
    found = details.get("compute_capability")
    return f"{name} ({found[0]}.{found[1]})" if found else name
