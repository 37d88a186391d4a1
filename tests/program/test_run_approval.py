"""A run over real stores works by what the chain's key has signed, and by nothing else."""

import datetime
import json

import pytest

from tests.transport.small_fleet import DAY, SmallFleet
from tff_retail.config import DataConfig, RunConfig
from tff_retail.program.run_approval import NotApproved, approve_run
from tff_retail.program.run_directory import RunDirectory
from tff_retail.transport.run_signing import DEFAULT_LIFE, read_manifest_key, sign_run
from tff_retail.transport.signed_manifest import verify_manifest

MANIFEST = {"labels": ["red"], "roles": {}}


@pytest.fixture
def fleet(tmp_path):
    return SmallFleet(tmp_path / "fleet")


@pytest.fixture
def directory(tmp_path):
    directory = RunDirectory(tmp_path / "run", RunConfig(data=DataConfig(stores="remote")))
    directory.write_json("manifest.json", MANIFEST)
    yield directory
    directory.close()


def _key(fleet):
    return read_manifest_key(fleet.folder.path / "signing" / "manifest.key")


def _sign(fleet, directory, life: datetime.timedelta = DAY):
    expires = fleet.clock() + life
    return sign_run(
        directory.path, key=_key(fleet), chain_id=fleet.folder.chain_id, expires=expires
    )


def _approve(fleet, directory, said=None, key=None):
    say = said.append if said is not None else lambda text: None
    return approve_run(directory, fleet.folder, key=key, wait_s=0.0, say=say)


def test_who_holds_the_key_signs_at_once(fleet, directory):
    said = []
    signed = _approve(fleet, directory, said, key=_key(fleet))
    assert (directory.path / "manifest.signed.json").read_bytes() == signed
    verified = verify_manifest(
        signed,
        public_key=_key(fleet).public_key(),
        chain_id=fleet.folder.chain_id,
        now=fleet.clock(),
    )
    assert (verified.manifest, verified.run) == (MANIFEST, "run")
    assert said == []
    # As long as `fleet sign` says: a shorter approval would be refused as a replay of that one.
    assert abs(verified.expires - fleet.clock() - DEFAULT_LIFE) < datetime.timedelta(minutes=5)


def test_what_was_signed_elsewhere_is_taken(fleet, directory):
    path = _sign(fleet, directory)
    assert _approve(fleet, directory) == path.read_bytes()


def test_it_says_how_to_sign_and_gives_up_in_time(fleet, directory):
    said = []
    with pytest.raises(NotApproved, match="manifest.json must be signed before stores work by it"):
        _approve(fleet, directory, said)
    command = f"python -m tff_retail.fleet sign {directory.path} --dir={fleet.folder.path}"
    assert said == [f"waiting up to 0 s for this run to be approved: {command}"]


@pytest.mark.parametrize("change", ["another manifest", "expired", "another chain", "no JSON"])
def test_a_signature_that_does_not_hold_counts_for_nothing(fleet, directory, tmp_path, change):
    path = _sign(fleet, directory)
    if change == "another manifest":
        directory.write_json("manifest.json", {**MANIFEST, "labels": ["green"]})
    elif change == "expired":
        fleet.clock.move(2 * DAY)
    elif change == "another chain":
        fleet = SmallFleet(tmp_path / "other")
    else:
        path.write_text(json.dumps(["nothing"]))
    with pytest.raises(NotApproved):
        _approve(fleet, directory)
