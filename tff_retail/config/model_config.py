"""Which network a run trains."""

import dataclasses

from tff_retail.config.requirement import require, require_one_of

MODELS = ("mobilenet_v2", "resnet18", "resnet34", "resnet50", "simple_cnn")
NORMALIZATIONS = ("group", "frozen_batch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network, and where its first weights come from.

    Attributes:
      name: one of `MODELS`.
      width_multiplier: factor on the number of channels of every layer.
      image_size: height and width in pixels that photographs are resized to; at least 32.
      normalization: `group` (GroupNormalization, 2 groups) or `frozen_batch` (pre-trained
        BatchNormalization in inference mode); TFF aggregates no moving statistics, so a
        BatchNormalization that learns them would evaluate wrongly.
      weights: `none`, `imagenet`, or the path of a weights file or run directory.
      freeze_backbone: train the head alone, on features each store computes once.
    """

    name: str = "mobilenet_v2"
    width_multiplier: float = 1.0
    image_size: int = 96
    normalization: str = "group"
    weights: str = "none"
    freeze_backbone: bool = False

    def __post_init__(self) -> None:
        require_one_of("model", self.name, MODELS)
        require_one_of("normalization", self.normalization, NORMALIZATIONS)
        require(
            0.05 <= self.width_multiplier <= 4,
            "width_multiplier",
            "in [0.05, 4]",
            self.width_multiplier,
        )
        require(32 <= self.image_size <= 1024, "image_size", "in [32, 1024]", self.image_size)
        require(
            self.normalization == "group" or self.weights != "none",
            "normalization",
            "group when --weights=none, since frozen statistics must come from somewhere",
            self.normalization,
            "set --weights=imagenet or --weights=FILE",
        )
        require(
            self.weights != "imagenet" or self.normalization == "frozen_batch",
            "normalization",
            "frozen_batch with --weights=imagenet, whose layers are BatchNormalization",
            self.normalization,
        )
        require(
            not self.freeze_backbone or self.weights != "none",
            "weights",
            "imagenet or a file with --freeze_backbone, which trains nothing below the head",
            self.weights,
        )
