"""Tests of joining by files, and of what a store keeps of itself."""

import json
import os
import stat

import pytest

from tests.transport.small_fleet import SmallFleet
from tff_retail.config import ConfigurationError
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.request_approval import approve_request
from tff_retail.transport.store_enrolment import install_certificate, write_request
from tff_retail.transport.store_identity import StoreIdentity


class _Files:
    """A store and the two files that travel."""

    def __init__(self, folder):
        self.state, self.request, self.approved = (folder / n for n in ("state", "a", "b"))

    def write(self, name="店 七") -> str:
        return write_request(name, state_dir=self.state, path=self.request)

    def approve(self, fleet, expected=""):
        return approve_request(
            fleet.office, str(self.request), str(self.approved), expected=expected
        )

    def install(self, **options) -> StoreIdentity:
        return install_certificate(self.approved, state_dir=self.state, **options)


@pytest.fixture
def files(tmp_path) -> _Files:
    return _Files(tmp_path)


def test_a_store_joins_by_two_files(fleet, files):
    fingerprint = files.write()
    approved = files.approve(fleet, expected=fingerprint)
    assert (approved.name, approved.fingerprint) == ("店 七", fingerprint)
    identity = files.install(chain_fingerprint=fleet.folder.chain_id.upper())
    assert identity == StoreIdentity.load(files.state)
    assert (identity.name, identity.chain_id) == ("店 七", fleet.folder.chain_id)
    assert identity.server_address == "localhost:8443"
    assert identity.expires_at == identity.certificate.not_after
    assert fleet.folder.is_welcome(identity.certificate) is None
    identity.client_tls().ssl_context()


def test_the_key_stays_and_is_private(fleet, files):
    files.write()
    files.approve(fleet)
    identity = files.install()
    key = (files.state / "identity" / "store.key").read_bytes()
    body = key.split(b"\n")[1]
    assert body not in files.request.read_bytes() + files.approved.read_bytes()
    assert body.decode() not in repr(identity) + repr(identity.client_tls())
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (files.state / "identity").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((files.state / "identity").stat().st_mode) == 0o700


def test_addresses_of_the_operator_win(fleet, files):
    files.write()
    files.approve(fleet)
    assert files.install(server_address="10.0.0.1:443").server_address == "10.0.0.1:443"
    with pytest.raises(ConfigurationError, match="--server_address must be HOST:PORT"):
        files.install(server_address="nowhere")


def test_a_swapped_request_is_noticed(fleet, files, tmp_path):
    fingerprint = files.write()
    write_request("店 七", state_dir=tmp_path / "thief", path=files.request)
    with pytest.raises(ConfigurationError, match="--fingerprint must be"):
        files.approve(fleet, expected=fingerprint)
    assert fleet.folder.stores.all() == []


def test_a_swapped_answer_is_noticed(fleet, files, tmp_path):
    files.write()
    thief = SmallFleet(tmp_path / "thief")
    files.approve(thief)
    with pytest.raises(EnrolmentRefused, match="is of the chain") as refused:
        files.install(chain_fingerprint=fleet.folder.chain_id)
    assert refused.value.code == "other_authority"


def test_an_answer_to_another_request_changes_nothing(fleet, files):
    files.write()
    files.approve(fleet)
    identity = files.install()
    files.write()
    with pytest.raises(ConfigurationError, match="found another key's"):
        files.install()
    assert StoreIdentity.load(files.state) == identity


def test_two_stores_do_not_take_each_others_place(fleet, files):
    files.write("a")
    files.approve(fleet)
    files.install()
    with pytest.raises(ConfigurationError, match="--state_dir must be a folder of b alone"):
        files.write("b")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"name": "another"},
        {"more": ""},
        {"chain": ""},
        {"root": "nothing"},
        {"manifest_key": ""},
        {"server_address": 8443},
    ],
)
def test_a_changed_answer_is_refused(fleet, files, change):
    files.write()
    files.approve(fleet)
    files.approved.write_text(json.dumps({**json.loads(files.approved.read_text()), **change}))
    with pytest.raises(EnrolmentRefused, match="is not good") as refused:
        files.install()
    assert refused.value.code == "bad_answer"


def test_a_root_that_did_not_sign_is_refused(fleet, files, tmp_path):
    files.write()
    files.approve(fleet)
    other = SmallFleet(tmp_path / "other").folder.path / "root" / "root.crt"
    values = json.loads(files.approved.read_text())
    files.approved.write_text(json.dumps({**values, "root": other.read_text()}))
    with pytest.raises(EnrolmentRefused, match="must lead to its root"):
        files.install()


@pytest.mark.parametrize("content", [None, "", "nothing", "[" * 100_000])
def test_another_file_is_none(files, content):
    if content is not None:
        files.approved.write_text(content)
    with pytest.raises(ConfigurationError, match="must be what `fleet approve` wrote"):
        files.install()


def test_install_can_be_given_again_after_a_kill(fleet, files, monkeypatch):
    files.write()
    files.approve(fleet)
    replace = os.replace

    def kill(source, target):
        if str(target).endswith("store.crt"):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            files.install()
    with pytest.raises(ConfigurationError, match="join the fleet first"):
        StoreIdentity.load(files.state)
    assert files.install().name == "店 七"


def test_who_has_not_joined_is_told_how(tmp_path):
    with pytest.raises(ConfigurationError, match="run `store join TOKEN`"):
        StoreIdentity.load(tmp_path)


@pytest.mark.parametrize("name", ["chain.crt", "settings.json"])
def test_mixed_parts_are_no_identity(fleet, files, tmp_path, name):
    files.write()
    files.approve(fleet)
    files.install()
    other = _Files(tmp_path / "other")
    os.mkdir(tmp_path / "other")
    other.write()
    other.approve(SmallFleet(tmp_path / "other fleet"))
    other.install()
    os.replace(other.state / "identity" / name, files.state / "identity" / name)
    with pytest.raises(ConfigurationError, match="the identity of one store"):
        StoreIdentity.load(files.state)
