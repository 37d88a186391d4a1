"""Headquarters' record of audit heads: kept before they are signed away, never contradicted."""

import asyncio
import dataclasses
from typing import Any, cast

import pytest

from tests.transport.small_fleet import SmallFleet
from tff_retail.program.fleet_heads import fleet_heads, fleet_heads_of, fleet_heads_text
from tff_retail.program.head_keeper import HeadKeeper, heads_path
from tff_retail.program.head_records import HeadRecords
from tff_retail.transport.countersigned_head import CountersignedHead

_LOG = "a" * 64


@dataclasses.dataclass
class _Link:
    name: str = "store-001"
    signed: list[CountersignedHead] = dataclasses.field(default_factory=list)

    async def countersign(self, signed):
        self.signed.append(signed)


class _Scene:
    def __init__(self, folder) -> None:
        self.fleet = SmallFleet(folder / "fleet")
        self.said: list[str] = []
        self.keeper = HeadKeeper(self.fleet.folder, self.said.append)

    def take(self, sequence: int, letter: str = "b", log: str = _LOG, name="store-001") -> bool:
        """Whether a head was countersigned."""
        link = _Link(name)
        header = {"log": log, "sequence": sequence, "hash": letter * 64}
        asyncio.run(self.keeper.take(cast(Any, link), header))
        for signed in link.signed:
            signed.verify(self.fleet.folder.root_certificate)
            assert (signed.head.store, signed.head.sequence) == (name, sequence)
        return bool(link.signed)

    def restart(self) -> None:
        self.keeper = HeadKeeper(self.fleet.folder, self.said.append)

    def kept(self, name="store-001") -> list[tuple[int, str]]:
        records = HeadRecords(heads_path(self.fleet.folder, name))
        heads = list(records.all())
        for signed in heads:
            signed.verify(self.fleet.folder.root_certificate)
        return [(signed.head.sequence, signed.head.hash[0]) for signed in heads]


@pytest.fixture
def scene(tmp_path) -> _Scene:
    return _Scene(tmp_path)


def test_heads_are_countersigned_and_all_of_them_are_kept(scene):
    for sequence in (3, 7, 7, 9):
        assert scene.take(sequence)
    scene.restart()
    assert scene.take(12)
    assert scene.kept() == [(3, "b"), (7, "b"), (7, "b"), (9, "b"), (12, "b")]
    path = heads_path(scene.fleet.folder, "store-001")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().count("certificates") == 2  # once after each start
    assert scene.said == []


def test_a_log_that_went_back_is_not_countersigned_and_the_operator_hears_it_once(scene):
    assert scene.take(9)
    for restart in (False, True):
        if restart:
            scene.restart()
        for _ in range(3):
            assert not scene.take(5)
    assert not scene.take(9, "c")
    went_back = "it went back from entry 9 to 5; it was cut off, or restored from a backup"
    changed = "its entry 9 has changed since it was countersigned"
    assert [line.partition(": ") for line in scene.said] == [
        ("the audit log of store-001 was not countersigned", ": ", reason)
        for reason in (went_back, went_back, changed)
    ]
    assert scene.kept() == [(9, "b")]
    assert scene.take(10)


def test_a_new_log_is_countersigned_and_told(scene):
    assert scene.take(9) and scene.take(2, log="d" * 64)
    assert scene.said == ["store-001 has begun a new audit log; its store must keep the old one"]


def test_another_log_in_between_makes_no_contradiction_good(scene):
    assert scene.take(9)
    assert scene.take(1, log="f" * 64)
    assert not scene.take(5)
    assert not scene.take(9, letter="c")
    assert scene.take(10)


def test_a_record_that_can_not_be_written_blocks_nothing(scene):
    heads_path(scene.fleet.folder, "store-001").mkdir(parents=True)
    assert not scene.take(3)
    (line,) = scene.said
    assert line.startswith("the audit log of store-001 was not countersigned: [Errno 21]")
    assert scene.take(3, name="store-002")


def test_a_half_written_line_is_cut_off(scene):
    assert scene.take(3) and scene.take(4)
    path = heads_path(scene.fleet.folder, "store-001")
    path.write_bytes(path.read_bytes()[:-20])
    assert scene.kept() == [(3, "b")]
    scene.restart()
    assert scene.take(4) and scene.kept() == [(3, "b"), (4, "b")]


def test_a_record_that_was_changed_is_named_by_its_line(scene):
    assert scene.take(3) and scene.take(4)
    path = heads_path(scene.fleet.folder, "store-001")
    path.write_bytes(path.read_bytes().replace(b'"sequence":4', b'"sequence":"4"'))
    with pytest.raises(ValueError, match=r"^store-001\.jsonl line 2: it is no countersigned head"):
        scene.kept()


def test_the_fleet_command_shows_the_newest_and_prints_all(scene):
    assert fleet_heads_text(scene.fleet.folder).startswith("no head of a store's audit log")
    scene.fleet.join("store-001")
    assert scene.take(3) and scene.take(12)
    (head,) = fleet_heads(scene.fleet.folder)
    assert (head["store"], head["sequence"]) == ("store-001", 12)
    header, row = fleet_heads_text(scene.fleet.folder).splitlines()
    assert header.split()[0] == "store" and row.split()[:2] == ["store-001", "12"]
    assert len(fleet_heads_of(scene.fleet.folder, "store-001").splitlines()) == 2
