"""A run over simulated stores: open the chain, compile the round, train, compare, release."""

import functools
import os
from collections.abc import Sequence
from typing import Any

from datasets.chain import Chain, open_chain
from datasets.evaluation_set import open_evaluation_set
from datasets.store_photographs import StorePhotographs
from tff_retail.config import RunConfig
from tff_retail.program.baselines import train_baselines
from tff_retail.program.console import RoundConsole
from tff_retail.program.engine import Engine, Headquarters
from tff_retail.program.evaluation import Evaluator
from tff_retail.program.fitted_schedule import fit_schedule
from tff_retail.program.model_release import release_models
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.run_pictures import draw_run
from tff_retail.program.run_stages import RunStages
from tff_retail.program.summary import make_summary
from tff_retail.program.training_run import Trained
from tff_retail.runtime.context import install_context
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.ray_cluster import RayCluster
from tff_retail.runtime.roster import SteadyRoster


class SimulatedRun:
    """A run over stores that are simulated in this process, or on a Ray cluster.

    Args:
      config: of the run.
      directory: gets everything that comes out.
      console: told what happens.
    """

    def __init__(self, config: RunConfig, directory: RunDirectory, console: RoundConsole) -> None:
        self._config = config
        self._directory = directory
        self._console = console
        self._stages = RunStages(config, directory, console)
        self._headquarters = Headquarters(config.runtime, seed=config.schedule.seed)
        self._parallel = self._headquarters.parallel
        install_context(parallel_stores=self._parallel)
        # A GPU trains few stores side by side, but every core decodes photographs.
        cores = len(os.sched_getaffinity(0))
        self._decoding_threads = config.runtime.parallel_stores or cores

    def run(self) -> dict[str, Any]:
        """From photographs to a model.

        Returns:
          What `summary.json` says.

        Raises:
          ConfigurationError: a setting, a folder or the data breaks its rule.
          QuorumMissed: too few stores gave a result, again and again.
          WorkersLost: the Ray cluster lost its workers, again and again.
        """
        with self._headquarters.cluster() as cluster:
            return self._run(cluster)

    def _run(self, cluster: RayCluster | None) -> dict[str, Any]:
        chain = self._open_chain()
        test_set = self._open_test_set(chain.labels)
        measured_on = _measured_on(chain, test_set)
        recogniser = self._stages.make_recogniser(chain.labels, "data_dir")
        engine = self._headquarters.engine(
            recogniser,
            [*chain.stores, *([test_set] if test_set else [])],
            cluster,
            say=self._console.say,
        )
        try:
            self._stages.say_promises(engine.devices)
            evaluator = self._evaluator(chain, test_set, recogniser, engine)
            trained = self._train(chain, evaluator, recogniser, engine)
            baselines = self._compare(chain, measured_on, recogniser, engine, trained)
            confidence = release_models(
                self._directory.path,
                recogniser,
                trained,
                best_weights=self._stages.best_weights,
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

    def _train(
        self,
        chain: Chain,
        evaluator: Evaluator | None,
        recogniser: Recogniser,
        engine: Engine,
    ) -> Trained:
        schedule = fit_schedule(self._config.schedule, len(chain.stores), say=self._console.say)
        training = FederatedRound(recogniser.forms["train"], engine.collector("train"))
        stores = [engine.store(photographs) for photographs in chain.stores]
        return self._stages.train(
            training, schedule=schedule, roster=SteadyRoster(stores), evaluator=evaluator
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
            stores=lambda: stores,
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
