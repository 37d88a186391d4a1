"""What is wrong with a cluster is told at once, whether or not Ray is installed."""

import builtins
import os
import socket
import tempfile

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.runtime import ray_cluster


@pytest.fixture
def with_ray():
    pytest.importorskip("ray", reason="ray is not installed: make venv RAY=1")


def test_a_missing_package_is_one_sentence_with_the_remedy(monkeypatch):
    there = builtins.__import__

    def without_ray(name, *arguments, **options):
        if name == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return there(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(ConfigurationError, match="--engine=ray needs .*: make venv RAY=1"):
        ray_cluster.import_ray()


def test_nobody_at_the_address(with_ray):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"found nothing at '{address}'"):
            ray_cluster.RayCluster(address, num_cpus=1)


def test_something_else_at_the_address(with_ray, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_PROBE_S", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"found something else at '{address}'"):
            ray_cluster.RayCluster(address, num_cpus=1)


@pytest.mark.parametrize(("num_late", "is_there"), [(2, True), (3, False)])
def test_a_start_that_comes_too_late_is_tried_again(with_ray, monkeypatch, num_late, is_there):
    starts = []

    def start(ray, arguments):
        starts.append(arguments["_temp_dir"])
        if len(starts) <= num_late:
            raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr(ray_cluster, "_initialize", start)
    if is_there:
        ray_cluster.RayCluster("local", num_cpus=1).close()
    else:
        with pytest.raises(ConfigurationError, match="local.*timed out during startup.*less busy"):
            ray_cluster.RayCluster("local", num_cpus=1)
    assert len(starts) == 3
    assert not os.path.exists(starts[0])


def test_a_folder_whose_sockets_would_have_too_long_a_path_is_not_used(monkeypatch, tmp_path):
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = ray_cluster._short_folder()
    try:
        assert folder.startswith("/tmp/ray-")
        assert list(long.iterdir()) == []
    finally:
        os.rmdir(folder)
