"""Tests of what `fleet list` and `fleet status` print."""

import datetime
import json

import pytest

from tests.transport.small_fleet import DAY, HOUR, SmallFleet
from tff_retail.program.fleet_table import fleet_list, fleet_list_text, fleet_status_text
from tff_retail.program.process_mark import process_mark
from tff_retail.transport.store_admittance import revoke_store, want_renewal


@pytest.fixture
def fleet(tmp_path) -> SmallFleet:
    return SmallFleet(tmp_path / "fleet")


def _states(fleet) -> dict[str, str]:
    return {store["name"]: store["state"] for store in fleet_list(fleet.folder)}


def test_every_store_and_how_it_stands(fleet):
    for name in ("b", "c", "d", "e"):
        fleet.join(name)
    for name in ("c", "e"):
        revoke_store(fleet.folder, name)
    want_renewal(fleet.folder, "d")
    fleet.token("a")
    fleet.token("e")
    assert _states(fleet) == {
        "a": "invited",
        "b": "active",
        "c": "revoked",
        "d": "renewal wanted",
        "e": "revoked, invited",
    }
    fleet.clock.move(91 * DAY)
    assert _states(fleet) == {
        "b": "expired",
        "c": "revoked",
        "d": "expired",
        "e": "revoked",
    }


def test_the_table_says_until_when(fleet):
    fleet.clock.now = fleet.clock.now.replace(year=2030, month=1, day=1, hour=12, minute=0)
    fleet.join("店 七")
    lines = fleet_list_text(fleet.folder).splitlines()
    assert lines[0] == f"chain {fleet.folder.chain_id}"
    assert lines[1].split() == ["store", "state", "joined", "certificate", "until"]
    assert lines[2] == "店 七  active  2030-01-01 12:00   2030-04-01 12:00"


def test_an_empty_fleet_is_told_what_to_do(fleet):
    assert "`fleet invite NAME`" in fleet_list_text(fleet.folder)
    assert fleet_status_text(fleet.folder).splitlines()[0] == (
        "no coordinator has written a status yet"
    )


def test_status_shows_what_the_coordinator_knows(fleet):
    for name in ("a", "b", "c"):
        fleet.join(name)
    store = {
        "since": "2030-01-01T12:00:00+00:00",
        "software": "0.1.0",
        "tensorflow": "2.14.1",
        "python": "3.11.7",
    }
    ready = {"is_connected": True, "is_ready": True, "examples": {"train": 90}, "last_round": 3}
    trouble = {"code": "too_late", "since": "2030-01-01T11:00:00+00:00", "times": 3}
    away = {"is_connected": False, "left": "connection lost", "trouble": trouble}
    status = {
        "run": "prod",
        "state": "training",
        "round": 4,
        "written_at": (fleet.clock.now - 3 * HOUR).isoformat(),
        "stores": {"a": {**store, **ready}, "b": {**store, **away}},
    }
    fleet.folder.status_path.write_text(json.dumps(status))
    first, silence, header, *rows, words, last = fleet_status_text(fleet.folder).splitlines()
    assert silence.startswith("its coordinator has given no sign of life since; below is what was")
    assert words == "b: connection lost"
    assert first.startswith("run prod, training 4: 1 connected; last change ")
    assert first.endswith(" UTC, 3 h ago")
    assert [row.split() for row in rows] == [
        "a ready 2030-01-01 12:00 0.1.0 / 2.14.1 / 3.11.7 90 train 3".split(),
        "b away 2030-01-01 12:00 0.1.0 / 2.14.1 / 3.11.7".split()
        + "too_late since 01-01 11:00, 3 times".split(),
        "c never seen".split(),
    ]
    assert last.startswith("headquarters' certificate holds until ")


def test_a_coordinator_that_is_gone_is_said_to_be(fleet):
    status = {
        "run": "prod",
        "state": "training",
        "written_at": fleet.clock.now.isoformat(),
        "process": process_mark(),
        "stores": {},
    }

    def told(**changes) -> str:
        fleet.folder.status_path.write_text(json.dumps({**status, **changes}))
        return fleet_status_text(fleet.folder)

    assert "coordinator" not in told()
    gone = {**process_mark(), "id": 2**22 + 1}  # above the kernel's highest
    assert "its coordinator, process 4194305, was killed" in told(process=gone)
    assert "its coordinator, process" in told(process={**process_mark(), "started": 1.0})
    assert "coordinator" not in told(process=gone, state="finished")
    elsewhere = {**process_mark(), "host": "elsewhere"}
    assert "coordinator" not in told(process=elsewhere)
    written = (fleet.clock.now - HOUR).isoformat()
    assert "no sign of life" in told(process=elsewhere, written_at=written)


@pytest.mark.parametrize(
    "seconds, text", [(0, "0 s"), (119, "119 s"), (120, "2 min"), (2e5, "2 d")]
)
def test_ages_are_short(fleet, seconds, text):
    written = fleet.clock.now - datetime.timedelta(seconds=seconds)
    status = {"written_at": written.isoformat(), "stores": {}}
    fleet.folder.status_path.write_text(json.dumps(status))
    assert fleet_status_text(fleet.folder).splitlines()[0].endswith(f", {text} ago")
