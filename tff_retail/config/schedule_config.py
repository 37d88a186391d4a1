"""How many rounds a run has, and who takes part in one."""

import dataclasses

from tff_retail.config.requirement import require


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
        require(0 < self.participation <= 1, "participation", "in (0, 1]", self.participation)
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
