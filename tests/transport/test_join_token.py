"""Tests of the word that is carried to a store."""

import base64

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.transport.join_token import JoinToken

_TOKEN = JoinToken(b"i" * 8, b"s" * 16, b"f" * 32, "hq.example.com:8444", "店 七")


def test_a_token_comes_back():
    word = _TOKEN.encode()
    assert JoinToken.decode(f" {word}\n") == _TOKEN
    assert word.startswith("tffr1.") and word.isascii() and not set(word) & set(" \n+/=")


def test_what_was_cut_or_mistyped_is_found_and_not_shown():
    word = _TOKEN.encode()
    wrong = [word[:-1], word[:40], word[6:], word.replace("c3", "c4", 1), "", "tffr1.", word * 20]
    wrong += ["tffr1.é", "tffr1." + base64.urlsafe_b64encode(bytes(100)).decode()]
    for text in wrong:
        with pytest.raises(ConfigurationError, match="the whole word") as caught:
            JoinToken.decode(text)
        assert text[10:30] not in str(caught.value) or len(text) < 12


def test_the_secret_is_not_shown():
    assert "sss" not in repr(_TOKEN)
