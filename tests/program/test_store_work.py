"""A real store's work is that of the simulated store of the same name, bit for bit."""

import contextlib
import dataclasses
import hashlib
import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf

from datasets.chain import open_chain
from tests.colour_run import LABELS, MODEL, make_colour_run, write_photographs
from tests.privacy.small_computation import changed
from tff_retail.config import DataConfig, LearningConfig, RunConfig
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.program import store_work
from tff_retail.program.graph_refused import GraphRefused
from tff_retail.program.manifest import make_manifest, manifest_contents
from tff_retail.program.process_memory import ProcessMemory
from tff_retail.program.recogniser import make_recogniser
from tff_retail.program.simulated_chain import SimulatedChain
from tff_retail.program.store_manifest import UnusableManifest, read_store_manifest
from tff_retail.program.store_work import StorePlace, StoreWork
from tff_retail.program.time_limit import time_limit
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.store import WorkRequest, WorkStopped

SORTED_LABELS = tuple(sorted(LABELS))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
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


@pytest.fixture(scope="module")
def manifest(recogniser):
    return make_manifest(recogniser)


@pytest.fixture(scope="module")
def contents(recogniser):
    return manifest_contents(recogniser)


@pytest.fixture(scope="module")
def requests(recogniser):
    found = {}
    for role, form in recogniser.forms.items():
        one_round = FederatedRound(form, PlainCollector(form, parallel_stores=1))
        found[role] = WorkRequest(role, 3, 7, one_round.broadcast(one_round.initial_state()))
        one_round.close()
    return found


@pytest.fixture
def folder(run, tmp_path):
    return shutil.copytree(
        run.parent / "chain" / "store 1",
        tmp_path / "my photographs",
        ignore=shutil.ignore_patterns(".*"),
    )


@pytest.fixture
def work(manifest, contents, folder, tmp_path):
    place = StorePlace("store 1", str(folder), str(tmp_path / "cache"), "", has_own_core=True)
    work = StoreWork(read_store_manifest(manifest), place, contents.__getitem__)
    yield work
    work.close()


