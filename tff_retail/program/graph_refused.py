"""A graph of a manifest that this store does not load."""

from collections.abc import Sequence

from tff_retail.privacy.finding import Finding
from tff_retail.program.store_manifest import UnusableManifest


class GraphRefused(UnusableManifest):
    """A graph breaks a rule of `privacy.graph_check`.

    Args:
      digest: of the graph.
      findings: what is wrong, the first one foremost; they stay at the store.

    Attributes:
      rule: the first one's, which the caller may know.
      lines: for the store's log.
    """

    def __init__(self, digest: str, findings: Sequence[Finding]) -> None:
        self.rule = findings[0].rule
        self.lines = [f"{each.rule}: {each.where}: {each.sentence}" for each in findings]
        super().__init__(f"the graph {digest[:16]} breaks the rule {self.rule}")
