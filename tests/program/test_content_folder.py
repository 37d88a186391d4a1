import hashlib

import pytest

from tff_retail.program.content_folder import ContentFolder

CONTENTS = {hashlib.sha256(content).hexdigest(): content for content in (b"one", b"two")}
ONE, TWO = CONTENTS


def test_what_is_put_is_there_for_the_owner_alone(tmp_path):
    folder = ContentFolder(tmp_path / "work")
    assert folder.missing([ONE, TWO, ONE]) == [ONE, TWO]
    folder.put(ONE, memoryview(b"one"))
    assert folder.missing([ONE, TWO]) == [TWO]
    assert (tmp_path / "work" / ONE).read_bytes() == b"one"
    assert (tmp_path / "work" / ONE).stat().st_mode & 0o777 == 0o600
    assert ContentFolder(tmp_path / "work").missing([ONE]) == []


def test_another_content_than_its_digest_says_is_refused(tmp_path):
    folder = ContentFolder(tmp_path)
    with pytest.raises(ValueError, match="has another"):
        folder.put(ONE, b"two")
    assert folder.missing([ONE]) == [ONE]


def test_what_no_manifest_names_goes(tmp_path):
    folder = ContentFolder(tmp_path)
    for digest, content in CONTENTS.items():
        folder.put(digest, content)
    folder.keep_only([TWO])
    assert folder.missing([ONE, TWO]) == [ONE]
