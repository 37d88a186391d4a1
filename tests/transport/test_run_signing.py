"""Tests of `fleet sign RUN`."""

import pytest

from tests.transport.small_fleet import DAY, SmallFleet
from tff_retail.config import ConfigurationError
from tff_retail.transport.run_signing import read_manifest_key, sign_run
from tff_retail.transport.signed_manifest import verify_manifest

_PHRASE = b"correct horse battery"


def test_a_run_is_signed_for_its_name_and_chain(fleet, tmp_path):
    run = tmp_path / "runs" / "prod"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text('{"labels": []}')
    key = read_manifest_key(fleet.folder.path / "signing" / "manifest.key")
    expires = fleet.clock.now + DAY
    path = sign_run(run, key=key, chain_id=fleet.folder.chain_id, expires=expires)
    assert path == run / "manifest.signed.json"
    found = verify_manifest(
        path.read_bytes(),
        public_key=key.public_key(),
        chain_id=fleet.folder.chain_id,
        now=fleet.clock.now,
    )
    assert (found.run, found.manifest) == ("prod", {"labels": []})


@pytest.mark.parametrize(
    "content, sentence", [(None, "start the run first"), ("[]", "it is a list")]
)
def test_a_folder_without_a_manifest_is_not_signed(fleet, tmp_path, content, sentence):
    if content:
        (tmp_path / "manifest.json").write_text(content)
    key = read_manifest_key(fleet.folder.path / "signing" / "manifest.key")
    with pytest.raises(ConfigurationError, match=sentence):
        sign_run(tmp_path, key=key, chain_id="c", expires=fleet.clock.now)
    assert not (tmp_path / "manifest.signed.json").exists()


def test_the_key_must_be_the_one_for_manifests(tmp_path):
    fleet = SmallFleet(tmp_path / "fleet", _PHRASE).folder.path
    assert read_manifest_key(fleet / "signing" / "manifest.key", _PHRASE)
    with pytest.raises(ConfigurationError, match="needs its pass phrase"):
        read_manifest_key(fleet / "signing" / "manifest.key")
    with pytest.raises(ConfigurationError, match="must be the Ed25519 key"):
        read_manifest_key(fleet / "headquarters" / "server.key")
