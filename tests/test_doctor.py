"""What the doctor says of a store and of headquarters, with no child and nobody listening."""

import datetime
import functools
import json
import pathlib

import pytest
from absl import flags

from tests.integration.store_daemons import Fleet
from tff_retail import doctor, store
from tff_retail.config import ConfigurationError, StoreConfig
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.program import machine_diagnosis, store_diagnosis
from tff_retail.program.audit_report import audit_folder
from tff_retail.program.diagnosis import OK, PROBLEM, WARNING, Diagnosis, diagnosis_text
from tff_retail.program.fleet_diagnosis import diagnose_fleet
from tff_retail.program.machine_diagnosis import diagnose_machine
from tff_retail.program.process_mark import process_mark
from tff_retail.program.store_diagnosis import diagnose_store
from tff_retail.transport.json_file import write_json_file
from tff_retail.transport.store_admittance import revoke_store

_DAY = datetime.timedelta(days=1)


def _now(days: float = 0) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + days * _DAY


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("doctor"))


@pytest.fixture
def state(fleet, request) -> pathlib.Path:
    number = len(list(fleet.path.glob("state *")))
    return fleet.enrol(f"north {number}")


@pytest.fixture
def photographs(tmp_path) -> pathlib.Path:
    folder = tmp_path / "photographs"
    for label in ("red", "green"):
        (folder / label).mkdir(parents=True)
        (folder / label / "1.jpg").write_bytes(b"no photograph is opened")
    return folder


@pytest.fixture
def look(state, photographs, monkeypatch):
    """Looks at the store; what was found by subject."""
    confined = Diagnosis("sandbox", OK, "confined")
    monkeypatch.setattr(store_diagnosis, "probe_sandbox", lambda: confined)

    def look(days: float = 0, **changes) -> dict[str, Diagnosis]:
        values = {"data_dir": str(photographs), "state_dir": str(state), **changes}
        config = StoreConfig(**values)
        found = diagnose_store(config, environment={}, now=lambda: _now(days), timeout_s=1.0)
        return {each.subject: each for each in found}

    return look


def test_a_store_that_has_joined_has_no_problem(look):
    found = look()
    assert {each.subject for each in found.values() if each.state == PROBLEM} == set()
    assert found["identity"].found.startswith("north")
    assert found["certificate"].found.startswith("holds for 89 days")
    assert found["photographs"].found.startswith("2 photographs, labels: 2")
    assert found["audit log"].found.startswith("none yet")
    assert found["leftovers"].found.startswith("none")


def test_where_nothing_listens_it_is_said_of_headquarters_and_the_clock(look):
    found = look()
    assert found["headquarters"].state == found["clock"].state == WARNING
    assert "nothing listens at localhost:1" in found["headquarters"].found
    assert "where no run is on" in found["headquarters"].remedy


@pytest.mark.parametrize(
    ("days", "expected", "found"),
    [
        (60, OK, "holds for 29 days"),
        (75, WARNING, "ends in 14 days"),
        (95, PROBLEM, "ended on"),
        (-2, PROBLEM, "begins on"),
    ],
)
def test_the_certificates_end_and_beginning(look, days, expected, found):
    certificate = look(days)["certificate"]
    assert (certificate.state, certificate.found[: len(found)]) == (expected, found)


def test_a_chain_with_a_foreign_link(look, state, tmp_path):
    other = Fleet(tmp_path / "other").enrol("other")
    chain = (state / "identity" / "store.crt").read_text().split("-----BEGIN")
    foreign = (other / "identity" / "store.crt").read_text().split("-----BEGIN")
    mixed = "-----BEGIN".join([*chain[:2], foreign[2]])
    (state / "identity" / "store.crt").write_text(mixed)
    assert look()["certificate"].state == PROBLEM
    assert "was not signed by" in look()["certificate"].found


