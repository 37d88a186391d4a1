"""What rounds over real stores are held to."""

import types

import pytest

from tff_retail.config import DataConfig, LearningConfig, RunConfig
from tff_retail.program import remote_rounds
from tff_retail.program.remote_rounds import RemoteRounds
from tff_retail.program.update_bounds import UpdateBounds
from tff_retail.runtime.graph_part import Leaf


@pytest.fixture
def made(monkeypatch) -> list[dict]:
    """The settings of the collectors that are made."""
    made: list[dict] = []
    monkeypatch.setattr(
        remote_rounds, "RemoteCollector", lambda form, **settings: made.append(settings)
    )
    monkeypatch.setattr(remote_rounds, "Questions", lambda work, **settings: None)
    return made


def test_updates_are_held_to_the_clipping_of_the_run_and_to_finite_numbers(made, tmp_path):
    leaves = [Leaf("1/0", "", "float32", (2,), 1), Leaf("2", "", "float32", (), 2)]
    form = {"work": None, "accumulate": types.SimpleNamespace(result=leaves)}
    config = RunConfig(
        data=DataConfig(data_dir="unread"), learning=LearningConfig(update_clip_norm=3.0)
    )
    fleet = types.SimpleNamespace(submit=None, connected=None, why_missing=None, say=None)
    RemoteRounds(
        config,
        types.SimpleNamespace(path=tmp_path),
        fleet,
        types.SimpleNamespace(forms={"train": form, "evaluate": form}),
        "kept",
    )
    train, evaluate = made
    assert train["check"] == UpdateBounds.of(form, config.learning)
    assert train["check"].most_norm == pytest.approx(3.03)
    assert (train["needs_finite"], evaluate["needs_finite"]) == (True, False)
