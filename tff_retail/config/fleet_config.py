"""How headquarters meets the real stores of a fleet."""

import dataclasses

from tff_retail.config.address import require_address
from tff_retail.config.requirement import require

# A day: longer than any round ought to take, and short enough to find a slip of the unit.
_MAX_WAIT_S = 86_400.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class FleetConfig:
    """How headquarters meets real stores; read with `--stores=remote` alone.

    Attributes:
      listen_address: where headquarters awaits its stores, HOST:PORT; port 0 takes a free one.
      fleet_dir: the fleet folder, which `python -m tff_retail.fleet init` makes.
      labels_file: the labels of the chain, one a line; None for `<fleet_dir>/labels.txt`.
      manifest_key: the key that signs manifests, for a run that signs its own; None where
        `python -m tff_retail.fleet sign` does it as a step of its own.
      round_deadline_s: what has not come in after so many seconds is left out of the round.
      overselect: share of stores asked beyond those that a round wants, which then takes the
        first ones to answer; 0 asks no more than it wants.
      wait_for_stores_s: how long headquarters waits for the stores that it needs.
      rejoin_wait_s: how long a round waits for a store whose connection was lost in mid-work.
      metrics_address: where Prometheus reads metrics, HOST:PORT; None for nowhere.
    """

    listen_address: str = "0.0.0.0:8443"
    fleet_dir: str = "fleet"
    labels_file: str | None = None
    manifest_key: str | None = None
    round_deadline_s: float = 600.0
    overselect: float = 0.0
    wait_for_stores_s: float = 600.0
    rejoin_wait_s: float = 30.0
    metrics_address: str | None = None

    def __post_init__(self) -> None:
        require_address("listen_address", self.listen_address)
        if self.metrics_address is not None:
            require_address("metrics_address", self.metrics_address)
        for flag in ("round_deadline_s", "wait_for_stores_s"):
            value = getattr(self, flag)
            require(0 < value <= _MAX_WAIT_S, flag, f"in (0, {_MAX_WAIT_S:.0f}]", value)
        require(
            0 <= self.rejoin_wait_s <= _MAX_WAIT_S,
            "rejoin_wait_s",
            f"in [0, {_MAX_WAIT_S:.0f}]",
            self.rejoin_wait_s,
        )
        require(0 <= self.overselect <= 4, "overselect", "in [0, 4]", self.overselect)
