"""The filter's program, run as the kernel runs it; and numbers against the kernel's own headers."""

import errno
import pathlib
import re
import struct

import pytest

from tff_retail.program.seccomp_filter import DENIED, build_filter
from tff_retail.program.system_call import call_numbers, system_call

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_MACHINES = sorted(_ARCHITECTURES)
_I386 = 0x40000003
_KILL, _ALLOW, _EPERM, _ENOSYS = (
    0x80000000,
    0x7FFF0000,
    0x50000 | errno.EPERM,
    0x50000 | errno.ENOSYS,
)
_PROCESS = 4711


def _verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Interprets classic BPF over a `struct seccomp_data`."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    arch = _ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    program = build_filter(machine, _PROCESS)
    at, word = 0, 0
    while True:
        code, where, otherwise, operand = program[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (word,) = struct.unpack_from("<I", data, operand)
            continue
        holds = {0x15: word == operand, 0x35: word >= operand, 0x45: bool(word & operand)}[code]
        at += where if holds else otherwise


def _call(machine: str, name: str, *arguments: int) -> int:
    return _verdict(machine, call_numbers(machine)[name], *arguments)


@pytest.mark.parametrize("machine", _MACHINES)
def test_every_denied_call_is_refused_and_its_neighbours_pass(machine):
    numbers = call_numbers(machine)
    denied = {numbers[name] for name in DENIED & numbers.keys()}
    special = {numbers[name] for name in ("clone3", "kill", "tgkill", "prlimit64", "clone")}
    for number in range(480):
        expected = _EPERM if number in denied else _ALLOW
        if number not in special:
            assert _verdict(machine, number) == expected, number
    assert numbers["socket"] in denied and numbers["execve"] in denied


@pytest.mark.parametrize("machine", _MACHINES)
def test_signals_go_to_this_process_alone(machine):
    for name in ("kill", "tgkill"):
        assert _call(machine, name, _PROCESS, 6) == _ALLOW
        for other in (1, 0, 2**64 - 1, _PROCESS + 1):  # 0 and below are groups
            assert _call(machine, name, other, 6) == _EPERM


@pytest.mark.parametrize("machine", _MACHINES)
def test_limits_of_this_process_alone(machine):
    assert _call(machine, "prlimit64", 0) == _ALLOW
    assert _call(machine, "prlimit64", _PROCESS) == _ALLOW
    assert _call(machine, "prlimit64", 1) == _EPERM


@pytest.mark.parametrize("machine", _MACHINES)
def test_threads_and_no_namespaces(machine):
    thread, new_user, new_time = 0x3D0F00, 0x10000000, 0x80
    assert _call(machine, "clone", thread) == _ALLOW
    assert _call(machine, "clone", thread | new_user) == _EPERM
    assert _call(machine, "clone", new_time) == _EPERM
    assert _call(machine, "clone3") == _ENOSYS  # the C library then takes `clone`


@pytest.mark.parametrize("machine", _MACHINES)
def test_nothing_is_typed_into_a_terminal(machine):
    assert _call(machine, "ioctl", 1, 0x5401) == _ALLOW
    assert _call(machine, "ioctl", 1, 0x5412) == _EPERM
    assert _call(machine, "ioctl", 1, 0x5412 | 1 << 32) == _EPERM  # the kernel drops that half
    assert _call(machine, "ioctl", 1, 0x541C) == _EPERM


@pytest.mark.parametrize("machine", _MACHINES)
def test_no_descriptor_sends_signals_to_another_process(machine):
    for command in (8, 10, 15):  # F_SETOWN, F_SETSIG, F_SETOWN_EX
        assert _call(machine, "fcntl", 1, command) == _EPERM
    for command in (1, 2, 3, 4, 1030):  # F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
        assert _call(machine, "fcntl", 1, command) == _ALLOW
    for request in (0x8901, 0x8902, 0x5452):  # FIOSETOWN, SIOCSPGRP, FIOASYNC
        assert _call(machine, "ioctl", 1, request) == _EPERM


def test_another_table_of_the_same_kernel_is_no_way_round():
    assert _verdict("x86_64", 41, architecture=_I386) == _KILL
    assert _verdict("x86_64", 0x40000000 | 0) == _EPERM  # x32
    assert _verdict("aarch64", 41, architecture=_ARCHITECTURES["x86_64"]) == _KILL


@pytest.mark.parametrize(
    ("machine", "header", "pattern"),
    [
        ("x86_64", "x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+)\s+(\d+)"),
        ("aarch64", "asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
    ],
)
def test_numbers_are_those_of_the_kernels_headers(machine, header, pattern):
    path = pathlib.Path("/usr/include") / header
    if not path.exists():
        pytest.skip("needs the kernel's headers")
    known: dict[str, int] = {}
    for name, number in re.findall(pattern, path.read_text(encoding="utf-8")):
        known.setdefault(name, int(number))
    numbers = call_numbers(machine)
    assert {n: known[n] for n in numbers.keys() & known.keys()} == {
        n: number for n, number in numbers.items() if n in known
    }
    assert len(numbers.keys() & known.keys()) > 90
    assert DENIED <= call_numbers("x86_64").keys()


def test_an_unknown_machine_has_no_numbers():
    assert call_numbers("riscv64") == {}
    with pytest.raises(OSError, match="not known"):
        system_call("no_such_call")
