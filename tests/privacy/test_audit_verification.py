"""Every kind of tampering with an audit log is found, and its line named."""

import datetime
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from tff_retail.privacy.audit_entry import NO_HASH, AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.privacy.audit_verification import KnownHead, verify_audit

_NUM_ENTRIES = 12


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[pathlib.Path, list[KnownHead]]:
    """A log of twelve entries in three files, and heads of the entries 4, 8 and 11."""
    folder = tmp_path_factory.mktemp("audit")
    log = AuditLog(folder, max_file_bytes=800)
    heads = []
    for number in range(1, _NUM_ENTRIES):
        log.append("released", number=number, bytes=100 * number)
        if log.head[0] in (4, 8, 11):
            heads.append(KnownHead(log.identity, *log.head, f"2026-11-21T12:{number:02}:00Z"))
    assert [head.sequence for head in heads] == [4, 8, 11]
    assert len(AuditFiles(folder).paths()) == 3
    return folder, heads


class _Copy:
    """A log that is tampered with: its lines, and which file each is in."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.lines: list[list[Any]] = [
            [line.path, line.content] for line in AuditFiles(folder).lines()
        ]

    def write(self) -> None:
        for path in AuditFiles(self.folder).paths():
            path.write_bytes(b"".join(content for where, content in self.lines if where == path))

    def place(self, index: int) -> str:
        """How a line is named in a problem."""
        path = self.lines[index][0]
        number = sum(where == path for where, _ in self.lines[: index + 1])
        return f"{path.name} line {number}"

    def written_anew(self, start: int) -> None:
        """Computes all hashes anew from a line on, as somebody would who has the source."""
        previous = AuditEntry.parse(self.lines[start - 1][1]).hash if start else NO_HASH
        for index in range(start, len(self.lines)):
            old = AuditEntry.parse(self.lines[index][1])
            time = datetime.datetime.fromisoformat(old.time)
            new = AuditEntry.make(index + 1, time, old.event, old.fields, previous=previous)
            self.lines[index][1], previous = new.line, new.hash


def _edit(copy: _Copy, index: int) -> None:
    copy.lines[index][1] = copy.lines[index][1].replace(b'"event":"r', b'"event":"R')
    copy.lines[index][1] = copy.lines[index][1].replace(b'"event":"b', b'"event":"B')


def _remove(copy: _Copy, index: int) -> None:
    del copy.lines[index]


def _swap(copy: _Copy, index: int) -> None:
    lines = copy.lines
    lines[index][1], lines[index + 1][1] = lines[index + 1][1], lines[index][1]


def _repeat(copy: _Copy, index: int) -> None:
    copy.lines.insert(index, list(copy.lines[index]))


def _garble(copy: _Copy, index: int) -> None:
    copy.lines[index][1] = b"nothing\n"


def _insert(copy: _Copy, index: int) -> None:
    """With a hash of its own that fits what stands before it."""
    previous = AuditEntry.parse(copy.lines[index - 1][1]).hash if index else NO_HASH
    now = datetime.datetime.now(datetime.UTC)
    entry = AuditEntry.make(index + 1, now, "put in", {}, previous=previous)
    copy.lines.insert(index, [copy.lines[index][0], entry.line])


def _edit_with_hash(copy: _Copy, index: int) -> None:
    """As if only this entry's hash had been computed anew."""
    previous = AuditEntry.parse(copy.lines[index - 1][1]).hash if index else NO_HASH
    now = datetime.datetime.now(datetime.UTC)
    entry = AuditEntry.make(index + 1, now, "changed", {}, previous=previous)
    copy.lines[index][1] = entry.line


# How, and how far behind the line that was touched the named one may lie.
_TAMPERINGS: dict[Callable[[_Copy, int], None], int] = {
    _edit: 0,
    _remove: 0,
    _swap: 0,
    _repeat: 1,
    _garble: 0,
    _insert: 1,
    _edit_with_hash: 1,
}


def _tampered(written, target: pathlib.Path) -> _Copy:
    shutil.copytree(written[0], target)
    return _Copy(target)


def test_a_log_as_it_was_written_has_no_problem(written):
    folder, heads = written
    verdict = verify_audit(folder, heads)
    assert (verdict.problems, verdict.remarks) == ((), ())
    assert (verdict.num_entries, verdict.num_countersigned) == (_NUM_ENTRIES, 11)


