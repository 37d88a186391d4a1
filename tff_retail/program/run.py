"""A whole run: open the chain, compile or load the round, train, compare, release."""

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from datasets.chain import Chain, open_chain
from datasets.evaluation_set import open_evaluation_set
from datasets.store_photographs import StorePhotographs
from tff_retail.config import ConfigurationError, RunConfig
from tff_retail.program.baselines import train_baselines
from tff_retail.program.best_weights import BestWeights
from tff_retail.program.checkpoints import Checkpoints, Progress
from tff_retail.program.console import RoundConsole, open_console
from tff_retail.program.disk_room import explaining_full_disk
from tff_retail.program.engine import Engine, Headquarters
from tff_retail.program.evaluation import Evaluator
from tff_retail.program.fitted_schedule import fit_schedule
from tff_retail.program.manifest import make_manifest
from tff_retail.program.metric_files import MetricFiles
from tff_retail.program.model_release import release_models
from tff_retail.program.precision_notice import precision_notice
from tff_retail.program.recogniser import Recogniser, make_recogniser
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.run_pictures import draw_run
from tff_retail.program.start_check import check_before_start
from tff_retail.program.summary import make_summary
from tff_retail.program.training_run import Trained, TrainingRun
from tff_retail.runtime.context import install_context
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.ray_cluster import RayCluster

_MANY_LOCAL_EPOCHS = 5


def run(config: RunConfig, *, console: RoundConsole | None = None) -> dict[str, Any]:
    """Trains a recogniser federatedly over simulated stores, or goes on where a run was stopped.

    Args:
      config: of the run; `config.output_dir` gets everything that comes out.
      console: told what happens; standard output when None.

    Returns:
      What `<output_dir>/summary.json` says.

    Raises:
      ConfigurationError: a setting, a folder or the data breaks its rule.
      QuorumMissed: too few stores gave a result, again and again.
      WorkersLost: with `--engine=ray`, the cluster lost its workers, again and again.
    """
    console = console or open_console()
    check_before_start(config)
    directory = RunDirectory(pathlib.Path(config.output_dir), config)
    try:
        if directory.is_finished:
            console.say(f"{directory.path} holds a finished run; nothing to do")
            return directory.read_json("summary.json")
        with explaining_full_disk(directory.path):
            return _Run(config, directory, console).run()
    finally:
        console.close()
        directory.close()


