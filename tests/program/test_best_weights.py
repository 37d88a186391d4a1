"""The best rounds' states are there, whole, until the model is written."""

import os

import numpy as np
import pytest

from tff_retail.program.best_weights import BestWeights

STATE = [np.array([1.5, -0.0], np.float32), np.array(3, np.int32), np.zeros((0, 2), np.float32)]


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    BestWeights(tmp_path / "best").save(7, STATE)
    loaded = BestWeights(tmp_path / "best").load(7)
    assert [(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in loaded] == [
        (leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in STATE
    ]


def test_many_leaves_keep_their_order(tmp_path):
    best = BestWeights(tmp_path)
    best.save(1, [np.array(number) for number in range(120)])
    assert [int(leaf) for leaf in best.load(1)] == list(range(120))


def test_the_last_three_are_kept(tmp_path):
    best = BestWeights(tmp_path)
    for round_num in (2, 9, 10, 110):
        best.save(round_num, STATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "round_000009.npz",
        "round_000010.npz",
        "round_000110.npz",
    ]


def test_a_round_done_again_replaces_its_file(tmp_path):
    best = BestWeights(tmp_path)
    best.save(1, STATE)
    best.save(1, [np.array([2.0])])
    assert best.load(1)[0] == 2.0


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    best = BestWeights(tmp_path)
    best.save(1, STATE)

    def fail(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        best.save(1, [np.array([2.0])])
    assert best.load(1)[0].tobytes() == STATE[0].tobytes()


def test_what_was_never_saved_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        BestWeights(tmp_path).load(1)
