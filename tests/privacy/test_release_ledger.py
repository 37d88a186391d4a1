"""Budgets hold across restarts and across a clock that is set back."""

import datetime
import json
import pathlib

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.release_ledger import AskedWork, ReleaseLedger
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.transport.private_file import write_private_file

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
POLICY = ReleasePolicy(
    max_rounds_per_day=3,
    max_questions_per_round=2,
    max_bytes_per_round=100,
    max_selections_per_day=2,
)


class _Store:
    """A ledger that is opened anew for each thing that is done."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path, self.now, self.save = folder / "released.json", NOW, write_private_file

    @property
    def ledger(self) -> ReleaseLedger:
        return ReleaseLedger(
            self.path, POLICY, save=lambda *file: self.save(*file), now=lambda: self.now
        )

    def ask(self, round_num=1, question="a", role="train", run="run") -> None:
        self.ledger.ask(AskedWork(run, round_num, role, question))

    def release(self, answer="x", num_bytes=10, round_num=1, question="a", part="") -> None:
        asked = AskedWork("run", round_num, "train", question, part)
        self.ledger.release(asked, answer=answer, num_bytes=num_bytes)


@pytest.fixture
def store(tmp_path):
    return _Store(tmp_path)


def _refused(rule: str):
    return pytest.raises(Refused, match=f"^{rule}: ")


def test_rounds_of_a_day(store):
    for round_num in (1, 2, 3, 1):
        store.ask(round_num)
    store.ask(1, role="evaluate")
    with _refused("rounds_per_day"):
        store.ask(4)
    with _refused("rounds_per_day"):
        store.ask(1, run="another")
    store.now += DAY
    store.ask(4)


def test_another_broadcast_is_another_question(store):
    for question in ("a", "b", "a"):
        store.ask(question=question)
    with _refused("questions_per_round"):
        store.ask(question="c")
    store.ask(question="c", role="evaluate")
    store.ask(round_num=2, question="c")


def test_the_same_answer_leaves_again_and_another_twice_at_most(store):
    store.ask()
    for answer in ("x", "y", "x", "y"):
        store.release(answer)
    with _refused("answers_per_round"):
        store.release("z", num_bytes=1)
    store.release("z", part="1")
    assert json.loads(store.path.read_bytes())["rounds"].popitem()[1]["bytes"] == 30


def test_bytes_of_a_round(store):
    store.ask()
    store.release("x", num_bytes=60)
    with _refused("bytes_per_round"):
        store.release("y", num_bytes=41)
    store.release("x", num_bytes=60)
    store.release("y", num_bytes=40)


def test_a_clock_that_is_set_back_opens_nothing(store):
    for round_num in (1, 2, 3):
        store.ask(round_num)
    for days in (-1, -365, 0):
        store.now = NOW + days * DAY
        with _refused("rounds_per_day"):
            store.ask(4)


def test_a_result_of_yesterdays_question_counts_today(store):
    store.ask()
    store.now += DAY
    store.release("x", num_bytes=60)
    with _refused("bytes_per_round"):
        store.release("y", num_bytes=60)


def test_choices_of_a_day(store):
    for selection in ("a", "b", "a"):
        store.ledger.select(selection)
    with _refused("selections_per_day"):
        store.ledger.select("c")
    store.now += DAY
    store.ledger.select("c")


def test_an_older_manifest_of_a_run_is_a_replay(store):
    store.ledger.take_manifest("run", digest="new", expires=NOW + 2 * DAY)
    store.ledger.take_manifest("run", digest="newer", expires=NOW + 2 * DAY)
    with _refused("replayed"):
        store.ledger.take_manifest("run", digest="old", expires=NOW + DAY)
    store.ledger.take_manifest("another", digest="old", expires=NOW + DAY)
    store.now += 4 * DAY
    store.ledger.take_manifest("another", digest="new", expires=NOW + 9 * DAY)
    assert len(json.loads(store.path.read_bytes())["manifests"]) == 1


def test_what_can_not_be_written_down_does_not_happen(store):
    def full(path, content):
        raise OSError(28, "No space left on device")

    ledger = store.ledger
    store.save = full
    for _ in range(2):
        with _refused("ledger_unwritable"):
            ledger.ask(AskedWork("run", 1, "train", "a"))
    store.save = write_private_file
    ledger.ask(AskedWork("run", 1, "train", "a"))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 2}', b"\xff"])
def test_a_ledger_that_is_none_stops_the_store(store, content):
    store.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="keep it under another name"):
        store.ask()
