"""Tests of who is given a certificate."""

import concurrent.futures

import pytest

from tests.transport.small_fleet import DAY, HOUR, SmallFleet, request_for
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.store_admittance import revoke_store, want_renewal


def _join(fleet, token, request=None):
    request = request or request_for(token.name)
    return fleet.office.join(token.identifier.hex(), token.secret.hex(), request)


def _code(call, *arguments) -> str:
    with pytest.raises(EnrolmentRefused) as refused:
        call(*arguments)
    return refused.value.code


def test_a_token_gives_one_certificate(fleet):
    token = fleet.token("店 七")
    issued = _join(fleet, token)
    assert (issued.name, issued.chain_id) == ("店 七", fleet.folder.chain_id)
    assert issued.server_address == "localhost:8443"
    assert fleet.folder.is_welcome(PeerCertificate.from_pem(issued.chain.encode())) is None
    revoke_store(fleet.folder, "店 七")  # else the name is taken, too
    assert _code(_join, fleet, token) == "token_used"


def test_of_many_at_once_one_gets_it(fleet):
    token = fleet.token()
    offices = [SmallFleet.office_of(fleet.folder.path) for _ in range(8)]
    request = request_for("store-001")

    def attempt(office) -> bool:
        try:
            office.join(token.identifier.hex(), token.secret.hex(), request)
        except EnrolmentRefused:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, offices)) == 1


def test_a_token_that_ended_gives_none(fleet):
    token = fleet.token()
    fleet.clock.move(2 * HOUR)
    assert _code(_join, fleet, token) == "token_expired"
    assert fleet.folder.stores.all() == []


@pytest.mark.parametrize(
    "request_pem, code", [(request_for("store-002"), "other_name"), (b"nothing", "bad_request")]
)
def test_a_wrong_request_is_refused_and_spends_nothing(fleet, request_pem, code):
    token = fleet.token()
    assert _code(_join, fleet, token, request_pem) == code
    assert _join(fleet, token).name == "store-001"


def test_two_tokens_for_one_name_let_one_in(fleet):
    first, second = fleet.token(), fleet.token()
    _join(fleet, first)
    assert _code(_join, fleet, second) == "already_joined"


def test_an_invitation_that_could_not_be_marked_is_not_honoured(fleet, monkeypatch):
    token = fleet.token()

    def full(self, identifier, now):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tff_retail.transport.invitations.Invitations.use", full)
    with pytest.raises(OSError, match="No space"):
        _join(fleet, token)
    assert fleet.folder.stores.all() == []


def test_renewal_leaves_both_certificates_for_a_week(fleet):
    old = fleet.join()
    fleet.clock.move(60 * DAY)
    new = fleet.renew(old)
    assert new.fingerprint != old.fingerprint
    assert [fleet.folder.is_welcome(c) for c in (old, new)] == [None, None]
    fleet.clock.move(8 * DAY)
    assert "ended at" in fleet.folder.is_welcome(old)
    assert fleet.folder.is_welcome(new) is None


def test_only_who_is_welcome_renews(fleet, tmp_path):
    certificate = fleet.join()
    stranger = SmallFleet(tmp_path / "other").join()
    assert _code(fleet.renew, stranger) == "not_welcome"
    fleet.clock.move(91 * DAY)
    assert _code(fleet.renew, certificate) == "not_welcome"
    revoked = fleet.join("b")
    revoke_store(fleet.folder, "b")
    assert _code(fleet.renew, revoked) == "not_welcome"
    assert _code(fleet.office.is_renewal_wanted, revoked) == "not_welcome"


def test_a_store_renews_for_itself_alone(fleet):
    certificate = fleet.join()
    fleet.join("b")
    for name in ("b", None):
        assert _code(fleet.office.renew, certificate, request_for(name)) == "other_name"


def test_a_store_that_renews_without_end_is_stopped(fleet):
    certificate = fleet.join()
    for _ in range(7):
        certificate = fleet.renew(certificate)
    assert _code(fleet.renew, certificate) == "too_often"
    fleet.clock.move(8 * DAY)
    fleet.renew(certificate)


def test_rotation_is_wanted_until_it_is_done(fleet):
    certificate = fleet.join()
    assert not fleet.office.is_renewal_wanted(certificate)
    want_renewal(fleet.folder, "store-001")
    assert fleet.office.is_renewal_wanted(certificate)
    new = fleet.renew(certificate)
    assert not fleet.office.is_renewal_wanted(new)


def test_approval_needs_a_name_that_is_free(fleet):
    assert fleet.office.approve(request_for("店 七")).name == "店 七"
    assert _code(fleet.office.approve, request_for("店 七")) == "already_joined"
    assert _code(fleet.office.approve, request_for(None)) == "no_name"
    assert _code(fleet.office.approve, b"nothing") == "bad_request"
