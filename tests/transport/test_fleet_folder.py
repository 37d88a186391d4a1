"""Tests of a fleet's folder: what is in it, who is welcome, what headquarters shows."""

import json
import os
import shutil
import stat

import pytest
from cryptography import x509

from tests.transport.small_fleet import DAY, SmallFleet
from tff_retail.config import ConfigurationError
from tff_retail.transport.authority_files import (
    is_headquarters_due,
    read_intermediate,
    renew_headquarters,
    renew_intermediate,
)
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.fleet_making import NewFleet, make_fleet
from tff_retail.transport.store_admittance import revoke_store

_PHRASE = b"correct horse battery"
_NEW = NewFleet(["localhost"], "localhost:8443", "localhost:8444")


def test_everything_is_its_owners(fleet):
    fleet.join("店 七")
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in fleet.folder.path.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert stat.S_IMODE(fleet.folder.path.stat().st_mode) == 0o700


def test_keys_of_authorities_and_manifests_go_under_the_pass_phrase(tmp_path):
    SmallFleet(tmp_path / "fleet", _PHRASE)
    keys = {p.name: b"ENCRYPTED" in p.read_bytes() for p in (tmp_path / "fleet").rglob("*.key")}
    assert keys == {
        "root.key": True,
        "intermediate.key": True,
        "manifest.key": True,
        "server.key": False,  # the coordinator starts by itself
    }


def test_the_coordinator_needs_headquarters_and_stores_alone(fleet):
    certificate = fleet.join()
    for name in ("root", "authority", "signing", "invitations"):
        shutil.rmtree(fleet.folder.path / name)
    found = FleetFolder(fleet.folder.path)
    assert found.is_welcome(certificate) is None
    assert found.server_tls().key.startswith(b"-----BEGIN PRIVATE KEY")
    assert found.chain_id == fleet.folder.chain_id
    assert found.manifest_key_pem.startswith(b"-----BEGIN PUBLIC KEY")


def test_a_fleet_is_made_whole_or_not_at_all(tmp_path):
    with pytest.raises(ConfigurationError, match="--hosts must be"):
        make_fleet(tmp_path / "fleet", NewFleet(["a b"], "a:1", "a:2"))
    assert list(tmp_path.iterdir()) == []


def test_a_fleet_is_never_overwritten(fleet):
    with pytest.raises(ConfigurationError, match="so that no key is lost"):
        make_fleet(fleet.folder.path, _NEW)


def test_another_folder_is_no_fleet(tmp_path):
    with pytest.raises(ConfigurationError, match="make one by `fleet init`"):
        FleetFolder(tmp_path)


def test_welcome_is_who_joined_until_the_end(fleet):
    certificate = fleet.join()
    assert fleet.folder.is_welcome(certificate) is None
    fleet.clock.now = certificate.not_after + DAY
    assert "ended at" in fleet.folder.is_welcome(certificate)


def test_a_revocation_holds_from_the_next_call_on(fleet):
    certificate, other = fleet.join(), fleet.join("b")
    assert fleet.folder.is_welcome(certificate) is None
    # As `fleet revoke` does, in another process.
    revoke_store(FleetFolder(fleet.folder.path), "store-001")
    assert "was revoked" in fleet.folder.is_welcome(certificate)
    assert fleet.folder.is_welcome(other) is None


def test_a_certificate_without_record_is_refused(fleet, tmp_path):
    certificate = fleet.join()
    (fleet.folder.path / "stores" / "store-001.json").unlink()
    assert "no record" in fleet.folder.is_welcome(certificate)
    stranger = SmallFleet(tmp_path / "other").join()
    assert "no record" in fleet.folder.is_welcome(stranger)


@pytest.mark.parametrize("content", [None, "{}", "[]", '{"certificates": []}', "\x00"])
def test_a_stripped_list_of_revocations_lets_nobody_in(fleet, content):
    certificate = fleet.join()
    path = fleet.folder.path / "revoked.json"
    path.unlink() if content is None else path.write_text(content)
    assert "can't read its list" in fleet.folder.is_welcome(certificate)


def test_an_emptied_list_of_revocations_lets_no_old_certificate_in(fleet):
    certificate = fleet.join()
    revoke_store(fleet.folder, "store-001")
    later = fleet.clock.now + DAY
    fleet.clock.now = later
    new = fleet.join()
    (fleet.folder.path / "revoked.json").write_text('{"certificates": {}}')
    assert fleet.folder.is_welcome(certificate) is not None
    assert fleet.folder.is_welcome(new) is None


def test_a_record_that_is_broken_lets_its_store_out_and_the_others_in(fleet):
    certificate, other = fleet.join(), fleet.join("b")
    path = fleet.folder.path / "stores" / "store-001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "anything"}))
    assert fleet.folder.is_welcome(certificate) is not None
    assert fleet.folder.is_welcome(other) is None


def test_headquarters_shows_its_new_certificate_without_a_restart(fleet):
    shown = fleet.folder.server_tls()
    assert fleet.folder.server_tls() is shown
    assert shown.reload() is shown
    renew_headquarters(FleetFolder(fleet.folder.path), read_intermediate(fleet.folder))
    assert shown.reload().chain != shown.chain
    assert shown.reload() == fleet.folder.server_tls()


def test_half_restored_files_do_not_end_a_run(fleet):
    shown = fleet.folder.server_tls()
    (fleet.folder.path / "headquarters" / "server.key").unlink()
    assert shown.reload() == shown
    with pytest.raises(ConfigurationError, match="restore both files"):
        fleet.folder.server_tls()


def test_headquarters_certificate_is_due_a_month_before_its_end(fleet):
    end = fleet.folder.server_certificate_end()
    fleet.clock.now = end - 31 * DAY
    assert fleet.office.renew_headquarters_if_due() is None
    fleet.clock.now = end - 29 * DAY
    assert is_headquarters_due(fleet.folder)
    assert fleet.office.renew_headquarters_if_due() > end
    assert not is_headquarters_due(fleet.folder)


def test_a_new_intermediate_leaves_the_stores_in(tmp_path):
    fleet = SmallFleet(tmp_path / "fleet", _PHRASE)
    certificate = fleet.join()
    os.replace(fleet.folder.path / "root", tmp_path / "safe")
    authority = renew_intermediate(fleet.folder, tmp_path / "safe", _PHRASE)
    renew_headquarters(fleet.folder, authority)
    chain = x509.load_pem_x509_certificates(fleet.folder.server_tls().chain)
    chain[0].verify_directly_issued_by(authority.certificate)
    assert fleet.folder.is_welcome(certificate) is None


def test_the_root_must_be_the_fleets(fleet, tmp_path):
    other = SmallFleet(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="another chain's"):
        renew_intermediate(fleet.folder, other.folder.path / "root")
