"""From nothing to a trained recogniser: five synthetic stores, a small CNN, one short table.

  python -m tff_retail.quickstart

Makes the photographs of the stores, trains federatedly as configs/quickstart.flags says, and
compares with the same model trained centrally and on each store alone. Run again it makes no data
anew; a finished run is shown as it is. Any flag of tff_retail.train can be added. Defaults below
are those of tff_retail.train: here configs/quickstart.flags, --data_dir=data/quickstart and
--output_dir=runs/quickstart stand before what you add.
"""

import functools
import pathlib
import sys

from absl import flags as absl_flags

from tff_retail import flags
from tff_retail.config import ConfigurationError
from tff_retail.train import train, when_stopped

_NUM_STORES = absl_flags.DEFINE_integer("stores", 5, "synthetic stores")
_NUM_LABELS = absl_flags.DEFINE_integer("labels", 10, "products on the shelves")
_IMAGES = absl_flags.DEFINE_integer("images_per_store", 500, "photographs in each store")
_SEED = absl_flags.DEFINE_integer("shelf_seed", 7, "of the synthetic shelves")

_FLAG_FILE = "--flagfile=quickstart.flags"
_DATA_DIR = "data/quickstart"
# Photographs are as large as they are trained on: drawing larger ones would only take longer.
_PHOTOGRAPH_PIXELS = 64
# Dirichlet concentration of the labels over the stores: each has favourites and rarities.
_LABEL_SKEW = 1.0


def main(arguments: list[str]) -> int:
    """Makes the stores and trains. Returns the exit code."""
    if arguments:
        raise ConfigurationError(f"quickstart takes flags only, found {arguments[0]!r}; see --help")
    config = flags.run_config_from_flags()
    if config.data.data_dir == _DATA_DIR:
        _make_stores()
    return train(config)


def _make_stores() -> None:
    """Draws the photographs of the stores, unless they are there."""
    from datasets.synthetic_shelf import write_synthetic_stores
    from tff_retail.program.console import open_console

    console = open_console()
    if not pathlib.Path(_DATA_DIR).exists():
        console.say(f"drawing the photographs of {_NUM_STORES.value} stores in {_DATA_DIR}")
    try:
        write_synthetic_stores(
            _DATA_DIR,
            num_stores=_NUM_STORES.value,
            num_labels=_NUM_LABELS.value,
            images_per_store=_IMAGES.value,
            image_size=_PHOTOGRAPH_PIXELS,
            alpha=_LABEL_SKEW,
            seed=_SEED.value,
            on_progress=functools.partial(console.progress, "drawing photographs"),
        )
    finally:
        console.close()


if __name__ == "__main__":
    # First on the command line, so that whatever a user adds wins.
    sys.argv[1:1] = [_FLAG_FILE, f"--data_dir={_DATA_DIR}", "--output_dir=runs/quickstart"]
    flags.run_main(main, when_stopped=when_stopped)
