"""The audit log: durable when `append` returns, whatever the disk does, and after any kill."""

import datetime
import errno
import hashlib
import json
import os
import pathlib
import resource
import subprocess

import hypothesis
import pytest
from hypothesis import strategies

from tff_retail.privacy import durable_file
from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.privacy.audit_unwritable import AuditUnwritable
from tff_retail.privacy.audit_verification import verify_audit

NOW = datetime.datetime(2026, 11, 21, 12, 0, 0, 1500, tzinfo=datetime.UTC)


def _log(folder: pathlib.Path, **settings) -> AuditLog:
    return AuditLog(folder, now=lambda: NOW, **settings)


def _entries(folder: pathlib.Path) -> list[AuditEntry]:
    return [AuditEntry.parse(line.content) for line in AuditFiles(folder).lines()]


def _events(folder: pathlib.Path) -> list[str]:
    return [entry.event for entry in _entries(folder)]


def _file(folder: pathlib.Path) -> pathlib.Path:
    (path,) = AuditFiles(folder).paths()
    return path


def test_a_line_is_json_and_its_hash_is_over_the_bytes_in_it(tmp_path):
    log = _log(tmp_path / "audit")
    assert log.head == (0, "0" * 64) and log.identity == ""
    log.append("released", role="train", bytes=12)
    first, second = _file(tmp_path / "audit").read_bytes().splitlines()
    assert json.loads(first)["entry"]["event"] == "began"
    previous = json.loads(first)["hash"]
    content = (
        b'{"bytes":12,"event":"released","role":"train","sequence":2,'
        b'"time":"2026-11-21T12:00:00.001Z"}'
    )
    digest = hashlib.sha256(previous.encode() + content).hexdigest()
    assert second == b'{"entry":' + content + b',"hash":"' + digest.encode() + b'"}'
    assert log.head == (2, digest) and log.identity == previous


def test_it_is_its_owners_alone(tmp_path):
    log = _log(tmp_path / "audit")
    log.append("started")
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
    assert _file(tmp_path / "audit").stat().st_mode & 0o777 == 0o600


def test_an_entry_is_on_the_disk_when_append_returns(tmp_path, monkeypatch):
    log = _log(tmp_path)
    flushed = []
    real = os.fsync

    def fsync(descriptor):
        real(descriptor)
        flushed.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(durable_file.os, "fsync", fsync)
    log.append("started")
    assert _file(tmp_path).stat().st_size in flushed
    before = len(flushed)
    log.append("released")
    assert flushed[before:] == [_file(tmp_path).stat().st_size]


def test_it_goes_on_after_a_restart(tmp_path):
    _log(tmp_path).append("started")
    identity = _log(tmp_path).identity
    log = _log(tmp_path)
    log.append("stopped")
    assert log.identity == identity
    assert _events(tmp_path) == ["began", "started", "stopped"]
    assert verify_audit(tmp_path, []).problems == ()


def test_no_two_logs_are_alike(tmp_path):
    logs = [_log(tmp_path / name) for name in "ab"]
    for log in logs:
        log.append("started")
    assert logs[0].identity != logs[1].identity


def test_files_follow_each_other_in_one_chain(tmp_path):
    log = _log(tmp_path, max_file_bytes=1000)
    for number in range(20):
        log.append("released", number=number)
    log = _log(tmp_path, max_file_bytes=1000)
    log.append("stopped")
    paths = AuditFiles(tmp_path).paths()
    assert [path.name for path in paths[:2]] == ["log-00001.jsonl", "log-00002.jsonl"]
    assert len(paths) > 3 and all(path.stat().st_size <= 1000 for path in paths)
    assert verify_audit(tmp_path, []).problems == ()
    assert _entries(tmp_path)[-1].sequence == 22


def test_a_kill_between_two_files_is_survived(tmp_path):
    log = _log(tmp_path)
    log.append("started")
    AuditFiles(tmp_path).next_path().touch(0o600)
    log = _log(tmp_path)
    assert log.head[0] == 2
    log.append("stopped")
    assert verify_audit(tmp_path, []).problems == ()


def test_a_kill_in_mid_write_hides_nothing_and_is_noted(tmp_path):
    """At every offset of the last line: as many bytes as the kernel took before the kill."""
    log = _log(tmp_path / "whole")
    for event in ("started", "released", "released"):
        log.append(event, digest="d" * 64)
    content = _file(tmp_path / "whole").read_bytes()
    start = content.rindex(b"\n", 0, -1) + 1
    for offset in range(start, len(content)):
        folder = tmp_path / str(offset)
        folder.mkdir()
        (folder / "log-00001.jsonl").write_bytes(content[:offset])
        log = _log(folder)
        assert log.head[0] == 3
        log.append("stopped")
        torn = ["torn"] if offset > start else []
        assert _events(folder) == ["began", "started", "released", *torn, "stopped"]
        if torn:
            cut = content[start:offset]
            assert _entries(folder)[3].fields == {
                "bytes": len(cut),
                "sha256": hashlib.sha256(cut).hexdigest(),
            }
        assert verify_audit(folder, []).problems == ()


