"""Who takes part in a round over real stores, and what a coordinator that was killed does again."""

import dataclasses
import threading

import pytest

from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.remote_roster import RemoteRoster
from tff_retail.runtime.store import QuorumMissed

NAMES = ["east", "north", "south"]
PROMPT_S = 30.0


@dataclasses.dataclass(eq=False)
class _Link:
    name: str
    examples: dict = dataclasses.field(default_factory=dict)
    manifest: str = "agreed"


@dataclasses.dataclass(eq=False)
class _Store:
    name: str


@pytest.fixture
def connected():
    stores = ConnectedStores()
    for name in NAMES:
        stores.add(_Link(name))
    return stores


@pytest.fixture
def said():
    return []


@pytest.fixture
def roster(connected, said, tmp_path):
    def make(**settings):
        defaults = {
            "min_stores": 2,
            "min_available_stores": 3,
            "wait_s": 0.01,
            "retry_wait_s": 0.01,
        }
        return RemoteRoster(
            connected,
            _Store,
            path=tmp_path / "roster.json",
            why_missing=lambda: "west (has not connected)",
            say=said.append,
            **{**defaults, **settings},
        )

    return make


def _names(stores):
    return [store.name for store in stores]


def _leave(connected, name):
    connected.remove(connected.find(name))


def _collection(*failing, names=NAMES):
    outcomes = [
        Outcome(name, f"{name}: no disk" if name in failing else None, {}, 0.0) for name in names
    ]
    return Collection([], tuple(outcomes))


def test_a_round_has_those_who_are_there_by_name(roster, connected):
    roster = roster()
    first = roster.stores(1, 0)
    assert _names(first) == NAMES
    connected.add(_Link("alpha"))
    second = roster.stores(2, 0)
    assert _names(second) == ["alpha", *NAMES]
    assert second[1] is first[0]  # a store keeps what it has open at its link


def test_the_start_waits_for_stores_and_says_so(roster, connected, said):
    _leave(connected, "south")
    roster = roster(wait_s=PROMPT_S)
    waiting = threading.Thread(target=roster.wait_for_start)
    waiting.start()
    connected.add(_Link("south"))
    waiting.join(PROMPT_S)
    assert not waiting.is_alive()
    assert all("2 of 3 are there (east, north)" in line for line in said)


def test_a_start_without_enough_stores_names_who_is_missing(roster, connected, said):
    _leave(connected, "south")
    with pytest.raises(QuorumMissed) as missed:
        roster().wait_for_start()
    assert str(missed.value) == (
        "--min_available_stores needs 3 stores, and 2 were there after 0 s (east, north); "
        "missing: west (has not connected)"
    )
    assert said == ["waiting up to 0 s for stores: 2 of 3 are there (east, north)"]


def test_a_round_without_its_quorum_ends_likewise(roster, connected):
    for name in ("south", "east"):
        _leave(connected, name)
    with pytest.raises(QuorumMissed, match="^--min_stores needs 2 stores, and 1 were there"):
        roster().stores(4, 0)


def test_a_store_that_fails_again_and_again_is_set_aside_and_comes_back(roster, said):
    roster = roster()
    taking_part = []
    for round_num in range(1, 7):
        taking_part.append(_names(roster.stores(round_num, 0)))
        failing = {"south"} & set(taking_part[-1])
        roster.heed(round_num, _collection(*failing, names=taking_part[-1]))
    without = ["east", "north"]
    assert taking_part == [NAMES, NAMES, NAMES, without, NAMES, without]
    assert said[0] == "south gave nothing 3 times in a row and is set aside for 1 round"


def test_a_store_that_was_set_aside_is_better_than_no_quorum(roster, connected):
    roster = roster()
    for round_num in (1, 2, 3):
        roster.stores(round_num, 0)
        roster.heed(round_num, _collection("south"))
    _leave(connected, "east")
    assert _names(roster.stores(4, 0)) == ["north", "south"]


