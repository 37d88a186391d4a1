"""What a run trains: the learning processes of a configuration, compiled once and kept.

A recogniser is either a whole network on photographs, or, with a frozen backbone, a head on
features that each store computes once.
"""

import dataclasses
import functools
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from datasets.example_pipeline import ExamplePipeline
from tff_retail.config import ModelConfig, RunConfig
from tff_retail.learning.feature_extraction import build_feature_computation
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.fed_eval import build_fed_eval
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.initial_weights import initial_weights
from tff_retail.learning.loss import build_loss
from tff_retail.learning.loss_scale import loss_scale
from tff_retail.learning.metrics import build_metrics
from tff_retail.learning.models.keras_model import build_backbone, build_head, build_keras_model
from tff_retail.learning.weight_order import join_weights
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.round_form import (
    RoundForm,
    compile_part,
    compile_round_form,
    load_round_form,
    save_round_form,
)

# Photographs in a step of evaluation and feature extraction, where nothing is kept for a gradient.
_EVALUATION_BATCH_SIZE = 64
_WEIGHTS_PATH = "global_model_weights/"
_ROLES = ("train", "evaluate")


@dataclasses.dataclass(frozen=True)
class FrozenBackbone:
    """What a store needs to compute features.

    Attributes:
      work: the graph, `(photographs, weights) -> features`.
      weights: the backbone's, in the order of `keras_model.weights`.
      pipeline: how it takes a store's photographs.
    """

    work: GraphPart
    weights: Sequence[np.ndarray]
    pipeline: ExamplePipeline

    @functools.cached_property
    def weights_file(self) -> bytes:
        """The weights as an npz archive; equal weights have equal bytes."""
        buffer = io.BytesIO()
        arrays = {f"{number:04}": array for number, array in enumerate(self.weights)}
        np.savez(buffer, **arrays)
        return buffer.getvalue()


