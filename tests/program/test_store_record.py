"""What a store's entries say, and that no word of anybody else gets into them."""

import asyncio
import datetime
import json
import pathlib
from typing import Any, cast

import pytest

from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.privacy.audit_unwritable import AuditUnwritable
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.release_ledger import AskedWork
from tff_retail.privacy.released_result import ReleasedResult
from tff_retail.privacy.value_type import StructType, TensorType
from tff_retail.program.model_archive import MalformedArchive
from tff_retail.program.store_audit import StoreAudit
from tff_retail.program.store_manifest import StoreManifest
from tff_retail.program.store_record import StoreRecord
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.signed_manifest import SignedManifest
from tff_retail.transport.signed_model import ModelRefused

_SIGNED = SignedManifest(
    {}, "autumn", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC), "d" * 64
)
_MANIFEST = cast(StoreManifest, type("_Manifest", (), {"works": {"train": "e" * 64}})())
_FLOAT, _INT = 1, 9
_TYPE = StructType(
    (
        ("", TensorType(_FLOAT, (3, 4))),
        ("loss", TensorType(_FLOAT, ())),
        ("num_examples", TensorType(_INT, ())),
    )
)


def _result(run: str = "autumn", part: str = "") -> ReleasedResult:
    asked = AskedWork(run, 3, "train", "f" * 64, part)
    return ReleasedResult(asked=asked, type=_TYPE, num_bytes=120, sha256="a" * 64)


class _Scene:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.log = AuditLog(folder)
        self.audit = StoreAudit(self.log, say=lambda line: None)
        self.record = StoreRecord(self.audit, cast(Any, None))

    async def entries(self, event: str) -> list[dict]:
        await self.audit.on_thread(lambda: None)  # behind what is being written
        found = [AuditEntry.parse(line.content) for line in AuditFiles(self.folder).lines()]
        return [dict(entry.fields) for entry in found if entry.event == event]


def _play(scene_of):
    def test(tmp_path):
        asyncio.run(scene_of(_Scene(tmp_path)))

    test.__name__ = scene_of.__name__
    return test


@_play
async def test_a_result_is_named_by_what_it_is_of(scene):
    await scene.record.released("headquarters", _result(part="0/1"), _SIGNED, _MANIFEST)
    assert await scene.entries("released") == [
        {
            "who": "headquarters",
            "manifest": "d" * 64,
            "graph": "e" * 64,
            "run": "autumn",
            "round": 3,
            "role": "train",
            "part": "0/1",
            "types": {
                "float32": {"tensors": 2, "numbers": 13},
                "int64": {"tensors": 1, "numbers": 1},
            },
            "bytes": 120,
            "sha256": "a" * 64,
        }
    ]


@_play
async def test_the_same_bytes_again_are_counted(scene):
    """Else whoever asks for one answer a million times fills the disk."""
    for who in ("headquarters", "client 1"):
        for _ in range(100):
            await scene.record.released(who, _result(), _SIGNED, _MANIFEST)
    await scene.record.released("client 1", _result(part="0"), _SIGNED, _MANIFEST)
    found = await scene.entries("released")
    assert [(fields["who"], fields.get("part"), fields.get("times")) for fields in found] == [
        ("headquarters", None, None),
        ("headquarters", None, 1),
        ("headquarters", None, 98),
        ("client 1", None, None),
        ("client 1", None, 1),
        ("client 1", None, 98),
        ("client 1", "0", None),
    ]


@_play
async def test_a_result_that_is_not_on_the_disk_is_refused(scene):
    def append(event, **fields):
        raise AuditUnwritable("no room")

    scene.log.append = append
    with pytest.raises(Refused, match="^audit_unwritable: no room$"):
        await scene.record.released("headquarters", _result(), _SIGNED, _MANIFEST)


@_play
async def test_a_name_that_is_too_long_for_an_entry_is_shortened(scene):
    endless = "x" * 100_000
    scene.record.connected(endless)
    signed = SignedManifest({}, endless, _SIGNED.expires, "d" * 64)
    scene.record.manifest_taken(signed, _MANIFEST)
    await scene.record.released("headquarters", _result(run=endless), signed, _MANIFEST)
    for event in ("connected", "manifest", "released"):
        (fields,) = await scene.entries(event)
        assert fields["run"] == "x" * 200


@_play
async def test_calls_that_nobody_forbade_are_no_refusals(scene):
    for code, reason in ((1, "cancelled"), (14, "executor_down"), (7, "hours"), (3, "call_form")):
        scene.record.call_failed("headquarters", "Compute", CallFailed(code, reason))
    found = await scene.entries("refused")
    assert [fields["rule"] for fields in found] == ["hours", "call_form"]


@_play
async def test_manifests_and_models_are_entries(scene):
    scene.record.manifest_taken(_SIGNED, _MANIFEST)
    scene.record.manifest_declined("b" * 64, "signature")
    scene.record.model_installed("round-3", "c" * 64)
    for error in (ModelRefused("it says /home/anna"), MalformedArchive("no"), OSError("/home")):
        scene.record.model_refused("round-3", "c" * 64, error)
    taken, declined = await scene.entries("manifest")
    assert (taken["graphs"], taken["expires"]) == (
        {"train": "e" * 64},
        "2026-12-01T00:00:00+00:00",
    )
    assert (declined["digest"], declined["declined"]) == ("b" * 64, "signature")
    models = await scene.entries("model")
    assert [model.get("refused") for model in models] == [None, "signature", "archive", "folder"]
    assert "/home" not in json.dumps(models)


@_play
async def test_what_is_told_of_the_store_is_counted(scene):
    scene.record.reported("worked", "train", {"round": 3, "seconds": 2.0})
    scene.record.was_ready("d" * 64, {"train": 13})
    await scene.record.released("headquarters", _result(), _SIGNED, _MANIFEST)
    (fields,) = await scene.entries("released")
    assert fields["reports"]["count"] == 2
