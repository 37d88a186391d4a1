"""What `store audit` prints, and that no tampering passes it."""

import datetime
import json
import pathlib

import pytest

from tests.transport.small_fleet import SmallFleet
from tff_retail.config import ConfigurationError
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.program.audit_report import AuditReport, audit_folder, countersigned_path
from tff_retail.program.head_records import HeadRecords
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.store_enrolment import install_certificate, write_request

_START = datetime.datetime(2026, 11, 21, 23, 59, 58, tzinfo=datetime.UTC)
_HQ = "headquarters hq.example.com:8443"


class _Store:
    """A store with a log of a day, whose last entry but two is countersigned."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.fleet, self.state = SmallFleet(folder / "fleet"), folder / "state"
        request, answer = folder / "request", folder / "answer"
        write_request("store-001", state_dir=self.state, path=request)
        issued = self.fleet.office.approve(request.read_bytes())
        answer.write_text(json.dumps(issued.to_json()))
        install_certificate(answer, state_dir=self.state)
        self.now = _START
        self.log = AuditLog(audit_folder(self.state), now=lambda: self.now)
        self.log.append("started", software="tff_retail 0.1.0", policy="8f3a" * 16)
        self.log.append("connected", who=_HQ, run="autumn")
        self.log.append("manifest", who=_HQ, run="autumn", digest="d" * 64)
        self.log.append("released", who=_HQ, run="autumn", round=3, role="train", bytes=9_600_123)
        self.countersign()
        self.now += datetime.timedelta(seconds=3)
        self.log.append("refused", who=_HQ, rule="own_data_only", method="Compute", times=1200)
        self.log.append("model", name="round-3", refused="signature")

    def countersign(self, path: pathlib.Path | None = None, store: str = "store-001") -> None:
        sequence, entry_hash = self.log.head
        head = AuditHead(
            store=store,
            chain=self.fleet.folder.chain_id,
            log=self.log.identity,
            sequence=sequence,
            hash=entry_hash,
        )
        HeadRecords(path or countersigned_path(self.state)).append(
            CountersignedHead.sign(
                head, time=self.fleet.clock(), tls=self.fleet.folder.server_tls()
            )
        )

    def verdict(self, heads: pathlib.Path | None = None) -> tuple[str, bool]:
        report = AuditReport(self.state, heads)
        verdict = report.verdict()
        return report.verdict_text(verdict), not verdict.problems


@pytest.fixture
def store(tmp_path) -> _Store:
    return _Store(tmp_path)


def test_the_table_fits_a_terminal_and_says_what_left(store):
    lines = AuditReport(store.state).table(None).splitlines()
    assert max(map(len, lines)) <= 100
    rows = [line.split() for line in lines]
    assert rows[0] == ["entry", "time", "(UTC)", "event", "what", "bytes", "signed"]
    assert [row[0] for row in rows[1:]] == list("1234567")
    assert lines[5] == (
        "5      2026-11-21 23:59:58  released   train, round 3 of autumn                  "
        "9,600,123     yes"
    )
    assert [row[-1] for row in rows[1:]] == ["yes"] * 5 + ["no"] * 2
    assert "own_data_only, 1,200 times" in lines[6]
    assert "round-3 refused: signature" in lines[7]


def test_entries_since_a_time(store):
    midnight = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    report = AuditReport(store.state)
    assert len(report.table(midnight).splitlines()) == 3
    assert report.table(midnight + datetime.timedelta(days=1)) == "no entry"


def test_json_has_all_of_an_entry(store):
    values = [json.loads(line) for line in AuditReport(store.state).json_lines(None)]
    assert values[4] == {
        "sequence": 5,
        "time": "2026-11-21T23:59:58.000Z",
        "event": "released",
        "who": _HQ,
        "run": "autumn",
        "round": 3,
        "role": "train",
        "bytes": 9_600_123,
        "hash": values[4]["hash"],
        "is_countersigned": True,
    }
    assert store.log.head == (7, values[6]["hash"])


def test_a_log_as_it_was_written_holds(store):
    text, holds = store.verdict()
    assert holds
    assert text == (
        "the audit log holds: 7 entries; headquarters countersigned the first 5, and not yet the "
        "last 2"
    )
    countersigned_path(store.state).unlink()
    text, holds = store.verdict()
    assert holds and text.endswith("headquarters has countersigned none of them yet")
    store.countersign()
    assert store.verdict()[0].endswith("7 entries; headquarters countersigned the first 7")


def _log_file(store: _Store) -> pathlib.Path:
    (path,) = audit_folder(store.state).glob("log-*")
    return path


def test_an_edit_does_not_hold(store):
    path = _log_file(store)
    path.write_bytes(path.read_bytes().replace(b"9600123", b"1200123"))
    text, holds = store.verdict()
    assert not holds
    assert text.splitlines()[0] == "the audit log does not hold:"
    assert text.splitlines()[1].startswith("log-00001.jsonl line 5 was changed")
    assert len(AuditReport(store.state).table(None).splitlines()) == 8  # what can be read is shown


def test_an_end_that_was_cut_off_does_not_hold(store):
    path = _log_file(store)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    text, holds = store.verdict()
    assert not holds
    assert "the log ends with entry 4, but headquarters countersigned entry 5" in text


def test_headquarters_record_shows_what_the_stores_own_no_longer_does(store, tmp_path):
    heads = tmp_path / "heads"
    heads.write_bytes(countersigned_path(store.state).read_bytes())
    path = _log_file(store)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    countersigned_path(store.state).unlink()
    assert store.verdict()[1]
    assert not store.verdict(heads)[1]
    with pytest.raises(ConfigurationError, match="--heads must be what `fleet heads NAME`"):
        store.verdict(tmp_path / "none")


def test_a_countersigned_head_that_was_changed_is_named(store):
    path = countersigned_path(store.state)
    path.write_bytes(path.read_bytes().replace(b'"sequence":5', b'"sequence":4'))
    text, holds = store.verdict()
    assert not holds
    assert "countersigned.jsonl line 1 is no proof: the signature is not good" in text
    path.write_bytes(b"nothing\n")
    text, holds = store.verdict()
    assert not holds and "what headquarters countersigned can't be read" in text


def test_a_head_of_another_store_is_no_proof(store):
    store.countersign(store="store-002")
    text, holds = store.verdict()
    assert not holds and "countersigned.jsonl line 2 is no proof: it is of another store" in text


def test_a_store_without_a_log_is_said(store):
    _log_file(store).unlink()
    with pytest.raises(ConfigurationError, match="found none in"):
        AuditReport(store.state)
