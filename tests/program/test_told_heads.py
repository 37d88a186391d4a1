"""The store's half of countersigning: only good signatures under heads that were told are kept."""

import asyncio
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.integration.link_stores import Chain
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.program.head_records import HeadRecords
from tff_retail.program.store_audit import StoreAudit
from tff_retail.program.told_heads import ToldHeads
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.link_faults import LinkLost


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


class _Link:
    def __init__(self) -> None:
        self.countersigns, self.is_lost = True, False
        self.told: list[tuple[str, int, str]] = []

    def tell_head(self, *head):
        if self.is_lost:
            raise LinkLost("gone")
        self.told.append(head)


class _Scene:
    def __init__(self, chain: Chain, folder) -> None:
        self.chain, self.link = chain, cast(Any, _Link())
        self.said: list[str] = []
        self.log = AuditLog(folder / "audit")
        self.records = HeadRecords(folder / "audit" / "countersigned.jsonl")
        root = x509.load_pem_x509_certificate(chain.root)
        self.audit = StoreAudit(self.log, say=self.said.append)
        self.heads = ToldHeads(
            self.log, self.records, self.audit, store="store-001", root=root, say=self.said.append
        )

    def signed(self, told: tuple[str, int, str], tls=None, store="store-001") -> dict:
        root = x509.load_pem_x509_certificate(self.chain.root)
        head = AuditHead(
            store=store,
            chain=root.fingerprint(hashes.SHA256()).hex(),
            log=told[0],
            sequence=told[1],
            hash=told[2],
        )
        tls = tls or self.chain.server_tls()
        return CountersignedHead.sign(head, time=self.chain.now, tls=tls).to_header()


def _play(scene_of):
    def test(tmp_path, chain):
        asyncio.run(scene_of(_Scene(chain, tmp_path)))

    test.__name__ = scene_of.__name__
    return test


@_play
async def test_the_head_is_told_and_its_signature_kept_once(scene):
    await scene.heads.tell(scene.link)
    assert scene.link.told == []  # nothing is in the log yet
    await scene.audit.write("released")
    await scene.heads.tell(scene.link)
    assert scene.link.told == [(scene.log.identity, *scene.log.head)]
    header = scene.signed(scene.link.told[0])
    await scene.heads.take(header)
    (kept,) = scene.records.all()
    assert kept.to_header() == header and scene.said == []
    await scene.heads.take(header)
    assert len(list(scene.records.all())) == 1
    assert scene.said == [
        "headquarters' signature under the audit log is of no use: it is of a head that was not "
        "told"
    ]


@_play
async def test_a_head_that_was_countersigned_is_not_told_again(scene):
    """Else headquarters fills the disk by acknowledging one round for ever."""
    tls = scene.chain.server_tls()
    for number in (1, 2):
        await scene.audit.write("released")
        await scene.heads.tell(scene.link)
        assert len(scene.link.told) == number
        await scene.heads.take(scene.signed(scene.link.told[-1], tls))
    for _ in range(3):
        await scene.heads.tell(scene.link)
    assert len(scene.link.told) == 2


@_play
async def test_what_is_not_signed_by_headquarters_is_not_kept(scene):
    await scene.audit.write("released")
    await scene.heads.tell(scene.link)
    told = scene.link.told[0]
    good = scene.signed(told)
    for header in (
        {**good, "signature": "c2ln"},
        {**good, "hash": "0" * 64},
        {**good, "sequence": told[1] + 1},
        scene.signed(told, store="store-002"),
        scene.signed(told, tls=Chain().server_tls()),
        {**good, "certificates": []},
    ):
        await scene.heads.take(header)
        assert list(scene.records.all()) == []
    assert len(scene.said) == 6
    await scene.heads.take(good)
    assert len(list(scene.records.all())) == 1


@_play
async def test_a_record_that_can_not_be_written_is_said(scene):
    await scene.audit.write("released")
    await scene.heads.tell(scene.link)
    (scene.log._files.folder / "countersigned.jsonl").mkdir()
    await scene.heads.take(scene.signed(scene.link.told[0]))
    assert "is of no use: [Errno 21]" in scene.said[0]


@_play
async def test_headquarters_of_version_1_and_lost_links_are_told_nothing(scene):
    await scene.audit.write("released")
    scene.link.countersigns = False
    await scene.heads.tell(scene.link)
    scene.link.countersigns, scene.link.is_lost = True, True
    await scene.heads.tell(scene.link)
    assert scene.link.told == []


@_play
async def test_headquarters_certificate_is_on_record_once(scene):
    tls = scene.chain.server_tls()
    for _ in range(3):
        await scene.audit.write("released")
        await scene.heads.tell(scene.link)
        await scene.heads.take(scene.signed(scene.link.told[-1], tls))
    await scene.audit.close()
    content = b"".join(path.read_bytes() for path in scene.log._files.paths())
    shown = x509.load_pem_x509_certificate(tls.chain).fingerprint(hashes.SHA256()).hex()
    assert content.count(shown.encode()) == 1
