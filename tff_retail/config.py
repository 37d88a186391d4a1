"""What a run is: frozen dataclasses, standard library only, checked when they are made.

Every class here can be written to JSON and read back (`to_json`, `from_json`), so that a
run directory says which configuration made it. A field's rule is checked in
`__post_init__`; the sentence of a `ConfigurationError` names the flag, the rule, the value
found and the remedy.
"""

import dataclasses
import pathlib
from typing import Any

MODELS = ("mobilenet_v2", "resnet18", "resnet34", "resnet50", "simple_cnn")
NORMALIZATIONS = ("group", "frozen_batch")
AUGMENTATIONS = ("none", "light", "strong")
CLIENT_OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
SERVER_OPTIMIZERS = ("sgd", "momentum", "adam", "yogi", "adagrad")
SCHEDULES = ("constant", "cosine", "step")
DEVICES = ("auto", "cpu", "gpu")
PARTITIONERS = ("iid", "dirichlet", "shards", "quantity")

# Client learning rates within the recommended band 0.001-0.01, by optimiser: adaptive steps are
# about ten times larger than a gradient's, so they start ten times lower.
DEFAULT_CLIENT_LEARNING_RATES = {"sgd": 0.01, "momentum": 0.01, "adam": 0.001, "adamw": 0.001}
# Server learning rate 1 with SGD is FedAvg itself (McMahan et al. 2017); the adaptive ones
# follow Reddi et al. 2021, table 10 (10^-2 and 10^-1.5 for image tasks).
DEFAULT_SERVER_LEARNING_RATES = {
    "sgd": 1.0,
    "momentum": 1.0,
    "adam": 0.01,
    "yogi": 0.01,
    "adagrad": 0.03,
}


class ConfigurationError(ValueError):
    """A setting breaks its rule; the message is one sentence a user can act on."""


def require(is_valid: bool, flag: str, rule: str, found: Any, remedy: str = "") -> None:
    """Raises `ConfigurationError` as `--flag must be RULE, found VALUE; REMEDY` unless valid."""
    if not is_valid:
        ending = f"; {remedy}" if remedy else ""
        raise ConfigurationError(f"--{flag} must be {rule}, found {found!r}{ending}")


def _require_one_of(flag: str, found: str, allowed: tuple[str, ...]) -> None:
    require(found in allowed, flag, "one of " + ", ".join(allowed), found)


