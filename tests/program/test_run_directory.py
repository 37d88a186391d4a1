"""A run directory belongs to one configuration and is held by one process."""

import dataclasses
import errno
import json
import os

import pytest

from tff_retail.config import ConfigurationError, DataConfig, RunConfig, RuntimeConfig
from tff_retail.program.run_directory import RunDirectory

CONFIG = RunConfig(data=DataConfig(data_dir="chain"))


def _open_and_close(path, config=CONFIG):
    RunDirectory(path, config).close()


def test_a_new_folder_is_made_and_says_whose_it_is(tmp_path):
    path = tmp_path / "runs" / "上海 1"
    _open_and_close(path)
    written = json.loads((path / "configuration.json").read_text(encoding="utf-8"))
    assert RunConfig.from_json(written) == CONFIG


def test_the_same_configuration_may_go_on(tmp_path):
    _open_and_close(tmp_path)
    _open_and_close(tmp_path)


def test_what_changes_no_result_may_change(tmp_path):
    _open_and_close(tmp_path)
    other = dataclasses.replace(
        CONFIG,
        output_dir="elsewhere",
        runtime=RuntimeConfig(parallel_stores=7, engine="ray", ray_address="head:6379"),
        data=dataclasses.replace(CONFIG.data, cache_dir="cache"),
    )
    _open_and_close(tmp_path, other)


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    _open_and_close(tmp_path)
    other = dataclasses.replace(
        CONFIG,
        model=dataclasses.replace(CONFIG.model, name="resnet18"),
        learning=dataclasses.replace(CONFIG.learning, batch_size=32),
    )
    with pytest.raises(ConfigurationError) as error:
        RunDirectory(tmp_path, other)
    assert str(error.value) == (
        f"--output_dir must be of the same configuration, found '{tmp_path}' made with "
        "--batch_size=16 where this run has 32; --model=mobilenet_v2 where this run has resnet18; "
        "choose another folder or the old settings"
    )
    _open_and_close(tmp_path)  # the refused one holds no lock


def test_one_process_at_a_time(tmp_path):
    held = RunDirectory(tmp_path, CONFIG)
    with pytest.raises(ConfigurationError, match="used by one process at a time, found '.*' in us"):
        RunDirectory(tmp_path, CONFIG)
    held.close()
    held.close()
    _open_and_close(tmp_path)


def test_a_folder_with_other_things_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"sea")
    with pytest.raises(ConfigurationError, match="new, empty or a run's, found .* 'holiday.jpg'"):
        RunDirectory(tmp_path, CONFIG)
    assert [entry.name for entry in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigurationError, match="a folder this user can write, found .*exists"):
        RunDirectory(tmp_path / "run", CONFIG)


def test_a_kill_while_the_configuration_was_written_does_no_harm(tmp_path):
    (tmp_path / "run.lock").touch()
    (tmp_path / "configuration.json.tmp").write_text('{"data": {"da')
    _open_and_close(tmp_path)
    assert not (tmp_path / "configuration.json.tmp").exists()


def test_json_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    directory = RunDirectory(tmp_path, CONFIG)
    directory.write_json("baselines/central.json", {"top_1": 0.5})
    assert directory.read_json("baselines/central.json") == {"top_1": 0.5}
    assert directory.read_json("baselines/local.json") is None

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        directory.write_json("baselines/central.json", {"top_1": 0.75})
    assert directory.read_json("baselines/central.json") == {"top_1": 0.5}
    (tmp_path / "cut.json").write_text('{"top_1": 0.')
    assert directory.read_json("cut.json") is None
    directory.close()


def test_a_summary_marks_the_end(tmp_path):
    directory = RunDirectory(tmp_path, CONFIG)
    assert not directory.is_finished
    directory.write_json("summary.json", {})
    assert directory.is_finished
    directory.close()
