"""Every kind of graph that this project gives stores passes the check: `make soak`, minutes.

The fast suite has it for the small networks: each real or pretended store of `tests/program` and
`tests/integration` checks the graphs that it loads.
"""

import pytest
import tensorflow_federated as tff

from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig
from tff_retail.learning.feature_extraction import build_feature_computation
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.fed_eval import build_fed_eval
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.loss import build_loss
from tff_retail.learning.loss_scale import loss_scale
from tff_retail.learning.metrics import build_metrics
from tff_retail.learning.models.keras_model import build_backbone, build_head, build_keras_model
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.graph_check import check_graph
from tff_retail.program.recogniser import make_pipelines, photograph_pipeline
from tff_retail.runtime.context import install_context
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.round_form import compile_part, compile_round_form

# `weights` is not read here: these networks have random ones.
_FROZEN_BATCH = {"normalization": "frozen_batch", "weights": "a file"}
_HEAD = {"freeze_backbone": True, "weights": "a file"}

_NETWORKS = {
    "simple_cnn": {},
    "mobilenet_v2": {"name": "mobilenet_v2"},
    "mobilenet_v2 frozen batch": {"name": "mobilenet_v2", **_FROZEN_BATCH},
    "mobilenet_v2 head": {"name": "mobilenet_v2", **_HEAD},
    "mobilenet_v2 frozen batch head": {"name": "mobilenet_v2", **_FROZEN_BATCH, **_HEAD},
    "resnet18": {"name": "resnet18"},
    "resnet34 frozen batch": {"name": "resnet34", **_FROZEN_BATCH},
    "resnet50": {"name": "resnet50"},
    "resnet50 frozen batch head": {"name": "resnet50", **_FROZEN_BATCH, **_HEAD},
    "simple_cnn head": {**_HEAD},
    "odd size": {"image_size": 45},
}
_LEARNING = {
    "sgd": {"client_optimizer": "sgd"},
    "momentum": {"client_optimizer": "momentum", "weight_decay": 0.01},
    "adamw": {"client_optimizer": "adamw", "weight_decay": 0.01},
    "clipped, smoothed, cosine": {
        "update_clip_norm": 1.0,
        "label_smoothing": 0.1,
        "learning_rate_schedule": "cosine",
        "warmup_rounds": 2,
    },
    "clipped, step, int8": {
        "update_clip_norm": 1.0,
        "learning_rate_schedule": "step",
        "update_dtype": "int8",
    },
    "mixed_float16": {"precision": "mixed_float16"},
    "mixed_bfloat16": {"precision": "mixed_bfloat16"},
    **{f"update {each}": {"update_dtype": each} for each in ("float16", "bfloat16", "int4")},
    **{f"broadcast {each}": {"broadcast_dtype": each} for each in ("float16", "bfloat16")},
}
_CASES = {
    **{name: (model, {}) for name, model in _NETWORKS.items()},
    **{name: ({}, learning) for name, learning in _LEARNING.items()},
    "mobilenet_v2 in float16": (_NETWORKS["mobilenet_v2"], _LEARNING["mixed_float16"]),
    "resnet50 head in float16": (
        _NETWORKS["resnet50 frozen batch head"],
        _LEARNING["mixed_float16"],
    ),
    "mobilenet_v2 at its size": (
        {"name": "mobilenet_v2", "width_multiplier": 1.0, "image_size": 224},
        {},
    ),
}
_NUM_LABELS = 5


def _rules(part: GraphPart, **settings) -> list[str]:
    findings = check_graph(part.computation, bounds=GraphBounds(), **settings)
    return [f"{found.rule}: {found.sentence}" for found in findings]


def _config(model: dict, learning: dict) -> RunConfig:
    return RunConfig(
        data=DataConfig(stores="remote"),
        model=ModelConfig(
            **{"name": "simple_cnn", "width_multiplier": 0.1, "image_size": 32} | model
        ),
        learning=LearningConfig(augmentation="none", **learning),
    )


@pytest.mark.soak
@pytest.mark.parametrize(("model", "learning"), _CASES.values(), ids=_CASES)
def test_a_graph_of_ours_passes(model, learning):
    install_context()
    config = _config(model, learning)
    precision = config.learning.precision
    shape = photograph_pipeline(config.model).shape
    if config.model.freeze_backbone:
        shape = (int(build_backbone(config.model).output_shape[-1]),)
        pipeline = photograph_pipeline(config.model)
        features = build_feature_computation(config.model, pipeline.element_spec(), precision)
        assert _rules(compile_part(features), has_fixed_result=False) == []

    def build(precision: str = precision):
        if config.model.freeze_backbone:
            return build_head(config.model, shape[0], _NUM_LABELS)
        return build_keras_model(config.model, _NUM_LABELS, precision)

    functional = build_functional_model(
        build,
        initial_weights=build().get_weights(),
        loss=build_loss(config.learning, _NUM_LABELS),
        input_spec=make_pipelines(config, shape)["train"].element_spec(),
        metrics=build_metrics(_NUM_LABELS),
        loss_scale=loss_scale(precision),
    )
    for process in (build_fed_avg(functional, config.learning, 10), build_fed_eval(functional)):
        work = compile_round_form(process.initialize, process.next)["work"]
        assert _rules(work) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", ["fed_avg", "fed_prox", "mime_lite", "fed_sgd"])
def test_a_graph_of_tff_without_variables_passes(name):
    from tests.integration import learning_processes

    install_context()
    model = learning_processes._functional_model()
    algorithms, sgd = tff.learning.algorithms, tff.learning.optimizers.build_sgdm(0.1)
    process = {
        "fed_avg": lambda: algorithms.build_weighted_fed_avg(model, client_optimizer_fn=sgd),
        "fed_prox": lambda: algorithms.build_weighted_fed_prox(
            model, proximal_strength=0.1, client_optimizer_fn=sgd
        ),
        "mime_lite": lambda: algorithms.build_weighted_mime_lite(model, base_optimizer=sgd),
        "fed_sgd": lambda: algorithms.build_fed_sgd(model),
    }[name]()
    assert _rules(compile_round_form(process.initialize, process.next)["work"]) == []
