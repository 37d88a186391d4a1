import pytest

from tff_retail.runtime.data_uri import (
    DataName,
    MalformedUri,
    parse_data_uri,
    parse_work_uri,
    work_uri,
)


@pytest.mark.parametrize(
    "name",
    [
        DataName("train"),
        DataName("validation", run="first run/ü?&=#", round_num=3, seed=2**31 - 1),
        DataName("train", run="上" * 200, round_num=12),
    ],
)
def test_what_is_written_is_read(name):
    assert parse_data_uri(name.uri()) == name


def test_the_query_may_be_left_out():
    assert parse_data_uri("store://train") == DataName("train")
    assert parse_data_uri("store://validation?round=2") == DataName("validation", round_num=2)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "train",
        "file://train",
        "store://",
        "store://test",
        "store://train/../x",
        "store://train#x",
        "store://user@train",
        "store://train:80",
        "store://train?path=/etc/passwd",
        "store://train?round=1&round=2",
        "store://train?round=-1",
        "store://train?round=1.5",
        "store://train?round=",
        "store://train?seed=2147483648",
        "store://train?round=٣",
        "store://train?run",
        "store://train?" + "run=" + "x" * 5000,
        "store://[train",
    ],
)
def test_what_names_nothing_is_refused(uri):
    with pytest.raises(MalformedUri):
        parse_data_uri(uri)


def test_work_is_named_by_its_digest():
    digest = "0123456789abcdef" * 4
    assert parse_work_uri(work_uri(digest)) == digest
    assert parse_work_uri("store://train") is None
    for wrong in ("work://", "work://abc", "work://" + "G" * 64, work_uri(digest) + "\n"):
        with pytest.raises(MalformedUri):
            parse_work_uri(wrong)
