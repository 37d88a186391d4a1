"""The kernel's counters: of this process, and in folders that the test writes."""

import pathlib

import numpy as np
import pytest

from tff_retail.program.process_memory import ProcessMemory

MIB = 2**20


def test_what_this_process_takes_is_seen():
    memory = ProcessMemory()
    memory.forget_peak()
    before = memory.used_bytes()
    array = np.ones(64 * MIB, np.uint8)
    assert memory.used_bytes() > before + 60 * MIB
    assert memory.peak_bytes() > before + 60 * MIB
    assert 0 < memory.room_bytes() < 2**50
    del array


@pytest.fixture
def machine(tmp_path):
    """1000 kB are there; the process is in the group /shop/store."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1000 kB\n")
    (tmp_path / "proc" / "self" / "status").write_text("VmSize:\t 5 kB\n")
    (tmp_path / "groups" / "shop" / "store").mkdir(parents=True)
    return tmp_path


def _room(machine: pathlib.Path, line: str) -> int:
    (machine / "proc" / "self" / "cgroup").write_text(line + "\n")
    return ProcessMemory(machine / "proc", machine / "groups").room_bytes()


def _limit(folder: pathlib.Path, limit, use, names=("memory.max", "memory.current")) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, use), strict=True):
        (folder / name).write_text(f"{value}\n")


def test_without_limits_it_is_what_the_machine_has(machine):
    _limit(machine / "groups" / "shop", "max", 5)
    assert _room(machine, "0::/shop/store") == 1000 * 1024


@pytest.mark.parametrize("group", ["", "shop", "shop/store"])
@pytest.mark.parametrize("file", ["memory.high", "memory.max"])
def test_each_group_around_the_process_limits_it(machine, group, file):
    _limit(machine / "groups" / group, 900_000, 800_000, (file, "memory.current"))
    (machine / "groups" / group / "memory.stat").write_text("anon 7\ninactive_file 5000\n")
    assert _room(machine, "0::/shop/store") == 105_000


def test_groups_of_the_first_version_limit_it_too(machine):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    _limit(machine / "groups" / "memory" / "shop", 900_000, 900_001, names)
    assert _room(machine, "4:memory:/shop") == 0
    assert _room(machine, "4:cpu:/shop") == 1000 * 1024
