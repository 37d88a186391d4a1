"""The manifest of a run: everything that is fixed but the weights.

It says which graphs run at a store, by role and digest, and how a store's photographs are to be
prepared for them. A round then needs a seed, a round number and a broadcast, and nothing else.
"""

import hashlib
from typing import Any

from tff_retail.program.recogniser import Recogniser

_FORMAT = 1


def make_manifest(recogniser: Recogniser) -> dict[str, Any]:
    """The manifest as JSON values."""
    config = recogniser.config
    roles: dict[str, Any] = {
        role: {
            "graphs": form.digests,
            "batch_size": recogniser.pipelines[role].batch_size,
            "epochs": recogniser.pipelines[role].epochs,
            "augmentation": recogniser.pipelines[role].augmentation,
            "takes": _element(recogniser.pipelines[role]),
            "gives": [leaf.path for leaf in form["work"].result],
        }
        for role, form in recogniser.forms.items()
    }
    if recogniser.backbone is not None:
        roles["features"] = {
            "graphs": {"work": recogniser.backbone.work.digest},
            "weights": hashlib.sha256(recogniser.backbone.weights_file).hexdigest(),
            "batch_size": recogniser.backbone.pipeline.batch_size,
            "takes": _element(recogniser.backbone.pipeline),
            "gives": [],  # the features stay at the store
        }
    return {
        "format": _FORMAT,
        "labels": list(recogniser.labels),
        "image_size": config.model.image_size,
        "validation_fraction": config.data.validation_fraction,
        "roles": roles,
        "contents": sorted(manifest_contents(recogniser)),
    }


def manifest_contents(recogniser: Recogniser) -> dict[str, bytes]:
    """What a store must have to work by the manifest, by SHA-256 in hex."""
    graphs = [form["work"].computation for form in recogniser.forms.values()]
    backbone = recogniser.backbone
    needed = [] if backbone is None else [backbone.work.computation, backbone.weights_file]
    return {hashlib.sha256(content).hexdigest(): content for content in (*graphs, *needed)}


def _element(pipeline: Any) -> dict[str, str]:
    features, label = pipeline.element_spec()
    specs = {**features, "label": label}
    return {name: f"{spec.dtype.name}{spec.shape.as_list()}" for name, spec in specs.items()}
