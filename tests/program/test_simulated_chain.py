"""Simulated stores: the graphs of a run on the photographs of a chain, or on their features."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from datasets.chain import open_chain
from tests.colour_run import LABELS, MODEL, make_colour_run
from tff_retail.config import DataConfig, LearningConfig, RunConfig
from tff_retail.learning.models.keras_model import build_backbone
from tff_retail.program import recogniser as recogniser_module
from tff_retail.program.recogniser import make_recogniser
from tff_retail.program.simulated_chain import SimulatedChain, StoredFeatures
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.store import WorkRequest, WorkStopped

SORTED_LABELS = tuple(sorted(LABELS))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> pathlib.Path:
    return make_colour_run(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def recogniser(run):
    """A head on the frozen backbone of an earlier run."""
    config = RunConfig(
        data=DataConfig(data_dir=str(run.parent / "chain"), validation_fraction=0.4),
        model=dataclasses.replace(MODEL, weights=str(run), freeze_backbone=True),
        learning=LearningConfig(augmentation="none", batch_size=4),
    )
    return make_recogniser(config, SORTED_LABELS, run / "round_form", say=print)


@pytest.fixture
def chain(recogniser, tmp_path):
    data = dataclasses.replace(recogniser.config.data, cache_dir=str(tmp_path))
    return open_chain(data, MODEL.image_size)


def _files(store):
    return {path.name: path.stat() for path in store.cache_dir.glob("features-*")}


def test_features_are_the_backbones(recogniser, chain):
    backbone = build_backbone(MODEL)
    backbone.set_weights(list(recogniser.backbone.weights))
    features = StoredFeatures(recogniser.backbone, [""])
    for store in chain.stores:
        for split in ("train", "validation"):
            photographs, found = store.load(split), features.load(store, split)
            np.testing.assert_allclose(
                found.features,
                backbone({"image": photographs.features}),
                rtol=1e-4,
                atol=1e-5,
            )
            np.testing.assert_array_equal(found.labels, photographs.labels)
            assert found.keys == photographs.keys
    features.close()


def test_features_are_computed_once_and_for_their_owner_alone(recogniser, chain, monkeypatch):
    store = chain.stores[0]
    computed = []
    compute = StoredFeatures.compute

    def counted(self, photographs, split):
        computed.append(photographs.name)
        return compute(self, photographs, split)

    monkeypatch.setattr(StoredFeatures, "compute", counted)
    for _start in range(2):
        features = StoredFeatures(recogniser.backbone, [""])
        for _round in range(2):
            features.load(store, "train")
        features.close()
    assert computed == [store.name]
    (status,) = _files(store).values()
    assert status.st_mode & 0o777 == 0o600


def test_another_backbone_has_features_of_its_own(recogniser, chain):
    store = chain.stores[0]
    other = dataclasses.replace(
        recogniser.backbone, weights=[weight + 1 for weight in recogniser.backbone.weights]
    )
    loaded = [StoredFeatures(backbone, [""]) for backbone in (recogniser.backbone, other)]
    first, second = (features.load(store, "train").features for features in loaded)
    assert len(_files(store)) == 2
    assert not np.array_equal(first, second)


def test_stores_train_and_evaluate_what_they_hold(recogniser, chain):
    simulated = SimulatedChain(recogniser, [""])
    for role, split in (("train", "train"), ("evaluate", "validation")):
        form = recogniser.forms[role]
        one_round = FederatedRound(form, PlainCollector(form, parallel_stores=2))
        state = one_round.initial_state()
        request = WorkRequest(role, 1, 7, one_round.broadcast(state))
        stores = [simulated.store(photographs) for photographs in chain.stores]
        collection = one_round.collect(stores, request)
        assert [outcome.failure for outcome in collection.outcomes] == [None, None]
        metrics = one_round.update(state, collection).metrics
        counts = [photographs.num_examples(split) for photographs in chain.stores]
        totals = [value for path, value in metrics.items() if path.endswith("num_examples")]
        assert int(totals[0]) == sum(counts)
        reports = [outcome.report for outcome in collection.outcomes]
        if role == "train":
            assert reports == [{}, {}]
        else:
            assert [report["num_examples"] for report in reports] == counts
            assert reports[0].keys() == {"loss", "top_1", "top_5", "num_examples"}
    simulated.close()
    with pytest.raises(WorkStopped):
        simulated.store(chain.stores[0]).run(request)


def test_the_whole_network_is_backbone_and_head(recogniser):
    form = recogniser.forms["train"]
    one_round = FederatedRound(form, PlainCollector(form, parallel_stores=1))
    state = dict(zip(one_round.state_paths, one_round.initial_state(), strict=True))
    head = recogniser.trained_weights(state)
    assert [weight.shape for weight in head] == [
        variable.shape for variable in recogniser.trained_model().weights
    ]
    whole = recogniser.whole_weights(head)
    assert len(whole) == len(recogniser.backbone.weights) + len(head)


def test_what_was_compiled_is_loaded(recogniser, run):
    said = []
    again = make_recogniser(recogniser.config, SORTED_LABELS, run / "round_form", say=said.append)
    assert said == []
    assert again.backbone.work == recogniser.backbone.work
    assert {role: form.digests for role, form in again.forms.items()} == {
        role: form.digests for role, form in recogniser.forms.items()
    }
    for loaded, made in zip(again.backbone.weights, recogniser.backbone.weights, strict=True):
        np.testing.assert_array_equal(loaded, made)


@pytest.mark.parametrize("lost", ["backbone.npz", "evaluate/digests.json", "train/work.pb"])
def test_what_a_kill_left_incomplete_is_compiled_again(
    recogniser, run, tmp_path, monkeypatch, lost
):
    monkeypatch.setattr(recogniser_module, "_compile", lambda *arguments: recogniser.forms)
    monkeypatch.setattr(recogniser_module, "_compile_backbone", lambda *_: recogniser.backbone)
    folder = shutil.copytree(run / "round_form", tmp_path / "round_form")
    (folder / lost).unlink()
    for expected in (["compiling the round: once for this run, kept in its directory"], []):
        said = []
        make_recogniser(recogniser.config, SORTED_LABELS, folder, say=said.append)
        assert said == expected
    assert (folder / lost).exists()