@pytest.mark.parametrize("index", range(_NUM_ENTRIES - 1))
@pytest.mark.parametrize("tamper", _TAMPERINGS)
def test_tampering_is_found_by_the_chain_alone_and_the_line_is_named(
    written, tmp_path, tamper, index
):
    copy = _tampered(written, tmp_path / "copy")
    tamper(copy, index)
    copy.write()
    problems = verify_audit(copy.folder, []).problems
    assert problems, tamper
    at = index + _TAMPERINGS[tamper]
    assert problems[0].startswith((f"{copy.place(index)} ", f"{copy.place(at)} ")), problems


def test_a_field_that_was_changed_is_named_by_its_line(written, tmp_path):
    copy = _tampered(written, tmp_path / "copy")
    copy.lines[5][1] = copy.lines[5][1].replace(b'"bytes":500', b'"bytes":100')
    copy.write()
    (problem,) = verify_audit(copy.folder, []).problems
    assert problem == (
        f"{copy.place(5)} was changed, or what stood before it was: the hash of entry 6 is wrong"
    )


def test_a_file_that_is_missing_is_found(written, tmp_path):
    for name in ("log-00001.jsonl", "log-00002.jsonl"):
        copy = _tampered(written, tmp_path / name)
        (copy.folder / name).unlink()
        problems = verify_audit(copy.folder, []).problems
        assert any("is missing before it" in problem for problem in problems)


def test_a_rewritten_log_is_found_by_the_countersigned_heads(written, tmp_path):
    folder, heads = written
    for index in range(_NUM_ENTRIES - 1):
        copy = _tampered(written, tmp_path / str(index))
        line = json.loads(copy.lines[index][1])
        previous = AuditEntry.parse(copy.lines[index - 1][1]).hash if index else NO_HASH
        when = datetime.datetime.fromisoformat(line["entry"]["time"])
        entry = AuditEntry.make(index + 1, when, "innocent", {}, previous=previous)
        copy.lines[index][1] = entry.line
        copy.written_anew(index + 1)
        copy.write()
        assert verify_audit(copy.folder, []).problems == ()
        problems = verify_audit(copy.folder, heads).problems
        if index == 0:  # the first entry names the log
            assert "is not here" in problems[0]
            continue
        sequence = next(head.sequence for head in heads if head.sequence > index)
        assert f"is not the entry {sequence} that headquarters countersigned" in problems[0]
        before = max((head.sequence for head in heads if head.sequence <= index), default=0)
        assert problems[0].endswith(f"written anew after entry {before}")


@pytest.mark.parametrize("left", range(1, _NUM_ENTRIES))
def test_truncation_is_found_back_to_the_last_countersigned_head(written, tmp_path, left):
    copy = _tampered(written, tmp_path / "copy")
    del copy.lines[left:]
    copy.write()
    assert verify_audit(copy.folder, []).problems == ()
    problems = verify_audit(copy.folder, written[1]).problems
    if left < 11:
        assert problems == (
            f"the log ends with entry {left}, but headquarters countersigned entry 11 at "
            "2026-11-21T12:10:00Z: its end was removed",
        )
    else:
        assert problems == ()  # what was not countersigned yet, and docs/audit.md says so


def test_a_log_that_was_removed_or_begun_anew_is_found(written, tmp_path):
    heads = written[1]
    for log in (None, AuditLog(tmp_path / "new")):
        if log is not None:
            log.append("started")
        (problem,) = verify_audit(tmp_path / "new", heads).problems
        assert problem.startswith(f"the log {heads[0].log[:16]} is not here, whose entry 11")


def test_a_line_without_end_is_a_remark(written, tmp_path):
    copy = _tampered(written, tmp_path / "copy")
    copy.lines[-1][1] = copy.lines[-1][1][:-9]
    copy.write()
    verdict = verify_audit(copy.folder, written[1])
    assert verdict.problems == ()
    assert verdict.remarks == (
        f"{copy.place(11)} has no end: its writer was killed, or writes it now",
    )


@hypothesis.settings(deadline=None, database=None, max_examples=150)
@hypothesis.given(data=strategies.data())
def test_any_byte_that_is_changed_is_found(written, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("copy") / "audit"
    shutil.copytree(written[0], folder)
    path = data.draw(strategies.sampled_from(AuditFiles(folder).paths()))
    content = bytearray(path.read_bytes())
    position = data.draw(strategies.integers(0, len(content) - 1))
    content[position] = data.draw(
        strategies.integers(0, 255).filter(lambda byte: byte != content[position])
    )
    path.write_bytes(content)
    verdict = verify_audit(folder, written[1])
    # The very last end of a line alone may be missing: nothing of the entry counts then.
    assert verdict.problems or verdict.remarks
