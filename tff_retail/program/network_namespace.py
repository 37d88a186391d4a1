"""A network of one's own, in which there is nothing, and no privileges to change that."""

import ctypes
import os

from tff_retail.program.system_call import system_call

# From linux/sched.h and linux/capability.h.
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_CAPABILITIES_V3 = 0x20080522
_PR_CAPBSET_DROP = 24
_LAST_CAPABILITY = 63
# A daemon that runs as root may have photographs of another user's. Landlock says which files.
_OF_ROOT = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def leave_network() -> None:
    """Takes this process out of the machine's network; it keeps the sockets it has.

    Root makes a network namespace, another user a user namespace around it. One thread must run.

    Raises:
      OSError: this system allows no namespaces, or not here.
    """
    if _tried(_NEW_NETWORK):
        system_call("unshare", _NEW_NETWORK)
    else:
        # Half done it would be a user who can make no files: it is tried by another process.
        if not _tried(_NEW_USER | _NEW_NETWORK):
            raise PermissionError("this system allows this user no namespaces")
        _enter(_NEW_USER | _NEW_NETWORK)


def drop_capabilities() -> None:
    """Gives up what makes root more than a user, but for reading files.

    Raises:
      OSError: the kernel refused.
    """
    library = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST_CAPABILITY + 1):  # those that the kernel lacks: EINVAL
        if not _OF_ROOT >> capability & 1:
            library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    kept = _OF_ROOT if os.geteuid() == 0 else 0
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    # Effective, permitted, inheritable: the lower 32 bits, then the upper.
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    try:
        system_call("capset", ctypes.byref(header), ctypes.byref(sets))
    except PermissionError:
        sets = (ctypes.c_uint32 * 6)()  # root of a container that had not even those
        system_call("capset", ctypes.byref(header), ctypes.byref(sets))


def _tried(kinds: int) -> bool:
    """Whether a process like this one may; a child of it finds out."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        _enter(kinds)
    except OSError:
        os._exit(1)
    os._exit(0)


def _enter(kinds: int) -> None:
    user, group = os.geteuid(), os.getegid()
    system_call("unshare", kinds)
    if kinds & _NEW_USER:
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(content)
