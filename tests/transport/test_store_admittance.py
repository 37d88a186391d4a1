"""Tests of what an operator decides of stores."""

import json

import pytest

from tests.transport.small_fleet import HOUR
from tff_retail.config import ConfigurationError
from tff_retail.transport.store_admittance import (
    invite_store,
    revoke_store,
    waiting_invitations,
    want_renewal,
)
from tff_retail.transport.store_records import REVOKED


def test_a_token_says_whom_to_trust_and_where_to_go(fleet):
    token = invite_store(fleet.folder, "Ko\u0308ln", HOUR)
    assert token.name == "K\u00f6ln"
    assert token.fingerprint.hex() == fleet.folder.chain_id
    assert token.address == "localhost:8444"
    assert invite_store(fleet.folder, "b", HOUR, "10.0.0.1:99").address == "10.0.0.1:99"
    assert waiting_invitations(fleet.folder) == {
        "K\u00f6ln": fleet.clock.now + HOUR,
        "b": fleet.clock.now + HOUR,
    }


def test_a_store_that_joined_is_not_invited_until_it_is_revoked(fleet):
    fleet.join()
    with pytest.raises(ConfigurationError, match="`fleet revoke` it first"):
        fleet.token()
    revoke_store(fleet.folder, "store-001")
    assert fleet.folder.is_welcome(fleet.join()) is None


@pytest.mark.parametrize("call", [revoke_store, want_renewal])
def test_a_store_must_exist(fleet, call):
    with pytest.raises(ConfigurationError, match="must be a store of the fleet, found 'x'"):
        call(fleet.folder, "x")
    with pytest.raises(ConfigurationError, match="no / or"):
        call(fleet.folder, "../x")


def test_revoking_ends_all_certificates_and_says_why(fleet):
    certificate = fleet.renew(fleet.join())
    assert revoke_store(fleet.folder, "store-001", "laptop stolen") == 2
    assert revoke_store(fleet.folder, "store-001") == 0
    revoked = json.loads((fleet.folder.path / "revoked.json").read_text())["certificates"]
    assert revoked[certificate.fingerprint]["reason"] == "laptop stolen"
    record = fleet.folder.stores.read("store-001")
    assert record is not None and record.state == REVOKED
    assert {c.accepted_until for c in record.certificates} == {fleet.clock.now}


def test_revoking_who_was_only_invited_withdraws_the_invitation(fleet):
    fleet.token()
    assert revoke_store(fleet.folder, "store-001") == 0
    assert waiting_invitations(fleet.folder) == {}


def test_a_revoked_store_does_not_renew(fleet):
    fleet.join()
    revoke_store(fleet.folder, "store-001")
    with pytest.raises(ConfigurationError, match="which is revoked"):
        want_renewal(fleet.folder, "store-001")


def test_a_missing_list_of_revocations_is_not_begun_anew(fleet):
    fleet.join()
    (fleet.folder.path / "revoked.json").unlink()
    with pytest.raises(ConfigurationError, match="restore it from a backup"):
        revoke_store(fleet.folder, "store-001")
