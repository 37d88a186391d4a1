"""Flower 1.41's simulation engine with Keras clients.

Its message API: a `ServerApp` that starts `FedAvg`, a `ClientApp`, a node for each store. Tuned:
one core for each client, so that as many train side by side as there are cores, each with one
TensorFlow thread (the engine's default is two cores a client); `flower_client` keeps its model.
The engine draws each round's cohort itself; all stores have equally many pictures, so the work
is the same. Its polls, every 0.1 s, cannot be set from outside.

`run_simulation` is what runs the engine from Python; `flwr run` would put a server between.
Flower needs protobuf 5, which TensorFlow 2.14.1 runs on although it says that it wants less. No
telemetry, of Flower or of Ray.
"""

import importlib.metadata
import os

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from flwr.app import ArrayRecord, ConfigRecord, Context  # noqa: E402
from flwr.serverapp import Grid, ServerApp  # noqa: E402
from flwr.serverapp.strategy import FedAvg  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402

from benchmarks.contender import Orders, contender_arguments  # noqa: E402
from benchmarks.contenders.flower_client import client_app  # noqa: E402
from benchmarks.workloads import WORKLOADS, Workload, build_model  # noqa: E402


class _NoMoreOrdersError(Exception):
    """The driver has closed our standard input."""


class _OrderedFedAvg(FedAvg):
    """FedAvg that begins a round when it is told to, and tells when it has ended."""

    def __init__(self, orders: Orders, workload: Workload) -> None:
        super().__init__(
            fraction_train=workload.cohort_size / workload.num_stores,
            fraction_evaluate=0.0,
            min_train_nodes=workload.cohort_size,
            min_available_nodes=workload.num_stores,
        )
        self._orders, self._num_examples = orders, 0

    def configure_train(self, server_round, arrays, config, grid):  # type: ignore[no-untyped-def]
        """Waits for the order, then samples the cohort."""
        if not self._orders.wait():
            raise _NoMoreOrdersError
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(self, server_round, replies):  # type: ignore[no-untyped-def]
        """Averages, then tells that the round has ended."""
        replies = list(replies)
        result = super().aggregate_train(server_round, replies)
        metrics = (reply.content["metrics"] for reply in replies)
        self._orders.done(sum(int(metric["num-examples"]) for metric in metrics))
        return result


def _server_app(orders: Orders, workload_name: str, examples: str) -> ServerApp:
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        del context
        workload = WORKLOADS[workload_name]
        initial = ArrayRecord(build_model(workload).get_weights())
        names = ("flwr", "ray", "tensorflow", "keras")
        orders.ready({name: importlib.metadata.version(name) for name in names})
        _OrderedFedAvg(orders, workload).start(
            grid=grid,
            initial_arrays=initial,
            num_rounds=10**6,
            train_config=ConfigRecord({"workload": workload_name, "examples": examples}),
        )

    return app


def main() -> None:
    """Serves rounds."""
    arguments, orders = contender_arguments(__doc__ or ""), Orders()
    examples = os.path.abspath(arguments.examples)
    try:
        run_simulation(
            server_app=_server_app(orders, arguments.workload, examples),
            client_app=client_app,
            num_supernodes=WORKLOADS[arguments.workload].num_stores,
            backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
        )
    except _NoMoreOrdersError:
        return


if __name__ == "__main__":
    main()
