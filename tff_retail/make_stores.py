"""Makes a chain of store folders to train on, from photographs that have none.

    python -m tff_retail.make_stores --output_dir=data/shelf --synthetic --num_labels=10
    python -m tff_retail.make_stores --output_dir=data/stores --source_dir=FOLDER
    python -m tff_retail.make_stores --output_dir=data/stores --tfds=grocery_store

The first draws photographs; the others spread photographs sorted by label
(<source_dir>/<label>/*.jpg), or a TensorFlow data set, over stores. Run again with the same
settings it leaves what is there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

from tff_retail import flags as retail_flags
from tff_retail.config import PARTITIONERS, ConfigurationError, DataConfig

if TYPE_CHECKING:
    from datasets.label_folders import LabelledPhotographs

_SYNTHETIC_ONLY = {"num_labels": 10, "images_per_store": 300, "image_size": 64}
_SYNTHETIC_HELP = {
    "num_labels": "products on the shelves",
    "images_per_store": "photographs in each store",
    "image_size": "pixels a side of the photographs drawn",
}


def define_flags() -> None:
    """The flags of this command."""
    default = DataConfig(data_dir="")
    flags.DEFINE_string("output_dir", None, "the chain's new folder: <output_dir>/<store>/<label>/")
    flags.DEFINE_boolean("synthetic", False, "draw the photographs of a synthetic shelf")
    flags.DEFINE_string(
        "source_dir", None, "photographs sorted by label: <source_dir>/<label>/*.jpg"
    )
    flags.DEFINE_string("tfds", None, "TensorFlow data set to take")
    flags.DEFINE_string("tfds_split", default.tfds_split, "its split")
    flags.DEFINE_string("tfds_data_dir", None, "where TensorFlow Datasets keeps its data")
    flags.DEFINE_integer("num_stores", default.num_stores, "stores to make")
    flags.DEFINE_enum(
        "partitioner", default.partitioner, PARTITIONERS, "how to spread the photographs"
    )
    flags.DEFINE_float(
        "partition_alpha", default.partition_alpha, "Dirichlet concentration; less is more skewed"
    )
    flags.DEFINE_integer("seed", 1, "of the spreading, and of the photographs drawn")
    for name, value in _SYNTHETIC_ONLY.items():
        text = f"with --synthetic: {_SYNTHETIC_HELP[name]}; by default {value}"
        flags.DEFINE_integer(name, None, text)


def main(arguments: list[str]) -> None:
    """Makes the chain and says where it is."""
    from tff_retail.program.console import open_console

    values = flags.FLAGS
    _check(arguments)
    console = open_console()
    try:
        unreadable = _make(lambda done, total: console.progress("writing photographs", done, total))
        for name in unreadable:
            console.say(f"left out, not readable: {name}")
        console.say(f"{values.num_stores} stores are in {values.output_dir}; look at them with")
        console.say(f"  python -m tff_retail.inspect_data --data_dir='{values.output_dir}'")
    finally:
        console.close()


def _check(arguments: list[str]) -> None:
    values = flags.FLAGS
    if arguments:
        raise ConfigurationError(
            f"make_stores takes flags only, found {arguments[0]!r}; see --help"
        )
    if not values.output_dir:
        raise ConfigurationError("--output_dir must name the folder to make, found none; set it")
    if sum([values.synthetic, bool(values.source_dir), bool(values.tfds)]) != 1:
        raise ConfigurationError(
            "--source_dir, --tfds or --synthetic must say where the photographs come from, "
            "found none or several; set one of them"
        )
    for name in _SYNTHETIC_ONLY:
        if not values.synthetic and values[name].value is not None:
            raise ConfigurationError(
                f"--{name} must go with --synthetic, found {values[name].value}; leave it out"
            )
    if values.synthetic and values.partitioner != "dirichlet":
        raise ConfigurationError(
            "--partitioner must be dirichlet with --synthetic, whose stores differ by label, found "
            f"{values.partitioner!r}; a large --partition_alpha makes them even"
        )


def _make(on_progress: Callable[[int, int], None]) -> list[str]:
    """Makes the chain that the flags say; the names of files left out."""
    values = flags.FLAGS
    if values.synthetic:
        from datasets.synthetic_shelf import write_synthetic_stores

        chosen = {name: values[name].value for name in _SYNTHETIC_ONLY}
        sizes = {name: value for name, value in chosen.items() if value is not None}
        write_synthetic_stores(
            values.output_dir,
            num_stores=values.num_stores,
            alpha=values.partition_alpha,
            seed=values.seed,
            on_progress=on_progress,
            **{**_SYNTHETIC_ONLY, **sizes},
        )
        return []
    from datasets.partitioned_stores import write_partitioned_stores

    return write_partitioned_stores(
        _photographs(),
        values.output_dir,
        method=values.partitioner,
        num_stores=values.num_stores,
        alpha=values.partition_alpha,
        seed=values.seed,
        on_progress=on_progress,
    )


def _photographs() -> "LabelledPhotographs":
    from datasets.label_folders import open_label_folders, open_tfds

    values = flags.FLAGS
    if values.source_dir:
        return open_label_folders(values.source_dir)
    return open_tfds(
        DataConfig(
            tfds=values.tfds, tfds_split=values.tfds_split, tfds_data_dir=values.tfds_data_dir
        )
    )


if __name__ == "__main__":
    define_flags()
    retail_flags.run_main(main)