def test_a_store_that_has_not_joined(look, tmp_path):
    found = look(state_dir=str(tmp_path / "none"))
    assert found["identity"].state == PROBLEM
    assert "store join" in found["identity"].remedy
    assert found["photographs"].state == OK


def test_photographs_that_are_missing_or_of_other_labels(look, photographs, tmp_path):
    assert look(data_dir=str(tmp_path / "none"))["photographs"].state == PROBLEM
    (photographs / "labels.txt").write_text("red\nblue\n")
    labels = look()["labels"]
    assert labels.state == WARNING
    assert labels.found == "1 of 2 photographs have labels that labels.txt lacks: green"
    (photographs / "labels.txt").write_text("blue\n")
    assert look()["labels"].state == PROBLEM
    (photographs / "labels.txt").write_text("red\ngreen\n")
    assert look()["labels"].state == OK


def test_a_policy_that_is_not_understood_and_one_for_experiments(look, tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text('trust = "everybody"')
    assert look(policy=str(path))["policy"].state == PROBLEM
    assert "trust" in look(policy=str(path))["policy"].found
    path.write_text('trust = "allow_list_only"')
    assert look(policy=str(path))["policy"].state == WARNING
    path.write_text('reports = "health"')
    assert look(policy=str(path))["policy"].state == OK


def test_a_sandbox_that_the_policy_requires(look, tmp_path, monkeypatch):
    path = tmp_path / "policy.toml"
    path.write_text('sandbox = "required"')
    assert look(policy=str(path))["sandbox"].state == OK
    lacking = Diagnosis("sandbox", WARNING, "no Landlock", "another kernel")
    monkeypatch.setattr(store_diagnosis, "probe_sandbox", lambda: lacking)
    assert look()["sandbox"] == lacking
    assert look(policy=str(path))["sandbox"].state == PROBLEM


def test_an_audit_log_that_was_edited(look, state):
    folder = audit_folder(state)
    log = AuditLog(folder)
    for number in range(3):
        log.append("test", number=number)
    assert look()["audit log"].state == OK
    (path,) = folder.glob("*.jsonl")
    path.write_text(path.read_text().replace('"number":1', '"number":7'))
    assert look()["audit log"].state == PROBLEM
    assert path.name in look()["audit log"].found


def test_keys_that_others_may_read_and_leftovers(look, state):
    (state / "identity" / ".0011.tmp").touch()
    assert look()["leftovers"].state == WARNING
    key = state / "identity" / "store.key"
    key.chmod(0o644)
    assert look()["private files"].state == PROBLEM
    assert str(key) in look()["private files"].found


def _headquarters(fleet: Fleet, days: float = 0, run: str | None = None) -> dict[str, Diagnosis]:
    found = diagnose_fleet(str(fleet.path / "fleet"), run, clock=lambda: _now(days))
    return {each.subject: each for each in found}


def test_headquarters_with_all_in_order(fleet, state):
    found = _headquarters(fleet)
    assert {each.subject for each in found.values() if each.state == PROBLEM} == set()
    assert " active" in found["stores"].found
    assert found["certificate"].found.startswith("holds for 364 days")
    assert found["keys apart"].state == WARNING  # of a fleet just made, all lie there
    assert found["coordinator"].found == "none has run yet"
    assert found["port for joining"].state == WARNING


def test_headquarters_when_certificates_end(fleet):
    assert _headquarters(fleet, 350)["certificate"].state == WARNING
    assert _headquarters(fleet, 366)["certificate"].state == PROBLEM
    assert _headquarters(fleet, 5 * 365 - 30)["authority"].state == WARNING


def test_headquarters_counts_revoked_and_ending_stores(fleet):
    fleet.enrol("leaving")
    revoke_store(fleet.folder, "leaving")
    stores = _headquarters(fleet)["stores"]
    assert "1 revoked; 1 certificates are revoked" in stores.found
    assert _headquarters(fleet, 80)["stores"].state == WARNING


def test_headquarters_without_its_list_of_revoked_certificates(fleet):
    path = fleet.folder.path / "revoked.json"
    content = path.read_bytes()
    path.unlink()
    try:
        assert _headquarters(fleet)["stores"].state == PROBLEM
    finally:
        path.write_bytes(content)


def test_a_coordinator_that_was_killed(fleet):
    status = {"run": "first", "state": "training", "process": process_mark()}
    write_json_file(fleet.folder.status_path, status)
    assert _headquarters(fleet)["coordinator"].state == OK
    status["process"] = {**process_mark(), "id": 2**22 + 1}  # above the kernel's highest
    write_json_file(fleet.folder.status_path, status)
    coordinator = _headquarters(fleet)["coordinator"]
    assert coordinator.state == WARNING
    assert coordinator.found == "of the run first, last seen training, is not there any more"
    write_json_file(fleet.folder.status_path, {**status, "state": "finished"})
    assert _headquarters(fleet)["coordinator"].state == OK
    fleet.folder.status_path.unlink()


def test_a_folder_of_no_fleet_and_a_run_that_nobody_is_at(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "configuration.json").write_text("{}")
    found = {each.subject: each for each in diagnose_fleet(str(tmp_path), str(tmp_path / "run"))}
    assert found["fleet"].state == PROBLEM
    assert found["run"].state == WARNING
    (tmp_path / "run" / "summary.json").write_text("{}")
    (_, run) = diagnose_fleet(str(tmp_path), str(tmp_path / "run"))
    assert run.state == OK


def test_this_machine(tmp_path):
    found = {each.subject: each for each in diagnose_machine([tmp_path / "not" / "there"])}
    assert found["Python"].state == found["packages"].state == OK
    assert found["disk"].found.endswith(f"free for {tmp_path / 'not' / 'there'}")
    gib = 2**30
    assert [machine_diagnosis._memory(n).state for n in (gib // 2, gib + 1, 3 * gib)] == [
        PROBLEM,
        WARNING,
        OK,
    ]


def test_packages_of_other_versions(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"numpy==1.0 --hash=sha256:{'0' * 64}\nnone-such==2 --hash=sha256:{'1' * 64}\n")
    found = machine_diagnosis._packages(lock)
    assert found.state == PROBLEM
    assert found.found.endswith("instead of 1.0, none-such missing instead of 2")


def test_lines_fit_a_terminal_of_100_columns():
    found = [
        Diagnosis("a subject", WARNING, "word " * 60, "remedy " * 40),
        Diagnosis("another", OK, "fine"),
        Diagnosis("third", PROBLEM, "x"),
    ]
    text = diagnosis_text(found)
    assert max(map(len, text.splitlines())) <= 100
    assert "\nok       another           fine\n" in text
    assert text.endswith("1 problem, 1 warning, 1 ok")


@pytest.fixture
def run(monkeypatch):
    """Runs the command with flags of its own."""
    values = flags.FlagValues()
    for kind in ("string", "enum", "integer", "float", "boolean"):
        define = functools.partial(getattr(flags, f"DEFINE_{kind}"), flag_values=values)
        monkeypatch.setattr(flags, f"DEFINE_{kind}", define)
    for module in (doctor, store):
        monkeypatch.setattr(module, "FLAGS", values)
    doctor.define_flags()

    def run(*arguments: str) -> int:
        return doctor.main(values(["doctor", *arguments])[1:])

    return run


def test_json_and_exit_codes(run, fleet, tmp_path, capsys):
    assert run(f"--fleet={fleet.folder.path}", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert {"subject", "state", "found", "remedy"} == values[0].keys()
    assert run(f"--fleet={tmp_path}", "--nojson") == 1
    assert "problem  fleet" in capsys.readouterr().out


def test_a_side_must_be_named(run):
    with pytest.raises(ConfigurationError, match="--data_dir must be set for a store, or --fleet"):
        run()
    with pytest.raises(ConfigurationError, match="takes flags alone"):
        run("store")