def test_a_round_that_was_cut_off_is_begun_with_the_same_stores(roster, connected, said):
    assert _names(roster().stores(5, 0)) == NAMES
    connected.add(_Link("alpha"))  # has come since
    again = roster(wait_s=PROMPT_S)
    assert _names(again.stores(5, 0)) == NAMES
    assert _names(again.stores(6, 0)) == ["alpha", *NAMES]
    assert said == []


def test_the_same_stores_are_waited_for(roster, connected, said):
    roster().stores(5, 0)
    _leave(connected, "south")
    again, found = roster(wait_s=PROMPT_S), []
    waiting = threading.Thread(target=lambda: found.append(_names(again.stores(5, 0))))
    waiting.start()
    connected.add(_Link("south"))
    waiting.join(PROMPT_S)
    assert found == [NAMES]


def test_a_round_that_can_not_be_repeated_says_so(roster, connected, said):
    roster().stores(5, 0)
    _leave(connected, "south")
    assert _names(roster().stores(5, 0)) == ["east", "north"]
    assert said == [
        "round 5 had begun with south too; waiting up to 0 s for the same stores",
        "round 5 goes on with the stores that are there; its model is another than it would have "
        "been without the stop",
    ]


def test_who_was_set_aside_is_remembered_over_a_restart(roster):
    first = roster()
    for round_num in (1, 2, 3):
        first.stores(round_num, 0)
        first.heed(round_num, _collection("south"))
    first.stores(4, 0)
    again = roster()
    assert _names(again.stores(4, 0)) == ["east", "north"]
    again.heed(4, _collection(names=["east", "north"]))
    assert _names(again.stores(5, 0)) == NAMES


def test_a_second_attempt_waits_for_those_who_were_lost(roster, connected):
    roster = roster(retry_wait_s=PROMPT_S)
    roster.stores(1, 0)
    roster.heed(1, _collection("south", "north"))
    _leave(connected, "south")
    found = []
    waiting = threading.Thread(target=lambda: found.append(_names(roster.stores(1, 1))))
    waiting.start()
    connected.add(_Link("south"))
    waiting.join(PROMPT_S)
    assert found == [NAMES]


def test_stores_that_have_nothing_to_evaluate_on_are_left_out(roster, connected):
    connected.add(_Link("north", {"train": 5, "validation": 0}))
    connected.add(_Link("south", {"train": 5, "validation": 3}))
    assert _names(roster().with_examples("validation")) == ["east", "south"]  # east does not tell


def test_an_evaluation_waits_for_who_trained_and_was_lost_since(roster, connected):
    roster = roster(retry_wait_s=PROMPT_S)
    roster.heed(1, _collection("north"))
    for name in ("north", "south"):
        _leave(connected, name)
    back = threading.Timer(0.05, lambda: connected.add(_Link("south")))
    back.start()
    assert _names(roster.with_examples("validation")) == ["east", "south"]
    back.join()


def test_in_vain_it_waits_once(roster, connected, monkeypatch):
    roster = roster()
    roster.heed(1, _collection())
    _leave(connected, "south")
    waited = []
    wait = connected.wait
    monkeypatch.setattr(
        connected, "wait", lambda *a, within_s: waited.append(wait(*a, within_s=within_s))
    )
    for _ in range(2):
        assert _names(roster.with_examples("validation")) == ["east", "north"]
    assert waited == [False, True]


def test_started_again_an_evaluation_waits_for_those_of_the_last_round(roster, connected):
    roster().stores(3, 0)
    again = roster(retry_wait_s=PROMPT_S)
    _leave(connected, "south")
    back = threading.Timer(0.05, lambda: connected.add(_Link("south")))
    back.start()
    assert _names(again.with_examples("validation")) == NAMES
    back.join()


def test_a_file_that_is_damaged_is_as_good_as_none(roster, tmp_path):
    (tmp_path / "roster.json").write_text("{")
    assert _names(roster().stores(1, 0)) == NAMES
