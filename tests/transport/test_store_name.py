"""Tests of what a store may be called."""

import pytest

from tff_retail.transport.store_name import checked_store_name


@pytest.mark.parametrize(
    "name", ["a", "store-007", "店 七", "Köln Süd", "№ 5 (new)", "x" * 64, "Marks & Spencer, 100%"]
)
def test_names_of_any_language_are_kept(name):
    assert checked_store_name(name) == name


def test_one_name_is_spelled_in_one_way():
    assert checked_store_name("Ko\u0308ln") == "K\u00f6ln"


@pytest.mark.parametrize(
    "name, rule",
    [
        ("", "1 to 64 characters"),
        ("x" * 65, "1 to 64 characters"),
        ("𠮷" * 51, "200 bytes"),
        ("a/b", "no / or"),
        ("..\\b", "no / or"),
        ("a\nb", "no control characters"),
        ("a\x00", "no control characters"),
        ("a\u202eb", "no control characters"),  # turns the direction of writing
        ("a\udc80", "no control characters"),  # a lone surrogate: an argument that is no UTF-8
        ("..", "begin with no dot"),
        (".hidden", "begin with no dot"),
        (" a", "nor end with a space"),
        ("a ", "nor end with a space"),
    ],
)
def test_what_is_no_name_is_refused(name, rule):
    with pytest.raises(ValueError, match=rule):
        checked_store_name(name)
