"""The runs of the study on real photographs, as configurations.

Where a network starts from (`STARTS`):

scratch         random weights
synthetic       a backbone pre-trained on synthetic shelves, all layers learn on
half_finetuned  headquarters owns every second photograph and pre-trains on those; the stores hold
                the others, and all layers learn on
half            the same, the backbone frozen: stores train the head on features

No head is taken over: it starts from random weights everywhere.
"""

import dataclasses
import hashlib
import json
import pathlib

from benchmarks.backbone_file import BACKBONE_FILE
from benchmarks.study_run import StudyRun
from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig, ScheduleConfig

STARTS = ("scratch", "synthetic", "half_finetuned", "half")
# The start that trains only the head.
HEAD_ONLY = "half"

# The authors' validation photographs measure; a store keeps none of its own back. The share must
# be above 0, and at this one no photograph of 2,640 falls below it.
_KEEPS_NONE = 1e-6
_MODEL = ModelConfig(name="simple_cnn", image_size=64)
# All layers after every round, for the epochs that central training needs to come as far.
_EVAL_EVERY, _HEAD_EVAL_EVERY = 1, 5
_DIGEST_CHARACTERS = 8

# Pre-training is central training: small batches, many steps.
_PRETRAINING = LearningConfig(
    client_learning_rate=0.002,
    batch_size=4,
    augmentation="strong",
    learning_rate_schedule="cosine",
)
# Ten stores side by side make a tenth of central training's steps one after the other. Momentum at
# headquarters was meant to make up for some of it, and does not (docs/results.md).
_ALL_LAYERS = dataclasses.replace(
    _PRETRAINING, server_optimizer="momentum", server_learning_rate=1.0
)
# In trials with seed 1, Adam at the stores left federated heads further below central ones than SGD
# at a small rate with momentum at headquarters, above all at Dirichlet 0.1.
_HEAD = LearningConfig(
    client_optimizer="sgd",
    client_learning_rate=0.03,
    batch_size=8,
    augmentation="none",
    learning_rate_schedule="cosine",
    server_optimizer="momentum",
    server_learning_rate=1.0,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What is trained, and where it lies.

    Attributes:
      folder: of everything that the study writes.
      alphas: Dirichlet concentrations; the runs of the first one train the central model too.
      num_stores: stores of a chain.
      alone_seed: the one whose run with the first alpha trains each store alone, too.
      rounds: of a run that trains all layers, one local epoch each.
      head_rounds: of a run that trains only the head.
      pretraining_epochs: of a backbone.
      width_multiplier: of the network.
    """

    folder: pathlib.Path
    alphas: tuple[float, ...] = (0.5, 0.1)
    num_stores: int = 10
    alone_seed: int = 1
    rounds: int = 25
    head_rounds: int = 40
    pretraining_epochs: int = 40
    width_multiplier: float = 0.5

    @property
    def validation_dir(self) -> pathlib.Path:
        """The photographs that all models are measured on."""
        return self.folder / "photographs" / "validation"

    def label_folders(self, start: str) -> pathlib.Path:
        """The photographs that are spread over the stores."""
        if start.startswith("half"):
            return self.folder / "halves" / "stores"
        return self.folder / "photographs" / "train"

    def chain_dir(self, start: str, alpha: float, seed: int) -> pathlib.Path:
        """The stores of a run."""
        source = "half" if start.startswith("half") else "all"
        return self.folder / "chains" / f"{source}-{alpha}-{seed}"

    def pretraining(self, start: str) -> StudyRun | None:
        """The run whose backbone a start takes, or None."""
        if start == "scratch":
            return None
        name = "pretrained-synthetic" if start == "synthetic" else "pretrained-half"
        chain = self.folder / ("shelf" if start == "synthetic" else "halves/headquarters")
        config = RunConfig(
            # A share of its own is held back: these weights know none of the measured photographs.
            data=DataConfig(data_dir=str(chain), validation_fraction=0.1),
            model=self._model(),
            learning=_PRETRAINING,
            schedule=ScheduleConfig(
                rounds=self.pretraining_epochs, seed=1, eval_every=_HEAD_EVAL_EVERY
            ),
        )
        return StudyRun(name=name, keys={"start": name}, config=self._in_own_folder(name, config))

    def run(self, start: str, alpha: float, seed: int) -> StudyRun:
        """One run: federated, and central with the first alpha.

        Each store alone, which is ten networks more, is trained in one run, with the head only.
        """
        is_first = alpha == self.alphas[0]
        name = f"{start}-{alpha}-{seed}"
        is_head_only = start == HEAD_ONLY
        model = self._model()
        before = self.pretraining(start)
        if before is not None:
            backbone = pathlib.Path(before.config.output_dir) / BACKBONE_FILE
            model = dataclasses.replace(model, weights=str(backbone), freeze_backbone=is_head_only)
        config = RunConfig(
            data=DataConfig(
                data_dir=str(self.chain_dir(start, alpha, seed)),
                eval_dir=str(self.validation_dir),
                validation_fraction=_KEEPS_NONE,
            ),
            model=model,
            learning=_HEAD if is_head_only else _ALL_LAYERS,
            schedule=ScheduleConfig(
                rounds=self.head_rounds if is_head_only else self.rounds,
                seed=seed,
                eval_every=_HEAD_EVAL_EVERY if is_head_only else _EVAL_EVERY,
            ),
            compare_central=is_first,
            compare_local=is_head_only and is_first and seed == self.alone_seed,
        )
        keys = {"start": start, "alpha": alpha, "seed": seed}
        return StudyRun(name=name, keys=keys, config=self._in_own_folder(name, config))

    def _model(self) -> ModelConfig:
        return dataclasses.replace(_MODEL, width_multiplier=self.width_multiplier)

    def _in_own_folder(self, name: str, config: RunConfig) -> RunConfig:
        """A folder for each configuration: changed ones do not meet.

        The folder of a backbone is part of the configuration of what starts from it, so that
        another pre-training changes that, too.
        """
        text = json.dumps(config.to_json(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return dataclasses.replace(
            config, output_dir=str(self.folder / "runs" / f"{name}-{digest}")
        )
