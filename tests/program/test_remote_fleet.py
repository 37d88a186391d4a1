"""What a store is sent when it connects, in which order, and what becomes of a refusal."""

import asyncio
import types

import pytest

from tests.transport.small_fleet import SmallFleet
from tff_retail.config import FleetConfig
from tff_retail.program import remote_fleet
from tff_retail.program.remote_fleet import RemoteFleet
from tff_retail.program.signed_run_model import SignedRunModel
from tff_retail.transport.link_faults import LinkLost, StoreRefused

MODEL = SignedRunModel("first", "digest", "signature", b"archive")


class _Link:
    """Notes what it is sent; refuses the manifest as often as it is told to."""

    manifest = "agreed"

    def __init__(self, name="store-001", refusals=(), is_lost=False):
        self.name, self.sent, self._is_lost = name, [], is_lost
        self.examples = {"train": 3}
        self._refusals = list(refusals)
        self.hello = types.SimpleNamespace(software="", tensorflow="", python="")

    async def send_manifest(self, signed, contents):
        if self._is_lost:
            raise LinkLost("cut")
        if self._refusals:
            raise StoreRefused("clock", self._refusals.pop(0))
        self.sent.append(("manifest", signed, contents))

    async def acknowledge(self, run, round_num):
        self.sent.append(("acknowledge", run, round_num))

    async def offer_model(self, name, *, digest, signature, body):
        self.sent.append(("model", name, digest, signature, b"".join(body)))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    small = SmallFleet(tmp_path_factory.mktemp("chain") / "fleet")
    small.certificate = small.join()
    return small


@pytest.fixture
def said():
    return []


@pytest.fixture
def fleet(small, said):
    return RemoteFleet(small.folder, FleetConfig(), run="first", kept_as="first-1", say=said.append)


def _connect(fleet, small, link):
    link.certificate = small.certificate
    fleet._joined(link)
    return link


async def _settled(fleet):
    while fleet._tasks:
        await asyncio.wait(fleet._tasks)


def test_a_store_gets_what_it_needs_before_it_takes_part(fleet, small):
    async def connect():
        fleet._give_work(b"signed", {"digest": b"graph"})
        fleet._acknowledge(4)
        fleet._offer_model(MODEL)
        link = _connect(fleet, small, _Link())
        assert fleet.connected.names() == []
        await _settled(fleet)
        return link

    link = asyncio.run(connect())
    assert link.sent == [
        ("acknowledge", "first-1", 4),
        ("manifest", b"signed", {"digest": b"graph"}),
        ("model", "first", "digest", "signature", b"archive"),
    ]
    assert fleet.connected.names() == ["store-001"]
    assert fleet.wait_for_delivery(["store-001"], within_s=0) == {"store-001"}


def test_a_store_that_was_there_first_gets_the_rest_when_it_comes(fleet, small):
    async def connect():
        link = _connect(fleet, small, _Link())
        await _settled(fleet)
        assert (link.sent, fleet.connected.names()) == ([], [])
        fleet._give_work(b"signed", {})
        await _settled(fleet)
        fleet._acknowledge(1)
        await _settled(fleet)
        return link

    link = asyncio.run(connect())
    assert link.sent == [("manifest", b"signed", {}), ("acknowledge", "first-1", 1)]


def test_a_refusal_is_said_once_and_asked_about_again(fleet, small, said, monkeypatch):
    monkeypatch.setattr(remote_fleet, "_OFFER_AGAIN_S", 0.0)

    async def connect():
        fleet._give_work(b"signed", {})
        _connect(fleet, small, _Link(refusals=["no folder", "no folder", "no clock"]))
        await _settled(fleet)

    asyncio.run(connect())
    assert said == ["store-001 can't take part: no folder", "store-001 can't take part: no clock"]
    assert fleet.connected.names() == ["store-001"]


def test_a_store_that_left_is_not_there_any_more(fleet, small):
    async def connect():
        fleet._give_work(b"signed", {})
        link = _connect(fleet, small, _Link())
        await _settled(fleet)
        newer = _connect(fleet, small, _Link())
        await _settled(fleet)
        fleet._left(link, "a newer connection took its place")
        assert fleet.connected.find("store-001") is newer
        assert fleet.why_missing() == "no other store has joined the fleet"
        fleet._left(newer, "the connection was lost")
        lost = _connect(fleet, small, _Link(is_lost=True))
        await _settled(fleet)
        fleet._left(lost, "the connection was lost")

    asyncio.run(connect())
    assert fleet.connected.names() == []
    assert fleet.why_missing() == "store-001 (left: the connection was lost)"


def test_who_is_refused_at_the_door_is_told_to_the_operator_once(fleet, small, said):
    link = _Link()
    link.certificate = small.certificate
    for sentence in ("it speaks version 9", "it speaks version 9", "it was revoked"):
        fleet._refused(link, sentence)
    assert said == [
        "store-001 was refused: it speaks version 9",
        "store-001 was refused: it was revoked",
    ]
    assert fleet.why_missing() == "store-001 (left: refused: it was revoked)"


def test_a_store_that_rests_is_not_there_until_it_is_ready_again(fleet, small, said):
    async def rest():
        fleet._give_work(b"signed", {})
        link = _connect(fleet, small, _Link())
        await _settled(fleet)
        link.manifest = ""
        fleet._note_standing(link, "its executor has ended")
        assert fleet.connected.names() == []
        assert fleet.why_missing() == "store-001 (can't take part: its executor has ended)"
        link.manifest = "agreed"
        fleet._note_standing(link, "")

    asyncio.run(rest())
    assert fleet.connected.names() == ["store-001"]
    assert said == [
        "store-001 can't take part for now: its executor has ended",
        "store-001 can take part again",
    ]


def test_an_executor_that_was_started_anew_is_told_the_manifest_again(fleet, small):
    async def revive():
        fleet._give_work(b"signed", {})
        link = _connect(fleet, small, _Link())
        await _settled(fleet)
        await fleet.revive(link)
        return link

    link = asyncio.run(revive())
    assert link.sent == [("manifest", b"signed", {})] * 2
    assert fleet.connected.names() == ["store-001"]