class _Run:
    """The parts of one run, wired."""

    def __init__(self, config: RunConfig, directory: RunDirectory, console: RoundConsole) -> None:
        self._config = config
        self._directory = directory
        self._console = console
        self._headquarters = Headquarters(config.runtime, seed=config.schedule.seed)
        self._parallel = self._headquarters.parallel
        install_context(parallel_stores=self._parallel)
        # A GPU trains few stores side by side, but every core decodes photographs.
        cores = len(os.sched_getaffinity(0))
        self._decoding_threads = config.runtime.parallel_stores or cores

    def run(self) -> dict[str, Any]:
        """From photographs to a model."""
        with self._headquarters.cluster() as cluster:
            return self._run(cluster)

    def _run(self, cluster: RayCluster | None) -> dict[str, Any]:
        chain = self._open_chain()
        test_set = self._open_test_set(chain.labels)
        measured_on = _measured_on(chain, test_set)
        recogniser = self._make_recogniser(chain.labels)
        engine = self._headquarters.engine(
            recogniser,
            [*chain.stores, *([test_set] if test_set else [])],
            cluster,
            say=self._console.say,
        )
        try:
            self._say_promises(engine.devices)
            evaluator = self._evaluator(chain, test_set, recogniser, engine)
            trained = self._train(chain, evaluator, recogniser, engine)
            baselines = self._compare(chain, measured_on, recogniser, engine, trained)
            confidence = release_models(
                self._directory.path,
                recogniser,
                trained,
                best_weights=self._best_weights,
                evaluator=evaluator,
            )
        finally:
            engine.close()
        summary = make_summary(
            recogniser=recogniser,
            trained=trained,
            num_stores=len(chain.stores),
            parallel_stores=engine.parallel_stores,
            devices=engine.devices,
            baselines=baselines,
            confidence=confidence,
        )
        draw_run(
            self._directory.path,
            measured_on,
            label_names=chain.labels,
            baselines=baselines,
            confidence=confidence,
            seed=self._config.schedule.seed,
        )
        self._directory.write_json("summary.json", summary)
        return summary

    def _say_promises(self, devices: list[str]) -> None:
        config = self._config
        if devices != [""] and not config.runtime.deterministic:
            self._console.say(
                "on a GPU without --deterministic this run repeats to tolerance, not bit for bit"
            )
        notice = precision_notice(config.learning.precision, devices)
        if notice is not None:
            self._console.say(notice)
        if config.learning.local_epochs > _MANY_LOCAL_EPOCHS:
            self._console.say(
                f"--local_epochs={config.learning.local_epochs} is above {_MANY_LOCAL_EPOCHS}: "
                "stores drift apart; 1 to 3 is recommended"
            )

    def _open_chain(self) -> Chain:
        config = self._config
        chain = open_chain(
            config.data,
            config.model.image_size,
            on_progress=functools.partial(self._console.progress, "preparing photographs"),
            workers=self._decoding_threads,
        )
        self._console.close()
        for notice in chain.report.notices:
            self._console.say(notice)
        examples = sum(store.num_examples("train") for store in chain.stores)
        stores = "1 store" if len(chain.stores) == 1 else f"{len(chain.stores)} stores"
        self._console.say(
            f"{stores}, {len(chain.labels)} labels, {examples} photographs to train on"
        )
        chain.report.write(self._directory.path / "data_report.json")
        return chain

    def _make_recogniser(self, labels: tuple[str, ...]) -> Recogniser:
        kept = self._directory.read_json("manifest.json")
        if kept is not None and kept["labels"] != list(labels):
            raise ConfigurationError(
                f"--data_dir must have the labels this run began with ({len(kept['labels'])}), "
                f"found {len(labels)}, {_first_difference(kept['labels'], labels)}; choose "
                "another --output_dir or put labels.txt beside the stores"
            )
        folder = self._directory.path / "round_form"
        recogniser = make_recogniser(self._config, labels, folder, say=self._console.say)
        self._directory.write_json("manifest.json", make_manifest(recogniser))
        return recogniser

    def _train(
        self,
        chain: Chain,
        evaluator: Evaluator | None,
        recogniser: Recogniser,
        engine: Engine,
    ) -> Trained:
        schedule = fit_schedule(self._config.schedule, len(chain.stores), say=self._console.say)
        training = FederatedRound(recogniser.forms["train"], engine.collector("train"))
        first = training.initial_state()
        with Checkpoints(self._directory.path / "checkpoints") as checkpoints:
            state, progress = checkpoints.load_latest(first) or (first, Progress())
            if progress.round_num:
                self._console.say(f"going on after round {progress.round_num}")
            with MetricFiles(self._directory.path, next_round=progress.round_num + 1) as files:
                return TrainingRun(
                    schedule=schedule,
                    federated_round=training,
                    stores=[engine.store(photographs) for photographs in chain.stores],
                    evaluator=evaluator,
                    console=self._console,
                ).train(
                    state,
                    progress,
                    checkpoints=checkpoints,
                    metric_files=files,
                    best_weights=self._best_weights,
                )

    def _evaluator(
        self,
        chain: Chain,
        test_set: StorePhotographs | None,
        recogniser: Recogniser,
        engine: Engine,
    ) -> Evaluator | None:
        stores = [
            engine.store(photographs)
            for photographs in chain.stores
            if photographs.num_examples("validation")
        ]
        if not stores and test_set is None:
            self._console.say(
                "no store has photographs to evaluate on, so the last model is taken; set "
                "--eval_dir or a larger --validation_fraction"
            )
            return None
        return Evaluator(
            federated_round=FederatedRound(
                recogniser.forms["evaluate"], engine.collector("evaluate")
            ),
            training_paths=[leaf.path for leaf in recogniser.forms["train"].initialize.result],
            stores=stores,
            headquarters=None if test_set is None else engine.store(test_set),
            seed=self._config.schedule.seed,
        )

    def _open_test_set(self, labels: tuple[str, ...]) -> StorePhotographs | None:
        data = self._config.data
        if data.eval_dir is None:
            return None
        return open_evaluation_set(
            data.eval_dir,
            labels,
            self._config.model.image_size,
            data.cache_dir,
            workers=self._decoding_threads,
        )

    @property
    def _best_weights(self) -> BestWeights:
        return BestWeights(self._directory.path / "best")

    def _compare(
        self,
        chain: Chain,
        measured_on: Sequence[StorePhotographs],
        recogniser: Recogniser,
        engine: Engine,
        trained: Trained,
    ) -> dict[str, Any]:
        if not (self._config.compare_central or self._config.compare_local):
            return {}
        if not measured_on:
            self._console.say("there is nothing to measure baselines on, so none is trained")
            return {}
        initial = FederatedRound(recogniser.forms["train"], engine.collector("train"))
        first = dict(zip(initial.state_paths, initial.initial_state(), strict=True))
        results = train_baselines(
            self._config,
            engine.baselines(recogniser.trained_weights(first)),
            stores={store.name: store.num_examples("train") for store in chain.stores},
            measure_on=[engine.number(photographs) for photographs in measured_on],
            rounds=trained.progress.round_num,
            directory=self._directory,
            say=self._console.say,
            on_progress=functools.partial(self._console.progress, "training baselines"),
        )
        self._console.close()
        return results


def _measured_on(chain: Chain, test_set: StorePhotographs | None) -> list[StorePhotographs]:
    """Whose validation photographs models are measured on."""
    if test_set is not None:
        return [test_set]
    return [store for store in chain.stores if store.num_examples("validation")]


def _first_difference(old: Sequence[str], new: Sequence[str]) -> str:
    different = sorted(set(old) ^ set(new))
    return f"not in both {different[0]!r}" if different else "in another order"
