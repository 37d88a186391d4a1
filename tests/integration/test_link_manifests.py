"""What goes over the store link beside calls: manifests, acknowledgements, models, reports."""

import hashlib
import os

import pytest

from tests.integration.link_stores import TIMEOUT_S
from tff_retail.transport.link_faults import LinkLost, StoreRefused

_MIB = 1024 * 1024


def test_a_manifest_brings_what_the_store_lacks(connected):
    headquarters, store, link = connected
    contents = {hashlib.sha256(one).hexdigest(): one for one in (b"a" * 3 * _MIB, b"b", b"unused")}
    store.handler.wants = list(contents)[:2]
    headquarters.do(link.send_manifest(b"signed", contents))
    assert store.handler.contents == dict(list(contents.items())[:2])
    assert link.manifest == hashlib.sha256(b"signed").hexdigest()
    assert link.examples == {}


def test_a_ready_store_tells_its_examples_and_tells_them_anew(connected):
    headquarters, store, link = connected
    headquarters.do(link.send_manifest(b"signed", {}))
    assert link.examples == {"train": 6}
    store.do(store.handler.link.ready, store.handler.manifest, {"train": 7, "validation": 1})
    headquarters.call(link, "echo")  # what was said before it has arrived
    assert link.examples == {"train": 7, "validation": 1}


def test_a_store_declines_a_manifest_and_takes_the_next(connected):
    headquarters, store, link = connected
    store.handler.refusal = ("signature", "The manifest is signed by another key")
    with pytest.raises(StoreRefused, match="signed by another key") as caught:
        headquarters.do(link.send_manifest(b"forged", {}))
    assert (caught.value.code, link.manifest) == ("signature", "")
    store.handler.refusal = None
    headquarters.do(link.send_manifest(b"signed", {}))
    assert link.manifest


def test_a_store_that_was_ready_rests_and_is_ready_again(connected):
    headquarters, store, link = connected
    headquarters.do(link.send_manifest(b"signed", {}))
    digest = store.handler.manifest
    for sentence in ("its executor has ended", "its photographs can't be read"):
        store.do(store.handler.link.decline, digest, "executor_down", sentence)
        assert headquarters.standings.get(timeout=TIMEOUT_S) == (link.name, sentence)
        assert link.manifest == ""
    store.do(store.handler.link.ready, "0" * 64, {"train": 9})  # of no manifest that there was
    store.do(store.handler.link.ready, digest, {"train": 8})
    assert headquarters.standings.get(timeout=TIMEOUT_S) == (link.name, "")
    assert (link.manifest, link.examples) == (digest, {"train": 8})
    # A newer manifest ends the older one for good.
    store.do(store.handler.link.decline, digest, "executor_down", "its executor has ended")
    headquarters.do(link.send_manifest(b"signed anew", {}))
    store.do(store.handler.link.ready, digest, {"train": 7})
    headquarters.call(link, "echo")  # what was said before it has arrived
    assert link.manifest == store.handler.manifest != digest


def test_a_store_that_wants_what_no_manifest_names_is_sent_away(connected):
    headquarters, store, link = connected
    store.handler.wants = ["0" * 64]
    with pytest.raises(LinkLost):
        headquarters.do(link.send_manifest(b"signed", {}))
    assert "must want only what the manifest names" in store.handler.next_left()


def test_acknowledgements_models_and_reports_arrive(connected):
    headquarters, store, link = connected
    headquarters.do(link.acknowledge("run-7", 3))
    assert store.handler.acknowledged.get(timeout=TIMEOUT_S) == ("run-7", 3)
    body = os.urandom(2 * _MIB)
    digest = hashlib.sha256(body).hexdigest()
    headquarters.do(link.offer_model("round-3", digest=digest, signature="c2ln", body=[body]))
    assert store.handler.models.get(timeout=TIMEOUT_S) == ("round-3", digest, "c2ln", body)
    store.do(store.handler.link.report, "working", code="slow-disk", values={"seconds": 1.5})
    assert headquarters.reports.get(timeout=TIMEOUT_S) == (
        "store-001",
        {"state": "working", "code": "slow-disk", "values": {"seconds": 1.5}},
    )
