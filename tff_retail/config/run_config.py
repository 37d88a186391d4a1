"""One training run, whole."""

import dataclasses
from typing import Any

from tff_retail.config.data_config import DataConfig
from tff_retail.config.fleet_config import FleetConfig
from tff_retail.config.learning_config import LearningConfig
from tff_retail.config.model_config import ModelConfig
from tff_retail.config.requirement import require
from tff_retail.config.runtime_config import RuntimeConfig
from tff_retail.config.schedule_config import ScheduleConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run, whole.

    Attributes:
      output_dir: the run directory.
      compare_central: also train the same model on the pooled photographs.
      compare_local: also train it on each store alone.
      unknown_share: share of the stores' validation photographs that the model recognises right
        which may fall below the threshold of an unknown product.
    """

    data: DataConfig
    model: ModelConfig = ModelConfig()
    learning: LearningConfig = LearningConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    fleet: FleetConfig = FleetConfig()
    output_dir: str = "runs/latest"
    compare_central: bool = False
    compare_local: bool = False
    unknown_share: float = 0.05

    def __post_init__(self) -> None:
        require(0 <= self.unknown_share < 1, "unknown_share", "in [0, 1)", self.unknown_share)
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

        for flag in ("compare_central", "compare_local"):
            require(
                not (self.data.is_remote and getattr(self, flag)),
                flag,
                "off with --stores=remote, since no photograph is at headquarters",
                getattr(self, flag),
            )
        require(
            not self.data.is_remote or self.runtime.engine == "local",
            "engine",
            "local with --stores=remote, where the stores themselves do the work",
            self.runtime.engine,
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
            "fleet": FleetConfig,
        }
        built = {name: part(**values[name]) for name, part in parts.items()}
        return cls(**{**values, **built})
