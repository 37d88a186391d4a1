"""Headquarters, with the key that signs manifests in its hands, against a real store's policy."""

import base64
import hashlib
import itertools
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_federated.proto.v0 import computation_pb2, executor_pb2

from tests.integration.attacked_store import (
    PERMISSION_DENIED,
    WEIGHTS,
    attacked_store,
    honest_update,
    tiny_work,
)
from tests.integration.store_daemons import LABELS, Fleet
from tests.runtime.executor_requests import Caller
from tff_retail.runtime.data_uri import DataName
from tff_retail.transport.link_faults import CallFailed, StoreRefused
from tff_retail.transport.link_frames import Kind
from tff_retail.transport.run_signing import read_manifest_key

CAMERA, PLACE, PRIVATE_LABEL = "SecretCam 9000", "Cellar of shop 7", "unreleased-product"
_PHOTOGRAPHS_A_LABEL = 8
_rounds = itertools.count(100)


def _evaluation(data, weights):
    del weights
    count = data.reduce(np.int64(0), lambda n, batch: n + tf.size(batch[1], tf.int64))
    mean = (tf.constant(1.5), tf.cast(count, tf.float32))
    return ({"loss": mean, "top_1": mean, "top_5": mean, "num_examples": (count,)},)


def _write_photograph(path: pathlib.Path, rng: np.random.Generator) -> np.ndarray:
    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0110], exif[0x010E] = CAMERA, PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif)
    return pixels


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> tuple[pathlib.Path, list[np.ndarray]]:
    """A store's folder, and the pixels in it; one label is in no manifest."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(5)
    pixels = [
        _write_photograph(folder / label / f"IMG_20261121_{label[:3]}_{number}.png", rng)
        for label in (*LABELS, PRIVATE_LABEL)
        for number in range(_PHOTOGRAPHS_A_LABEL)
    ]
    return folder, pixels


@pytest.fixture(scope="module")
def works():
    return tiny_work(honest_update), tiny_work(_evaluation)


@pytest.fixture(scope="module")
def attack(tmp_path_factory, photographs, works):
    """A store under its default policy, at work for an honest manifest."""
    folder = tmp_path_factory.mktemp("attack")
    with attacked_store(folder, data_dir=photographs[0]) as found:
        found.agree(train=works[0], evaluate=works[1])
        yield found


def _told(action) -> str:
    """The reason that a call is refused with, which is a rule's name and nothing else."""
    with pytest.raises(CallFailed) as failure:
        action()
    assert failure.value.reason.replace("_", "").isalnum()
    assert failure.value.code == PERMISSION_DENIED
    return failure.value.reason


def _declined(action) -> str:
    """The rule by which a manifest is declined; nothing else is told."""
    with pytest.raises(StoreRefused) as refusal:
        action()
    assert refusal.value.sentence == refusal.value.code
    return refusal.value.code


def _train_data(caller: Caller):
    return caller.data(DataName("train", "first", next(_rounds), 7).uri())


# What is no result.


def _data(caller, works):
    caller.compute(_train_data(caller))


def _struct_of_data(caller, works):
    caller.compute(caller.struct(_train_data(caller)))


def _selection_from_data(caller, works):
    caller.compute(caller.select(_train_data(caller), 0))


def _selection_from_struct_of_data(caller, works):
    caller.compute(caller.select(caller.struct(_train_data(caller)), 0))


def _federated_data(caller, works):
    uri = DataName("train", "first", 1, 7).uri()
    data = computation_pb2.Computation(data=computation_pb2.Data(uri=uri))
    value = executor_pb2.Value()
    value.federated.value.add().computation.CopyFrom(data)
    caller.compute(caller.create(value))


def _a_work_itself(caller, works):
    caller.compute(caller.work(works[0].computation))


@pytest.mark.parametrize(
    "attempt",
    [
        _data,
        _struct_of_data,
        _selection_from_data,
        _selection_from_struct_of_data,
        _federated_data,
        _a_work_itself,
    ],
)
def test_only_results_are_computed(attack, works, attempt):
    assert _told(lambda: attempt(attack.caller(), works)) == "own_results_only"


