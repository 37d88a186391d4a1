"""What a benchmark ran on: the machine, and the versions that count."""

import datetime
import importlib.metadata
import os
import pathlib
import platform

# Instruction sets that oneDNN's kernels for float32 differ by.
_INSTRUCTION_SETS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
_PACKAGES = ("tensorflow", "tensorflow-federated", "keras", "numpy")
_KIB_PER_GIB = 1024 * 1024


def describe_machine() -> dict[str, object]:
    """CPU, cores, memory, kernel, instruction sets, versions, load and time, as JSON values.

    `load` is the mean number of runnable processes over the last minute: above 0.5 other work
    took part in what was measured.
    """
    cpu = _fields("/proc/cpuinfo")
    memory_kib = int(_fields("/proc/meminfo").get("MemTotal", "0 kB").split()[0])
    found = set(cpu.get("flags", "").split())
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_kib / _KIB_PER_GIB, 1),
        "instruction_sets": [name for name in _INSTRUCTION_SETS if name in found],
        "system": f"{platform.system()} {platform.release()}",
        "gpu": _gpu(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "load": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def machine_text(machine: dict[str, object]) -> str:
    """One line about a described machine, for a person."""
    sets, versions = machine["instruction_sets"], machine["versions"]
    assert isinstance(sets, list) and isinstance(versions, dict)
    parts = [
        str(machine["cpu"]),
        f"{machine['cores']} cores",
        f"{machine['memory_gib']} GiB",
        f"GPU {machine['gpu']}" if machine["gpu"] else "no GPU",
        str(machine["system"]),
        " ".join(sets),
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"load at start {machine['load']}",
        str(machine["date"]),
    ]
    return "; ".join(part for part in parts if part)


def _gpu() -> str | None:
    """The model of the first NVIDIA GPU, as its driver tells it without any library."""
    for path in sorted(pathlib.Path("/proc/driver/nvidia/gpus").glob("*/information")):
        return _fields(str(path)).get("Model")
    return None


def _fields(path: str) -> dict[str, str]:
    """The first `name : value` of each name in a file of /proc; nothing where there is none."""
    fields: dict[str, str] = {}
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return fields
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields
