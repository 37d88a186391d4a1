"""Tests of invitations: once, for one name, until their end."""

import datetime

import pytest

from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.invitations import Invitations

_NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
_HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def invitations(tmp_path) -> Invitations:
    return Invitations(tmp_path)


def _code(invitations, identifier, secret, now=_NOW) -> str:
    with pytest.raises(EnrolmentRefused) as refused:
        invitations.check(identifier, secret, now)
    return refused.value.code


def test_an_invitation_is_good_until_it_is_used(invitations):
    identifier, secret = invitations.invite("a", _NOW + _HOUR)
    assert invitations.check(identifier.hex(), secret.hex(), _NOW) == "a"
    assert invitations.check(identifier.hex(), secret.hex(), _NOW + _HOUR) == "a"
    invitations.use(identifier.hex(), _NOW)
    assert _code(invitations, identifier.hex(), secret.hex()) == "token_used"


def test_an_invitation_ends(invitations):
    identifier, secret = invitations.invite("a", _NOW + _HOUR)
    late = _NOW + _HOUR + datetime.timedelta(seconds=1)
    assert _code(invitations, identifier.hex(), secret.hex(), late) == "token_expired"


def test_a_guesser_learns_nothing(invitations):
    identifier, secret = invitations.invite("a", _NOW + _HOUR)
    other = invitations.invite("b", _NOW + _HOUR)[1]
    good_id, good_secret = identifier.hex(), secret.hex()
    guesses = [
        (good_id, other.hex()),
        (good_id, "z" * 32),
        (good_id, good_secret[:-2]),
        (good_id.upper() if good_id != good_id.upper() else "0" * 16, good_secret),
        ("0" * 16, good_secret),
        ("../" + good_id, good_secret),
        ("", ""),
    ]
    assert {_code(invitations, *guess) for guess in guesses} == {"token_unknown"}
    invitations.use(good_id, _NOW)
    assert _code(invitations, good_id, other.hex()) == "token_unknown"


def test_the_secret_is_nowhere_on_the_disk(invitations, tmp_path):
    identifier, secret = invitations.invite("a", _NOW + _HOUR)
    content = (tmp_path / f"{identifier.hex()}.json").read_bytes()
    assert secret not in content and secret.hex().encode() not in content


def test_open_invitations_are_listed_and_withdrawn(invitations):
    invitations.invite("b", _NOW + _HOUR)
    used = invitations.invite("a", _NOW + _HOUR)[0]
    open_one = invitations.invite("a", _NOW + 2 * _HOUR)
    invitations.use(used.hex(), _NOW)
    assert invitations.waiting(_NOW) == {"a": _NOW + 2 * _HOUR, "b": _NOW + _HOUR}
    assert invitations.waiting(_NOW + 1.5 * _HOUR) == {"a": _NOW + 2 * _HOUR}
    assert invitations.withdraw("a") == 1
    assert _code(invitations, open_one[0].hex(), open_one[1].hex()) == "token_unknown"