@pytest.mark.parametrize("role", ["train", "evaluate"])
def test_it_gives_what_the_simulated_store_gives(recogniser, work, requests, tmp_path, role):
    data = dataclasses.replace(recogniser.config.data, cache_dir=str(tmp_path))
    (photographs,) = [
        store
        for store in open_chain(data, MODEL.image_size, labels=SORTED_LABELS).stores
        if store.name == "store 1"
    ]
    simulated = SimulatedChain(recogniser, [""])
    expected = simulated.store(photographs).run(requests[role])
    found = work.run(requests[role])
    assert found.report == expected.report
    for ours, theirs in zip(found.outputs, expected.outputs, strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
    simulated.close()


def test_what_is_approved_leaves_the_features_out(work, recogniser):
    digests = {one.role: one.part.digest for one in work.approved}
    assert digests == {role: form["work"].digest for role, form in recogniser.forms.items()}
    assert recogniser.backbone.work.digest not in digests.values()


@pytest.mark.parametrize("round_num", [4, 3])
def test_new_photographs_count_from_the_next_round_on(work, folder, requests, round_num):
    """The next round may be one of another run, and have the same number."""
    before = work.num_examples()
    work.run(requests["train"])
    write_photographs(folder / SORTED_LABELS[0], 0, num_photographs=9, seed=8)
    work.run(requests["evaluate"])
    assert work.num_examples() == before
    work.run(dataclasses.replace(requests["train"], round_num=round_num))
    assert sum(work.num_examples().values()) > sum(before.values())


def test_without_photographs_it_can_not_work(work, folder, requests):
    work.run(requests["train"])
    for label in LABELS:
        shutil.rmtree(folder / label)
    with pytest.raises(CannotWork) as failure:
        work.run(dataclasses.replace(requests["train"], round_num=4))
    assert failure.value.code == "no_examples"
    shutil.rmtree(folder)
    with pytest.raises(CannotWork) as failure:
        work.run(dataclasses.replace(requests["train"], round_num=5))
    assert failure.value.code == "photographs_unreadable"
    write_photographs(folder / SORTED_LABELS[0], 0)
    write_photographs(folder / SORTED_LABELS[1], 1)
    work.run(dataclasses.replace(requests["train"], round_num=5))


def test_after_a_stop_it_works_again(work, requests):
    before = work.run(requests["train"])
    sessions = work._roles["train"].sessions
    work.stop()
    with pytest.raises(WorkStopped), sessions.session():
        pass
    again = work.run(requests["train"])
    for ours, theirs in zip(again.outputs, before.outputs, strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()


@pytest.mark.parametrize("max_steps, steps", [(3, 3), (1, 1), (1000, None)])
def test_steps_of_training_may_be_capped(
    manifest, contents, folder, tmp_path, work, requests, recogniser, max_steps, steps
):
    cache = str(tmp_path / "cache")
    place = StorePlace("store 1", str(folder), cache, "", True, max_steps=max_steps)
    capped = StoreWork(read_store_manifest(manifest), place, contents.__getitem__)
    paths = [leaf.path for leaf in recogniser.forms["train"]["work"].result]
    (counts,) = [n for n, path in enumerate(paths) if path.endswith("num_examples/0")]
    available = work.num_examples()["train"]
    expected = available if steps is None else min(available, 4 * steps)
    assert capped.run(requests["train"]).outputs[counts] == expected
    full = work.run(requests["evaluate"]).outputs
    for ours, theirs in zip(capped.run(requests["evaluate"]).outputs, full, strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
    capped.close()


def _num_trained(recogniser, result) -> int:
    paths = [leaf.path for leaf in recogniser.forms["train"]["work"].result]
    (counts,) = [n for n, path in enumerate(paths) if path.endswith("num_examples/0")]
    return int(result.outputs[counts])


@pytest.fixture
def bounded(manifest, contents, folder, tmp_path):
    """Gives a store's work with bounds of its own."""
    made, said = [], []

    def make(**bounds):
        place = StorePlace("store 1", str(folder), str(tmp_path / "cache"), "", True, **bounds)
        place = dataclasses.replace(place, measured_dir=str(tmp_path / "measured"))
        read = read_store_manifest(manifest)
        made.append(StoreWork(read, place, contents.__getitem__, say=said.append))
        return made[-1]

    make.said = said
    yield make
    for work in made:
        work.close()


def _same(found, expected) -> bool:
    pairs = zip(found.outputs, expected.outputs, strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def test_training_ends_when_its_time_is_up(bounded, work, requests, recogniser):
    full = work.run(requests["train"])
    assert _num_trained(recogniser, full) > 4
    hurried = bounded(max_seconds=1e-6)
    assert _num_trained(recogniser, hurried.run(requests["train"])) == 4
    assert _same(hurried.run(requests["evaluate"]), work.run(requests["evaluate"]))
    assert _same(bounded(max_seconds=3600.0).run(requests["train"]), full)


def test_a_batch_may_be_smaller_than_the_runs(bounded, requests, recogniser):
    one_step = bounded(batch_size=3, max_steps=1).run(requests["train"])
    assert _num_trained(recogniser, one_step) == 3


def test_a_batch_of_as_many_as_fit_is_the_runs_where_all_do(bounded, work, requests):
    assert _same(bounded(batch_size="auto").run(requests["train"]), work.run(requests["train"]))
    assert bounded.said == ["training takes 4 of the run's 4 examples at a time"]
    bounded(batch_size="auto").run(requests["train"])
    assert len(bounded.said) == 1


def test_a_batch_that_is_measured_to_be_smaller_is_used(bounded, requests, recogniser, monkeypatch):
    monkeypatch.setattr(ProcessMemory, "room_bytes", lambda self: -1)
    one_step = bounded(batch_size="auto", max_steps=1).run(requests["train"])
    assert _num_trained(recogniser, one_step) in (1, 2)
    assert len(bounded.said) == 1


def _fail(monkeypatch, times: int) -> None:
    """Lets so many calls of sessions run out of memory."""
    left, call = iter(range(times)), PartSession.__call__

    def fail(session, *arguments):
        if next(left, None) is not None:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return call(session, *arguments)

    monkeypatch.setattr(PartSession, "__call__", fail)


def test_out_of_memory_halves_the_batch_and_the_round_goes_on(
    bounded, requests, recogniser, monkeypatch
):
    work = bounded(batch_size=4, max_steps=1)
    work.run(requests["train"])  # features are there
    _fail(monkeypatch, 1)
    assert _num_trained(recogniser, work.run(requests["train"])) == 2
    assert bounded.said == [
        "out of memory: training goes on with 2 examples at a time, which were 4"
    ]


def test_out_of_memory_is_told_where_nothing_is_left_to_halve(bounded, requests, monkeypatch):
    for bounds, times in (({"batch_size": 2}, 2), ({}, 1)):
        work = bounded(**bounds)
        work.run(requests["train"])
        with monkeypatch.context() as patch, pytest.raises(CannotWork) as failure:
            _fail(patch, times)
            work.run(requests["train"])
        assert failure.value.code == "out_of_memory"


@pytest.mark.parametrize("lost", ["works", "backbone_work", "backbone_weights"])
def test_other_contents_than_the_manifest_names_are_refused(manifest, contents, folder, lost):
    read = read_store_manifest(manifest)
    digest = read.works["train"] if lost == "works" else getattr(read, lost)
    place = StorePlace("store 1", str(folder), None, "", has_own_core=True)
    with pytest.raises(UnusableManifest):
        StoreWork(read, place, {**contents, digest: b"something else"}.__getitem__)


@pytest.mark.parametrize("role", ["train", "evaluate", "features"])
def test_a_graph_that_breaks_a_rule_is_refused_unloaded(
    manifest, contents, folder, role, monkeypatch
):
    named = manifest["roles"][role]["graphs"]["work"]
    hostile = changed(lambda computation, graph: graph.node.add(op="ReadFile"), contents[named])
    digest = hashlib.sha256(hostile).hexdigest()
    roles = {**manifest["roles"], role: {**manifest["roles"][role], "graphs": {"work": digest}}}
    place = StorePlace("store 1", str(folder), None, "", has_own_core=True)
    monkeypatch.setattr(tf, "import_graph_def", lambda *arguments, **named: pytest.fail("loaded"))
    with pytest.raises(GraphRefused) as refusal:
        read = read_store_manifest({**manifest, "roles": roles})
        StoreWork(read, place, {**contents, digest: hostile}.__getitem__)
    assert refusal.value.rule == "name_not_allowed"
    assert refusal.value.lines[0].startswith("name_not_allowed: the graph: ")


def test_features_of_open_width_are_refused(manifest, contents, folder):
    def widen(computation, graph):
        computation.type.function.result.tensor.dims[1] = -1

    features = manifest["roles"]["features"]
    hostile = changed(widen, contents[features["graphs"]["work"]])
    digest = hashlib.sha256(hostile).hexdigest()
    roles = {**manifest["roles"], "features": {**features, "graphs": {"work": digest}}}
    place = StorePlace("store 1", str(folder), None, "", has_own_core=True)
    with pytest.raises(UnusableManifest, match="features of a fixed shape"):
        read = read_store_manifest({**manifest, "roles": roles})
        StoreWork(read, place, {**contents, digest: hostile}.__getitem__)


def test_a_graph_beyond_the_stores_bounds_is_refused(manifest, contents, folder):
    bounds = GraphBounds(max_nodes=10)
    place = StorePlace("store 1", str(folder), None, "", True, graph_bounds=bounds)
    with pytest.raises(GraphRefused) as refusal:
        StoreWork(read_store_manifest(manifest), place, contents.__getitem__)
    assert refusal.value.rule == "too_many_nodes"


def test_work_that_takes_too_long_is_stopped_and_said(work, requests, monkeypatch):
    over = threading.Event()

    @contextlib.contextmanager
    def no_time(seconds, stop):
        assert (seconds, stop) == (GraphBounds().max_seconds, work.stop)
        with time_limit(0, over.set):
            yield

    def stopped(self, *arguments):
        assert over.wait(60)
        raise WorkStopped("the session was closed")

    monkeypatch.setattr(store_work, "time_limit", no_time)
    monkeypatch.setattr(PartSession, "__call__", stopped)
    with pytest.raises(CannotWork) as failure:
        work.run(requests["train"])
    assert failure.value.code == "took_too_long"


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["one"]},
        {"labels": ["one", "one"]},
        {"labels": ["one", 2]},
        {"labels": "many"},
        {"image_size": "32"},
        {"image_size": 16},
        {"validation_fraction": 2.0},
        {"validation_fraction": 10**400},
        {"validation_fraction": None},
        {"roles": {}},
        {"roles": []},
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(manifest, change):
    with pytest.raises(UnusableManifest, match="^the manifest "):
        read_store_manifest({**manifest, **change}).config()


@pytest.mark.parametrize(
    "name, value",
    [("batch_size", 0), ("batch_size", True), ("epochs", -1), ("augmentation", "wild")],
)
def test_a_role_that_breaks_a_rule_is_refused(manifest, name, value):
    train = {**manifest["roles"]["train"], name: value}
    with pytest.raises(UnusableManifest, match="^the manifest "):
        roles = {**manifest["roles"], "train": train}
        read_store_manifest({**manifest, "roles": roles}).config()
