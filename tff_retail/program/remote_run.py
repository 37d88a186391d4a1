"""A run over real stores: labels, graphs, approval, then rounds with whoever is connected.

Headquarters has no photograph of the stores, so it trains no baselines; it evaluates at the stores,
and on a test set of its own where it has one.
"""

import contextlib
import dataclasses
import pathlib
import secrets
from collections.abc import Iterator
from typing import Any

from datasets.evaluation_set import EvaluationSet, open_evaluation_set
from datasets.labels import LABEL_FILE, read_label_file
from tff_retail.config import ConfigurationError, RunConfig
from tff_retail.program.console import RoundConsole
from tff_retail.program.engine import Headquarters
from tff_retail.program.evaluation import Evaluator
from tff_retail.program.manifest import manifest_contents
from tff_retail.program.metrics_endpoint import MetricsEndpoint
from tff_retail.program.model_delivery import deliver_model, sign_or_find
from tff_retail.program.model_release import ReleasedConfidence, release_models
from tff_retail.program.own_test_set import OwnTestSet
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.remote_fleet import RemoteFleet
from tff_retail.program.remote_rounds import RemoteRounds
from tff_retail.program.run_approval import approve_run, manifest_key
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.run_metrics import RunMetrics
from tff_retail.program.run_pictures import draw_run
from tff_retail.program.run_stages import RunStages
from tff_retail.program.summary import make_summary
from tff_retail.program.training_run import Trained
from tff_retail.runtime.context import install_context
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.run_signing import run_name

# For the finished model to reach the stores that are there; the others get it when they come.
_DELIVERY_S = 120.0


