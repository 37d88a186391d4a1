"""Which photographs a run learns from."""

import dataclasses

from tff_retail.config.configuration_error import ConfigurationError
from tff_retail.config.requirement import require, require_one_of

STORES = ("simulated", "remote")
PARTITIONERS = ("iid", "dirichlet", "shards", "quantity")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the photographs are and how they are cut up.

    Attributes:
      stores: `simulated`, in this process, or `remote`, real ones that have their own photographs;
        of what follows only `validation_fraction` counts there.
      data_dir: folder of store folders (`<data_dir>/<store>/<label>/*.jpg`); None when `tfds`.
      tfds: name of a TensorFlow data set to spread over simulated stores; None when `data_dir`.
      tfds_split: its split to train on.
      tfds_data_dir: where TFDS keeps its data; None for its own default.
      partitioner, num_stores, partition_alpha: how `tfds` is spread over stores.
      cache_dir: folder of the decoded photographs; None for `<data_dir>/.tff_retail_cache`.
      validation_fraction: share of each store's photographs kept for evaluation, by content.
      eval_dir: a test set that headquarters owns (`<eval_dir>/<label>/*.jpg`), or None.
    """

    stores: str = "simulated"
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
        require_one_of("stores", self.stores, STORES)
        self._require_a_source()
        require(
            self.data_dir is None or self.tfds is None,
            "data_dir",
            "left out where --tfds is set",
            self.data_dir,
        )
        require_one_of("partitioner", self.partitioner, PARTITIONERS)
        require(self.num_stores >= 1, "num_stores", "at least 1", self.num_stores)
        require(self.partition_alpha > 0, "partition_alpha", "above 0", self.partition_alpha)
        require(
            0 < self.validation_fraction < 1,
            "validation_fraction",
            "in (0, 1)",
            self.validation_fraction,
        )

    def _require_a_source(self) -> None:
        if self.is_remote:
            for flag in ("data_dir", "tfds"):
                require(
                    getattr(self, flag) is None,
                    flag,
                    "left out with --stores=remote, since real stores have their own photographs",
                    getattr(self, flag),
                )
        elif self.data_dir is None and self.tfds is None:
            raise ConfigurationError(
                "--data_dir must say where the stores are, found nothing; set --data_dir=FOLDER, "
                "--tfds=NAME for a public data set, or --stores=remote for real stores"
            )

    @property
    def is_remote(self) -> bool:
        """Whether the stores are real ones."""
        return self.stores == "remote"
