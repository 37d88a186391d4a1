import dataclasses
import pathlib

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.program.sandbox_paths import sandbox_paths


@pytest.fixture
def settings(tmp_path) -> ExecutorSettings:
    state, data = tmp_path / "state", tmp_path / "data"
    (data / "red").mkdir(parents=True)
    return ExecutorSettings(
        store="north",
        data_dir=str(data),
        cache_dir=str(state / "cache"),
        work_dir=str(state / "work"),
        results_dir=str(state / "results"),
        device="cpu",
        threads=1,
        nice=0,
        max_steps=None,
        max_seconds=None,
        batch_size=None,
        measured_dir=str(state / "measured"),
        scratch_dir=str(state / "scratch"),
        keys_dir=str(state / "identity"),
        parent=1,
    )


def test_only_caches_results_and_scratch_may_be_written(settings):
    paths = sandbox_paths(settings)
    state = pathlib.Path(settings.keys_dir).parent
    names = ("cache", "results", "measured", "scratch")
    assert paths.writable == tuple(str(state / name) for name in names)
    assert settings.data_dir in paths.readable
    assert settings.work_dir in paths.readable


def test_neither_keys_nor_the_clone_nor_other_programs_are_in_reach(settings):
    paths = sandbox_paths(settings)
    clone = pathlib.Path(__file__).parents[2]
    for path in (*paths.readable, *paths.writable, *paths.devices):
        for secret in (settings.keys_dir, clone, "/etc", "/proc", "/home", "/tmp", "/dev"):
            assert not pathlib.Path(secret).is_relative_to(path), path
    assert not any(path.startswith("/dev/nvidia") for path in paths.devices)


def test_links_to_photographs_and_to_folders_of_a_label_are_followed(settings, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "green").mkdir(parents=True)
    (elsewhere / "one.jpg").touch()
    (elsewhere / "two.jpg").touch()
    data = pathlib.Path(settings.data_dir)
    (data / "red" / "one.jpg").symlink_to(elsewhere / "one.jpg")
    (data / "green").symlink_to(elsewhere / "green")
    (elsewhere / "green" / "two.jpg").symlink_to(elsewhere / "two.jpg")
    (data / ".hidden").symlink_to(tmp_path / "state")
    readable = sandbox_paths(settings).readable
    found = [path for path in readable if path.startswith(str(elsewhere))]
    assert sorted(found) == [
        str(elsewhere / "green"),
        str(elsewhere / "one.jpg"),
        str(elsewhere / "two.jpg"),
    ]
    assert not any(path.startswith(str(tmp_path / "state" / "id")) for path in readable)


@pytest.mark.parametrize("field", ["data_dir", "cache_dir"])
def test_keys_beneath_what_it_may_reach_are_refused(settings, field):
    above = str(pathlib.Path(settings.keys_dir).parent.parent)
    with pytest.raises(ConfigurationError, match="must not lie where the executor"):
        sandbox_paths(dataclasses.replace(settings, **{field: above}))


def test_a_link_to_the_keys_is_refused(settings):
    (pathlib.Path(settings.data_dir) / "red" / "x").symlink_to(settings.keys_dir)
    sandbox_paths(settings)  # a link below a label is not followed into a folder
    pathlib.Path(settings.keys_dir).mkdir(parents=True)
    (pathlib.Path(settings.data_dir) / "keys").symlink_to(settings.keys_dir)
    with pytest.raises(ConfigurationError, match="must not lie where the executor"):
        sandbox_paths(settings)
