"""From nothing to a trained recogniser: five synthetic stores, a small CNN, one short table.

  python -m tff_retail.quickstart

Makes the photographs of the stores, trains federatedly as configs/quickstart.flags says, and
compares with the same model trained centrally and on each store alone. Run again it makes no data
anew; a finished run is shown as it is. Any flag of tff_retail.train can be added. Defaults below
are those of tff_retail.train: here configs/quickstart.flags, --data_dir=data/quickstart and
--output_dir=runs/quickstart stand before what you add.
"""

import sys

from tff_retail import flags
from tff_retail.config import ConfigurationError
from tff_retail.shelf_flags import define_shelf_flags, draw_synthetic_stores
from tff_retail.train import train, when_stopped

define_shelf_flags()

_FLAG_FILE = "--flagfile=quickstart.flags"
_DATA_DIR = "data/quickstart"


def main(arguments: list[str]) -> int:
    """Makes the stores and trains. Returns the exit code."""
    if arguments:
        raise ConfigurationError(f"quickstart takes flags only, found {arguments[0]!r}; see --help")
    config = flags.run_config_from_flags()
    if config.data.data_dir == _DATA_DIR:
        draw_synthetic_stores(_DATA_DIR)
    return train(config)


if __name__ == "__main__":
    # First on the command line, so that whatever a user adds wins.
    sys.argv[1:1] = [_FLAG_FILE, f"--data_dir={_DATA_DIR}", "--output_dir=runs/quickstart"]
    flags.run_main(main, when_stopped=when_stopped)
