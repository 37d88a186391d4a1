"""From nothing to a trained recogniser: five synthetic stores, a small CNN, one short table.

  python -m tff_retail.quickstart

Makes the photographs of the stores, trains federatedly as configs/quickstart.flags says, and
compares with the same model trained centrally and on each store alone. Run again it makes no data
anew; a finished run is shown as it is. Any flag of tff_retail.train can be added.
"""

import sys

from absl import flags as absl_flags

from tff_retail import flags
from tff_retail.config import ConfigurationError
from tff_retail.train import train

_NUM_STORES = absl_flags.DEFINE_integer("stores", 5, "synthetic stores")
_NUM_LABELS = absl_flags.DEFINE_integer("labels", 10, "products on the shelves")
_IMAGES = absl_flags.DEFINE_integer("images_per_store", 300, "photographs in each store")
_SEED = absl_flags.DEFINE_integer("shelf_seed", 7, "of the synthetic shelves")

_FLAG_FILE = "--flagfile=quickstart.flags"
_DATA_DIR = "data/quickstart"
# Photographs are kept larger than they are trained on, as a store's are.
_PHOTOGRAPH_PIXELS = 64
# Dirichlet concentration of the labels over the stores: each has favourites, none lacks much.
_LABEL_SKEW = 0.5


def main(arguments: list[str]) -> int:
    """Makes the stores and trains. Returns the exit code."""
    from datasets.synthetic_shelf import write_synthetic_stores

    if arguments:
        raise ConfigurationError(f"quickstart takes flags only, found {arguments[0]!r}; see --help")
    config = flags.run_config_from_flags()
    if config.data.data_dir == _DATA_DIR:
        print(f"making the photographs of {_NUM_STORES.value} synthetic stores in {_DATA_DIR}")
        write_synthetic_stores(
            _DATA_DIR,
            num_stores=_NUM_STORES.value,
            num_labels=_NUM_LABELS.value,
            images_per_store=_IMAGES.value,
            image_size=_PHOTOGRAPH_PIXELS,
            alpha=_LABEL_SKEW,
            seed=_SEED.value,
        )
    return train(config)


if __name__ == "__main__":
    # First on the command line, so that whatever a user adds wins.
    sys.argv[1:1] = [_FLAG_FILE, f"--data_dir={_DATA_DIR}", "--output_dir=runs/quickstart"]
    flags.run_main(main)
