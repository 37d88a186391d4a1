"""Stores and headquarters of this release and of the one before, over a real link."""

import pytest

from tests.integration.link_stores import HELLO, TIMEOUT_S, Chain
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.link_faults import LocalFault
from tff_retail.transport.link_frames import VERSIONS
from tff_retail.transport.link_hello import Hello

_LOG, _HASH = "a" * 64, "b" * 64
_OLD = Hello(**{**vars(HELLO), "versions": (1,)})


def _signed(chain: Chain, sequence: int) -> CountersignedHead:
    head = AuditHead(store="store-001", chain="c" * 64, log=_LOG, sequence=sequence, hash=_HASH)
    return CountersignedHead.sign(head, time=chain.now, tls=chain.server_tls())


def test_this_release_speaks_its_own_version_and_the_one_before():
    assert VERSIONS == HELLO.versions == (1, 2)


def test_a_head_is_told_and_countersigned_at_each_round(connected, around):
    headquarters, store, link = connected
    assert store.handler.runs.get(timeout=TIMEOUT_S) == "run-7"
    for round_num in (1, 2):
        headquarters.do(link.acknowledge("run-7", round_num))
        assert store.handler.acknowledged.get(timeout=TIMEOUT_S) == ("run-7", round_num)
        assert store.handler.link.countersigns
        store.do(store.handler.link.tell_head, _LOG, round_num, _HASH)
        name, head = headquarters.heads.get(timeout=TIMEOUT_S)
        assert (name, head) == ("store-001", {"log": _LOG, "sequence": round_num, "hash": _HASH})
        signed = _signed(around.chain, round_num)
        headquarters.do(link.countersign(signed))
        assert store.handler.countersigned.get(timeout=TIMEOUT_S) == signed.to_header()
    store.do(store.handler.link.tell_head, _LOG, 3, _HASH)
    assert "A head must answer an acknowledgement" in store.handler.next_left()


@pytest.mark.parametrize("old", ["store", "headquarters"])
def test_a_version_1_end_works_with_this_one_without_heads(around, old):
    headquarters = around.headquarters(
        run="run-7", **({"versions": (1,)} if old == "headquarters" else {})
    )
    store = around.store(headquarters.address, **({"hello": _OLD} if old == "store" else {}))
    link = headquarters.next_link()
    assert store.handler.runs.get(timeout=TIMEOUT_S) == "run-7"
    assert headquarters.call(link, "echo", b"work") == b"work"
    headquarters.do(link.send_manifest(b"signed", {}))
    headquarters.do(link.acknowledge("run-7", 1))
    assert store.handler.acknowledged.get(timeout=TIMEOUT_S) == ("run-7", 1)
    assert not store.handler.link.countersigns
    with pytest.raises(LocalFault, match="is not in version 1"):
        store.do(store.handler.link.tell_head, _LOG, 1, _HASH)
    with pytest.raises(LocalFault, match="is not in version 1"):
        headquarters.do(link.countersign(_signed(around.chain, 1)))
    assert headquarters.call(link, "echo", b"on") == b"on"
    assert headquarters.heads.empty()
