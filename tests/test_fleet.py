"""Tests of the fleet command: arguments in, a folder and one sentence out."""

import functools
import json
import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from tff_retail import fleet
from tff_retail.config import ConfigurationError
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.join_token import JoinToken
from tff_retail.transport.pass_phrase import VARIABLE
from tff_retail.transport.store_enrolment import install_certificate, write_request

_REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
_HOSTS = "--hosts=hq.example.com,10.0.0.1"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs one command in a folder of its own; what it printed."""
    monkeypatch.chdir(tmp_path)
    # Flags of its own: other commands, tested in this process too, have some of the same names.
    values = flags.FlagValues()
    for kind in ("string", "boolean", "float", "list"):
        define = functools.partial(getattr(flags, f"DEFINE_{kind}"), flag_values=values)
        monkeypatch.setattr(flags, f"DEFINE_{kind}", define)
    monkeypatch.setattr(fleet, "FLAGS", values)
    fleet.define_flags()

    def call(*arguments: str) -> str:
        for name in values:
            values[name].unparse()
        assert fleet.main(values(["fleet", *arguments])[1:]) == 0
        return capsys.readouterr().out

    return call


def test_a_fleet_is_made_for_its_hosts(run):
    out = run("init", _HOSTS)
    folder = FleetFolder("fleet")
    assert folder.chain_id in out
    assert folder.hosts == ["hq.example.com", "10.0.0.1"]
    assert folder.server_address == "hq.example.com:8443"
    assert folder.enrolment_address == "hq.example.com:8444"


def test_an_invitation_prints_the_token_alone(run):
    run("init", _HOSTS, "--dir=other", "--enrolment_address=10.0.0.1:99")
    token = JoinToken.decode(run("invite", "店 七", "--dir=other"))
    assert (token.name, token.address) == ("店 七", "10.0.0.1:99")
    assert "店 七" in run("list", "--dir=other")
    assert json.loads(run("list", "--json", "--dir=other"))[0]["state"] == "invited"


def test_heads_are_shown_where_there_are_any(run):
    run("init", _HOSTS)
    assert run("heads").startswith("no head of a store's audit log has been countersigned")
    assert json.loads(run("heads", "--json")) == []
    with pytest.raises(ConfigurationError, match="NAME must be a store whose audit log"):
        run("heads", "a")


def test_a_store_is_approved_and_revoked_by_files(run):
    run("init", _HOSTS)
    fingerprint = write_request("a", state_dir="state", path="a.request")
    out = run("approve", "a.request", f"--fingerprint={fingerprint}")
    assert "approved a," in out and "store install a.request.approved" in out
    identity = install_certificate("a.request.approved", state_dir="state")
    folder = FleetFolder("fleet")
    assert folder.is_welcome(identity.certificate) is None
    assert "a will renew" in run("rotate", "a")
    assert "1 certificate ended" in run("revoke", "a", "--reason=closed")
    assert folder.is_welcome(identity.certificate) is not None


def test_headquarters_certificate_is_rotated(run):
    run("init", _HOSTS)
    folder = FleetFolder("fleet")
    before = folder.server_tls()
    run("rotate")
    second = folder.server_tls()
    assert second.chain != before.chain
    os.replace("fleet/root", "safe")
    run("rotate", "--authority", "--root_dir=safe")
    assert folder.server_tls().chain.split(b"END")[1] != second.chain.split(b"END")[1]


def test_a_run_is_signed_with_the_pass_phrase(run, monkeypatch):
    monkeypatch.setenv(VARIABLE, "correct horse battery")
    run("init", _HOSTS, "--pass_phrase")
    run_dir = pathlib.Path("runs/prod")
    run_dir.mkdir(parents=True)
    (run_dir / "manifest.json").write_text("{}")
    assert "signed runs/prod/manifest.signed.json" in run("sign", "runs/prod", "--valid_days=2")
    assert json.loads((run_dir / "manifest.signed.json").read_text())["run"] == "prod"
    monkeypatch.setenv(VARIABLE, "another pass phrase")
    with pytest.raises(ConfigurationError, match="its pass phrase is another"):
        run("sign", "runs/prod")


def test_status_is_a_table_or_json(run):
    run("init", _HOSTS)
    assert "no coordinator" in run("status")
    assert run("status", "--json") == "null\n"


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "the command must be one of init, serve-enrolment"),
        (["frobnicate"], "found 'frobnicate'"),
        (["init"], "--hosts must be what stores dial"),
        (["init", "more", _HOSTS], "takes nothing beside its flags, found 1"),
        (["invite"], "takes one name or file beside its flags, found 0"),
        (["list"], "make one by `fleet init`"),
    ],
)
def test_a_wrong_command_is_one_sentence(run, arguments, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        run(*arguments)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["invite", "a/b"], "no / or"),
        (["invite", "a", "--valid_hours=0"], "--valid_hours must be in"),
        (["sign", "r", "--valid_days=-1"], "--valid_days must be in"),
        (["sign", "nowhere"], "RUN must be a run directory"),
        (["approve", "nowhere"], "FILE must be what `store request` wrote"),
        (["revoke", "x"], "must be a store of the fleet"),
        (["rotate", "x"], "must be a store of the fleet"),
        (["serve-enrolment", "--listen_address=nowhere"], "--listen_address must be HOST:PORT"),
    ],
)
def test_a_wrong_value_is_one_sentence(run, arguments, sentence):
    run("init", _HOSTS)
    with pytest.raises(ConfigurationError, match=sentence):
        run(*arguments)


def test_the_command_needs_no_tensorflow():
    program = "import sys, tff_retail.fleet; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
