"""Landlock: a process gives up, for good, all files but those under a few folders.

https://docs.kernel.org/userspace-api/landlock.html; in the kernel since 5.13. Later versions of
its interface (ABI) know more that can be given up: TCP since 4, signals to others since 6.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable

from tff_retail.program.system_call import system_call

# From linux/landlock.h.
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = 1 | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _READ_FILE | _READ_DIR
# No links, sockets, pipes or devices: a later process that is not confined might follow them.
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
_DEVICE = _READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
# How many kinds of access to files each ABI knows, from 1 on.
_KNOWN_FILE_BITS = (13, 14, 15, 15, 16)
_TCP_SINCE, _SCOPES_SINCE = 4, 6
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("tcp", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def landlock_abi() -> int:
    """The version of the kernel's interface; 0 where it has no Landlock, or it is switched off."""
    try:
        return system_call("landlock_create_ruleset", None, 0, _CREATE_VERSION)
    except OSError:
        return 0


def restrict_files(
    *, readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]
) -> None:
    """Leaves this thread, and what it starts, no files but these, and no way to run a program.

    Where the kernel can, TCP and signals to other processes go too. `no_new_privs` must be set.

    Args:
      readable: files, and folders with all that is beneath them.
      writable: folders in which files are made, changed and removed.
      devices: files to read, write and control.

    Raises:
      OSError: the kernel refused.
    """
    abi = landlock_abi()
    known = (1 << _KNOWN_FILE_BITS[min(abi, len(_KNOWN_FILE_BITS)) - 1]) - 1
    rules = _Ruleset(known)
    if abi >= _TCP_SINCE:
        rules.tcp = _BIND_AND_CONNECT_TCP
    if abi >= _SCOPES_SINCE:
        rules.scopes = _ABSTRACT_SOCKETS_AND_SIGNALS
    size = ctypes.sizeof(rules)  # older kernels take a longer structure whose end is zero
    descriptor = system_call("landlock_create_ruleset", ctypes.byref(rules), size, 0)
    try:
        for access, paths in ((_READ, readable), (_WRITE, writable), (_DEVICE, devices)):
            for path in paths:
                _allow(descriptor, path, (access | _REFER if access == _WRITE else access) & known)
        system_call("landlock_restrict_self", descriptor, 0)
    finally:
        os.close(descriptor)


def _allow(ruleset: int, path: str, access: int) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):  # what is not there needs none
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        rule = _PathBeneath(access, descriptor)
        system_call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        if not path.startswith("/proc/"):
            os.close(descriptor)
        # /proc makes an entry anew once nobody holds it, and a rule is for the old one alone.
