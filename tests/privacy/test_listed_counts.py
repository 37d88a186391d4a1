"""What a policy lists by name is counts: there is no room for photographs in it."""

import struct as packing

import pytest

from tests.privacy.executor_messages import (
    FLOAT32,
    INT32,
    INT64,
    answer,
    array,
    struct,
    tensor,
    value_struct,
    work,
)
from tff_retail.privacy.egress_contract import EgressContract
from tff_retail.privacy.egress_form import check_egress_form
from tff_retail.privacy.listed_counts import check_listed_counts
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.role_release import RoleRelease
from tff_retail.privacy.value_type import read_work_type

RELEASE = RoleRelease(vectors={"bins/all": 3}, per_label={"hits": 2})
TYPE = struct(
    struct(("bins", struct(("all", tensor(INT64, 3))))),
    ("hits", tensor(INT32, 2)),
    ("update", tensor(FLOAT32, 2)),
)
CONTRACT = EgressContract(RELEASE, read_work_type(work(TYPE, tensor(FLOAT32, 2))))
PIXELS = packing.pack("<2f", -200.0, 1e9)  # an update is any numbers


def _bins(*counts: int) -> bytes:
    return array(INT64, (len(counts),), packing.pack(f"<{len(counts)}q", *counts))


def _hits(*counts: int) -> bytes:
    return array(INT32, (len(counts),), packing.pack(f"<{len(counts)}i", *counts))


def _check(bins: bytes, hits: bytes) -> None:
    values = value_struct(
        value_struct(("bins", value_struct(("all", bins)))),
        ("hits", hits),
        ("update", array(FLOAT32, (2,), PIXELS)),
    )
    whole = memoryview(answer(values))
    check_egress_form(whole, CONTRACT.type.gives)
    check_listed_counts(whole, CONTRACT, (), num_examples=13)


def test_counts_of_the_photographs_pass():
    _check(_bins(0, 13, 0), _hits(6, 7))
    _check(_bins(0, 0, 0), _hits(0, 0))


@pytest.mark.parametrize(
    ("bins", "hits"),
    [
        (_bins(0, 14, 0), _hits(0, 0)),
        (_bins(-1, 0, 0), _hits(0, 0)),
        (_bins(-(2**62), 2**62, 0), _hits(0, 0)),
        (_bins(0, 0, 0), _hits(7, 7)),
        (_bins(0, 0, 0), _hits(-1, 0)),
    ],
)
def test_other_numbers_stay(bins, hits):
    with pytest.raises(Refused, match="^not_counts: "):
        _check(bins, hits)


def test_a_part_of_a_result_is_known_by_its_place():
    part = memoryview(answer(_bins(0, 14, 0)))
    with pytest.raises(Refused, match="'bins/all' must count the 13 photographs"):
        check_listed_counts(part, CONTRACT, (0, 0, 0), num_examples=13)
    update = memoryview(answer(array(FLOAT32, (2,), PIXELS)))
    check_listed_counts(update, CONTRACT, (2,), num_examples=13)
