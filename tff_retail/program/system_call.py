"""Linux system calls that Python has no function for, by name.

Numbers are the kernel's own and never change: arch/x86/entry/syscalls/syscall_64.tbl, and
include/uapi/asm-generic/unistd.h for 64-bit Arm.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Mapping

# name x86_64 aarch64; `-` where the architecture has no such call.
_TABLE = """
accept 43 202; accept4 288 242; acct 163 89; add_key 248 217; adjtimex 159 171; bind 49 200
bpf 321 280; capset 126 91; chmod 90 -; chown 92 -; chroot 161 51; clock_adjtime 305 266
clock_settime 227 112; clone 56 220; clone3 435 435; connect 42 203; delete_module 176 106
execve 59 221; execveat 322 281; fchmod 91 52; fchmodat 268 53; fchmodat2 452 452; fchown 93 55
fchownat 260 54; fcntl 72 25; finit_module 313 273; fremovexattr 199 16; fsconfig 431 431
fsetxattr 190 7
fsmount 432 432; fsopen 430 430; fspick 433 433; futimesat 261 -; init_module 175 105; ioctl 16 29
io_uring_enter 426 426; io_uring_register 427 427; io_uring_setup 425 425; ioperm 173 -; iopl 172 -
kcmp 312 272; kexec_file_load 320 294; kexec_load 246 104; keyctl 250 219; kill 62 129
landlock_add_rule 445 445; landlock_create_ruleset 444 444; landlock_restrict_self 446 446
lchown 94 -; listen 50 201; lookup_dcookie 212 18; lremovexattr 198 15; lsetxattr 189 6
migrate_pages 256 238; mknod 133 -; mknodat 259 33; modify_ldt 154 -; mount 165 40
mount_setattr 442 442; move_mount 429 429; move_pages 279 239; mq_open 240 180; mq_unlink 241 181
msgctl 71 187; msgget 68 186; msgrcv 70 188; msgsnd 69 189; name_to_handle_at 303 264
open_by_handle_at 304 265; open_tree 428 428; open_tree_attr 467 467; perf_event_open 298 241
pidfd_getfd 438 438; pidfd_open 434 434; pidfd_send_signal 424 424; pivot_root 155 41
prlimit64 302 261; process_madvise 440 440; process_mrelease 448 448; process_vm_readv 310 270
process_vm_writev 311 271; ptrace 101 117; quotactl 179 60; quotactl_fd 443 443; reboot 169 142
removexattr 197 14; removexattrat 466 466; request_key 249 218; rt_sigqueueinfo 129 138
rt_tgsigqueueinfo 297 240; semctl 66 191; semget 64 190; semop 65 193; semtimedop 220 192
setdomainname 171 162; setfsgid 123 152; setfsuid 122 151; setgid 106 144; setgroups 116 159
sethostname 170 161; setns 308 268; setregid 114 143; setresgid 119 149; setresuid 117 147
setreuid 113 145; settimeofday 164 170; setuid 105 146; setxattr 188 5; setxattrat 463 463
shmat 30 196; shmctl 31 195; shmget 29 194; socket 41 198; swapoff 168 225; swapon 167 224
syslog 103 116; tgkill 234 131; tkill 200 130; truncate 76 45; umount2 166 39; unshare 272 97
userfaultfd 323 282; utime 132 -; utimensat 280 88; utimes 235 -
"""
_MACHINES = ("x86_64", "aarch64")


def call_numbers(machine: str) -> Mapping[str, int]:
    """Numbers by name, for `platform.machine()`; none for a machine that the table lacks."""
    if machine not in _MACHINES:
        return {}
    column = 1 + _MACHINES.index(machine)
    rows = (row.split() for line in _TABLE.split("\n") for row in line.split(";") if row.strip())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def system_call(name: str, *arguments: object) -> int:
    """Makes a system call of the table.

    Args:
      name: of the call.
      arguments: numbers, or what ctypes passes as pointers.

    Returns:
      What the kernel returned, 0 or more.

    Raises:
      OSError: the kernel refused it, or this is not Linux on a machine of the table.
    """
    number = call_numbers(platform.machine()).get(name) if sys.platform == "linux" else None
    if number is None:
        raise OSError(f"{name} is not known on {sys.platform} {platform.machine()}")
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    found = library.syscall(ctypes.c_long(number), *(_as_word(each) for each in arguments))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return int(found)


def _as_word(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument
