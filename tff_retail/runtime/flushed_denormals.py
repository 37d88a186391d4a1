"""Arithmetic of a thread of the caller's as in TensorFlow's own threads: tiny numbers become zero.

TensorFlow's threads flush denormal numbers (below 1.2e-38 in float32) to zero, which is faster; a
thread that comes from Python does not, and its results would differ in their last bits.
"""

import contextlib
import ctypes
import platform
import sys
from collections.abc import Iterator

# Of the SSE control register: results that are denormal, and arguments that are, count as zero
# (Intel 64 Software Developer's Manual, volume 1, section 10.2.3).
_FLUSH_TO_ZERO = 0x8000
_DENORMALS_ARE_ZERO = 0x0040

_IS_X86 = sys.platform == "linux" and platform.machine() == "x86_64"


class _Environment(ctypes.Structure):
    """`fenv_t` of glibc on x86-64, from its bits/fenv.h."""

    _fields_ = (("x87", ctypes.c_uint8 * 28), ("mxcsr", ctypes.c_uint32))


_MATHS = ctypes.CDLL("libm.so.6") if _IS_X86 else None


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flushes denormals in this thread meanwhile; elsewhere than on x86-64 nothing changes."""
    if _MATHS is None:
        yield
        return
    before, flushing = _Environment(), _Environment()
    _MATHS.fegetenv(ctypes.byref(before))
    _MATHS.fegetenv(ctypes.byref(flushing))
    flushing.mxcsr |= _FLUSH_TO_ZERO | _DENORMALS_ARE_ZERO
    _MATHS.fesetenv(ctypes.byref(flushing))
    try:
        yield
    finally:
        _MATHS.fesetenv(ctypes.byref(before))
