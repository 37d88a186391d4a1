import datetime
import json
import types

from tff_retail.program.fleet_status import FleetStatus
from tff_retail.program.process_mark import process_mark
from tff_retail.runtime.plain_collector import Outcome
from tff_retail.transport.link_surroundings import HEADQUARTERS_ENDED

NOW = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)


def _status(path):
    return FleetStatus(path / "status.json", run="first", address="hq:8443", clock=lambda: NOW)


def _link(name="north", examples=None):
    return types.SimpleNamespace(
        name=name,
        hello=types.SimpleNamespace(software="tff_retail 1", tensorflow="2.14.1", python="3.11"),
        certificate=types.SimpleNamespace(not_after=NOW),
        examples=examples or {},
    )


def test_a_stores_way_through_a_run(tmp_path):
    status, link = _status(tmp_path), _link(examples={"train": 12})
    status.joined(link)
    assert status.to_json()["stores"]["north"] == {
        "is_connected": True,
        "is_ready": False,
        "since": "2026-11-21T12:00:00+00:00",
        "software": "tff_retail 1",
        "tensorflow": "2.14.1",
        "python": "3.11",
        "certificate_ends": "2026-11-21T12:00:00+00:00",
    }
    status.ready(link)
    status.collected(3, [Outcome("north", None, {}, 1.5)])
    status.collected(4, [Outcome("north", "north: no disk", {}, 0.0, code="work_failed")])
    status.left("north", "the connection was lost")
    found = status.to_json()["stores"]["north"]
    assert (found["is_connected"], found["is_ready"]) == (False, False)
    assert (found["examples"], found["last_round"], found["last_seconds"]) == (
        {"train": 12},
        3,
        1.5,
    )
    assert (found["last_error"], found["left"]) == ("north: no disk", "the connection was lost")


def test_a_store_that_rests_is_not_ready_and_says_why(tmp_path):
    status = _status(tmp_path)
    status.joined(_link())
    status.ready(_link())
    status.withdrew("north", "its executor has ended")
    assert status.why_missing(["north"]) == "north (can't take part: its executor has ended)"
    status.ready(_link())
    found = status.to_json()["stores"]["north"]
    assert (found["is_ready"], found["last_error"]) == (True, None)


def test_trouble_is_a_code_since_when_and_how_often(tmp_path):
    times = iter(range(100))
    clock = lambda: NOW + datetime.timedelta(minutes=next(times))  # noqa: E731
    status = FleetStatus(tmp_path / "status.json", run="first", address="hq:8443", clock=clock)
    status.joined(_link())

    def found():
        store = status.to_json()["stores"]["north"]
        trouble = store.get("trouble")
        since = trouble and datetime.datetime.fromisoformat(trouble["since"]) - NOW
        return trouble and (trouble["code"], trouble["times"], since.seconds // 60)

    for round_num in (1, 2):
        late = Outcome("north", "north: too late", {}, 0.0, code="too_late")
        status.collected(round_num, [late])
    first = found()
    assert first[:2] == ("too_late", 2)
    status.left("north", "the connection was lost")
    code, number, since = found()
    assert (code, number) == ("connection_lost", 1)
    assert since > first[2]
    status.ready(_link())
    assert found() is None
    status.withdrew("north", "executor_down: the store's executor is starting")
    assert found()[:2] == ("executor_down", 1)
    status.collected(3, [Outcome("north", None, {}, 1.5)])
    assert found() is None
    assert status.to_json()["stores"]["north"]["troubles"] == {
        "too_late": 2,
        "connection_lost": 1,
        "executor_down": 1,
    }


def test_why_a_link_ended_is_a_code(tmp_path):
    status = _status(tmp_path)
    for reason, code in (
        ("refused: its certificate was revoked", "refused"),
        ("it said goodbye: The store stops", "said_goodbye"),
        ("it broke a rule of the link: a frame", "broke_protocol"),
        ("the connection was lost", "connection_lost"),
    ):
        status.left(code, reason)
        assert status.to_json()["stores"][code]["trouble"]["code"] == code


def test_that_headquarters_ended_is_no_trouble_of_a_store(tmp_path):
    status = _status(tmp_path)
    status.joined(_link("north"))
    status.left("north", HEADQUARTERS_ENDED)
    store = status.to_json()["stores"]["north"]
    assert not store["is_connected"] and "trouble" not in store


def test_a_store_that_was_merely_slower_has_no_error(tmp_path):
    status = _status(tmp_path)
    status.collected(1, [Outcome("north", "north: not waited for", {}, 0.0, is_surplus=True)])
    assert status.to_json()["stores"] == {}


def test_what_is_known_of_those_who_are_missing(tmp_path):
    status = _status(tmp_path)
    for name in ("gone", "refusing", "coming"):
        status.joined(_link(name))
    status.left("gone", "the connection was lost")
    status.failed("refusing", "the manifest was signed for another chain", "chain")
    assert status.why_missing(["refusing", "never", "gone", "coming"]) == (
        "coming (connected, not ready yet); gone (left: the connection was lost); "
        "never (has not connected); "
        "refusing (can't take part: the manifest was signed for another chain)"
    )
    assert status.why_missing([]) == "no other store has joined the fleet"


def test_the_file_is_written_where_something_changed(tmp_path):
    status = _status(tmp_path)
    status.run_state("training", round=2)
    status.write()
    path = tmp_path / "status.json"
    written = json.loads(path.read_text())
    assert written == {
        "run": "first",
        "address": "hq:8443",
        "process": process_mark(),
        "state": "training",
        "round": 2,
        "written_at": "2026-11-21T12:00:00+00:00",
        "stores": {},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    status.write()
    assert not path.exists()
    status.reported("north", {"state": "working"})
    status.write()
    assert json.loads(path.read_text())["stores"] == {"north": {"report": {"state": "working"}}}


def test_a_folder_that_can_not_be_written_ends_no_run(tmp_path):
    status = _status(tmp_path / "missing")
    status.write()
    (tmp_path / "missing").mkdir()
    status.write()  # nothing has changed since, and nothing was told yet
    assert (tmp_path / "missing" / "status.json").exists()
