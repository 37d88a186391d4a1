"""The doctor as a command, at a store whose headquarters listens and knows it."""

import json
import os
import subprocess
import sys

import pytest

from tests.integration.store_daemons import CLONE, TIMEOUT_S, Fleet, make_photographs
from tff_retail.transport.authority_files import read_intermediate
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.enrolment_listener import EnrolmentListener
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.json_file import read_json_file, write_json_file
from tff_retail.transport.link_server import LinkServer


@pytest.fixture
def fleet(tmp_path):
    """A fleet whose coordinator and enrolment listen, at ports that its stores know."""
    fleet = Fleet(tmp_path)
    folder = fleet.folder
    server = LinkServer(
        "localhost:0",
        folder.server_tls(),
        is_welcome=folder.is_welcome,
        on_joined=lambda link: None,
        on_left=lambda link, reason: None,
        on_report=lambda link, report: None,
        on_standing=lambda link, sentence: None,
        run="first",
    )
    office = CertificateOffice(folder, read_intermediate(folder))
    enrolment = EnrolmentListener("localhost:0", office, on_event=print)
    addresses = {"server_address": server.start(), "enrolment_address": enrolment.start()}
    settings = read_json_file(folder.path / "fleet.json")
    write_json_file(folder.path / "fleet.json", {**settings, **addresses})
    fleet.folder = FleetFolder(folder.path)
    yield fleet
    enrolment.close()
    server.close()


def _doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "tff_retail.doctor", "--json", *arguments],
        cwd=CLONE,
        env={**os.environ, "no_proxy": "localhost"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.returncode, {each["subject"]: each for each in json.loads(done.stdout)}, done.stderr


def test_a_store_and_its_headquarters(fleet, tmp_path):
    state_dir, data_dir = fleet.enrol("north"), make_photographs(tmp_path / "photographs")
    store = (f"--state_dir={state_dir}", f"--data_dir={data_dir}")
    code, found, said = _doctor(*store)
    assert (code, said) == (0, "")
    assert found["headquarters"]["state"] == "ok"
    assert found["clock"]["found"].startswith("agrees with headquarters'")
    assert found["sandbox"]["found"].startswith("the executor would be confined by")
    assert "system calls (seccomp)" in found["sandbox"]["found"]
    assert "A process that was tried" not in found["sandbox"]["found"]

    code, found, _ = _doctor(f"--fleet={fleet.folder.path}")
    assert code == 0
    assert found["stores"]["found"].startswith("1 active")
    assert found["port for work"]["found"].startswith("something listens at")
    assert found["port for joining"]["state"] == "ok"

    (tmp_path / "policy.toml").write_text('trust = "everybody"')
    code, found, _ = _doctor(*store, f"--policy={tmp_path / 'policy.toml'}")
    assert code == 1
    assert found["policy"]["state"] == "problem"
