"""A run's place on a Ray cluster: joined or started at its beginning, left at its end."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import psutil
from absl import logging

from tff_retail.config import ConfigurationError

# A head that answers at all does so in milliseconds, across continents in less than a second.
_PROBE_S = 5.0
# A Unix socket's path has at most 107 characters (unix(7)); below its folder Ray takes up to 66
# of them: `/session_2026-11-21_07-53-37_136739_4194304/sockets/plasma_store`.
_LONGEST_FOLDER = 107 - 66

# Ray gives a node half a minute to start, which a busy machine misses now and then.
_STARTS = 3

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report to Ray's makers
    # Leaves GPUs to Ray's own bookkeeping and saves a warning at every start.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayCluster:
    """A connection to a cluster, one in a process; a cluster started here ends with it.

    Args:
      address: `auto`, HOST:PORT or `local`, see `RuntimeConfig`.
      num_cpus: of a cluster that is started here.
      has_gpus: whether a cluster that is started here may use this machine's GPUs.

    Raises:
      ConfigurationError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, *, num_cpus: int, has_gpus: bool = True) -> None:
        ray = import_ray()
        self._ray = ray
        self._folder: str | None = None
        arguments: dict[str, Any] = {"address": address}
        if address == "local":
            self._folder = _short_folder()
            arguments |= {
                "num_cpus": num_cpus,
                "include_dashboard": False,
                "_temp_dir": self._folder,
            }
            if not has_gpus:
                arguments["num_gpus"] = 0
        elif address != "auto":
            _require_head(address)
        try:
            with _own_signals():
                self._connect(arguments)
        except BaseException:
            self.close()
            raise

    @property
    def resources(self) -> Mapping[str, float]:
        """What all nodes have together, such as `{"CPU": 8.0, "GPU": 1.0}`."""
        return self._ray.cluster_resources()

    def close(self) -> None:
        """Leaves the cluster, which ends this run's actors; may be called twice."""
        self._ray.shutdown()
        if self._folder is not None:
            _end_processes_of(self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _connect(self, arguments: Mapping[str, Any]) -> None:
        for starts_left in reversed(range(_STARTS if self._folder else 1)):
            try:
                _initialize(self._ray, arguments)
                return
            except Exception as error:  # a late start is a bare one
                if starts_left:
                    self._ray.shutdown()
                    _end_processes_of(self._folder or "")
                    continue
                raise ConfigurationError(self._told(arguments["address"], error)) from error

    def _told(self, address: str, error: Exception) -> str:
        found = f"{address!r} ({' '.join(str(error).split())[:300]})"
        if self._folder:
            return (
                f"--ray_address=local must find a machine that starts Ray in time, found {found}; "
                "start the same command again when it is less busy"
            )
        return (
            "--ray_address must be a Ray cluster that this machine is a node of, found "
            f"{found}; start one with `ray start --head` or choose --ray_address=local"
        )


def import_ray() -> Any:
    """The package `ray`, told to be quiet.

    Raises:
      ConfigurationError: it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "--engine=ray needs the package ray, found none; install it with: make venv RAY=1 "
            f"(or: {sys.executable} -m pip install --no-deps -r requirements-ray.txt)"
        ) from error
    return ray


def _initialize(ray: Any, arguments: Mapping[str, Any]) -> None:
    is_talkative = logging.get_verbosity() >= logging.INFO
    # Workers find this package where it lies here, whatever the working directory.
    source = str(pathlib.Path(__file__).resolve().parents[2])
    ray.init(
        **arguments,
        job_config=ray.job_config.JobConfig(_py_driver_sys_path=[source]),
        log_to_driver=is_talkative,
        logging_level="INFO" if is_talkative else "ERROR",
    )


def _end_processes_of(folder: str) -> None:
    """Ends what a start that came too late has left: Ray knows nothing of it any more."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(folder in word for word in process.cmdline()):
                process.kill()
                process.wait()


def _require_head(address: str) -> None:
    """Asks first, in seconds: `ray.init` would try the wrong port for many minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_S).close()
        if os.environ.get("RAY_USE_TLS", "0") != "1":
            _require_grpc(address)
    except (OSError, grpc.FutureTimeoutError) as error:
        found = "something else" if isinstance(error, grpc.FutureTimeoutError) else "nothing"
        raise ConfigurationError(
            f"--ray_address must be the head of a Ray cluster, found {found} at {address!r}; "
            "`ray start --head` says which address it is"
        ) from error


def _require_grpc(address: str) -> None:
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=_PROBE_S)


def _short_folder() -> str:
    folder = tempfile.mkdtemp(prefix="ray-")
    if len(folder) <= _LONGEST_FOLDER:
        return folder
    os.rmdir(folder)
    return tempfile.mkdtemp(prefix="ray-", dir="/tmp")


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Gives this process its signal handlers back, of which `ray.init` takes SIGTERM's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in kept.items():
            signal.signal(signum, handler)
