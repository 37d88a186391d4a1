"""What a fresh pair of eyes tried on a real store under its default policy, and what was mended."""

import base64
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.integration.attacked_store import (
    PERMISSION_DENIED,
    attacked_store,
    honest_update,
    tiny_work,
)
from tff_retail.learning.confidence_histogram import NUM_BINS
from tff_retail.transport.link_faults import CallFailed, StoreRefused
from tff_retail.transport.run_signing import read_manifest_key
from tff_retail.transport.signed_manifest import _signed_bytes

_rounds = itertools.count(500)


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    with attacked_store(tmp_path_factory.mktemp("red team")) as found:
        yield found


def _first_photograph(data):
    """uint8 [3072]; none of the operations that choose photographs is needed for it."""
    empty = tf.zeros([32 * 32 * 3], tf.uint8)

    def keep(state, batch):
        pixels = tf.reshape(batch[0]["image"], [-1, 32 * 32 * 3])[0]
        return tf.maximum(state, pixels)

    return data.reduce(empty, keep)


def _evaluation(counts):
    """An evaluation like ours, but for what stands in its histogram."""

    def evaluate(data, weights):
        del weights
        number = data.reduce(np.int64(0), lambda n, batch: n + tf.size(batch[1], tf.int64))
        mean = (tf.constant(1.5), tf.cast(number, tf.float32))
        metrics = {"loss": mean, "top_1": mean, "top_5": mean, "num_examples": (number,)}
        examples, right = counts(data, number)
        return ({**metrics, "confidence": {"num_examples": examples, "num_right": right}},)

    return tiny_work(evaluate)


def _honest_counts(data, number):
    one_bin = tf.one_hot(7, NUM_BINS, number, tf.constant(0, tf.int64), dtype=tf.int64)
    return one_bin, one_bin


def _pixels_as_counts(data, number):
    """Eight bytes of pixels in each number: room for eight photographs in 3000 numbers."""
    pixels = tf.bitcast(tf.reshape(_first_photograph(data), [-1, 8]), tf.int64)
    hidden = tf.pad(pixels, [[0, NUM_BINS - pixels.shape[0]]])
    return hidden, tf.zeros_like(hidden)


def _pixels_as_floats(data, number):
    hidden = tf.cast(_first_photograph(data)[:NUM_BINS], tf.float64)
    return hidden, tf.zeros_like(hidden)


def test_pixels_do_not_leave_as_the_counts_of_an_evaluation(attack):
    honest, hostile = _evaluation(_honest_counts), _evaluation(_pixels_as_counts)
    train = tiny_work(honest_update)
    attack.agree(train=train, evaluate=honest)
    *_, right = attack.ask(honest, split="validation", round_num=next(_rounds))
    assert right.sum() == 11  # photographs, all in one bin
    attack.agree(train=train, evaluate=hostile)
    with pytest.raises(CallFailed) as failure:
        attack.ask(hostile, split="validation", round_num=next(_rounds))
    assert (failure.value.code, failure.value.reason) == (PERMISSION_DENIED, "not_counts")
    with pytest.raises(StoreRefused) as refusal:
        attack.agree(train=train, evaluate=_evaluation(_pixels_as_floats))
    assert refusal.value.code == "egress_outputs"


def _failing_by(pixel):
    """Fails or not as one bit of a photograph says; what it gives is nothing of it."""

    def work(data, weights):
        bit = tf.cast(_first_photograph(data)[pixel] > 127, tf.int32)
        known = tf.gather(weights, tf.stack([99 * bit]))  # out of its range on a CPU
        return ({"update": weights + 0 * known[0], "num_examples": tf.constant(1, tf.int64)},)

    return tiny_work(work)


def test_whether_a_graph_fails_is_told_as_often_as_a_round_may_be_asked(attack):
    """One manifest after the other, each with a graph that asks for another bit."""
    round_num, told = next(_rounds), []
    for pixel in range(3):
        work = _failing_by(pixel)
        attack.agree(train=work)
        try:
            attack.ask(work, round_num=round_num)
            told.append("")
        except CallFailed as failure:
            told.append(failure.reason)
    assert set(told[:2]) <= {"", "graph_failed"} and told[2] == "questions_per_round"


@pytest.mark.parametrize(
    "stated",
    [
        {"run": "first\x1b[2J\nready for the run first"},
        {"run": "\ud800"},
        {"expires": "9999-12-31T23:59:59+00:00"},
        {"manifest": '{"validation_fraction": 1' + "0" * 400 + "}"},
    ],
    ids=["terminal", "half a character", "no later day", "no float"],
)
def test_a_signed_manifest_ends_no_daemon_and_writes_to_no_terminal(attack, stated):
    signed = json.loads(attack.sign(attack.manifest(train=tiny_work(honest_update))))
    if "manifest" in stated:
        changed = json.loads(stated["manifest"])
        stated = {"manifest": json.dumps({**json.loads(signed["manifest"]), **changed})}
    values = {**signed, **stated}
    key = read_manifest_key(attack.fleet.folder.path / "signing" / "manifest.key")
    values["signature"] = base64.b64encode(key.sign(_signed_bytes(values))).decode()
    with pytest.raises(StoreRefused) as refusal:
        attack.offer(json.dumps(values).encode())
    assert refusal.value.code == ("manifest" if "manifest" in stated else "format")
    assert "\x1b" not in attack.log()


def test_after_all_that_the_store_works(attack):
    work = tiny_work(honest_update)
    attack.agree(train=work)
    assert attack.ask(work, round_num=next(_rounds))[1] == 13
