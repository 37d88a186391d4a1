"""A frozen backbone, as a manifest names it."""

from collections.abc import Callable

from datasets.example_pipeline import ExamplePipeline
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.program.backbone_weights import read_backbone_weights
from tff_retail.program.manifest_graph import read_graph
from tff_retail.program.recogniser import FrozenBackbone, photograph_pipeline
from tff_retail.program.store_manifest import StoreManifest, UnusableManifest


def read_backbone(
    manifest: StoreManifest, content: Callable[[str], bytes], bounds: GraphBounds
) -> FrozenBackbone | None:
    """The backbone below the head that is trained; None where the whole network is.

    Args:
      manifest: of the run.
      content: gives what a digest of the manifest stands for.
      bounds: on the size of its graph.

    Raises:
      UnusableManifest: its graph or its weights are of no use.
    """
    if manifest.backbone_work is None or manifest.backbone_weights is None:
        return None
    # As many features as there are photographs; they stay at the store.
    work = read_graph(content, manifest.backbone_work, bounds=bounds, has_fixed_result=False)
    features = work.result
    if len(features) != 1 or not features[0].shape or None in features[0].shape[1:]:
        found = [list(leaf.shape) for leaf in features[:3]]
        raise UnusableManifest(f"a backbone must give features of a fixed shape, found {found}")
    leaves = [leaf for leaf in work.parameter if not leaf.is_sequence]
    weights = read_backbone_weights(content(manifest.backbone_weights), leaves)
    pipeline: ExamplePipeline = photograph_pipeline(manifest.config().model)
    return FrozenBackbone(work, weights, pipeline)
