import hashlib
import io
import tarfile

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.installed_models import InstalledModels
from tff_retail.program.model_archive import MalformedArchive, pack_model, unpack_model
from tff_retail.transport.signed_model import ModelRefused


@pytest.fixture
def make_model(tmp_path):
    def make(content: str) -> tuple[str, bytes]:
        folder = tmp_path / f"model {content}"
        (folder / "assets").mkdir(parents=True)
        (folder / "model.json").write_text(content)
        (folder / "assets" / "labels.txt").write_text("青\n", encoding="utf-8")
        archive = pack_model(folder)
        return hashlib.sha256(archive).hexdigest(), archive

    return make


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store" / "model"


def test_a_model_travels_whole(make_model, tmp_path):
    digest, archive = make_model("1")
    assert pack_model(tmp_path / "model 1") == archive
    unpack_model(archive, tmp_path / "out")
    assert (tmp_path / "out" / "assets" / "labels.txt").read_text(encoding="utf-8") == "青\n"
    assert pack_model(tmp_path / "out") == archive


def test_the_last_one_is_in_use_and_the_one_before_can_be_again(make_model, folder):
    models = InstalledModels(folder)
    assert models.current is None
    made = [make_model(str(number)) for number in range(3)]
    for digest, archive in made:
        assert models.install(digest, archive)
        assert models.current == digest
    assert (folder / "current" / "model.json").read_text() == "2"
    assert sorted(path.name for path in (folder / "versions").iterdir()) == sorted(
        digest for digest, _ in made[1:]
    )
    assert models.roll_back() == made[1][0]
    assert (folder / "current" / "model.json").read_text() == "1"
    assert InstalledModels(folder).current == made[1][0]
    with pytest.raises(ConfigurationError, match="must hold an earlier model"):
        models.roll_back()


def test_a_model_that_was_rolled_back_stays_out_until_a_newer_one_comes(make_model, folder):
    models = InstalledModels(folder)
    first, second, third = (make_model(str(number)) for number in range(3))
    models.install(*first)
    assert not models.install(*first)
    models.install(*second)
    models.roll_back()
    assert not models.install(*second)
    assert models.current == first[0]
    assert models.install(*third)
    assert models.roll_back() == first[0]


def test_without_a_model_there_is_nothing_to_roll_back_to(make_model, folder):
    with pytest.raises(ConfigurationError, match="models come from headquarters"):
        InstalledModels(folder).roll_back()
    models = InstalledModels(folder)
    models.install(*make_model("1"))
    with pytest.raises(ConfigurationError, match="models come from headquarters"):
        models.roll_back()


def test_another_digest_is_refused(make_model, folder):
    digest, archive = make_model("1")
    with pytest.raises(ModelRefused, match="has another"):
        InstalledModels(folder).install(digest, archive + b"x")
    assert not folder.exists()


def _archive(entry: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/outside", "a/../../outside", "1/2/3/4/5", "."]
)
def test_nothing_is_written_elsewhere(name, tmp_path):
    with pytest.raises(MalformedArchive, match="plain files within its folder"):
        unpack_model(_archive(tarfile.TarInfo(name), b"x"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_only_plain_files_are_written(kind, tmp_path):
    entry = tarfile.TarInfo("file")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(MalformedArchive, match="plain files"):
        unpack_model(_archive(entry), tmp_path)
    assert list(tmp_path.iterdir()) == []


def _header(name: str, kind: bytes, size: int = 0) -> bytearray:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    return bytearray(entry.tobuf(tarfile.GNU_FORMAT))


def test_some_bytes_do_not_stand_for_gigabytes(tmp_path):
    header = _header("bomb", tarfile.GNUTYPE_SPARSE)
    header[386:410] = b"00000000000\0" * 2  # one piece, without bytes
    header[483:495] = b"77777777777\0"  # 8 GiB when it is read
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    with pytest.raises(MalformedArchive, match="plain files"):
        unpack_model(bytes(header) + bytes(1024), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_headers_before_headers_do_not_exhaust_the_stack(tmp_path):
    long_name = bytes(_header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 5)) + b"abcd\0".ljust(
        512, b"\0"
    )
    with pytest.raises(MalformedArchive, match="must be a tar archive"):
        unpack_model(
            long_name * 2000 + bytes(_header("a", tarfile.REGTYPE)) + bytes(1024), tmp_path
        )


def test_a_broken_archive_leaves_what_was_in_use(make_model, folder):
    models = InstalledModels(folder)
    digest, archive = make_model("1")
    models.install(digest, archive)
    broken = b"no archive" * 100
    with pytest.raises(MalformedArchive):
        models.install(hashlib.sha256(broken).hexdigest(), broken)
    assert models.current == digest
    assert (folder / "current" / "model.json").read_text() == "1"
    assert [path.name for path in (folder / "versions").iterdir()] == [digest]