# What a work is called with.


def _call(caller, works, data, *, weights=WEIGHTS):
    argument = caller.struct(data, caller.tree(weights))
    return caller.invoke(caller.work(works[0].computation), argument)


def _result_of_another_call(caller, works):
    first = _call(caller, works, _train_data(caller))
    part = caller.select(caller.select(first, 0), 0)
    argument = caller.struct(_train_data(caller), part)
    caller.compute(caller.invoke(caller.work(works[0].computation), argument))


def _data_of_the_other_split(caller, works):
    data = caller.data(DataName("validation", "first", next(_rounds), 7).uri())
    caller.compute(_call(caller, works, data))


def _data_sent_along(caller, works):
    caller.create(executor_pb2.Value(sequence=executor_pb2.Value.Sequence()))


def _data_twice(caller, works):
    data = _train_data(caller)
    caller.compute(_call(caller, works, caller.struct(data, data)))


@pytest.mark.parametrize(
    ("attempt", "rule"),
    [
        (_result_of_another_call, "own_data_only"),
        (_data_of_the_other_split, "own_data_only"),
        (_data_sent_along, "own_data_only"),
    ],
)
def test_a_work_takes_the_stores_own_data(attack, works, attempt, rule):
    assert _told(lambda: attempt(attack.caller(), works)) == rule


def test_a_work_is_not_called_with_more_than_it_takes(attack, works):
    with pytest.raises(CallFailed) as failure:
        _data_twice(attack.caller(), works)
    assert failure.value.reason == "malformed_request"


def _one_photograph(data, weights):
    del weights
    start = tf.zeros([32, 32, 3], tf.uint8)
    return ({"update": data.reduce(start, lambda _, batch: batch[0]["image"][0])},)


def test_a_work_that_nobody_signed(attack):
    other = tiny_work(_one_photograph)
    assert _told(lambda: attack.caller().work(other.computation)) == "approved_work_only"
    named = f"work://{other.digest}"
    assert _told(lambda: attack.caller().data(named)) == "approved_work_only"


# Graphs whose results are too wide; whoever signs the manifest is the attacker.


def _identity(data, weights):
    del weights
    return ({"images": data.reduce(tf.zeros([8, 32, 32, 3], tf.uint8), _keep_images)},)


def _keep_images(_, batch):
    return tf.ensure_shape(batch[0]["image"], [8, 32, 32, 3])


def _near_identity(data, weights):
    (photograph,) = _one_photograph(data, weights)
    return ({"update": tf.cast(photograph["update"], tf.float32) / 255.0},)


def _widened(data, weights):
    (result,) = honest_update(data, weights)
    (photograph,) = _one_photograph(data, weights)
    return ({**result, "z": photograph["update"]},)


def _more_numbers_of_one_name(data, weights):
    (result,) = honest_update(data, weights)
    pixel = tf.cast(_near_identity(data, weights)[0]["update"][0, 0], tf.float32)
    return ({**result, "loss": tuple(tf.unstack(pixel))},)


def _pixels_by_another_name(data, weights):
    (result,) = honest_update(data, weights)
    return ({**result, "pixel": _near_identity(data, weights)[0]["update"][0, 0, 0]},)


def _the_update_twice(data, weights):
    (result,) = honest_update(data, weights)
    return ({**result, "more": result["update"]},)


def _examples_by_label(data, weights):
    (result,) = honest_update(data, weights)
    one_hot = data.reduce(
        tf.zeros([3]), lambda n, batch: n + tf.reduce_sum(tf.one_hot(batch[1], 3), axis=0)
    )
    return ({**result, "num_examples_by_label": one_hot},)


@pytest.mark.parametrize(
    "graph",
    [
        _one_photograph,
        _identity,
        _near_identity,
        _widened,
        _more_numbers_of_one_name,
        _pixels_by_another_name,
        _the_update_twice,
        _examples_by_label,
    ],
)
def test_a_graph_with_a_wider_result_is_declined_though_it_is_signed(attack, graph):
    assert _declined(lambda: attack.agree(train=tiny_work(graph))) == "egress_outputs"


