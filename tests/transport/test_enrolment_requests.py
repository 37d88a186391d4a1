"""Tests of the table of enrolment's messages."""

import pytest

from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.enrolment_requests import checked_request, decode_line, encode_line

_JOIN = {"kind": "join", "id": "1", "secret": "2", "request": "3"}


def test_a_message_comes_back():
    assert decode_line(encode_line(_JOIN)) == _JOIN
    assert encode_line({"a": "\n"}).count(b"\n") == 1


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"\xff", b"[" * 16_000, b"GET / HTTP/1.1"])
def test_what_is_no_message_is_refused(line):
    with pytest.raises(EnrolmentRefused, match="one JSON object"):
        decode_line(line)


@pytest.mark.parametrize(
    "values, has_certificate, code",
    [
        ({}, False, "bad_message"),
        ({"kind": "shell"}, False, "bad_message"),
        ({"kind": ["join"]}, False, "bad_message"),
        ({**_JOIN, "more": ""}, False, "bad_message"),
        ({"kind": "join"}, False, "bad_message"),
        ({**_JOIN, "id": 1}, False, "bad_message"),
        ({**_JOIN, "secret": "x" * 65}, False, "bad_message"),
        ({"kind": "renew", "request": ""}, False, "no_certificate"),
        ({"kind": "is_renewal_wanted"}, False, "no_certificate"),
    ],
)
def test_a_request_keeps_the_table(values, has_certificate, code):
    with pytest.raises(EnrolmentRefused) as refused:
        checked_request(values, has_certificate)
    assert refused.value.code == code


def test_good_requests_pass():
    assert checked_request(_JOIN, False) == "join"
    assert checked_request({"kind": "renew", "request": ""}, True) == "renew"
    assert checked_request({"kind": "authority"}, False) == "authority"
