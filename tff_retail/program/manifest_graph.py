"""A graph, as a manifest names it."""

from collections.abc import Callable

from tff_retail.program.store_manifest import UnusableManifest
from tff_retail.runtime.graph_part import GraphPart


def read_graph(content: Callable[[str], bytes], digest: str) -> GraphPart:
    """The graph of a digest.

    Args:
      content: gives what a digest of the manifest stands for.
      digest: of the graph.

    Raises:
      UnusableManifest: what is there is another.
    """
    part = GraphPart(content(digest))
    if part.digest != digest:
        raise UnusableManifest(f"the graph {digest[:16]} must have this digest, has another")
    return part