def _require_fraction(flag: str, found: float, remedy: str = "") -> None:
    require(0 < found <= 1, flag, "in (0, 1]", found, remedy)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the photographs are and how they are cut up.

    Attributes:
      data_dir: folder of store folders (`<data_dir>/<store>/<label>/*.jpg`); None when `tfds`.
      tfds: name of a TensorFlow data set to spread over simulated stores; None when `data_dir`.
      tfds_split: its split to train on.
      tfds_data_dir: where TFDS keeps its data; None for its own default.
      partitioner, num_stores, partition_alpha: how `tfds` is spread over stores.
      cache_dir: folder of the decoded photographs; None for `<data_dir>/.tff_retail_cache`.
      validation_fraction: share of each store's photographs kept for evaluation, by content.
      eval_dir: a test set that headquarters owns (`<eval_dir>/<label>/*.jpg`), or None.
    """

    data_dir: str | None = None
    tfds: str | None = None
    tfds_split: str = "train"
    tfds_data_dir: str | None = None
    partitioner: str = "dirichlet"
    num_stores: int = 5
    partition_alpha: float = 0.5
    cache_dir: str | None = None
    validation_fraction: float = 0.2
    eval_dir: str | None = None

    def __post_init__(self) -> None:
        if self.data_dir is None and self.tfds is None:
            raise ConfigurationError(
                "--data_dir must say where the stores are, found nothing; set --data_dir=FOLDER, "
                "or --tfds=NAME for a public data set (real stores, --stores=remote, are not in "
                "this version yet)"
            )
        require(
            self.data_dir is None or self.tfds is None,
            "data_dir",
            "left out where --tfds is set",
            self.data_dir,
        )
        _require_one_of("partitioner", self.partitioner, PARTITIONERS)
        require(self.num_stores >= 1, "num_stores", "at least 1", self.num_stores)
        require(self.partition_alpha > 0, "partition_alpha", "above 0", self.partition_alpha)
        require(
            0 < self.validation_fraction < 1,
            "validation_fraction",
            "in (0, 1)",
            self.validation_fraction,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network, and where its first weights come from.

    Attributes:
      name: one of `MODELS`.
      width_multiplier: factor on the number of channels of every layer.
      image_size: height and width in pixels that photographs are resized to; at least 32.
      normalization: `group` (GroupNormalization, 2 groups) or `frozen_batch` (pre-trained
        BatchNormalization in inference mode); TFF aggregates no moving statistics, so a
        BatchNormalization that learns them would evaluate wrongly.
      weights: `none`, `imagenet`, or the path of a weights file or run directory.
      freeze_backbone: train the head alone, on features each store computes once.
    """

    name: str = "mobilenet_v2"
    width_multiplier: float = 1.0
    image_size: int = 96
    normalization: str = "group"
    weights: str = "none"
    freeze_backbone: bool = False

    def __post_init__(self) -> None:
        _require_one_of("model", self.name, MODELS)
        _require_one_of("normalization", self.normalization, NORMALIZATIONS)
        require(
            0.05 <= self.width_multiplier <= 4,
            "width_multiplier",
            "in [0.05, 4]",
            self.width_multiplier,
        )
        require(32 <= self.image_size <= 1024, "image_size", "in [32, 1024]", self.image_size)
        require(
            self.normalization == "group" or self.weights != "none",
            "normalization",
            "group when --weights=none, since frozen statistics must come from somewhere",
            self.normalization,
            "set --weights=imagenet or --weights=FILE",
        )
        require(
            self.weights != "imagenet" or self.normalization == "frozen_batch",
            "normalization",
            "frozen_batch with --weights=imagenet, whose layers are BatchNormalization",
            self.normalization,
        )
        require(
            not self.freeze_backbone or self.weights != "none",
            "weights",
            "imagenet or a file with --freeze_backbone, which trains nothing below the head",
            self.weights,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """How a store trains and how headquarters takes the result in.

    Attributes:
      client_optimizer, client_learning_rate: a store's optimiser (`CLIENT_OPTIMIZERS`); a rate
        of None takes `DEFAULT_CLIENT_LEARNING_RATES`.
      server_optimizer, server_learning_rate: headquarters' (`SERVER_OPTIMIZERS`); likewise.
      momentum: of `momentum`, on either side.
      weight_decay: decoupled (Loshchilov & Hutter 2019), of the client optimiser.
      label_smoothing: in [0, 1).
      learning_rate_schedule: of the client learning rate over rounds (`SCHEDULES`).
      warmup_rounds: rounds of linear warm-up before the schedule.
      update_clip_norm: bound on the L2 norm of a store's update; None for no bound.
      local_epochs, batch_size, augmentation: what a store does in one round.
    """

    client_optimizer: str = "adam"
    client_learning_rate: float | None = None
    server_optimizer: str = "sgd"
    server_learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    learning_rate_schedule: str = "constant"
    warmup_rounds: int = 0
    update_clip_norm: float | None = None
    local_epochs: int = 1
    batch_size: int = 16
    augmentation: str = "light"

    def __post_init__(self) -> None:
        _require_one_of("client_optimizer", self.client_optimizer, CLIENT_OPTIMIZERS)
        _require_one_of("server_optimizer", self.server_optimizer, SERVER_OPTIMIZERS)
        _require_one_of("learning_rate_schedule", self.learning_rate_schedule, SCHEDULES)
        _require_one_of("augmentation", self.augmentation, AUGMENTATIONS)
        for flag in ("client_learning_rate", "server_learning_rate", "update_clip_norm"):
            value = getattr(self, flag)
            require(value is None or 0 < value < float("inf"), flag, "above 0", value)
        require(0 <= self.momentum < 1, "momentum", "in [0, 1)", self.momentum)
        require(0 <= self.weight_decay < 1, "weight_decay", "in [0, 1)", self.weight_decay)
        require(0 <= self.label_smoothing < 1, "label_smoothing", "in [0, 1)", self.label_smoothing)
        require(self.warmup_rounds >= 0, "warmup_rounds", "at least 0", self.warmup_rounds)
        require(self.local_epochs >= 1, "local_epochs", "at least 1", self.local_epochs)
        require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)

    @property
    def client_rate(self) -> float:
        """The client learning rate, the optimiser's default where none was set."""
        return self.client_learning_rate or DEFAULT_CLIENT_LEARNING_RATES[self.client_optimizer]

    @property
    def server_rate(self) -> float:
        """The server learning rate, the optimiser's default where none was set."""
        return self.server_learning_rate or DEFAULT_SERVER_LEARNING_RATES[self.server_optimizer]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Whom to ask, how often, and when to stop.

    Attributes:
      rounds: rounds at most.
      participation: share of the stores asked in a round.
      min_stores: a round counts with at least so many results.
      min_available_stores: training starts with at least so many stores.
      eval_every: rounds between federated evaluations.
      patience: evaluations without a better model before training stops; None for never.
      seed: of initial weights, cohorts, shuffles and augmentation.
    """

    rounds: int = 10
    participation: float = 1.0
    min_stores: int = 3
    min_available_stores: int = 5
    eval_every: int = 1
    patience: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        require(self.rounds >= 1, "rounds", "at least 1", self.rounds)
        _require_fraction("participation", self.participation)
        require(self.min_stores >= 1, "min_stores", "at least 1", self.min_stores)
        require(
            self.min_available_stores >= self.min_stores,
            "min_available_stores",
            f"at least --min_stores ({self.min_stores})",
            self.min_available_stores,
        )
        require(self.eval_every >= 1, "eval_every", "at least 1", self.eval_every)
        require(
            self.patience is None or self.patience >= 1, "patience", "at least 1", self.patience
        )
        require(0 <= self.seed < 2**31, "seed", "in [0, 2^31)", self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """Where the work runs.

    Attributes:
      device: `auto` takes a GPU where TensorFlow sees one.
      parallel_stores: stores trained side by side; None for as many as serve.
      intra_op_threads: threads inside one operation; part of what makes a model bit for bit
        the same, so it is fixed, not measured.
      deterministic: op determinism, which a GPU needs for equal bits.
    """

    device: str = "auto"
    parallel_stores: int | None = None
    intra_op_threads: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        _require_one_of("device", self.device, DEVICES)
        require(
            self.parallel_stores is None or 1 <= self.parallel_stores <= 256,
            "parallel_stores",
            "auto or in [1, 256]",
            self.parallel_stores,
        )
        require(
            1 <= self.intra_op_threads <= 256,
            "intra_op_threads",
            "in [1, 256]",
            self.intra_op_threads,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run, whole.

    Attributes:
      output_dir: the run directory.
      compare_central: also train the same model on the pooled photographs.
      compare_local: also train it on each store alone.
    """

    data: DataConfig
    model: ModelConfig = ModelConfig()
    learning: LearningConfig = LearningConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    output_dir: str = "runs/latest"
    compare_central: bool = False
    compare_local: bool = False

    def __post_init__(self) -> None:
        require(
            not self.model.freeze_backbone or self.learning.augmentation == "none",
            "augmentation",
            "none with --freeze_backbone, whose features are computed once",
            self.learning.augmentation,
        )
        require(
            self.learning.warmup_rounds < self.schedule.rounds,
            "warmup_rounds",
            f"below --rounds ({self.schedule.rounds})",
            self.learning.warmup_rounds,
        )

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunConfig":
        """The configuration that `to_json` wrote.

        Raises:
          ConfigurationError: a value breaks its rule.
          TypeError: `values` has fields this version does not know.
        """
        parts = {
            "data": DataConfig,
            "model": ModelConfig,
            "learning": LearningConfig,
            "schedule": ScheduleConfig,
            "runtime": RuntimeConfig,
        }
        built = {name: part(**values[name]) for name, part in parts.items()}
        return cls(**{**values, **built})


def existing_folder(flag: str, path: str) -> pathlib.Path:
    """`path` as a folder that exists.

    Raises:
      ConfigurationError: it does not, or is a file.
    """
    folder = pathlib.Path(path).expanduser()
    require(folder.is_dir(), flag, "an existing folder", path, "check the path")
    return folder