def test_an_update_is_no_evaluation(attack, works):
    assert _declined(lambda: attack.agree(train=works[0], evaluate=works[0])) == "egress_outputs"


# Manifests.


@pytest.fixture(scope="module")
def other_chain(tmp_path_factory):
    return Fleet(tmp_path_factory.mktemp("other"))


def test_manifests_that_are_not_this_stores(attack, works, other_chain):
    manifest = attack.manifest(train=works[0])
    key = read_manifest_key(other_chain.folder.path / "signing" / "manifest.key")
    honest = attack.sign(manifest)
    changed = json.loads(honest)
    changed["manifest"] = changed["manifest"].replace('"epochs": 1', '"epochs": 9')
    unsigned = json.loads(honest)
    unsigned["signature"] = ""
    for signed, rule in (
        (json.dumps(manifest).encode(), "format"),
        (json.dumps(unsigned).encode(), "signature"),
        (json.dumps(changed).encode(), "signature"),
        (attack.sign(manifest, key=key), "signature"),
        (attack.sign(manifest, chain_id=other_chain.folder.chain_id), "chain"),
        (attack.sign(manifest, run="another"), "run"),
        (attack.sign(manifest, days=-1), "expired"),
    ):
        assert _declined(lambda signed=signed: attack.offer(signed, works)) == rule


def test_an_older_manifest_of_the_run_is_a_replay(attack, works):
    older = attack.sign(attack.manifest(train=works[0], epochs=2), days=2)
    attack.offer(older, works)
    attack.offer(attack.sign(attack.manifest(train=works[0], evaluate=works[1]), days=3), works)
    assert _declined(lambda: attack.offer(older, works)) == "replayed"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"batch_size": 1}, "min_batch_size"),
        ({"validation_fraction": 0.95}, "max_validation_fraction"),
    ],
)
def test_a_part_of_the_data_that_headquarters_chooses(attack, works, changes, rule):
    manifest = attack.manifest(train=works[0], evaluate=works[1])
    manifest.update(changes)
    manifest["roles"]["train"].update(changes)
    assert _declined(lambda: attack.offer(attack.sign(manifest, days=9), works)) == rule


def test_labels_of_few_photographs_are_not_asked_for(attack, works):
    """A manifest of one real label and a made-up one would count that label's photographs."""
    honest = attack.manifest(train=works[0], evaluate=works[1])

    def choose(number: int, labels: list[str]) -> None:
        attack.offer(attack.sign({**honest, "labels": labels}, days=10 + number), works)

    for number in (1, 2):  # with the honest choice these are three a day
        choose(number, [LABELS[0], f"none such {number}"])
        assert attack.link.examples == {}
        refusal = _told(lambda: attack.ask(works[0], round_num=next(_rounds)))
        assert refusal in ("min_examples", "min_labels")
    assert _declined(lambda: choose(3, [LABELS[0], "none such 3"])) == "selections_per_day"
    choose(4, list(LABELS))
    assert set(attack.link.examples) == {"train", "validation"}


# Probing.


def test_a_round_is_not_asked_with_many_broadcasts(attack, works):
    """A thousand, over many rounds: `tests/program/test_release_gate.py`."""
    caller, refused = attack.caller(), []
    data = _train_data(caller)
    work = caller.work(works[0].computation)
    for probe in range(50):
        weights = caller.tree(np.full(4, probe, np.float32))
        call = caller.invoke(work, caller.struct(data, weights))
        try:
            caller.compute(call)
        except CallFailed as failure:
            refused.append(failure.reason)
    assert refused == ["questions_per_round"] * 48


def test_another_seed_is_another_question(attack, works):
    round_num = next(_rounds)
    for seed in (1, 2):
        attack.ask(works[0], round_num=round_num, seed=seed)
    refusal = _told(lambda: attack.ask(works[0], round_num=round_num, seed=3))
    assert refusal == "questions_per_round"
    attack.ask(works[0], round_num=round_num, seed=1)


