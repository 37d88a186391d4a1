"""A round over stores that answer when they like: the same sum, and an end in any case."""

import asyncio
import itertools

import numpy as np
import pytest

from tests.runtime.fake_fleet import FakeFleet, FakeLink, ScaledSumStore, compile_scaled_sum
from tff_retail.runtime import plain_collector
from tff_retail.runtime.remote_collector import RemoteCollector
from tff_retail.runtime.store import WorkRequest
from tff_retail.transport.link_faults import CallFailed, LinkLost

# Five sums of these in five orders are five different float32 numbers.
VALUES = [np.float32(v) for v in (1e8, 1.0, -1e8, 3.14159, 2.71828)]
NAMES = [f"store-{number}" for number in range(5)]
REQUEST = WorkRequest("train", 3, 7, [np.array(1.5, np.float32)])
NEVER_S = 600.0


@pytest.fixture(scope="module")
def form():
    return compile_scaled_sum()


@pytest.fixture
def fleet(form, tmp_path):
    with FakeFleet(form, tmp_path) as fleet:
        yield fleet


@pytest.fixture
def collect(form, fleet, tmp_path):
    """Collects over stores of `NAMES`; `before` by name is awaited before their `Compute`."""
    made = []

    def run(before=None, *, deadline_s=NEVER_S, max_waiting_bytes=10**6, needs=True, **arguments):
        links = []
        for name, value in zip(NAMES, VALUES, strict=True):
            hook = _before_compute((before or {}).get(name))
            links.append(FakeLink(name, fleet.service(ScaledSumStore(name, value)), hook))
            fleet.connect(links[-1])
        collector = RemoteCollector(
            form,
            submit=fleet.submit,
            deadline_s=deadline_s,
            needs_finite=needs,
            report=lambda outputs: {"sum": outputs[0].item()},
            folder=tmp_path,
            max_waiting_bytes=max_waiting_bytes,
        )
        made.append(collector)
        return collector.collect([fleet.store(name) for name in NAMES], REQUEST, **arguments)

    yield run
    for collector in made:
        collector.close()


def _before_compute(hook):
    async def before(method):
        if method == "Compute" and hook is not None:
            await hook()

    return before


def _expected(form, names=NAMES):
    """The sum of a simulated round over the same stores."""
    stores = [ScaledSumStore(name, VALUES[NAMES.index(name)]) for name in NAMES]
    for store in stores:
        if store.name not in names:
            store.run = _fail
    collector = plain_collector.PlainCollector(form, parallel_stores=1)
    try:
        return collector.collect(stores, REQUEST).total
    finally:
        collector.close()


def _fail(request):
    raise plain_collector.StoreFailed("gone")


async def _set(event):
    event.set()


async def _for_ever():
    await asyncio.Event().wait()


def _bits(total):
    return [np.asarray(leaf).tobytes() for leaf in total]


def test_the_sum_is_that_of_simulated_stores_to_the_bit(form, collect):
    told = []
    collection = collect(on_store_done=told.append)
    assert _bits(collection.total) == _bits(_expected(form))
    assert [outcome.store for outcome in collection.outcomes] == NAMES
    assert collection.outcomes[1].report == {"sum": 1.5}
    assert sorted(outcome.store for outcome in told) == NAMES


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::29])
@pytest.mark.parametrize("max_waiting_bytes", [10**6, 0])
def test_the_sum_depends_neither_on_the_order_nor_on_the_disk(
    form, fleet, collect, order, max_waiting_bytes
):
    turns = [asyncio.Event() for _ in order]
    turns[order[0]].set()
    told = []

    def next_one(outcome):
        told.append(NAMES.index(outcome.store))
        if len(told) < len(order):
            fleet.submit(_set(turns[order[len(told)]]))

    before = {name: turns[position].wait for position, name in enumerate(NAMES)}
    collection = collect(before, on_store_done=next_one, max_waiting_bytes=max_waiting_bytes)
    assert told == list(order)
    assert _bits(collection.total) == _bits(_expected(form))


def test_what_is_late_is_left_out_and_said(form, collect):
    told = []
    collection = collect({"store-1": _for_ever}, deadline_s=0.3, on_store_done=told.append)
    others = [name for name in NAMES if name != "store-1"]
    assert _bits(collection.total) == _bits(_expected(form, others))
    late = collection.outcomes[1]
    assert late.failure == "store-1: too late, --round_deadline_s=0.3 was over; it is discarded"
    assert (late.is_surplus, told[-1]) == (False, late)
    assert late.code == "too_late"


def test_enough_results_end_the_round(form, collect):
    collection = collect({"store-0": _for_ever, "store-3": _for_ever}, enough=3)
    assert collection.num_results == 3
    assert _bits(collection.total) == _bits(_expected(form, ["store-1", "store-2", "store-4"]))
    for position in (0, 3):
        outcome = collection.outcomes[position]
        name = NAMES[position]
        assert outcome.failure == f"{name}: not waited for, 3 others were faster"
        assert (outcome.is_surplus, outcome.code) == (True, "not_waited_for")


def test_a_store_that_failed_or_left_is_passed_over(form, collect):
    async def refuse():
        raise CallFailed(9, "no_examples: the store could not do its work")

    async def leave():
        raise LinkLost("cut")

    collection = collect({"store-2": refuse, "store-4": leave})
    assert [outcome.failure for outcome in collection.outcomes] == [
        None,
        None,
        "store-2: no_examples: the store could not do its work",
        None,
        "store-4: its connection was lost",
    ]
    codes = [outcome.code for outcome in collection.outcomes]
    assert codes == ["", "", "no_examples", "", "connection_lost"]
    assert _bits(collection.total) == _bits(_expected(form, ["store-0", "store-1", "store-3"]))


@pytest.mark.parametrize("needs, num_results", [(True, 4), (False, 5)])
def test_a_result_that_is_not_finite_is_its_stores_failure(
    monkeypatch, collect, needs, num_results
):
    monkeypatch.setitem(globals(), "VALUES", [np.float32("nan"), *VALUES[1:]])
    collection = collect(needs=needs)
    assert collection.num_results == num_results
    assert bool(collection.outcomes[0].failure) == needs
    assert not needs or "finite numbers" in collection.outcomes[0].failure
    assert collection.outcomes[0].code == ("not_finite" if needs else "")


def test_no_store_at_all_sums_to_nothing(form, fleet):
    collector = RemoteCollector(form, submit=fleet.submit, deadline_s=1, needs_finite=True)
    try:
        assert collector.collect([], REQUEST).total == [0.0]
    finally:
        collector.close()


def test_the_broadcast_is_serialised_once_for_all_stores(form, fleet):
    links = [
        fleet.connect(FakeLink(name, fleet.service(ScaledSumStore(name, value))))
        for name, value in zip(NAMES, VALUES, strict=True)
    ]
    collector = RemoteCollector(form, submit=fleet.submit, deadline_s=NEVER_S, needs_finite=True)
    try:
        collector.collect([fleet.store(name) for name in NAMES], REQUEST)
    finally:
        collector.close()
    sent = [
        body[1]
        for link in links
        for method, body in zip(link.methods, link.bodies, strict=True)
        if method == "CreateValue" and b"://" not in b"".join(body)
    ]
    assert len(sent) == 5
    assert len({id(buffer) for buffer in sent}) == 1


def test_what_is_no_stores_failure_ends_the_round(collect):
    class Mistake(Exception):
        pass

    async def mistaken():
        raise Mistake

    with pytest.raises(Mistake):
        collect({"store-1": mistaken, "store-2": _for_ever})
