"""The part of a run's manifest that a store acts on, checked."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
)

_DIGEST = re.compile("[0-9a-f]{64}")
_ROLES = ("train", "evaluate")
_FEATURES = "features"
# A chain of a supermarket sells some ten thousand products.
_MAX_LABELS = 100_000


class UnusableManifest(Exception):
    """A manifest that this store can't work by; the message is one sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreManifest:
    """What a manifest fixes for a store.

    Attributes:
      labels: of the chain, in order.
      image_size: height and width of photographs in pixels.
      validation_fraction: of the split.
      batch_size, epochs, augmentation: of training.
      works: digests of the graphs, by role: `train`, `evaluate`.
      backbone_work, backbone_weights: digests of what computes features of photographs, or None
        where the whole network is trained.
    """

    labels: tuple[str, ...]
    image_size: int
    validation_fraction: float
    batch_size: int
    epochs: int
    augmentation: str
    works: Mapping[str, str]
    backbone_work: str | None
    backbone_weights: str | None

    @property
    def contents(self) -> tuple[str, ...]:
        """The digests of all that a store must have to work by it."""
        backbone = (self.backbone_work, self.backbone_weights)
        return (*self.works.values(), *(digest for digest in backbone if digest is not None))

    def config(self) -> RunConfig:
        """The configuration that a store's pipelines are made by; the rest of it is default.

        Raises:
          UnusableManifest: a value breaks its rule.
        """
        is_frozen = self.backbone_work is not None
        try:
            return RunConfig(
                data=DataConfig(stores="remote", validation_fraction=self.validation_fraction),
                model=ModelConfig(
                    image_size=self.image_size,
                    freeze_backbone=is_frozen,
                    weights="manifest" if is_frozen else "none",
                ),
                learning=LearningConfig(
                    batch_size=self.batch_size,
                    local_epochs=self.epochs,
                    augmentation=self.augmentation,
                ),
            )
        except ConfigurationError as error:
            raise UnusableManifest(f"the manifest breaks a rule: {error}") from error


def read_store_manifest(values: Mapping[str, Any]) -> StoreManifest:
    """Reads a manifest that was signed; it is checked all the same, since keys get stolen.

    Raises:
      UnusableManifest: something is missing, or of another type than it must be.
    """
    try:
        roles = values["roles"]
        train = roles["train"]
        features = roles.get(_FEATURES)
        named = [role for role in _ROLES if role in roles]
        works = {role: _digest(roles[role]["graphs"]["work"]) for role in named}
        backbone = None if features is None else _digest(features["graphs"]["work"])
        return StoreManifest(
            labels=_labels(values["labels"]),
            image_size=_whole(values["image_size"]),
            validation_fraction=float(values["validation_fraction"]),
            batch_size=_whole(train["batch_size"]),
            epochs=_whole(train["epochs"]),
            augmentation=str(train["augmentation"]),
            works=works,
            backbone_work=backbone,
            backbone_weights=None if features is None else _digest(features["weights"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnusableManifest(
            f"the manifest must say what a store needs, found {type(error).__name__}: "
            f"{str(error)[:100]}"
        ) from error


def _labels(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not 2 <= len(values) <= _MAX_LABELS:
        raise ValueError(f"labels must be a list of 2 to {_MAX_LABELS}")
    if not all(isinstance(label, str) for label in values) or len(set(values)) < len(values):
        raise ValueError("labels must be strings, no two alike")
    return tuple(values)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"a number must be whole, found {value!r:.40}")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"a digest must be a SHA-256 in hex, found {value!r:.80}")
    return value
