from typing import Any

import pytest

from tff_retail.config import StoreConfig
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.program import executor_child
from tff_retail.program.executor_environment import executor_environment
from tff_retail.program.executor_sandbox import CALLS, FILES, Layer, layers_line
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.program.executor_supervisor import _ending
from tff_retail.program.store_daemon import _settings


class _Ended(Exception):
    pass


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts a child on a kernel whose layers are given; it ends where TensorFlow would come."""

    def start(layers: list[Layer], **changes: Any) -> None:
        settings = ExecutorSettings(
            store="north",
            data_dir=str(tmp_path / "data"),
            cache_dir=str(tmp_path / "cache"),
            work_dir=str(tmp_path / "work"),
            results_dir=str(tmp_path / "results"),
            device="cpu",
            threads=1,
            nice=0,
            measured_dir=str(tmp_path / "measured"),
            scratch_dir=str(tmp_path / "scratch"),
            keys_dir=str(tmp_path / "identity"),
            parent=1,
            max_steps=None,
            max_seconds=None,
            batch_size=None,
            **changes,
        )

        def end(code: int) -> None:
            raise _Ended(code)

        monkeypatch.setattr(executor_child, "enter_sandbox", lambda paths: layers)
        monkeypatch.setattr(executor_child, "die_with_parent", lambda parent: end(-1))
        monkeypatch.setattr(executor_child.os, "_exit", end)
        executor_child.start_child(["3", settings.to_json()])

    return start


def _layers(**missing: str) -> list[Layer]:
    return [Layer(FILES, missing.get("files", "")), Layer(CALLS, missing.get("calls", ""))]


@pytest.mark.parametrize("missing", [{"files": "no Landlock"}, {"calls": "no seccomp"}])
def test_where_the_policy_requires_a_sandbox_the_child_does_without_no_wall(start, capfd, missing):
    with pytest.raises(_Ended, match="^2$"):
        start(_layers(**missing), needs_sandbox=True)
    assert 'error: policy: sandbox = "required" must be possible' in capfd.readouterr().err


def test_it_starts_with_all_walls_or_where_none_is_required(start):
    for layers, changes in (
        (_layers(), {"needs_sandbox": True}),
        (_layers(files="no Landlock"), {}),
        ([*_layers(), Layer("no network", "no namespaces")], {"needs_sandbox": True}),
    ):
        with pytest.raises(_Ended, match="-1"):
            start(layers, **changes)


def test_one_line_says_what_stands_and_what_does_not():
    assert layers_line(_layers(calls="Function not implemented")) == (
        "the executor is confined by files (Landlock); not by system calls (seccomp): Function not "
        "implemented"
    )
    assert layers_line([Layer(FILES, "x")]) == (
        "the executor is confined by nothing; not by files (Landlock): x"
    )


def test_its_environment_has_what_bits_depend_on_and_no_secret():
    environment = {
        "HTTPS_PROXY": "http://user:secret@proxy",
        "TFF_RETAIL_PASS_PHRASE": "secret",
        "TF_VAR_password": "secret",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "HOME": "/root",
        "PYTHONPATH": "/more",
        "PYTHONSTARTUP": "/secret.py",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "LC_ALL": "C.UTF-8",
    }
    assert executor_environment(environment, python_path="/ours", scratch="/scratch") == {
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
        "PYTHONPATH": "/ours:/more",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "LC_ALL": "C.UTF-8",
    }


def test_an_ending_is_said_in_words():
    assert _ending(1) == "exit code 1"
    assert _ending(-9) == "signal 9, killed: mostly for want of memory"
    assert _ending(-6) == "signal 6, TensorFlow gave up: a check of its own failed"
    assert _ending(-15) == "signal 15"


def test_the_policy_says_whether_a_sandbox_is_needed(tmp_path):
    config = StoreConfig(data_dir=str(tmp_path))
    for word, needed in (("required", True), ("where possible", False)):
        policy = ReleasePolicy(sandbox=word)
        assert _settings(config, tmp_path, "north", policy).needs_sandbox == needed