def test_an_executor_of_somebody_else_is_not_guessed(attack):
    caller = attack.caller()
    _train_data(caller)
    for name in ("1", "0" * 32, caller.executor.id[:-1], caller.executor.id + "0"):
        caller.executor.id = name
        with pytest.raises(CallFailed) as failure:
            caller.compute(executor_pb2.ValueRef(id="1"))
        assert failure.value.reason == "unknown_executor"


@pytest.mark.parametrize("index", [2, 3, 1000, 2**31 - 1, -1])
def test_a_result_has_no_more_parts_than_its_type(attack, works, index):
    caller = attack.caller()
    result = caller.select(_call(caller, works, _train_data(caller)), 0)
    with pytest.raises(CallFailed) as failure:
        caller.compute(caller.select(result, index))
    assert failure.value.reason == "malformed_request"


def test_a_value_of_two_kinds_is_none(attack):
    """Whoever reads it by its first kind and whoever reads it by its last would see two values."""
    caller = attack.caller()
    uri = DataName("train", "first", 1, 7).uri()
    data = executor_pb2.Value()
    data.computation.data.uri = uri
    struct = executor_pb2.Value(struct=executor_pb2.Value.Struct())
    both = data.SerializeToString() + struct.SerializeToString()
    head = executor_pb2.CreateValueRequest(executor=caller.executor).SerializeToString()
    with pytest.raises(CallFailed) as failure:
        attack.call("CreateValue", head + b"\x0a" + bytes([len(both)]) + both)
    assert failure.value.reason == "malformed_request"


# All of it.


def test_nothing_that_was_emitted_is_of_a_photograph(attack, works, photographs):
    """Runs last: everything above, an honest round of each role, and what was said of them."""
    folder, pixels = photographs
    update, count = attack.ask(works[0], round_num=next(_rounds))
    assert count > 8 and (update == count).all()
    attack.ask(works[1], split="validation", round_num=next(_rounds))
    emitted = b"\n".join(attack.messages())
    emitted += b"\n" + b"\n".join(bytes(frame.view) for frame in attack.frames())
    assert b"executor_down" not in emitted  # the executor lived through all of this
    for secret in _secrets(folder, pixels):
        assert secret not in emitted
    kinds = {frame.kind for frame in attack.frames()}
    assert {Kind.RESULT, Kind.FAILED, Kind.REPORT, Kind.READY, Kind.DECLINED} <= kinds
    for frame in attack.frames():
        if frame.kind is Kind.REPORT:
            assert set(frame.header["values"]) <= {"round", "seconds", "train", "validation"}
    # Were it there, it would be found.
    photograph = next((folder / PRIVATE_LABEL).iterdir()).read_bytes()
    assert any(secret in photograph for secret in _secrets(folder, pixels))


def _secrets(folder, pixels):
    words = [CAMERA, PLACE, PRIVATE_LABEL, "IMG_20261121", str(folder), "Exif"]
    for word in words:
        yield from (word.encode(), word.encode("utf-16-le"), word.encode().hex().encode())
        yield base64.b64encode(word.encode()).rstrip(b"=")[:-1]
    for image in pixels:
        for row in (image[0], image[17]):
            yield row.tobytes()[:12]
            yield (row.astype(np.float32)).tobytes()[:24]
            yield (row.astype(np.float32) / 255).tobytes()[:24]
    for file in folder.rglob("*.png"):
        content = file.read_bytes()
        yield content[200:212]
        yield hashlib.sha256(content).digest()
        yield hashlib.sha256(content).hexdigest().encode()


def test_not_promised_is_what_an_approved_graph_hides_in_an_update(attack, photographs):
    """Whoever signs graphs and means ill: a type says nothing of what the numbers are.

    docs/security.md says so; a policy with `trust = "pinned"` is against it.
    """
    _, pixels = photographs
    hiding = tiny_work(_near_identity, (np.float32, [32, 32, 3]))
    attack.offer(attack.sign(attack.manifest(train=hiding), days=30), [hiding])
    (found,) = attack.ask(hiding, [np.zeros((32, 32, 3), np.float32)], round_num=next(_rounds))
    assert any(np.allclose(found * 255, image) for image in pixels)