class RemoteRun:
    """A run over the stores of a fleet.

    Args:
      config: of the run.
      directory: gets everything that comes out.
      console: told what happens.

    Raises:
      ConfigurationError: the fleet folder, the labels, the key or the test set are not what they
        must be.
    """

    def __init__(self, config: RunConfig, directory: RunDirectory, console: RoundConsole) -> None:
        self._config, self._directory = config, directory
        self._folder = FleetFolder(config.fleet.fleet_dir)
        self._labels = _labels(config)
        self._key = manifest_key(config.fleet)
        self._name = run_name(directory.path)
        self._kept_as = _kept_as(directory, self._name)
        # What the stores compute on is their own; this process prepares, merges, updates, and
        # evaluates on a test set where headquarters has one.
        here = dataclasses.replace(config.runtime, device="cpu", engine="local")
        self._here = Headquarters(here, seed=config.schedule.seed)
        self._devices = self._here.devices
        self._test_set = _test_set(config, self._labels)
        install_context()
        self._console = console

    def run(self) -> dict[str, Any]:
        """From connected stores to a model.

        Returns:
          What `summary.json` says.

        Raises:
          ConfigurationError: a setting or a folder breaks its rule.
          NotApproved: nobody signed the manifest in time.
          QuorumMissed: too few stores were there or gave a result, again and again.
        """
        fleet = RemoteFleet(
            self._folder,
            self._config.fleet,
            run=self._name,
            kept_as=self._kept_as,
            say=self._console.say,
        )
        metrics = RunMetrics(self._console, fleet.status)
        with fleet, _serving_metrics(self._config, metrics):
            fleet.start()
            self._console.say(f"listening for stores on {fleet.address}")
            try:
                summary = self._run(fleet, RunStages(self._config, self._directory, metrics))
            except BaseException as error:
                fleet.status.run_state("stopped", reason=type(error).__name__)
                raise
            fleet.status.run_state("finished")
            return summary

    def _run(self, fleet: RemoteFleet, stages: RunStages) -> dict[str, Any]:
        recogniser = stages.make_recogniser(self._labels, "labels_file")
        fleet.status.run_state("awaiting approval")
        signed = approve_run(
            self._directory,
            self._folder,
            key=self._key,
            wait_s=self._config.fleet.wait_for_stores_s,
            say=self._console.say,
        )
        fleet.give_work(signed, manifest_contents(recogniser))
        stages.say_promises(self._devices)
        rounds = RemoteRounds(self._config, self._directory, fleet, recogniser, self._kept_as)
        with contextlib.closing(rounds), self._own_test_set(recogniser) as own:
            trained, evaluator = self._train(fleet, stages, rounds, own)
            fleet.status.run_state("releasing")
            confidence = release_models(
                self._directory.path,
                recogniser,
                trained,
                best_weights=stages.best_weights,
                evaluator=evaluator,
            )
        model = sign_or_find(
            self._directory.path, self._folder, key=self._key, say=self._console.say
        )
        if model is not None:
            deliver_model(
                fleet,
                self._directory,
                model,
                waits_for_all=False,
                within_s=_DELIVERY_S,
                say=self._console.say,
            )
        return self._finish(recogniser, trained, confidence, rounds)

    def _own_test_set(
        self, recogniser: Recogniser
    ) -> contextlib.AbstractContextManager[OwnTestSet | None]:
        if self._test_set is None:
            return contextlib.nullcontext()
        return OwnTestSet.opened(self._test_set, recogniser, self._here)

    def _train(
        self,
        fleet: RemoteFleet,
        stages: RunStages,
        rounds: RemoteRounds,
        own: OwnTestSet | None,
    ) -> tuple[Trained, Evaluator]:
        training = rounds.round("train")
        evaluator = Evaluator(
            federated_round=rounds.round("evaluate"),
            training_paths=training.state_paths,
            stores=rounds.stores_to_evaluate,
            headquarters=None if own is None else own.store,
            headquarters_round=None if own is None else own.round,
            seed=self._config.schedule.seed,
            say=self._console.say,
        )
        rounds.roster.wait_for_start()
        trained = stages.train(
            training,
            schedule=self._config.schedule,
            roster=rounds,
            evaluator=evaluator,
            overselect=self._config.fleet.overselect,
            on_durable=fleet.acknowledge,
        )
        return trained, evaluator

    def _finish(
        self,
        recogniser: Recogniser,
        trained: Trained,
        confidence: ReleasedConfidence,
        rounds: RemoteRounds,
    ) -> dict[str, Any]:
        num_stores = rounds.roster.num_known
        summary = make_summary(
            recogniser=recogniser,
            trained=trained,
            num_stores=num_stores,
            parallel_stores=num_stores,
            devices=self._devices,
            baselines={},
            confidence=confidence,
        )
        draw_run(
            self._directory.path,
            [] if self._test_set is None else [self._test_set],
            label_names=self._labels,
            baselines={},
            confidence=confidence,
            seed=self._config.schedule.seed,
        )
        summary["dropouts"] = rounds.dropouts.to_json()
        if dropouts := rounds.dropouts.text():
            self._console.say(dropouts)
        self._directory.write_json("summary.json", summary)
        return summary


def _labels(config: RunConfig) -> tuple[str, ...]:
    fleet = config.fleet
    path = pathlib.Path(fleet.labels_file or pathlib.Path(fleet.fleet_dir) / LABEL_FILE)
    labels = read_label_file(path.expanduser())
    if labels is None:
        raise ConfigurationError(
            f"--labels_file must name the labels of the chain, one a line, found no {path}; real "
            "stores send no label names, so write it, such as from the product list"
        )
    return labels


def _test_set(config: RunConfig, labels: tuple[str, ...]) -> EvaluationSet | None:
    data = config.data
    if data.eval_dir is None:
        return None
    return open_evaluation_set(data.eval_dir, labels, config.model.image_size, data.cache_dir)


def _kept_as(directory: RunDirectory, name: str) -> str:
    """A name that no other run has, be its folder called the same; kept over starts."""
    kept = directory.read_json("run.json")
    if kept is None:
        kept = {"kept_as": f"{name[:100]}-{secrets.token_hex(8)}"}
        directory.write_json("run.json", kept)
    found: str = kept["kept_as"]
    return found


@contextlib.contextmanager
def _serving_metrics(config: RunConfig, metrics: RunMetrics) -> Iterator[None]:
    """Serves metrics while the run lasts, if an address is set for them."""
    address = config.fleet.metrics_address
    if address is None:
        yield
        return
    endpoint = MetricsEndpoint(address, metrics.text)
    metrics.say(f"metrics for Prometheus at http://{endpoint.address}/metrics")
    try:
        yield
    finally:
        endpoint.close()
