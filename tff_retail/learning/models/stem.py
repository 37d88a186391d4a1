"""Whether a network's first layers keep the picture's resolution."""

from tff_retail.config import ModelConfig

# The networks for ImageNet divide a picture's sides by 32: below 64 pixels one place would be
# left. CIFAR-sized pictures are therefore taken in at stride 1 throughout the field, e.g.
# Reddi et al. 2021, https://arxiv.org/abs/2003.00295, section C.1.
_REDUCED_FROM_PX = 64


def has_full_resolution_stem(model: ModelConfig) -> bool:
    """True below 64 pixels, unless the statistics are frozen.

    Frozen statistics come from published weights, which were learned with the reduction; the
    shapes of the weights are the same either way.
    """
    return model.image_size < _REDUCED_FROM_PX and model.normalization != "frozen_batch"
