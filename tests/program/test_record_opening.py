"""How a daemon begins its record: it says what is in force, and writes behind its own end only."""

import asyncio
import hashlib

import pytest

from tests.integration.store_daemons import Fleet
from tff_retail.config import ConfigurationError
from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.program.audit_report import countersigned_path
from tff_retail.program.head_records import HeadRecords
from tff_retail.program.record_opening import open_store_record
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.store_identity import StoreIdentity


class _Store:
    def __init__(self, folder) -> None:
        self.fleet = Fleet(folder)
        self.state = self.fleet.enrol("north")
        self.identity = StoreIdentity.load(self.state)
        self.said: list[str] = []

    def run(self, policy: str | None = None) -> None:
        """A daemon that starts and stops."""
        record = open_store_record(
            self.state,
            self.identity,
            server_address="hq.example.com:8443",
            policy=policy,
            say=self.said.append,
        )
        asyncio.run(record.close())

    def entries(self) -> list[AuditEntry]:
        return [AuditEntry.parse(line.content) for line in AuditFiles(self.state / "audit").lines()]


@pytest.fixture
def store(tmp_path) -> _Store:
    return _Store(tmp_path)


def test_each_start_names_the_policy_in_force(store, tmp_path):
    policy = tmp_path / "policy.toml"
    store.run()
    for text in ("hours = '00:00-24:00'", "hours = '08:00-18:00'"):
        policy.write_text(text)
        store.run(str(policy))
    started = [entry for entry in store.entries() if entry.event == "started"]
    digest = hashlib.sha256(policy.read_bytes()).hexdigest()
    assert [entry.fields["policy"] for entry in started][::2] == [None, digest]
    assert len({entry.fields["policy"] for entry in started}) == 3
    assert started[0].fields["store"] == "north"
    assert started[0].fields["chain"] == store.fleet.folder.chain_id
    assert started[0].fields["headquarters"] == "hq.example.com:8443"
    assert started[0].fields["certificate"] == store.identity.certificate.fingerprint
    assert [entry.event for entry in store.entries()] == ["began", *(3 * ["started", "stopped"])]
    with pytest.raises(ConfigurationError, match="--policy must be a readable file"):
        store.run(str(tmp_path / "none"))


def test_a_log_that_was_changed_at_its_end_is_not_gone_on_from(store):
    store.run()
    (path,) = AuditFiles(store.state / "audit").paths()
    path.write_bytes(path.read_bytes() + b"no entry\n")
    with pytest.raises(ConfigurationError, match="must end as it was written"):
        store.run()


def test_a_log_that_ends_too_early_is_said_at_the_start(store):
    store.run()
    first, *_, last = store.entries()
    head = AuditHead(
        store="north",
        chain=store.fleet.folder.chain_id,
        log=first.hash,
        sequence=last.sequence + 5,
        hash="0" * 64,
    )
    folder = store.fleet.folder
    signed = CountersignedHead.sign(head, time=folder.clock(), tls=folder.server_tls())
    HeadRecords(countersigned_path(store.state)).append(signed)
    store.run()
    assert store.said == [
        "the audit log ends with entry 3, but headquarters countersigned entry 8: see `store audit "
        "--verify`"
    ]
