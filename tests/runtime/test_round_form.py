import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import round_form


@pytest.fixture(scope="module")
def other_form(compile_next) -> round_form.RoundForm:
    """Like `float_sum_form`, of integers."""

    @tff.federated_computation(
        tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
    )
    def next_computation(state, value):
        return state, tff.federated_sum(value)

    return compile_next(next_computation)


@pytest.fixture
def folder(tmp_path, float_sum_form) -> pathlib.Path:
    round_form.save_round_form(float_sum_form, tmp_path / "form")
    return tmp_path / "form"


def test_what_was_saved_is_loaded(folder, float_sum_form):
    loaded = round_form.load_round_form(folder)
    assert loaded == float_sum_form
    assert loaded.digests == float_sum_form.digests
    assert list(loaded.digests) == list(round_form.PARTS)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json"] + [".pb"] * 11


def test_nothing_is_loaded_from_nothing(tmp_path):
    assert round_form.load_round_form(tmp_path / "none") is None


@pytest.mark.parametrize("name", ["initialize.pb", "work.pb", "digests.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "changed"])
def test_nothing_is_loaded_from_a_damaged_folder(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(content[:-2])
    else:
        path.write_bytes(b"\xff" + content[1:])
    assert round_form.load_round_form(folder) is None


@pytest.mark.parametrize("content", ["[]", "null", "7", '{"work": "00"}', '{"../work": "00"}'])
def test_nothing_is_loaded_where_digests_are_not_those_of_a_form(folder, content):
    (folder / "digests.json").write_text(content)
    assert round_form.load_round_form(folder) is None


class _Killed(BaseException):
    """What ends a save in the middle."""


@pytest.mark.parametrize("num_files", range(13))
def test_a_save_killed_at_any_file_leaves_no_mixture(
    folder, float_sum_form, other_form, monkeypatch, num_files
):
    replace, left = pathlib.Path.replace, [None] * num_files

    def replace_or_die(self, target):
        if not left:
            raise _Killed
        left.pop()
        return replace(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", replace_or_die)
    try:
        round_form.save_round_form(other_form, folder)
    except _Killed:
        pass
    loaded = round_form.load_round_form(folder)
    if num_files >= 12:
        assert loaded == other_form
    else:
        assert loaded in (None, float_sum_form)
    monkeypatch.undo()
    round_form.save_round_form(other_form, folder)
    assert round_form.load_round_form(folder) == other_form
    assert json.loads((folder / "digests.json").read_text())["work"] == other_form["work"].digest


@tff.tensorflow.computation
def _zero() -> tf.Tensor:
    return tf.constant(0)


@tff.federated_computation
def _initialize():
    return tff.federated_eval(_zero, tff.SERVER)


STATE, DATA = tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)


def test_a_round_of_two_exchanges_has_no_form():
    @tff.federated_computation(STATE, DATA)
    def twice(state, value):
        again = tff.federated_broadcast(tff.federated_sum(value))
        return state, tff.federated_sum(again)

    with pytest.raises(TypeError, match="reach each store once, found otherwise: Detected broad"):
        round_form.compile_round_form(_initialize, twice)


def test_a_round_with_one_result_has_no_form():
    @tff.federated_computation(STATE, DATA)
    def one_result(state, value):
        del state
        return tff.federated_sum(value)

    with pytest.raises(TypeError, match="must be of the form .*S@SERVER"):
        round_form.compile_round_form(_initialize, one_result)
