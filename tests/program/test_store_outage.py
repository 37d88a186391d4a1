"""When the demonstration kills its store, and when it counts as back."""

import json

import pytest

from tff_retail.program.store_outage import StoreOutage


class FakeChild:
    def __init__(self, lines=()):
        self.is_killed, self.lines = False, list(lines)

    def kill(self):
        self.is_killed = True

    def new_lines(self):
        lines, self.lines = self.lines, []
        return lines


class Store:
    """An outage in the making, its two daemons and headquarters' status."""

    def __init__(self, path):
        self.status, self.said = path / "status.json", []
        # Both daemons write to one log: what the first one said is the second one's too.
        self.first, self.second = FakeChild(), FakeChild(["ready for the run a"])
        self.outage = StoreOutage(
            "north",
            self.first,
            restart=lambda: self.second,
            status=self.status,
            from_round=2,
            say=self.said.append,
        )

    def report(self, state, code, round_num):
        report = {"state": state, "code": code, "values": {"round": round_num}}
        self.status.write_text(json.dumps({"stores": {"north": {"report": report}}}))
        self.outage.look()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_it_waits_for_its_round_and_for_training(store):
    store.outage.look()
    for state, code, round_num in [
        ("working", "train", 1),
        ("working", "evaluate", 2),
        ("worked", "train", 2),
    ]:
        store.report(state, code, round_num)
    assert store.outage.killed_in is None
    assert not store.first.is_killed


def test_it_kills_once_and_sees_the_return(store):
    store.report("working", "train", 3.0)
    assert (store.first.is_killed, store.outage.killed_in) == (True, 3)
    store.report("working", "train", 3.0)
    assert (store.second.is_killed, store.outage.away_s) == (False, None)
    store.second.lines = ["connected to headquarters, run a"]
    store.outage.look()
    assert store.outage.away_s is None
    store.second.lines = ["ready for the run a"]
    store.outage.look()
    assert store.outage.away_s is not None
    assert store.said[0] == "north was killed while it trained in round 3, and started again"
    assert store.said[1].startswith("north is back after ")
