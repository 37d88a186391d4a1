"""What a store's owner lets out: what may run here, what may leave, how much and when."""

import dataclasses
import re

from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.open_hours import OpenHours
from tff_retail.privacy.policy_rule import require_policy
from tff_retail.privacy.role_release import RoleRelease

TRUSTS = ("signed", "pinned", "allow_list_only")
REPORTS = ("all", "health", "nothing")
SANDBOX_REQUIRED = "required"
SANDBOXES = ("where possible", SANDBOX_REQUIRED)
_DIGEST = re.compile("[0-9a-f]{64}")
_MIB = 2**20
_MOST_A_DAY = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleasePolicy:
    """A store's release policy; `ReleasePolicy()` is what holds where its owner has written none.

    Attributes:
      trust: `signed`: graphs of a manifest that the chain's key signed; `pinned`: of these only the
        ones in `pinned_graphs`; `allow_list_only`: any, signed or not, for experiments. The check
        of graphs before they are loaded holds in all three.
      pinned_graphs: SHA-256 of the graphs that may run where `trust` is `pinned`.
      reports: what the store says of itself. `all`: its health, how long work took and how many
        photographs it has; `health`: how work went; `nothing`.
      sandbox: whether the executor, which has TensorFlow and the photographs, starts where the
        kernel can't keep it from network, files and programs: `where possible` it is confined as
        far as it goes; `required`: it does not start without Landlock and seccomp.
      hours: `HH:MM-HH:MM`, local time, in which results may leave.
      max_rounds_per_day: rounds that are answered, of all runs together; days are UTC.
      max_questions_per_round: distinct questions about one round and role a day: the same round
        with other weights or another seed is another question. Likewise distinct answers to it,
        since photographs change.
      max_bytes_per_round: that leave for one round, all roles and answers together.
      max_selections_per_day: manifests a day that choose other photographs of the store, by labels
        or by validation fraction; the difference of two choices tells of few photographs.
      max_validation_fraction: in the manifest; a larger one would leave few to train on.
      min_batch_size: of training, in the manifest.
      train, evaluate: what the roles may put out.
      graphs: how large graphs may be.
    """

    trust: str = "signed"
    pinned_graphs: tuple[str, ...] = ()
    reports: str = "all"
    sandbox: str = "where possible"
    hours: str = "00:00-24:00"
    # A run of some hundred rounds in a night; a thousand probing questions a day are too many.
    max_rounds_per_day: int = 400
    # A coordinator that was killed may have to ask once more, with what it computed anew.
    max_questions_per_round: int = 2
    # Two updates of a model of 100 MB, with evaluation.
    max_bytes_per_round: int = 256 * _MIB
    max_selections_per_day: int = 3
    max_validation_fraction: float = 0.5
    min_batch_size: int = 2
    train: RoleRelease = dataclasses.field(default_factory=RoleRelease.of_training)
    evaluate: RoleRelease = dataclasses.field(default_factory=RoleRelease.of_evaluation)
    graphs: GraphBounds = dataclasses.field(default_factory=GraphBounds)

    def __post_init__(self) -> None:
        _require_one_of("trust", self.trust, TRUSTS)
        _require_one_of("reports", self.reports, REPORTS)
        _require_one_of("sandbox", self.sandbox, SANDBOXES)
        OpenHours.parse(self.hours)
        for digest in self.pinned_graphs:
            require_policy(
                bool(_DIGEST.fullmatch(digest)), "pinned_graphs", "SHA-256s in hexadecimal", digest
            )
        require_policy(
            bool(self.pinned_graphs) == (self.trust == "pinned"),
            "pinned_graphs",
            "there where trust is pinned, and only there",
            list(self.pinned_graphs),
        )
        for key in ("max_rounds_per_day", "max_questions_per_round", "max_selections_per_day"):
            value = getattr(self, key)
            require_policy(1 <= value <= _MOST_A_DAY, key, f"in [1, {_MOST_A_DAY}]", value)
        require_policy(
            1 <= self.max_bytes_per_round < 2**53,
            "max_bytes_per_round",
            "at least 1",
            self.max_bytes_per_round,
        )
        require_policy(
            0 < self.max_validation_fraction < 1,
            "max_validation_fraction",
            "in (0, 1)",
            self.max_validation_fraction,
        )
        require_policy(
            1 <= self.min_batch_size <= 10_000,
            "min_batch_size",
            "in [1, 10000]",
            self.min_batch_size,
        )

    def role(self, role: str) -> RoleRelease:
        """The bounds of `train` or `evaluate`."""
        return {"train": self.train, "evaluate": self.evaluate}[role]


def _require_one_of(key: str, found: str, allowed: tuple[str, ...]) -> None:
    require_policy(found in allowed, key, "one of " + ", ".join(allowed), found)
