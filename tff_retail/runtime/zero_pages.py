"""Large arrays of zeros without memory: all pages that are only read are one, the kernel's.

The accumulator that a round begins with is as large as the model, and almost always zero.
"""

import mmap

import numpy as np

# Below that an array takes less than what it costs to map it.
_LEAST_BYTES = 1024 * 1024


def zeros_without_memory(array: np.ndarray) -> np.ndarray:
    """The same values, read-only; without memory where the array is large and all of it is zero."""
    if array.nbytes < _LEAST_BYTES or np.ascontiguousarray(array).view(np.uint8).any():
        return array
    pages = mmap.mmap(-1, array.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = memoryview(pages).toreadonly()
    return np.frombuffer(view, array.dtype).reshape(array.shape)
