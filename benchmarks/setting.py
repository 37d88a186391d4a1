"""What the benchmarks inside one process time."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """A chain and a model; a test takes less than the default.

    Attributes:
      model: a `--model`.
      image_size: height and width of the pictures.
      num_stores: all of which take part in a round.
      photographs_per_store: of which a fifth is kept for evaluation.
    """

    model: str = "mobilenet_v2"
    image_size: int = 96
    num_stores: int = 5
    photographs_per_store: int = 320
