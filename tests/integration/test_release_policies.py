"""A real store under a policy of its owner's, with more to ask for than the store has."""

import numpy as np
import pytest
import tensorflow as tf

from tests.integration.attacked_store import attacked_store, honest_update, tiny_work
from tests.integration.store_daemons import TIMEOUT_S, start_daemon
from tff_retail.transport.link_faults import CallFailed, StoreRefused
from tff_retail.transport.link_frames import Kind

# The store has 13 photographs to train on and 11 to validate with, of three labels.
_POLICY = """
trust = "allow_list_only"
reports = "nothing"
[train]
min_examples = 14
[evaluate]
scalars = ["loss", "top_1", "top_5", "num_examples"]
per_label = { hits = 3 }
min_examples_per_label = 6
"""


def _by_label(data, weights):
    del weights
    hits = data.reduce(
        tf.zeros([3], tf.int64),
        lambda n, batch: n + tf.reduce_sum(tf.one_hot(batch[1], 3, dtype=tf.int64), axis=0),
    )
    mean = (tf.constant(1.0), tf.constant(2.0))
    metrics = {"loss": mean, "top_1": mean, "top_5": mean, "num_examples": (np.int64(0),)}
    return (metrics, {"hits": hits})


@pytest.fixture(scope="module")
def works():
    return tiny_work(honest_update), tiny_work(_by_label)


@pytest.fixture(scope="module")
def attack(tmp_path_factory, works):
    with attacked_store(tmp_path_factory.mktemp("own policy"), policy=_POLICY) as found:
        unsigned = found.sign(found.manifest(train=works[0], evaluate=works[1]))
        broken = unsigned.replace(b'"signature": "', b'"signature": "AAAA')
        found.offer(broken, works)
        yield found


@pytest.mark.parametrize(
    ("number", "split", "rule"),
    [(0, "train", "min_examples"), (1, "validation", "min_examples_per_label")],
)
def test_what_is_made_of_too_few_photographs_stays(attack, works, number, split, rule):
    with pytest.raises(CallFailed) as failure:
        attack.ask(works[number], split=split)
    assert (failure.value.code, failure.value.reason) == (7, rule)
    assert f"refused a call: {rule}: " in attack.log()


def test_a_store_that_tells_nothing_of_itself(attack):
    assert attack.link.examples == {}
    assert attack.reports.empty()
    assert Kind.REPORT not in {frame.kind for frame in attack.frames()}


def test_unsigned_graphs_are_checked_all_the_same(attack, works):
    wide = tiny_work(lambda data, weights: (*honest_update(data, weights), tf.eye(7)))
    with pytest.raises(StoreRefused) as refusal:
        attack.offer(attack.sign(attack.manifest(train=wide)), [wide])
    assert refusal.value.code == "egress_outputs"
    expired = attack.sign(attack.manifest(train=works[0]), days=-1)
    with pytest.raises(StoreRefused) as refusal:
        attack.offer(expired, works)
    assert refusal.value.code == "expired"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "error: --policy must be a file that can be read, found "),
        ("min_exmaples = 100", "error: policy: min_exmaples must be one of trust, "),
    ],
)
def test_a_policy_that_can_not_be_read_stops_the_daemon(attack, tmp_path, text, sentence):
    path = tmp_path / "policy.toml"
    if text is not None:
        path.write_text(text)
    state_dir = attack.fleet.enrol(f"store {text is None}")
    daemon = start_daemon(state_dir, attack.data_dir, attack.address, f"--policy={path}")
    assert daemon.process.wait(TIMEOUT_S) == 2
    assert daemon.said().startswith(sentence) and daemon.said().count("\n") == 1
