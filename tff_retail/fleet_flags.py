"""Flags of `FleetConfig`: how headquarters meets real stores."""

import dataclasses
from typing import Any

from absl import flags

from tff_retail.command_line import FLAGS
from tff_retail.config import FleetConfig

_GROUP = "Real stores (--stores=remote)"


def define_fleet_flags() -> None:
    """Flags of `FleetConfig`."""
    default = FleetConfig()
    flags.DEFINE_string(
        "listen_address",
        default.listen_address,
        "where stores connect: HOST:PORT",
        module_name=_GROUP,
    )
    flags.DEFINE_string(
        "fleet_dir", default.fleet_dir, "folder that `fleet init` made", module_name=_GROUP
    )
    flags.DEFINE_string(
        "labels_file",
        None,
        "labels of the chain, one a line; by default labels.txt in --fleet_dir",
        module_name=_GROUP,
    )
    flags.DEFINE_string(
        "manifest_key",
        None,
        "key to sign this run's manifest and models with; by default `fleet sign` does that",
        module_name=_GROUP,
    )
    flags.DEFINE_float(
        "round_deadline_s",
        default.round_deadline_s,
        "seconds after which a round goes on without what has not come in",
        module_name=_GROUP,
    )
    flags.DEFINE_float(
        "overselect",
        default.overselect,
        "share of stores asked beyond those a round wants; the first to answer count",
        module_name=_GROUP,
    )
    flags.DEFINE_float(
        "wait_for_stores_s",
        default.wait_for_stores_s,
        "seconds to wait for the stores that a round or a start needs",
        module_name=_GROUP,
    )
    flags.DEFINE_float(
        "rejoin_wait_s",
        default.rejoin_wait_s,
        "seconds that a round waits for a store whose connection was lost",
        module_name=_GROUP,
    )
    flags.DEFINE_string(
        "metrics_address", None, "where Prometheus reads metrics: HOST:PORT", module_name=_GROUP
    )


def fleet_config_from_flags() -> FleetConfig:
    """The `FleetConfig` that the flags say.

    Raises:
      ConfigurationError: a flag breaks its rule.
    """
    names = (field.name for field in dataclasses.fields(FleetConfig))
    values: dict[str, Any] = {name: FLAGS[name].value for name in names}
    return FleetConfig(**values)
