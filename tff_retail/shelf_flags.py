"""Flags of the photographs that `quickstart` and `demo_remote` draw, and the drawing itself."""

import functools
import pathlib

from absl import flags

from tff_retail.command_line import FLAGS

_GROUP = "Synthetic stores"

# Photographs are as large as they are trained on: drawing larger ones would only take longer.
_PHOTOGRAPH_PIXELS = 64
# Dirichlet concentration of the labels over the stores: each has favourites and rarities.
_LABEL_SKEW = 1.0


def define_shelf_flags() -> None:
    """Flags of the synthetic stores."""
    # Not `stores`, which says where a run's stores are.
    flags.DEFINE_integer("synthetic_stores", 5, "how many there are", module_name=_GROUP)
    flags.DEFINE_integer("labels", 10, "products on the shelves", module_name=_GROUP)
    flags.DEFINE_integer("images_per_store", 500, "photographs in each store", module_name=_GROUP)
    flags.DEFINE_integer("shelf_seed", 7, "of the synthetic shelves", module_name=_GROUP)


def draw_synthetic_stores(data_dir: str) -> None:
    """Draws the photographs of the stores that the flags say, unless they are there.

    Raises:
      ConfigurationError: a flag breaks its rule, or the folder holds something else.
    """
    from datasets.synthetic_shelf import write_synthetic_stores
    from tff_retail.program.console import open_console

    console = open_console()
    if not pathlib.Path(data_dir).exists():
        console.say(f"drawing the photographs of {FLAGS.synthetic_stores} stores in {data_dir}")
    try:
        write_synthetic_stores(
            data_dir,
            num_stores=FLAGS.synthetic_stores,
            num_labels=FLAGS.labels,
            images_per_store=FLAGS.images_per_store,
            image_size=_PHOTOGRAPH_PIXELS,
            alpha=_LABEL_SKEW,
            seed=FLAGS.shelf_seed,
            on_progress=functools.partial(console.progress, "drawing photographs"),
        )
    finally:
        console.close()
