"""What of a graph's outputs the policy lets out, by name, type, shape and number."""

import pytest

from tests.privacy.executor_messages import FLOAT32, INT32, INT64, message, struct, tensor, work
from tff_retail.privacy.egress_contract import EgressContract, output_name
from tff_retail.privacy.role_release import RoleRelease
from tff_retail.privacy.value_type import read_work_type

WEIGHTS = (tensor(FLOAT32, 3, 4), tensor(FLOAT32, 4))
LOSS = ("loss", struct(tensor(), tensor()))
UPDATE = struct(*WEIGHTS)
INT8, UINT8, BFLOAT16, STRING = 6, 4, 14, 7


def _rules(gives: bytes, release: RoleRelease, *broadcast: bytes) -> list[str]:
    contract = EgressContract(release, read_work_type(work(gives, *(broadcast or WEIGHTS))))
    return [found.where for found in contract.findings()]


TRAIN, EVALUATE = RoleRelease.of_training(), RoleRelease.of_evaluation()


@pytest.mark.parametrize(
    "gives",
    [
        struct(struct(struct(LOSS), UPDATE, tensor())),
        struct(("num_examples", tensor(INT64)), *WEIGHTS),
        struct(UPDATE, struct(), struct()),
        struct(tensor(BFLOAT16, 4), tensor(BFLOAT16, 3, 4)),
        struct(("codes", tensor(INT8, 16)), ("scales", tensor(FLOAT32, 1))),
        struct(("codes", tensor(UINT8, 8)), ("scales", tensor(FLOAT32, 1))),
        struct(("codes", tensor(BFLOAT16, 16)), ("scales", tensor(FLOAT32, 0))),
    ],
    ids=range(7),
)
def test_what_training_gives_may_leave(gives):
    assert _rules(gives, TRAIN) == []


@pytest.mark.parametrize(
    "gives",
    [
        struct(("image", tensor(UINT8, 32, 32, 3))),
        struct(("image", tensor(FLOAT32, 32, 32, 3))),
        struct(UPDATE, UPDATE),
        struct(UPDATE, tensor(FLOAT32, 4)),
        struct(tensor(FLOAT32, 4, 3)),
        struct(tensor(FLOAT32, -1)),
        struct(message(4, b"\x08\x01\x18\x01")),
        struct(tensor(INT64, 3, 4)),
        struct(tensor(2, 3, 4)),
        struct(tensor(STRING)),
        struct(message(3, message(1, tensor(INT32)))),
        struct(("loss", struct(tensor(), tensor(), tensor()))),
        struct(("pixel", tensor())),
        struct(("loss", tensor(FLOAT32, 2))),
        struct(("codes", tensor(INT8, 17))),
        struct(("codes", tensor(INT8, 8)), ("more", struct(("codes", tensor(INT8, 8))))),
        struct(("codes", struct(tensor(INT8, 8), tensor(INT8, 8)))),
        struct(UPDATE, ("codes", tensor(INT8, 16))),
        struct(("codes", tensor(INT8, 16)), UPDATE),
        struct(("scales", tensor(FLOAT32, 2))),
        struct(("confidence", struct(("num_right", tensor(INT64, 1500))))),
    ],
    ids=range(21),
)
def test_what_is_not_listed_stays(gives):
    assert _rules(gives, TRAIN)


def test_an_evaluation_has_no_update():
    counts = ("confidence", struct(("num_right", tensor(INT64, 1500))))
    assert _rules(struct(LOSS, counts), EVALUATE) == []
    assert _rules(UPDATE, EVALUATE) == ["0", "1"]
    larger = ("confidence", struct(("num_right", tensor(INT64, 1501))))
    assert _rules(struct(larger), EVALUATE) == ["confidence/num_right"]
    for dtype in (FLOAT32, 2, UINT8, 23):  # counts are whole numbers that can be below 0
        other = ("confidence", struct(("num_right", tensor(dtype, 1500))))
        assert _rules(struct(other), EVALUATE) == ["confidence/num_right"]
    twice = struct(counts, struct(counts))
    assert _rules(twice, EVALUATE) == ["1/confidence/num_right"]


def test_numbers_by_label_are_listed_apart():
    release = RoleRelease(per_label={"hits": 9})
    gives = work(struct(("hits", tensor(INT64, 3, 3))), *WEIGHTS)
    contract = EgressContract(release, read_work_type(gives))
    assert contract.findings() == [] and contract.has_per_label
    assert not EgressContract(release, read_work_type(work(struct(), *WEIGHTS))).has_per_label


def test_an_update_may_come_back_as_often_as_the_policy_says():
    assert _rules(struct(UPDATE, UPDATE), RoleRelease(updates=2)) == []
    assert len(_rules(struct(UPDATE, UPDATE, UPDATE), RoleRelease(updates=2))) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("0/0/loss/1", "loss"),
        ("0/2", "unnamed"),
        ("0/confidence/num_right", "confidence/num_right"),
    ],
)
def test_a_name_is_a_path_without_positions(path, name):
    assert output_name(path) == name
