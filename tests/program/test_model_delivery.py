"""Which stores a finished model goes to, and when it is enough."""

import pytest

from tests.transport.small_fleet import SmallFleet
from tff_retail.config import DataConfig, FleetConfig, RunConfig
from tff_retail.program.model_delivery import deliver_finished, deliver_model, sign_or_find
from tff_retail.program.run_directory import RunDirectory
from tff_retail.transport.run_signing import read_manifest_key


class _Connected:
    def __init__(self, names):
        self._names = names

    def names(self):
        return self._names


class _Fleet:
    """A fleet of three, of which some are there; each that is offered a model takes it."""

    def __init__(self, there):
        self.connected, self.awaited, self.offered = _Connected(there), None, []

    def names(self):
        return ["east", "north", "south"]

    def offer_model(self, model):
        self.offered.append(model)

    def wait_for_delivery(self, names, *, within_s):
        self.awaited = list(names)
        return set(self.connected.names())


class _Console:
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return SmallFleet(tmp_path_factory.mktemp("chain") / "fleet")


@pytest.fixture
def config(small, tmp_path):
    return RunConfig(
        data=DataConfig(stores="remote"),
        fleet=FleetConfig(fleet_dir=str(small.folder.path)),
        output_dir=str(tmp_path / "run"),
    )


@pytest.fixture
def directory(config, tmp_path):
    directory = RunDirectory(tmp_path / "run", config)
    (directory.path / "model").mkdir()
    (directory.path / "model" / "model.json").write_text("{}")
    yield directory
    directory.close()


@pytest.fixture
def model(small, directory):
    key = read_manifest_key(small.folder.path / "signing" / "manifest.key")
    return sign_or_find(directory.path, small.folder, key=key, say=print)


def _deliver(fleet, directory, model, *, waits_for_all):
    said = []
    deliver_model(fleet, directory, model, waits_for_all=waits_for_all, within_s=0, say=said.append)
    return said


def test_at_a_runs_end_those_who_are_there_are_enough(directory, model):
    fleet = _Fleet(there=["north"])
    said = _deliver(fleet, directory, model, waits_for_all=False)
    assert (fleet.offered, fleet.awaited) == ([model], ["north"])
    assert said == ["the model is at 1 of 3 stores"]


def test_later_those_who_lack_it_are_waited_for(directory, model):
    _deliver(_Fleet(there=["north"]), directory, model, waits_for_all=False)
    fleet = _Fleet(there=["south"])
    said = _deliver(fleet, directory, model, waits_for_all=True)
    assert fleet.awaited == ["east", "south"]
    assert said == ["the model is at 2 of 3 stores"]
    assert directory.read_json("delivered.json") == {
        "digest": model.digest,
        "stores": ["north", "south"],
    }


def test_a_model_that_nobody_signed_says_how(config, directory, small):
    console = _Console()
    deliver_finished(config, directory, console)
    assert console.said == [
        "the model goes to the stores once it is signed: python -m tff_retail.fleet sign "
        f"{directory.path} --dir={small.folder.path}, then the same training command again"
    ]


def test_where_all_stores_have_it_nothing_is_opened(config, directory, model):
    console = _Console()
    deliver_finished(config, directory, console)  # of a fleet that no store has joined
    assert console.said == ["all stores have its model"]
