"""How a run learns, at the stores and at headquarters."""

import dataclasses

from tff_retail.config.requirement import require, require_one_of

AUGMENTATIONS = ("none", "light", "strong")
CLIENT_OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
SERVER_OPTIMIZERS = ("sgd", "momentum", "adam", "yogi", "adagrad")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
SCHEDULES = ("constant", "cosine", "step")
UPDATE_DTYPES = ("float32", "float16", "bfloat16", "int8", "int4")
BROADCAST_DTYPES = ("float32", "float16", "bfloat16")

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
      precision: of the numbers a store trains in (`PRECISIONS`); weights, what is released and
        what is evaluated are float32 always.
      update_dtype: what a store's update is rounded to on its way (`UPDATE_DTYPES`).
      broadcast_dtype: what weights are rounded to on their way to training
        (`BROADCAST_DTYPES`); evaluation gets them in float32, as they will be released.
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
    precision: str = "float32"
    update_dtype: str = "float32"
    broadcast_dtype: str = "float32"

    def __post_init__(self) -> None:
        require_one_of("client_optimizer", self.client_optimizer, CLIENT_OPTIMIZERS)
        require_one_of("server_optimizer", self.server_optimizer, SERVER_OPTIMIZERS)
        require_one_of("learning_rate_schedule", self.learning_rate_schedule, SCHEDULES)
        require_one_of("augmentation", self.augmentation, AUGMENTATIONS)
        require_one_of("precision", self.precision, PRECISIONS)
        require_one_of("update_dtype", self.update_dtype, UPDATE_DTYPES)
        require_one_of("broadcast_dtype", self.broadcast_dtype, BROADCAST_DTYPES)
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
