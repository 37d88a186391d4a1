import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import federated_round, plain_collector, round_form, store


@tff.tensorflow.computation
def _first():
    return collections.OrderedDict(weights=(tf.constant([1.0, 2.0]),), round_num=tf.constant(0))


STATE = _first.type_signature.result


@tff.tensorflow.computation(STATE)
def _weights(state):
    return state["weights"]


@tff.tensorflow.computation(np.float32, STATE.weights)
def _work(value, weights):
    return value * weights[0]


@tff.tensorflow.computation(STATE, tff.TensorType(np.float32, [2]))
def _update(state, total):
    new_state = collections.OrderedDict(weights=(total,), round_num=state["round_num"] + 1)
    old = collections.OrderedDict(norm=tf.norm(state["weights"][0]), first=state["weights"][0][0])
    return new_state, collections.OrderedDict(old=old, sum=tf.reduce_sum(total))


@tff.federated_computation
def _initialize():
    return tff.federated_eval(_first, tff.SERVER)


@tff.federated_computation(
    tff.FederatedType(STATE, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)
)
def _next(state, value):
    weights = tff.federated_broadcast(tff.federated_map(_weights, state))
    total = tff.federated_sum(tff.federated_map(_work, (value, weights)))
    result = tff.federated_map(_update, (state, total))
    return result[0], result[1]


class _Store:
    def __init__(self, value):
        self.name = str(value)
        self._value = value

    def run(self, request):
        return store.WorkResult([self._value * request.broadcast[0]], {}, 0.0)


@pytest.fixture(scope="module")
def one_round():
    form = round_form.compile_round_form(_initialize, _next)
    return federated_round.FederatedRound(
        form, plain_collector.PlainCollector(form, parallel_stores=1)
    )


def test_leaves_of_the_state_have_paths(one_round):
    assert one_round.state_paths == ["weights/0", "round_num"]
    weights, round_num = one_round.initial_state()
    np.testing.assert_array_equal(weights, [1, 2])
    assert round_num == 0


def test_a_round_goes_from_state_to_state_and_metrics(one_round):
    state = [np.array([3, 4], np.float32), np.int32(7)]
    broadcast = one_round.broadcast(state)
    np.testing.assert_array_equal(broadcast, [[3, 4]])
    told = []
    collection = one_round.collect(
        [_Store(np.float32(1)), _Store(np.float32(10))],
        store.WorkRequest("train", 1, 0, broadcast),
        on_store_done=lambda outcome: told.append(outcome.store),
    )
    assert told == ["1.0", "10.0"]
    result = one_round.update(state, collection)
    np.testing.assert_array_equal(result.state[0], [33, 44])
    assert result.state[1] == 8
    assert result.metrics == {"old/norm": 5.0, "old/first": 3.0, "sum": 77.0}