@dataclasses.dataclass(frozen=True)
class Recogniser:
    """The graphs of a run and the data they take.

    Training, and the features of a frozen backbone, are computed in `config.learning.precision`;
    evaluation in float32, since it measures the model that is released.

    Attributes:
      config: of the run.
      labels: of the chain.
      forms: the round forms of the roles `train` and `evaluate`.
      pipelines: how each role takes a store's examples.
      backbone: below the head that is trained, or None where the whole network is.
    """

    config: RunConfig
    labels: tuple[str, ...]
    forms: Mapping[str, RoundForm]
    pipelines: Mapping[str, ExamplePipeline]
    backbone: FrozenBackbone | None

    def trained_model(self) -> tf.keras.Model:
        """The Keras model that is trained: the whole network, or the head."""
        precision = self.config.learning.precision
        return _trained_model_fn(self.config, len(self.labels), precision)()

    def trained_weights(self, state: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The trained model's weights in a server state, in `keras_model.weights` order.

        Args:
          state: leaves of the state by path.
        """
        parts = [
            [leaf for path, leaf in state.items() if path.startswith(f"{_WEIGHTS_PATH}{part}/")]
            for part in ("trainable", "non_trainable")
        ]
        return join_weights(self.trained_model(), *parts)

    def whole_weights(self, trained_weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Weights of the whole network, the frozen backbone's first."""
        return [*(self.backbone.weights if self.backbone else ()), *trained_weights]


def evaluation_state(
    paths: Sequence[str], first: Sequence[np.ndarray], trained: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """A state of federated evaluation that carries the weights of a training state.

    Args:
      paths, first: the evaluation's state paths and first state.
      trained: leaves of the training state by path.
    """
    return [
        trained[path] if path.startswith(_WEIGHTS_PATH) else leaf
        for path, leaf in zip(paths, first, strict=True)
    ]


def make_pipelines(config: RunConfig, feature_shape: tuple[int, ...]) -> dict[str, ExamplePipeline]:
    """How `train` and `evaluate` take a store's examples.

    Args:
      config: of the run.
      feature_shape: of one example: [S, S, 3] of a photograph or [D] of a frozen backbone.
    """
    is_frozen = config.model.freeze_backbone
    train = ExamplePipeline(
        feature="features" if is_frozen else "image",
        shape=feature_shape,
        dtype="float32" if is_frozen else "uint8",
        batch_size=config.learning.batch_size,
        epochs=config.learning.local_epochs,
        augmentation=config.learning.augmentation,
    )
    evaluate = dataclasses.replace(
        train,
        batch_size=_EVALUATION_BATCH_SIZE,
        epochs=1,
        augmentation="none",
        is_shuffled=False,
    )
    return {"train": train, "evaluate": evaluate}


def make_recogniser(
    config: RunConfig,
    labels: tuple[str, ...],
    folder: pathlib.Path,
    *,
    say: Callable[[str], None],
) -> Recogniser:
    """The graphs of a run, from `folder` where they were kept, or compiled and kept there.

    Args:
      config: of the run.
      labels: of the chain.
      folder: of the run directory that keeps compiled graphs.
      say: told what takes long.

    Raises:
      ConfigurationError: `--weights` can't be had or does not fit.
    """
    num_labels = len(labels)
    pipelines = make_pipelines(config, _feature_shape(config.model))
    loaded = {role: load_round_form(folder / role) for role in _ROLES}
    forms = {role: form for role, form in loaded.items() if form is not None}
    backbone = _load_backbone(config.model, folder) if config.model.freeze_backbone else None
    has_backbone = backbone is not None or not config.model.freeze_backbone
    if len(forms) < len(_ROLES) or not has_backbone:
        say("compiling the round: once for this run, kept in its directory")
        weights = initial_weights(config.model, num_labels, config.schedule.seed)
        if config.model.freeze_backbone:
            backbone = _compile_backbone(config, weights)
            weights = weights[len(backbone.weights) :]
            _save_backbone(backbone, folder)
        forms = _compile(config, num_labels, pipelines, weights)
        for role, form in forms.items():
            save_round_form(form, folder / role)
    return Recogniser(config, labels, forms, pipelines, backbone)


def _compile(
    config: RunConfig,
    num_labels: int,
    pipelines: Mapping[str, ExamplePipeline],
    weights: Sequence[np.ndarray],
) -> dict[str, RoundForm]:
    def build(precision: str) -> tff.learning.models.FunctionalModel:
        return build_functional_model(
            _trained_model_fn(config, num_labels, precision),
            initial_weights=weights,
            loss=build_loss(config.learning, num_labels),
            input_spec=pipelines["train"].element_spec(),
            metrics=build_metrics(num_labels),
            loss_scale=loss_scale(precision),
        )

    trained = build(config.learning.precision)
    is_released = config.learning.precision == "float32"
    train = build_fed_avg(trained, config.learning, config.schedule.rounds)
    evaluate = build_fed_eval(trained if is_released else build("float32"))
    return {
        "train": compile_round_form(train.initialize, train.next),
        "evaluate": compile_round_form(evaluate.initialize, evaluate.next),
    }


def _compile_backbone(config: RunConfig, weights: Sequence[np.ndarray]) -> FrozenBackbone:
    model = config.model
    pipeline = photograph_pipeline(model)
    work = compile_part(
        build_feature_computation(model, pipeline.element_spec(), config.learning.precision)
    )
    return FrozenBackbone(work, weights[: len(build_backbone(model).weights)], pipeline)


def _feature_shape(model: ModelConfig) -> tuple[int, ...]:
    if model.freeze_backbone:
        return (int(build_backbone(model).output_shape[-1]),)
    return photograph_pipeline(model).shape


def photograph_pipeline(model: ModelConfig) -> ExamplePipeline:
    """How a frozen backbone takes a store's photographs."""
    return ExamplePipeline(
        feature="image",
        shape=(model.image_size, model.image_size, 3),
        dtype="uint8",
        batch_size=_EVALUATION_BATCH_SIZE,
        is_shuffled=False,
    )


def _trained_model_fn(
    config: RunConfig, num_labels: int, precision: str
) -> Callable[[], tf.keras.Model]:
    def build() -> Any:
        if not config.model.freeze_backbone:
            return build_keras_model(config.model, num_labels, precision)
        num_features = int(build_backbone(config.model).output_shape[-1])
        return build_head(config.model, num_features, num_labels)

    return build


def _save_backbone(backbone: FrozenBackbone, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "features.pb").write_bytes(backbone.work.computation)
    temporary = folder / "backbone.npz.tmp"
    temporary.write_bytes(backbone.weights_file)
    temporary.replace(folder / "backbone.npz")


def _load_backbone(model: ModelConfig, folder: pathlib.Path) -> FrozenBackbone | None:
    """What `_save_backbone` wrote; the weights come last, so with them all is there."""
    if not (folder / "backbone.npz").exists():
        return None
    with np.load(folder / "backbone.npz", allow_pickle=False) as arrays:
        weights = [arrays[name] for name in sorted(arrays.files)]
    work = GraphPart((folder / "features.pb").read_bytes())
    return FrozenBackbone(work, weights, photograph_pipeline(model))