def test_a_full_disk_lets_nothing_happen_and_is_tried_again(tmp_path):
    log = _log(tmp_path)
    log.append("started")
    size, limits = _file(tmp_path).stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, limits[1]))  # half a line fits
    try:
        for _ in range(3):
            with pytest.raises(AuditUnwritable, match="must be writable, found File too large"):
                log.append("released")
            assert _file(tmp_path).stat().st_size == size
            assert log.head[0] == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.append("released")
    assert _events(tmp_path) == ["began", "started", "unwritten", "released"]
    missing = {"entries": 3, "since": "2026-11-21T12:00:00.001Z"}
    assert _entries(tmp_path)[2].fields == missing
    log.append("stopped")
    assert _events(tmp_path)[4:] == ["stopped"]
    assert verify_audit(tmp_path, []).problems == ()


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 64 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_and_freed_again(tiny_disk):
    log = _log(tiny_disk / "audit")
    log.append("started")
    ballast = tiny_disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    with pytest.raises(AuditUnwritable, match="found No space left on device"):
        for _ in range(100):  # the last block of the file has room for some
            log.append("released", digest="d" * 64)
    kept = log.head[0]
    ballast.unlink()
    log.append("released")
    log.close()
    found = _entries(tiny_disk / "audit")
    assert [entry.event for entry in found[kept:]] == ["unwritten", "released"]
    assert verify_audit(tiny_disk / "audit", []).problems == ()


def test_what_a_failed_flush_left_does_not_count(tmp_path, monkeypatch):
    log = _log(tmp_path)
    log.append("started")
    failing = [True]
    real = os.fsync

    def fsync(descriptor):
        if failing[0]:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    def ftruncate(descriptor, size):
        if failing[0]:
            raise OSError(errno.EIO, "Input/output error")
        real_truncate(descriptor, size)

    real_truncate = os.ftruncate
    monkeypatch.setattr(durable_file.os, "fsync", fsync)
    monkeypatch.setattr(durable_file.os, "ftruncate", ftruncate)
    with pytest.raises(AuditUnwritable, match="Input/output error"):
        log.append("released", secret="never left")
    assert b"never left" in _file(tmp_path).read_bytes()  # the kernel had it, the disk nobody knows
    failing[0] = False
    log.append("stopped")
    assert b"never left" not in _file(tmp_path).read_bytes()
    assert _events(tmp_path) == ["began", "started", "unwritten", "stopped"]
    assert verify_audit(tmp_path, []).problems == ()


def test_a_file_that_somebody_made_shorter_is_not_written_on(tmp_path):
    log = _log(tmp_path)
    log.append("started")
    log.close()
    os.truncate(_file(tmp_path), 10)
    with pytest.raises(AuditUnwritable, match="somebody made it shorter"):
        log.append("released")


@pytest.mark.parametrize("end", [b"no entry\n", b"x" * 200_000, b'{"entry":{},"hash":"0"}\n'])
def test_an_end_that_was_not_written_here_is_not_gone_on_from(tmp_path, end):
    _log(tmp_path).append("started")
    with _file(tmp_path).open("ab") as file:
        file.write(end)
    with pytest.raises(AuditUnwritable, match=r"must end as it was written.*--verify"):
        _log(tmp_path)


def test_a_folder_that_can_not_be_used_is_a_sentence(tmp_path):
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(AuditUnwritable, match="must be writable, found File exists"):
        _log(tmp_path / "audit")


@pytest.mark.parametrize("fields", [{"sequence": 1}, {"time": ""}, {"hash": float("nan")}])
def test_what_makes_no_entry_is_not_written(tmp_path, fields):
    log = _log(tmp_path)
    with pytest.raises(ValueError, match="."):
        log.append("released", **fields)
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        log.append("released", reason="x" * 70_000)
    assert log.head[0] == 0


_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=4,
)


@hypothesis.settings(deadline=None, database=None, max_examples=25)
@hypothesis.given(strategies.lists(strategies.dictionaries(strategies.text(), _JSON), max_size=5))
def test_whatever_is_said_is_read_again(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("audit")
    log = _log(folder, max_file_bytes=600)
    kept = []
    for fields in said:
        fields = {f"x{name}": value for name, value in fields.items()}
        log.append("said", **fields)
        kept.append(fields)
    assert [entry.fields for entry in _entries(folder)][1:] == kept
    assert verify_audit(folder, []).problems == ()
