"""What a run is: frozen dataclasses, standard library only, checked when they are made.

Every class here can be written to JSON and read back (`to_json`, `from_json`), so that a
run directory says which configuration made it. A field's rule is checked in
`__post_init__`; the sentence of a `ConfigurationError` names the flag, the rule, the value
found and the remedy.
"""

from tff_retail.config.address import require_address
from tff_retail.config.configuration_error import ConfigurationError
from tff_retail.config.data_config import PARTITIONERS, STORES, DataConfig
from tff_retail.config.fleet_config import FleetConfig
from tff_retail.config.folder import existing_folder
from tff_retail.config.learning_config import (
    AUGMENTATIONS,
    BROADCAST_DTYPES,
    CLIENT_OPTIMIZERS,
    DEFAULT_CLIENT_LEARNING_RATES,
    DEFAULT_SERVER_LEARNING_RATES,
    PRECISIONS,
    SCHEDULES,
    SERVER_OPTIMIZERS,
    UPDATE_DTYPES,
    LearningConfig,
)
from tff_retail.config.model_config import MODELS, NORMALIZATIONS, ModelConfig
from tff_retail.config.requirement import require
from tff_retail.config.run_config import RunConfig
from tff_retail.config.runtime_config import DEVICES, ENGINES, RuntimeConfig
from tff_retail.config.schedule_config import ScheduleConfig
from tff_retail.config.store_config import StoreConfig

__all__ = [
    "AUGMENTATIONS",
    "BROADCAST_DTYPES",
    "CLIENT_OPTIMIZERS",
    "ConfigurationError",
    "DEFAULT_CLIENT_LEARNING_RATES",
    "DEFAULT_SERVER_LEARNING_RATES",
    "DEVICES",
    "DataConfig",
    "ENGINES",
    "FleetConfig",
    "LearningConfig",
    "MODELS",
    "ModelConfig",
    "NORMALIZATIONS",
    "PARTITIONERS",
    "PRECISIONS",
    "RunConfig",
    "RuntimeConfig",
    "SCHEDULES",
    "SERVER_OPTIMIZERS",
    "STORES",
    "ScheduleConfig",
    "StoreConfig",
    "UPDATE_DTYPES",
    "existing_folder",
    "require",
    "require_address",
]
