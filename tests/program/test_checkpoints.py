"""What is saved comes back bit for bit, and what a kill or a power cut left does no harm."""

import numpy as np
import pytest
import tensorflow as tf

from tff_retail.program.checkpoints import Checkpoints, Progress

STATE = [
    np.array([[1.5, -0.0], [np.inf, np.nan]], np.float32),
    np.array(7, np.int32),
    np.zeros((0, 3), np.float32),
    np.array([0.1], np.float32),
    np.array([2**40], np.int64),
]
PROGRESS = Progress(
    round_num=3,
    best_round=2,
    best_metrics={"top_1": 0.1, "loss": float("inf")},
    evaluations_without_gain=1,
    timed_images=640,
    timed_seconds=1.25,
)


def _assert_equal(state, expected):
    assert [(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in state] == [
        (leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in expected
    ]


def _rounds(folder):
    return sorted(path.name for path in folder.iterdir())


def _save(folder, *rounds):
    with Checkpoints(folder) as checkpoints:
        for round_num in rounds:
            state = [leaf + leaf.dtype.type(round_num) for leaf in STATE]
            checkpoints.save(state, Progress(round_num=round_num))


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.load_latest(STATE) is None
        checkpoints.save(STATE, PROGRESS)
        checkpoints.wait()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        state, progress = checkpoints.load_latest(STATE)
    _assert_equal(state, STATE)
    assert progress == PROGRESS


def test_leaving_waits_for_what_is_being_saved(tmp_path):
    _save(tmp_path, 1)
    assert _rounds(tmp_path) == ["round_1"]


def test_the_last_two_are_kept(tmp_path):
    _save(tmp_path, 9, 10, 11)
    assert _rounds(tmp_path) == ["round_10", "round_11"]
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.load_latest(STATE)[1].round_num == 11


def test_what_a_kill_left_unfinished_goes(tmp_path):
    _save(tmp_path, 1)
    (tmp_path / "round_2_temp1234" / "variables").mkdir(parents=True)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.load_latest(STATE)[1].round_num == 1
        checkpoints.save(STATE, Progress(round_num=2))
    assert _rounds(tmp_path) == ["round_1", "round_2"]


@pytest.mark.parametrize(
    "file, content",
    [
        ("saved_model.pb", None),
        ("saved_model.pb", b""),
        ("saved_model.pb", b"\x00\xff not a message"),
        ("variables/variables.index", b""),
        ("variables/variables.data-00000-of-00001", b""),
        ("variables/variables.data-00000-of-00001", None),
    ],
)
def test_a_version_that_a_power_cut_harmed_is_passed_over(tmp_path, file, content):
    _save(tmp_path, 1, 2)
    if content is None:
        (tmp_path / "round_2" / file).unlink()
    else:
        (tmp_path / "round_2" / file).write_bytes(content)
    with Checkpoints(tmp_path) as checkpoints:
        state, progress = checkpoints.load_latest(STATE)
        assert progress.round_num == 1
        checkpoints.save(STATE, Progress(round_num=2))  # the name is free again
    _assert_equal(state, [leaf + leaf.dtype.type(1) for leaf in STATE])
    assert _rounds(tmp_path) == ["round_1", "round_2"]


def test_a_failed_save_is_told_at_the_next(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("No space left on device")

    with Checkpoints(tmp_path) as checkpoints:
        monkeypatch.setattr(tf.saved_model, "save", fail)
        checkpoints.save(STATE, Progress(round_num=1))
        with pytest.raises(OSError, match="No space"):
            checkpoints.save(STATE, Progress(round_num=2))
        checkpoints.wait()  # told once
