"""Looks at the photographs of a chain before anything is trained on them.

    python -m tff_retail.inspect_data --data_dir=FOLDER

Prints a line for each store (photographs, labels, how far its labels are from the chain's),
what was left out, and which stores will hurt and which setting helps. Writes `heat_map.png`
(stores x labels), `stores.csv`, `labels.csv`, `skipped.json` and `inspection.json`.
"""

import functools
import json
import pathlib
import sys

from absl import flags

from datasets.chain import open_chain
from datasets.chain_advice import chain_advice
from datasets.chain_statistics import chain_statistics
from tff_retail import flags as retail_flags
from tff_retail.config import ConfigurationError, ModelConfig
from tff_retail.program import data_inspection
from tff_retail.program.console import open_console
from tff_retail.program.label_heat_map import write_label_heat_map
from tff_retail.program.result_folder import writable_output_dir


def define_flags() -> None:
    """The flags of this command."""
    retail_flags.define_data_flags()
    flags.DEFINE_integer(
        "image_size",
        ModelConfig().image_size,
        "Photographs are decoded into the cache at this size, as training at it will find them.",
    )
    flags.DEFINE_string("output_dir", "runs/inspection", "Where picture and tables go.")
    flags.DEFINE_boolean("json", False, "Print inspection.json in place of the table.")


def main(argv: list[str]) -> None:
    """Reads the chain, prints and writes what is to be known of it."""
    values = flags.FLAGS
    if argv:
        raise ConfigurationError(
            f"--data_dir must name the stores, found the argument {argv[0]!r} beside the flags"
        )
    data = retail_flags.data_config_from_flags()
    size = ModelConfig(image_size=values.image_size).image_size
    folder = pathlib.Path(values.output_dir).expanduser()
    console = open_console(sys.stderr)
    try:
        on_progress = functools.partial(console.progress, "preparing photographs")
        chain = open_chain(data, size, on_progress=on_progress)
    finally:
        console.close()
    statistics = chain_statistics(chain)
    advice = chain_advice(statistics)
    inspection = data_inspection.inspection_values(chain, statistics, advice)
    with writable_output_dir(folder):
        data_inspection.write_inspection(folder, chain, statistics, inspection)
        stores = [store.name for store in chain.stores]
        write_label_heat_map(folder / "heat_map.png", statistics.counts, stores, list(chain.labels))
    if values.json:
        print(json.dumps(inspection, indent=1))
    else:
        print(data_inspection.inspection_text(chain, statistics, advice, folder))


if __name__ == "__main__":
    define_flags()
    retail_flags.run_main(main)
