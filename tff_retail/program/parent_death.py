"""Ties a process to its parent, so that a kill -9 leaves none behind."""

import ctypes
import os
import signal
import sys

# From linux/prctl.h: the signal that the kernel sends to this process when its parent dies.
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Has the kernel end this process when its parent ends.

    Args:
      parent: process id. Where it is gone already, this process exits.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
