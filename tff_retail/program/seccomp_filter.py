"""Seccomp: a process gives up, for good, system calls that its work has no use for.

https://docs.kernel.org/userspace-api/seccomp_filter.html. A refused call returns EPERM. The list
names what is refused and not what is allowed: TensorFlow, oneDNN and NVIDIA's driver come in many
versions, and what a new one needs must not end a store's work. So it is a second wall behind
Landlock and the namespace, and it is the one that stands before sockets of all kinds.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

from tff_retail.program.system_call import call_numbers

DENIED = frozenset(
    " ".join(
        (
            # Other machines and other processes: sockets, message queues, shared memory.
            "socket bind connect listen accept accept4 mq_open mq_unlink msgctl msgget msgrcv",
            "msgsnd semctl semget semop semtimedop shmat shmctl shmget",
            # Rings make system calls past this filter.
            "io_uring_setup io_uring_enter io_uring_register",
            # Programs.
            "execve execveat",
            # Memory, descriptors and signals of others.
            "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp",
            "pidfd_open pidfd_getfd pidfd_send_signal migrate_pages move_pages tkill",
            "rt_sigqueueinfo rt_tgsigqueueinfo",
            # What files there are, and whose, which Landlock does not guard in full.
            "mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig",
            "fsmount fspick mount_setattr setns unshare name_to_handle_at open_by_handle_at mknod",
            "mknodat quotactl quotactl_fd chmod fchmod fchmodat fchmodat2 chown fchown lchown",
            "fchownat setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr",
            "fremovexattr removexattrat truncate utime utimes futimesat utimensat",
            # The kernel itself, its keys and clocks.
            "bpf perf_event_open userfaultfd kexec_load kexec_file_load init_module finit_module",
            "delete_module reboot swapon swapoff acct syslog lookup_dcookie keyctl add_key",
            "request_key settimeofday clock_settime adjtimex clock_adjtime sethostname",
            "setdomainname iopl ioperm modify_ldt",
            # Who one is.
            "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid",
            "capset",
        )
    ).split()
)

_PR_SET_SECCOMP, _FILTER = 22, 2  # linux/prctl.h, linux/seccomp.h
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_X32 = 0x40000000  # numbers from here on are another table of the same x86 kernel
_KILL, _ALLOW = 0x80000000, 0x7FFF0000  # linux/seccomp.h
_REFUSE, _NO_SUCH_CALL = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
# linux/bpf_common.h: load a word, compare, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW*, linux/sched.h
# They type into the terminal that the daemon was started from.
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: asm-generic/ioctls.h

# The owner of a descriptor is sent a signal of one's choice when something happens to it: the
# daemon at the other end of the socket pair, say. Before Linux 6.12 Landlock does not mind.
_OWNED_BY_IOCTL = (0x8901, 0x8902, 0x5452)  # FIOSETOWN, SIOCSPGRP, FIOASYNC
_OWNED_BY_FCNTL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX

Instruction = tuple[int, int, int, int]


def deny_system_calls() -> None:
    """Refuses this thread, and what it starts, the calls of `DENIED`.

    Signals go to this process alone from now on. `no_new_privs` must be set.

    Raises:
      OSError: the kernel refused, or the machine is neither x86_64 nor 64-bit Arm.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT_ARCH:
        raise OSError(f"no filter is known for {sys.platform} {machine}")
    program = build_filter(machine, os.getpid())
    # struct sock_filter, and struct sock_fprog that points to an array of it.
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    memory = ctypes.create_string_buffer(code, len(code))
    whole = struct.pack("@HP", len(program), ctypes.addressof(memory))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(whole), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")


def build_filter(machine: str, process: int) -> list[Instruction]:
    """The program that the kernel asks at each system call.

    Args:
      machine: as in `platform.machine()`.
      process: id of the process, which alone may be sent signals.

    Returns:
      Instructions of classic BPF: code, jump where it holds, jump where not, operand.
    """
    numbers = call_numbers(machine)
    words = (_LOAD, 0, 0, _NUMBER)
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _AUDIT_ARCH[machine])]
    program += [(_RETURN, 0, 0, _KILL), words]
    program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)] if machine == "x86_64" else []
    for name in sorted(DENIED & numbers.keys()):
        program += [(_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, _REFUSE)]
    # Its flags lie in memory, where a filter can't look: the C library then takes `clone`.
    program += [(_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    program += _where(numbers["clone"], _argument(0), [(_ANY_BIT, 0, 1, _NEW_NAMESPACES)], _REFUSE)
    for name in ("kill", "tgkill"):
        program += _only(numbers[name], _argument(0), [process])
    program += _only(numbers["prlimit64"], _argument(0), [0, process])
    for name, requests in (
        ("ioctl", _TERMINAL_INPUT + _OWNED_BY_IOCTL),
        ("fcntl", _OWNED_BY_FCNTL),
    ):
        refused = [(_EQUAL, 0, 1, request) for request in requests]
        program += _where(numbers[name], _argument(1), refused, _REFUSE)
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _argument(index: int) -> Instruction:
    """Loads the lower half of an argument: both machines have it first."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _where(
    number: int, load: Instruction, tests: list[Instruction], verdict: int
) -> list[Instruction]:
    """The verdict for a call where one of the tests holds; it is allowed where none does."""
    body = [load]
    for test in tests:
        body += [test, (_RETURN, 0, 0, verdict)]
    body += [(_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


def _only(number: int, load: Instruction, values: list[int]) -> list[Instruction]:
    """Refuses a call whose argument has none of the values."""
    body = [load]
    for value in values:
        body += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    body += [(_RETURN, 0, 0, _REFUSE)]
    return [(_EQUAL, 0, len(body), number), *body]
