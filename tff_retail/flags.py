"""Command-line flags of a run, and the configuration that they say.

Beside the entry points, this module and `command_line` alone touch `absl.flags`.
"""

from collections.abc import Sequence
from typing import Any

from absl import flags

from tff_retail import config, fleet_flags, learning_flags
from tff_retail.command_line import FLAGS, run_main

__all__ = [
    "define_data_flags",
    "data_config_from_flags",
    "define_run_flags",
    "run_config_from_flags",
    "run_main",
]

_DATA = "Photographs"
_MODEL = "Model"
_ROUNDS = "Rounds"
_RUNTIME = "Where it runs"
_OUTPUT = "What comes out"


def define_data_flags() -> None:
    """Flags of `DataConfig`."""
    default = config.DataConfig(data_dir="")
    _string("data_dir", None, "folder of the stores: <data_dir>/<store>/<label>/*.jpg", _DATA)
    _string("tfds", None, "TensorFlow data set to spread over simulated stores", _DATA)
    _string("tfds_split", default.tfds_split, "split of --tfds to use", _DATA)
    _string("tfds_data_dir", None, "where TensorFlow Datasets keeps its data", _DATA)
    _enum("partitioner", default.partitioner, config.PARTITIONERS, "how to spread --tfds", _DATA)
    _integer("num_stores", default.num_stores, "simulated stores that --tfds is spread over", _DATA)
    _float(
        "partition_alpha",
        default.partition_alpha,
        "Dirichlet concentration; less is more skewed",
        _DATA,
    )
    _string("cache_dir", None, "folder of decoded photographs; by default inside --data_dir", _DATA)
    _float(
        "validation_fraction",
        default.validation_fraction,
        "share of each store's photographs kept for evaluation, chosen by content",
        _DATA,
    )
    _string("eval_dir", None, "test set that headquarters owns: <eval_dir>/<label>/*.jpg", _DATA)


def data_config_from_flags(stores: str = config.STORES[0]) -> config.DataConfig:
    """The `DataConfig` that the flags say."""
    return config.DataConfig(
        stores=stores,
        **_values(
            "data_dir tfds tfds_split tfds_data_dir partitioner num_stores partition_alpha "
            "cache_dir validation_fraction eval_dir"
        ),
    )


def define_run_flags() -> None:
    """All flags of a `RunConfig`."""
    define_data_flags()
    _enum("stores", config.STORES[0], config.STORES, "in this process, or real ones", _DATA)
    model, schedule, runtime = config.ModelConfig(), config.ScheduleConfig(), config.RuntimeConfig()
    _enum("model", model.name, config.MODELS, "network", _MODEL)
    _float(
        "width_multiplier", model.width_multiplier, "factor on the channels of every layer", _MODEL
    )
    _integer(
        "image_size", model.image_size, "photographs are resized to this many pixels a side", _MODEL
    )
    _enum(
        "normalization",
        None,
        config.NORMALIZATIONS,
        "group, or frozen_batch with pre-trained weights; by default what --weights needs",
        _MODEL,
    )
    _string(
        "weights",
        model.weights,
        "first weights: none, imagenet, or a weights file or run directory",
        _MODEL,
    )
    _boolean(
        "freeze_backbone",
        model.freeze_backbone,
        "train the head alone, on features each store computes once",
        _MODEL,
    )
    learning_flags.define_learning_flags()
    _integer("rounds", schedule.rounds, "rounds at most; recommended 10 to 50", _ROUNDS)
    _float(
        "participation",
        schedule.participation,
        "share of the stores asked in a round; recommended 0.5 to 1",
        _ROUNDS,
    )
    _integer("min_stores", schedule.min_stores, "results that a round needs", _ROUNDS)
    _integer(
        "min_available_stores",
        schedule.min_available_stores,
        "stores that must be there before training starts",
        _ROUNDS,
    )
    _integer("eval_every", schedule.eval_every, "rounds between evaluations", _ROUNDS)
    _integer("patience", None, "evaluations without gain that end it; by default never", _ROUNDS)
    _integer("seed", schedule.seed, "of first weights, cohorts, shuffles and augmentation", _ROUNDS)
    _enum("device", runtime.device, config.DEVICES, "auto takes a GPU where there is one", _RUNTIME)
    _string("parallel_stores", "auto", "stores trained side by side: auto or a number", _RUNTIME)
    _integer(
        "intra_op_threads",
        runtime.intra_op_threads,
        "threads inside one operation; another number gives other bits",
        _RUNTIME,
    )
    _boolean(
        "deterministic",
        runtime.deterministic,
        "op determinism: equal bits on a GPU, at a price",
        _RUNTIME,
    )
    _enum(
        "engine",
        runtime.engine,
        config.ENGINES,
        "local: in this process; ray: on actors of a Ray cluster (docs/ray.md)",
        _RUNTIME,
    )
    _string(
        "ray_address",
        runtime.ray_address,
        "cluster of --engine=ray: auto (this machine's), HOST:PORT of its head, or local (one "
        "for this run alone)",
        _RUNTIME,
    )
    fleet_flags.define_fleet_flags()
    _string("output_dir", "runs/latest", "the run directory", _OUTPUT)
    _boolean(
        "compare_central", False, "also train the same model on the pooled photographs", _OUTPUT
    )
    _boolean("compare_local", False, "also train the same model on each store alone", _OUTPUT)
    _float(
        "unknown_share",
        0.05,
        "the released model calls a product unknown below the probability that at most this share "
        "of the validation photographs it recognises right fall below",
        _OUTPUT,
    )


def run_config_from_flags() -> config.RunConfig:
    """The `RunConfig` that the flags say.

    Raises:
      ConfigurationError: a flag breaks its rule.
    """
    normalization = FLAGS.normalization
    if normalization is None:
        normalization = "frozen_batch" if FLAGS.weights == "imagenet" else "group"
    return config.RunConfig(
        data=data_config_from_flags(FLAGS.stores),
        model=config.ModelConfig(
            name=FLAGS.model,
            normalization=normalization,
            **_values("width_multiplier image_size weights freeze_backbone"),
        ),
        learning=learning_flags.learning_config_from_flags(),
        schedule=config.ScheduleConfig(
            **_values(
                "rounds participation min_stores min_available_stores eval_every patience seed"
            )
        ),
        runtime=config.RuntimeConfig(
            parallel_stores=_auto_or_number(FLAGS.parallel_stores),
            **_values("device intra_op_threads deterministic engine ray_address"),
        ),
        fleet=fleet_flags.fleet_config_from_flags(),
        **_values("output_dir compare_central compare_local unknown_share"),
    )


def _values(names: str) -> dict[str, Any]:
    return {name: FLAGS[name].value for name in names.split()}


def _auto_or_number(value: str) -> int | None:
    if value == "auto":
        return None
    config.require(value.isdigit(), "parallel_stores", "auto or a number", value)
    return int(value)


def _string(name: str, default: str | None, text: str, group: str) -> None:
    flags.DEFINE_string(name, default, text, module_name=group)


def _integer(name: str, default: int | None, text: str, group: str) -> None:
    flags.DEFINE_integer(name, default, text, module_name=group)


def _float(name: str, default: float | None, text: str, group: str) -> None:
    flags.DEFINE_float(name, default, text, module_name=group)


def _boolean(name: str, default: bool, text: str, group: str) -> None:
    flags.DEFINE_boolean(name, default, text, module_name=group)


def _enum(name: str, default: str | None, allowed: Sequence[str], text: str, group: str) -> None:
    flags.DEFINE_enum(name, default, list(allowed), text, module_name=group)
