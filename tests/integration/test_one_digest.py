"""One configuration has one digest, whatever the seed of its weights and who compiled it."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600

_SCRIPT = """
import json, pathlib, sys
from tff_retail.config import DataConfig, ModelConfig, RunConfig, ScheduleConfig
from tff_retail.learning.feature_extraction import build_feature_computation
from tff_retail.program.recogniser import make_pipelines, make_recogniser
from tff_retail.runtime.context import install_context
from tff_retail.runtime.round_form import compile_part

install_context()
config = RunConfig(
    data=DataConfig(data_dir="chain"),
    model=ModelConfig(name="simple_cnn", image_size=32, width_multiplier=0.25),
    schedule=ScheduleConfig(seed=int(sys.argv[2])),
)
labels = ("apple", "pear", "plum")
element = make_pipelines(config, (32, 32, 3))["evaluate"].element_spec()


def compiled(folder):
    recogniser = make_recogniser(config, labels, folder, say=lambda line: None)
    forms = recogniser.forms.items()
    found = {role: {**form.digests, "initialize": form.initialize.digest} for role, form in forms}
    features = compile_part(build_feature_computation(config.model, element))
    return {**found, "features": {"work": features.digest}}


# TensorFlow has counted on meanwhile, so the second has other numbers in its functions' names.
folder = pathlib.Path(sys.argv[1])
json.dump([compiled(folder / "first"), compiled(folder / "second")], sys.stdout)
"""


def _start(folder: pathlib.Path, *, hash_seed: int, seed: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(folder), str(seed)],
        cwd=_CLONE,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[list[dict[str, dict[str, str]]]]:
    """Digests by role and part: of two compiles in each of two processes with different seeds."""
    folder = tmp_path_factory.mktemp("forms")
    processes = [
        _start(folder / "one", hash_seed=1, seed=1),
        _start(folder / "two", hash_seed=2, seed=2),
    ]
    try:
        return [json.loads(process.communicate(timeout=_TIMEOUT_S)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_every_part_of_a_round_has_the_digest_of_its_configuration(found):
    (one, _), (two, _) = found
    assert one["features"] == two["features"]
    for role in ("train", "evaluate"):
        one_role, two_role = dict(one[role]), dict(two[role])
        assert one_role.pop("initialize") != two_role.pop("initialize")  # it has the weights
        assert len(one_role) == 10
        assert one_role == two_role


def test_a_second_compile_in_one_process_gives_the_same_digests(found):
    for first, second in found:
        assert first == second
