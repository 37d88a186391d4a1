"""A graph falls into what is computed independently, and runs to the same bits so."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import graph_pieces, part_session, round_form
from tff_retail.runtime.graph_pieces import GraphPiece

MODEL = [(np.float32, [3]), (np.float32, [2]), (np.float32, [1])]


@pytest.fixture(autouse=True)
def every_piece_counts(monkeypatch):
    """As if the three arrays were large."""
    monkeypatch.setattr(graph_pieces, "_PIECE_BYTES", 1)


@pytest.fixture(scope="module")
def joint_part():
    """The first two sums depend on each other's inputs, the third on its own alone."""

    @tff.tensorflow.computation(MODEL, MODEL)
    def join(left, right):
        shared = left[0] + right[0]
        return shared, left[1] + shared[:2], left[2] + right[2]

    return round_form.compile_part(join)


def _numbers(*sizes):
    return [np.arange(1, size + 1, dtype=np.float32) for size in sizes]


def test_results_that_share_an_input_stay_together():
    with tf.Graph().as_default() as graph:
        a, b, c = (tf.compat.v1.placeholder(tf.float32, [4], name=name) for name in "abc")
        results = [tf.add(a, b, name="ab"), tf.negative(c, name="c2"), tf.exp(b, name="b2")]
    found = graph_pieces.graph_pieces(graph, ["a:0", "b:0", "c:0"], [one.name for one in results])
    assert sorted(found, key=lambda one: one.fetches) == [
        GraphPiece((0, 1), (0, 2)),
        GraphPiece((2,), (1,)),
    ]


def test_small_pieces_are_joined(monkeypatch):
    monkeypatch.setattr(graph_pieces, "_PIECE_BYTES", 17)
    with tf.Graph().as_default() as graph:
        for name in "abc":
            tf.negative(tf.compat.v1.placeholder(tf.float32, [4], name=name), name=f"{name}2")
    names = [f"{name}:0" for name in "abc"]
    found = graph_pieces.graph_pieces(graph, names, [f"{name}2:0" for name in "abc"])
    assert found == [GraphPiece((0, 1), (0, 1)), GraphPiece((2,), (2,))]


def test_a_graph_with_state_stays_whole():
    with tf.Graph().as_default() as graph:
        a = tf.compat.v1.placeholder(tf.float32, [4], name="a")
        drawn = tf.random.uniform([4])
        results = [tf.negative(a).name, drawn.name]
    assert graph_pieces.graph_pieces(graph, ["a:0"], results) == [GraphPiece((0,), (0, 1))]


def test_pieces_give_what_the_whole_gives(joint_part):
    tensors = [*_numbers(3, 2, 1), *_numbers(3, 2, 1)]
    whole = part_session.PartSession(joint_part)(tensors)
    pieces = part_session.PartSession(joint_part, in_pieces=True)
    assert [a.tolist() for a in pieces(tensors)] == [a.tolist() for a in whole]
    assert len(tensors) == 6
    assert [a.tolist() for a in pieces.consume(tensors)] == [a.tolist() for a in whole]
    assert tensors == []
