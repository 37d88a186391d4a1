"""A frozen backbone, as a manifest names it."""

import io
import zipfile
from collections.abc import Callable

import numpy as np

from datasets.example_pipeline import ExamplePipeline
from tff_retail.program.manifest_graph import read_graph
from tff_retail.program.recogniser import FrozenBackbone, photograph_pipeline
from tff_retail.program.store_manifest import StoreManifest, UnusableManifest


def read_backbone(
    manifest: StoreManifest, content: Callable[[str], bytes]
) -> FrozenBackbone | None:
    """The backbone below the head that is trained; None where the whole network is.

    Args:
      manifest: of the run.
      content: gives what a digest of the manifest stands for.

    Raises:
      UnusableManifest: its graph or its weights are of no use.
    """
    if manifest.backbone_work is None or manifest.backbone_weights is None:
        return None
    try:
        with np.load(io.BytesIO(content(manifest.backbone_weights)), allow_pickle=False) as arrays:
            weights = [arrays[name] for name in sorted(arrays.files)]
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UnusableManifest("the backbone's weights can't be read") from error
    pipeline: ExamplePipeline = photograph_pipeline(manifest.config().model)
    return FrozenBackbone(read_graph(content, manifest.backbone_work), weights, pipeline)
