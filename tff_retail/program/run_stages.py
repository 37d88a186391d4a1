"""What every run goes through, wherever its stores are: graphs, rounds, and what it promises."""

import dataclasses
from collections.abc import Callable, Sequence

from tff_retail.config import ConfigurationError, RunConfig, ScheduleConfig
from tff_retail.program.best_weights import BestWeights
from tff_retail.program.checkpoints import Checkpoints, Progress
from tff_retail.program.console import RoundConsole
from tff_retail.program.evaluation import Evaluator
from tff_retail.program.manifest import make_manifest
from tff_retail.program.metric_files import MetricFiles
from tff_retail.program.narrowing_notice import narrowing_notice
from tff_retail.program.precision_notice import precision_notice
from tff_retail.program.recogniser import Recogniser, make_recogniser
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.training_run import Trained, TrainingRun
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.roster import Roster

_MANY_LOCAL_EPOCHS = 5


@dataclasses.dataclass(frozen=True)
class RunStages:
    """The stages of one run.

    Attributes:
      config: of the run.
      directory: gets everything that comes out.
      console: told what happens.
    """

    config: RunConfig
    directory: RunDirectory
    console: RoundConsole

    @property
    def best_weights(self) -> BestWeights:
        """The states of the rounds that evaluated best."""
        return BestWeights(self.directory.path / "best")

    def make_recogniser(self, labels: tuple[str, ...], source: str) -> Recogniser:
        """The run's graphs, compiled or as they were kept, and the manifest that names them.

        Args:
          labels: of the chain.
          source: the flag that says the labels.

        Raises:
          ConfigurationError: the run began with other labels, or `--weights` can't be had.
        """
        kept = self.directory.read_json("manifest.json")
        if kept is not None and kept["labels"] != list(labels):
            raise ConfigurationError(
                f"--{source} must have the labels this run began with ({len(kept['labels'])}), "
                f"found {len(labels)}, {_first_difference(kept['labels'], labels)}; choose "
                "another --output_dir or put labels.txt beside the stores"
            )
        folder = self.directory.path / "round_form"
        recogniser = make_recogniser(self.config, labels, folder, say=self.console.say)
        self.directory.write_json("manifest.json", make_manifest(recogniser))
        return recogniser

    def say_promises(self, devices: Sequence[str]) -> None:
        """Says where the run does not repeat to the bit, and what in it is unwise."""
        config = self.config
        if list(devices) != [""] and not config.runtime.deterministic:
            self.console.say(
                "on a GPU without --deterministic this run repeats to tolerance, not bit for bit"
            )
        notices = (
            precision_notice(config.learning.precision, list(devices)),
            narrowing_notice(config.learning),
        )
        for notice in notices:
            if notice is not None:
                self.console.say(notice)
        if config.learning.local_epochs > _MANY_LOCAL_EPOCHS:
            self.console.say(
                f"--local_epochs={config.learning.local_epochs} is above {_MANY_LOCAL_EPOCHS}: "
                "stores drift apart; 1 to 3 is recommended"
            )

    def train(
        self,
        training: FederatedRound,
        *,
        schedule: ScheduleConfig,
        roster: Roster,
        evaluator: Evaluator | None,
        overselect: float = 0.0,
        on_durable: Callable[[int], None] = lambda round_num: None,
    ) -> Trained:
        """Trains, or goes on where the run was stopped; see `TrainingRun`.

        Raises:
          QuorumMissed: too few stores gave a result, again and again.
        """
        first = training.initial_state()
        with Checkpoints(self.directory.path / "checkpoints") as checkpoints:
            state, progress = checkpoints.load_latest(first) or (first, Progress())
            if progress.round_num:
                self.console.say(f"going on after round {progress.round_num}")
                on_durable(progress.round_num)
            with MetricFiles(self.directory.path, next_round=progress.round_num + 1) as files:
                return TrainingRun(
                    schedule=schedule,
                    federated_round=training,
                    roster=roster,
                    evaluator=evaluator,
                    console=self.console,
                    overselect=overselect,
                    on_durable=on_durable,
                ).train(
                    state,
                    progress,
                    checkpoints=checkpoints,
                    metric_files=files,
                    best_weights=self.best_weights,
                )


def _first_difference(old: Sequence[str], new: Sequence[str]) -> str:
    different = sorted(set(old) ^ set(new))
    return f"not in both {different[0]!r}" if different else "in another order"
