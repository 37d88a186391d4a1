"""What a store decides for itself; everything else is in the run's manifest."""

import dataclasses
import math

from tff_retail.config.address import require_address
from tff_retail.config.requirement import require, require_one_of
from tff_retail.config.runtime_config import DEVICES

AUTO_BATCH_SIZE = "auto"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """A store's own settings.

    Attributes:
      data_dir: folder of its photographs: `<data_dir>/<label>/*.jpg`, or `<data_dir>/manifest.csv`.
      state_dir: private folder of identity, contents, results and models.
      server_address: of headquarters, HOST:PORT; None for the one it joined.
      cache_dir: of decoded photographs; None for inside `state_dir`.
      device: `auto` takes a GPU where TensorFlow sees one.
      threads: inside one operation and of operations side by side; another number gives other bits.
      nice: 0 to 19, how readily the executor lets other programs of the machine go first.
      max_steps_per_round: of training, so that a machine with other work is done in time; None for
        all photographs.
      max_seconds_per_round: likewise; it ends with the step during which the time is up.
      batch_size: of training at most; `auto` for the largest that fits memory and time, measured
        once a model; None for the run's own. Out of memory halves it.
      policy: file of the store's release policy; None for the default one.
      listen_address: where TFF clients may connect, HOST:PORT; None for nowhere.
      listen_tls: folder with server.key, server.crt and clients.crt for them.
    """

    data_dir: str
    state_dir: str = "store"
    server_address: str | None = None
    cache_dir: str | None = None
    device: str = "auto"
    threads: int = 1
    nice: int = 10
    max_steps_per_round: int | None = None
    max_seconds_per_round: float | None = None
    batch_size: int | str | None = None
    policy: str | None = None
    listen_address: str | None = None
    listen_tls: str | None = None

    def __post_init__(self) -> None:
        require_one_of("device", self.device, DEVICES)
        require(1 <= self.threads <= 256, "threads", "in [1, 256]", self.threads)
        require(0 <= self.nice <= 19, "nice", "in [0, 19]", self.nice)
        require(
            self.max_steps_per_round is None or self.max_steps_per_round >= 1,
            "max_steps_per_round",
            "at least 1",
            self.max_steps_per_round,
        )
        require(
            self.max_seconds_per_round is None or 0 < self.max_seconds_per_round < math.inf,
            "max_seconds_per_round",
            "above 0",
            self.max_seconds_per_round,
        )
        require(
            self.batch_size in (None, AUTO_BATCH_SIZE)
            or (isinstance(self.batch_size, int) and self.batch_size >= 1),
            "batch_size",
            f"a number from 1 on, or {AUTO_BATCH_SIZE}",
            self.batch_size,
        )
        for flag in ("server_address", "listen_address"):
            if (address := getattr(self, flag)) is not None:
                require_address(flag, address)
        require(
            (self.listen_address is None) == (self.listen_tls is None),
            "listen_tls",
            "set where --listen_address is, and only there",
            self.listen_tls,
            "a TFF client is served over mutual TLS alone",
        )
