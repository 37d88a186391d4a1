"""A graph, as a manifest names it."""

import hashlib
from collections.abc import Callable

from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.graph_check import check_graph
from tff_retail.program.graph_refused import GraphRefused
from tff_retail.program.store_manifest import UnusableManifest
from tff_retail.runtime.graph_part import GraphPart


def read_graph(
    content: Callable[[str], bytes],
    digest: str,
    *,
    bounds: GraphBounds,
    has_fixed_result: bool = True,
) -> GraphPart:
    """The graph of a digest, checked before anything is made of it.

    Args:
      content: gives what a digest of the manifest stands for.
      digest: of the graph.
      bounds: on its size.
      has_fixed_result: see `check_graph`.

    Raises:
      UnusableManifest: what is there is another, or breaks a rule (`GraphRefused`).
    """
    computation = content(digest)
    if hashlib.sha256(computation).hexdigest() != digest:
        raise UnusableManifest(f"the graph {digest[:16]} must have this digest, has another")
    findings = check_graph(computation, bounds=bounds, has_fixed_result=has_fixed_result)
    if findings:
        raise GraphRefused(digest, findings)
    return GraphPart(computation)
