"""What a daemon puts on record: in order, before what it is about, and bounded in a flood."""

import asyncio
import hashlib
import json
import pathlib
import resource

import pytest

from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.privacy.audit_unwritable import AuditUnwritable
from tff_retail.program.store_audit import StoreAudit


class _Scene:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.now_s = folder, 1000.0
        self.said: list[str] = []
        self.audit = StoreAudit(AuditLog(folder), say=self.said.append, clock=lambda: self.now_s)

    def entries(self, *events: str) -> list[dict]:
        """What is on the disk of these events, without what the chain adds."""
        found = [AuditEntry.parse(line.content) for line in AuditFiles(self.folder).lines()]
        return [{"event": e.event, **e.fields} for e in found if not events or e.event in events]


def _play(scene_of):
    def test(tmp_path):
        asyncio.run(scene_of(_Scene(tmp_path / "audit")))

    test.__name__ = scene_of.__name__
    return test


@_play
async def test_entries_stand_in_the_order_in_which_they_were_given(scene):
    scene.audit.note("connected", number=0)
    writes = [scene.audit.write("released", number=number) for number in range(1, 20)]
    await asyncio.gather(*writes)
    assert [entry.get("number") for entry in scene.entries()] == [None, *range(20)]
    await scene.audit.close()
    assert scene.entries()[-1] == {"event": "stopped"}


@_play
async def test_the_same_refusal_is_one_entry_a_minute_and_counted(scene):
    for _ in range(1000):
        for rule in ("own_data_only", "hours"):
            scene.audit.repeated("refused", rule, who="headquarters", rule=rule)
    scene.now_s += 61
    scene.audit.repeated("refused", "hours", who="headquarters", rule="hours")
    await scene.audit.write("released")
    common = {"event": "refused", "who": "headquarters"}
    assert scene.entries("refused", "released") == [
        {**common, "rule": "own_data_only", "times": 1},
        {**common, "rule": "hours", "times": 1},
        {**common, "rule": "hours", "times": 1000},
        {**common, "rule": "own_data_only", "times": 999},
        {"event": "released"},
    ]


@_play
async def test_what_differs_each_time_is_not_kept_in_memory(scene):
    for number in range(2000):
        scene.audit.repeated("manifest", str(number), number=number)
    await scene.audit.close()
    assert len(scene.entries("manifest")) == 2000
    assert len(scene.audit._repeated) <= 256


@_play
async def test_reports_are_counted_with_their_hash_since_the_start(scene):
    told = [{"state": "working", "values": {"round": 3}}, {"state": "worked", "values": {}}]
    digests = []
    for number in (1, 2):
        scene.audit.reported(told[number - 1])
        content = "".join(json.dumps(header, sort_keys=True) for header in told[:number])
        digests.append(hashlib.sha256(content.encode()).hexdigest())
        await scene.audit.write("released")
        await scene.audit.write("released")
    found = [entry.get("reports") for entry in scene.entries("released")]
    first, second = ({"count": n, "sha256": digests[n - 1]} for n in (1, 2))
    assert found == [first, None, second, None]


@_play
async def test_a_full_disk_is_said_once_and_so_is_its_end(scene):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        for _ in range(2):
            scene.audit.repeated("refused", "hours", rule="hours")
        scene.audit.reported({})
        for _ in range(3):
            with pytest.raises(AuditUnwritable):
                await scene.audit.write("released")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (line,) = scene.said
    assert "must be writable, found File too large; nothing leaves until it is" in line
    for _ in range(2):
        await scene.audit.write("released")
    assert scene.said[1:] == ["the audit log is written again"]
    events = ["began", "unwritten", "refused", "released", "released"]
    assert [entry["event"] for entry in scene.entries()] == events
    # What was only counted when it could not be written is not lost.
    assert scene.entries("refused")[0]["times"] == 1
    assert scene.entries("released")[0]["reports"]["count"] == 1
