"""What systemd and Docker are to start: commands that our flags know, for an ordinary user."""

import configparser
import json
import pathlib
import re
import subprocess
import sys

import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_SYSTEMD = _CLONE / "deployment" / "systemd"
_CONTAINER = _CLONE / "deployment" / "container"
_UNITS = sorted(path.name for path in _SYSTEMD.glob("*.service"))
_PYTHON = "/opt/tff_retail/.venv/bin/python"

# Parses a command line with the flags of its module, and checks the settings it makes.
_PARSE = """
import importlib, json, sys
from tff_retail.command_line import FLAGS, _with_configs
module = importlib.import_module(sys.argv[1])
if sys.argv[1] == "tff_retail.train":
    from tff_retail.flags import run_config_from_flags as settings
else:
    module.define_flags()
    settings = getattr(module, "store_config_from_flags", lambda: None)
left = FLAGS(_with_configs(sys.argv[1:]))[1:]
left or settings()
print(json.dumps(left))
"""


class _Unit(configparser.ConfigParser):
    """A unit file, with the last of settings that are given twice."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str  # type: ignore[assignment, method-assign]
        with (_SYSTEMD / name).open(encoding="utf-8") as file:
            self.read_file(file)


def _parsed(module: str, *arguments: str) -> list[str]:
    """What is left of a command line when its flags are parsed."""
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, module, *arguments],
        cwd=_CLONE,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    left: list[str] = json.loads(done.stdout)
    return left


def _here(text: str, folder: pathlib.Path) -> str:
    """A path of an installed machine, as it is in the clone."""
    return text.replace("/opt/tff_retail", str(_CLONE)).replace("/etc/tff-retail", str(folder))


@pytest.fixture
def etc(tmp_path) -> pathlib.Path:
    """/etc/tff-retail, filled from the examples."""
    for example in _SYSTEMD.glob("*.flags"):
        text = example.read_text(encoding="utf-8")
        (tmp_path / example.name).write_text(_here(text, tmp_path), encoding="utf-8")
    return tmp_path


def test_there_is_a_unit_for_each_part():
    assert _UNITS == [
        "tff-retail-enrolment.service",
        "tff-retail-headquarters.service",
        "tff-retail-store.service",
    ]


@pytest.mark.parametrize("name", _UNITS)
def test_a_unit_starts_a_command_that_our_flags_know(name, etc):
    python, dash_m, module, *arguments = _Unit(name)["Service"]["ExecStart"].split()
    assert (python, dash_m) == (_PYTHON, "-m")
    left = _parsed(module, *(_here(argument, etc) for argument in arguments))
    assert left == (["serve-enrolment"] if name == "tff-retail-enrolment.service" else [])


@pytest.mark.parametrize("name", _UNITS)
def test_a_unit_takes_away_what_is_not_needed(name):
    service = _Unit(name)["Service"]
    assert service["User"] == "tff-retail"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert {"CPUQuota", "MemoryMax", "TasksMax"} <= set(service)


def test_the_store_reads_its_photographs_and_writes_its_state_alone():
    service = _Unit("tff-retail-store.service")["Service"]
    flags = (_SYSTEMD / "store.flags").read_text(encoding="utf-8").splitlines()
    assert f"--data_dir={service['ReadOnlyPaths']}" in flags
    assert f"--state_dir=/var/lib/{service['StateDirectory']}" in flags
    assert "ReadWritePaths" not in service
    assert service["Restart"] == "always"
    assert int(service["Nice"]) > 0


def test_headquarters_has_no_key_of_authorities_and_manifests():
    service = _Unit("tff-retail-headquarters.service")["Service"]
    hidden = {path.lstrip("-") for path in service["InaccessiblePaths"].split()}
    fleet = service["ReadWritePaths"]
    assert hidden == {f"{fleet}/{name}" for name in ("root", "authority", "signing")}


@pytest.fixture(scope="module")
def compose():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((_CONTAINER / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["enrolment", "headquarters", "store", "store-gpu"])
def test_a_container_starts_a_command_that_our_flags_know(compose, name):
    module, *arguments = compose["services"][name]["command"]
    # Compose puts the default of a variable in its place.
    defaults = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", argument) for argument in arguments]
    left = _parsed(module, *defaults)
    assert left == (["serve-enrolment"] if name == "enrolment" else [])


@pytest.mark.parametrize("name", ["enrolment", "headquarters", "store", "store-gpu"])
def test_a_container_is_an_ordinary_user_with_bounds(compose, name):
    service = compose["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["profiles"]


@pytest.mark.parametrize("name", ["store", "store-gpu"])
def test_photographs_are_mounted_read_only(compose, name):
    mounts = [volume for volume in compose["services"][name]["volumes"] if "photographs" in volume]
    assert len(mounts) == 1
    assert mounts[0].endswith(":/photographs:ro")


def test_the_image_has_what_it_copies_and_ends_as_an_ordinary_user():
    lines = (_CONTAINER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    ours = {name for name in copied if not name.startswith(("--from", "/opt"))}
    assert ours == {"requirements.txt", "requirements-gpu.txt", "tff_retail", "datasets", "configs"}
    assert all((_CLONE / name).exists() for name in ours)
    let_in = (_CONTAINER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in let_in if line.startswith("!")} == ours
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
