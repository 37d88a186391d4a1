"""Tests of where a pass phrase comes from."""

import io
import sys

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.transport.pass_phrase import VARIABLE, new_pass_phrase, present_pass_phrase


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch):
    """Lines that a person types."""
    lines: list[str] = []
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: lines.pop(0))
    return lines


def test_the_environment_comes_first(typed):
    assert present_pass_phrase("x.key", {VARIABLE: "from there"}) == b"from there"
    assert new_pass_phrase({VARIABLE: "long enough to be good"}) == b"long enough to be good"


def test_a_person_is_asked_twice_for_a_new_one(typed):
    typed += ["long enough to be good", "long enough to be good"]
    assert new_pass_phrase({}) == b"long enough to be good"
    typed += ["long enough to be good", "long enough to be bad"]
    with pytest.raises(ConfigurationError, match="the same twice"):
        new_pass_phrase({})
    typed += ["密码"]
    assert present_pass_phrase("x.key", {}) == "密码".encode()


def test_a_short_one_is_refused(typed):
    with pytest.raises(ConfigurationError, match="at least 12 characters, found 5"):
        new_pass_phrase({VARIABLE: "short"})


def test_a_script_is_told_the_variable(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigurationError, match="set TFF_RETAIL_PASS_PHRASE"):
        present_pass_phrase("x.key", {})
