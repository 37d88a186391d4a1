"""Flags of `LearningConfig`: how stores train and how headquarters takes the result in."""

import dataclasses
import functools
from typing import Any

from absl import flags

from tff_retail import config
from tff_retail.command_line import FLAGS

_GROUP = "Learning"

_enum = functools.partial(flags.DEFINE_enum, module_name=_GROUP)
_float = functools.partial(flags.DEFINE_float, module_name=_GROUP)
_integer = functools.partial(flags.DEFINE_integer, module_name=_GROUP)


def define_learning_flags() -> None:
    """Flags of `LearningConfig`."""
    default = config.LearningConfig()
    _enum(
        "client_optimizer",
        default.client_optimizer,
        config.CLIENT_OPTIMIZERS,
        "optimiser at the stores",
    )
    _float(
        "client_learning_rate",
        None,
        "by default 0.01 for sgd and momentum, 0.001 for adam and adamw; recommended 0.001 to 0.01",
    )
    _enum(
        "server_optimizer",
        default.server_optimizer,
        config.SERVER_OPTIMIZERS,
        "optimiser at headquarters; sgd at rate 1 is FedAvg",
    )
    _float(
        "server_learning_rate",
        None,
        "by default 1 for sgd and momentum, 0.01 for adam and yogi, 0.03 for adagrad",
    )
    _float("momentum", default.momentum, "of the optimiser called momentum, on either side")
    _float("weight_decay", default.weight_decay, "decoupled weight decay at the stores")
    _float(
        "label_smoothing",
        default.label_smoothing,
        "share of a label spread over all labels",
    )
    _enum(
        "learning_rate_schedule",
        default.learning_rate_schedule,
        config.SCHEDULES,
        "of the client learning rate over rounds",
    )
    _integer("warmup_rounds", default.warmup_rounds, "rounds of linear warm-up")
    _float(
        "update_clip_norm",
        None,
        "bound on the L2 norm of a store's update; by default none",
    )
    _integer(
        "local_epochs",
        default.local_epochs,
        "passes over a store's photographs in a round; recommended 1 to 3",
    )
    _integer("batch_size", default.batch_size, "photographs in a step")
    _enum(
        "augmentation",
        None,
        config.AUGMENTATIONS,
        "by default light, or none with --freeze_backbone",
    )
    _enum(
        "precision",
        default.precision,
        config.PRECISIONS,
        "numbers a store trains in: mixed ones are faster on recent GPUs; weights stay float32",
    )
    _enum(
        "update_dtype",
        default.update_dtype,
        config.UPDATE_DTYPES,
        "what a store's update is rounded to on its way: int8 a quarter of the bytes, int4 an "
        "eighth",
    )
    _enum(
        "broadcast_dtype",
        default.broadcast_dtype,
        config.BROADCAST_DTYPES,
        "what weights are rounded to on their way to training: 16 bits are half the bytes",
    )


def learning_config_from_flags() -> config.LearningConfig:
    """The `LearningConfig` that the flags say.

    Raises:
      ConfigurationError: a flag breaks its rule.
    """
    names = (field.name for field in dataclasses.fields(config.LearningConfig))
    values: dict[str, Any] = {name: FLAGS[name].value for name in names}
    if values["augmentation"] is None:
        values["augmentation"] = "none" if FLAGS.freeze_backbone else "light"
    return config.LearningConfig(**values)
