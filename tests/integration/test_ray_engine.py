"""The same run on Ray, over several nodes on this machine: the same model bit for bit."""

import dataclasses
import itertools
import os
import pathlib
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from datasets.chain import open_chain
from tests import train_command
from tests.colour_run import COLOURS, write_photographs
from tff_retail.config import (
    DataConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    RuntimeConfig,
    ScheduleConfig,
)
from tff_retail.program.engine import Headquarters
from tff_retail.program.recogniser import make_recogniser
from tff_retail.program.run import run
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.ray_cluster import import_ray
from tff_retail.runtime.store import WorkRequest

pytest.importorskip("ray", reason="ray is not installed: make venv RAY=1")

_NUM_STORES = 5
_PROMPT_S = 30
_WORKER = "ray::ChainWorker"
# As the kernel keeps their titles, cut off.
_AGENTS = ("ray::DashboardA", "ray::RuntimeEnv")
# A node that died is known to be dead after a second, not after Ray's half a minute.
_QUICK_HEALTH_CHECKS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 2,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """A head without CPUs, for the test itself, and nodes of one CPU that `nodes` fills up."""
    from ray.cluster_utils import Cluster

    import_ray()
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets need a short path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                "include_log_monitor": False,
                "_system_config": _QUICK_HEALTH_CHECKS,
            },
        )
        yield cluster
        cluster.shutdown()
    shutil.rmtree(folder)


@pytest.fixture
def nodes(cluster) -> object:
    """The cluster, with two nodes for work."""
    while len(cluster.worker_nodes) < 2:
        cluster.add_node(num_cpus=1)
    return cluster


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> pathlib.Path:
    """Stores of 12 photographs."""
    folder = tmp_path_factory.mktemp("chain")
    for seed in range(_NUM_STORES):
        for colour in range(len(COLOURS)):
            store = folder / f"store {seed}" / f"label {colour}"
            write_photographs(store, colour, num_photographs=4, seed=seed)
    return folder


def _config(chain: pathlib.Path, output: pathlib.Path, **runtime) -> RunConfig:
    return RunConfig(
        data=DataConfig(data_dir=str(chain)),
        model=ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32),
        learning=LearningConfig(batch_size=4),
        schedule=ScheduleConfig(rounds=2),
        runtime=RuntimeConfig(**runtime),
        output_dir=str(output),
        compare_local=True,
    )


class _Rounds:
    """Rounds of training on one engine."""

    def __init__(self, config: RunConfig, folder: pathlib.Path) -> None:
        self._chain = open_chain(config.data, config.model.image_size)
        self._recogniser = make_recogniser(config, self._chain.labels, folder, say=print)
        self._config = config

    def train(self, rounds: int, on_store_done: Callable[..., None]) -> list[np.ndarray]:
        """The state after so many rounds."""
        headquarters = Headquarters(self._config.runtime, seed=1)
        with headquarters.cluster() as cluster:
            engine = headquarters.engine(self._recogniser, self._chain.stores, cluster, say=print)
            try:
                one_round = FederatedRound(
                    self._recogniser.forms["train"], engine.collector("train")
                )
                stores = [engine.store(photographs) for photographs in self._chain.stores]
                state = one_round.initial_state()
                for round_num in range(1, rounds + 1):
                    request = WorkRequest("train", round_num, 1, one_round.broadcast(state))
                    collection = one_round.collect(stores, request, on_store_done=on_store_done)
                    assert collection.num_results == len(stores)
                    state = one_round.update(state, collection).state
                return state
            finally:
                engine.close()


def _workers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith(_WORKER):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _bits(state: list[np.ndarray]) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in state]


def _of_session(session: int) -> list[psutil.Process]:
    """The processes of a session that are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            is_there = process.status() != psutil.STATUS_ZOMBIE
            if is_there and os.getsid(process.pid) == session:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


def test_a_worker_and_a_node_killed_in_mid_round_change_nothing(nodes, chain, tmp_path):
    config = _config(chain, tmp_path / "unused")
    expected = _bits(_Rounds(config, tmp_path / "forms").train(3, lambda outcome: None))
    on_ray = dataclasses.replace(
        config, runtime=RuntimeConfig(engine="ray", ray_address=nodes.address)
    )
    done, killed = itertools.count(1), []

    def kill(outcome: object) -> None:
        at = next(done)
        if at == _NUM_STORES + 1:  # the first store of the second round
            killed.append(_workers()[0])
            killed[0].kill()
        elif at == 2 * _NUM_STORES + 1:
            killed.append(next(iter(nodes.worker_nodes)))
            nodes.remove_node(killed[1], allow_graceful=False)

    assert _bits(_Rounds(on_ray, tmp_path / "forms").train(3, kill)) == expected
    assert next(done) == 3 * _NUM_STORES + 1
    assert len(killed) == 2
    assert psutil.wait_procs(_workers(), _PROMPT_S)[1] == []
    (node,) = nodes.worker_nodes
    assert node.any_processes_alive()


def test_a_run_makes_the_same_files(nodes, chain, tmp_path):
    """Evaluation and baselines included."""
    local, on_ray = tmp_path / "local", tmp_path / "ray"
    run(_config(chain, local))
    # The rounds compiled already; all else is made anew.
    shutil.copytree(local / "round_form", on_ray / "round_form")
    shutil.copy(local / "configuration.json", on_ray)
    run(_config(chain, on_ray, engine="ray", ray_address=nodes.address))
    assert train_command.what_it_made(on_ray) == train_command.what_it_made(local)


@pytest.mark.parametrize(
    ("signum", "exit_code"),
    [(signal.SIGKILL, -9), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)],
)
def test_a_cluster_of_its_own_ends_with_the_run(chain, tmp_path, signum, exit_code):
    said, metrics = tmp_path / "said", tmp_path / "run" / "metrics.csv"
    process = train_command.start(
        *train_command.SMALL,
        "--rounds=1000",
        "--parallel_stores=1",
        "--engine=ray",
        "--ray_address=local",
        f"--data_dir={chain}",
        f"--output_dir={metrics.parent}",
        output=said,
    )
    assert train_command.wait_until(metrics.exists, process)
    assert len(_of_session(process.pid)) > 5
    process.send_signal(signum)
    assert process.wait(train_command.TIMEOUT_S) == exit_code
    left = _of_session(process.pid)
    if signum == signal.SIGKILL:
        # Ray's agents first try for a minute to tell the head, which is gone, why they go.
        agents = [one for one in left if one.name().startswith(_AGENTS)]
        left = [one for one in left if one not in agents]
        for agent in agents:
            agent.kill()
    psutil.wait_procs(left, timeout=train_command.TIMEOUT_S)
    assert _of_session(process.pid) == []
    if signum == signal.SIGTERM:
        last = said.read_text(encoding="utf-8").splitlines()[-1]
        assert last.startswith("stopped; what is done is kept in")
