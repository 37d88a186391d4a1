"""The store's command: arguments in, a folder and one sentence out; not the daemon itself."""

import functools
import json
import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from tests.integration.store_daemons import Fleet
from tff_retail import store
from tff_retail.config import ConfigurationError, StoreConfig
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.transport.store_identity import StoreIdentity

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_FLAG_FILE = _CLONE / "configs" / "store.flags"


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Sets the flags; what is left."""
    monkeypatch.chdir(tmp_path)
    # Flags of its own: other commands, tested in this process too, have some of the same names.
    values = flags.FlagValues()
    for kind in ("string", "enum", "integer", "float", "boolean"):
        define = functools.partial(getattr(flags, f"DEFINE_{kind}"), flag_values=values)
        monkeypatch.setattr(flags, f"DEFINE_{kind}", define)
    monkeypatch.setattr(store, "FLAGS", values)
    store.define_flags()

    def call(*arguments: str) -> list[str]:
        for name in values:
            values[name].unparse()
        return values(["store", *arguments])[1:]

    return call


def test_each_setting_has_a_flag(parse):
    config = StoreConfig(
        data_dir="photographs",
        state_dir="elsewhere",
        server_address="hq.example.com:8443",
        cache_dir="cache",
        device="cpu",
        threads=2,
        nice=5,
        max_steps_per_round=100,
        max_seconds_per_round=1.5,
        batch_size=16,
        listen_address="0.0.0.0:8500",
        listen_tls="keys",
        policy="policy.toml",
    )
    names = vars(config)
    assert names.items().isdisjoint(vars(StoreConfig(data_dir="")).items())
    parse(*(f"--{name}={value}" for name, value in names.items()))
    assert store.store_config_from_flags() == config
    parse("--data_dir=photographs", "--batch_size=auto")
    assert store.store_config_from_flags().batch_size == "auto"


def test_the_policy_is_explained(parse, tmp_path, capsys):
    assert store.main(parse("policy", "explain")) == 0
    default = capsys.readouterr().out
    assert default.startswith("Graphs run here that belong to a manifest signed by the chain's key")
    (tmp_path / "policy.toml").write_text('reports = "nothing"\n[evaluate]\nopen = false\n')
    assert store.main(parse("policy", "explain", "--policy=policy.toml")) == 0
    told = capsys.readouterr().out
    for sentence in (
        "Evaluation: nothing leaves, the store does not take part.",
        "Of itself the store tells nothing.",
    ):
        assert sentence in told and sentence not in default


def test_the_audit_log_is_shown_and_verified(parse, tmp_path, capsys):
    state_dir = Fleet(tmp_path).enrol("north")

    def run(*arguments: str) -> tuple[int, list[str]]:
        code = store.main(parse(*arguments, f"--state_dir={state_dir}"))
        return code, capsys.readouterr().out.splitlines()

    with pytest.raises(ConfigurationError, match="with an audit log, found none"):
        run("audit")
    log = AuditLog(state_dir / "audit")
    for number in range(3):
        log.append("said", number=number)
    assert run("audit")[1][0].startswith("entry  time (UTC)")
    code, lines = run("audit", "--json", "--since=2026-11-21")
    assert code == 0 and [json.loads(line).get("number") for line in lines] == [None, 0, 1, 2]
    assert run("audit", "--since=9999-01-01") == (0, ["no entry"])
    assert run("audit", "--verify")[0] == 0
    path = state_dir / "audit" / "log-00001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":2'))
    code, lines = run("audit", "--verify")
    assert code == 1 and lines[1].startswith("log-00001.jsonl line 3 was changed")
    for wrong in (["audit", "--since=yesterday"], ["audit", "--heads=none"], ["audit", "all"]):
        with pytest.raises(ConfigurationError):
            run(*wrong)


def test_the_flag_file_is_the_default_and_says_what_to_expect(parse):
    lines = _FLAG_FILE.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and "Expect" in lines[0]
    parse("--data_dir=photographs", *lines[1:])
    assert store.store_config_from_flags() == StoreConfig(data_dir="photographs")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ((), "--data_dir must be the folder of this store's photographs"),
        (("--data_dir=a", "--threads=0"), "--threads must be in [1, 256], found 0"),
        (("--data_dir=a", "--nice=20"), "--nice must be in [0, 19], found 20"),
        (
            ("--data_dir=a", "--max_seconds_per_round=0"),
            "--max_seconds_per_round must be above 0, found 0.0",
        ),
        (
            ("--data_dir=a", "--batch_size=0"),
            "--batch_size must be a number from 1 on, or auto, found 0",
        ),
        (
            ("--data_dir=a", "--batch_size=many"),
            "--batch_size must be a number from 1 on, or auto, found 'many'",
        ),
        (("--data_dir=a", "--server_address=hq"), "--server_address must be HOST:PORT, found 'hq'"),
        (
            ("--data_dir=a", "--listen_address=localhost:1"),
            "--listen_tls must be set where --listen_address is, and only there, found None",
        ),
        (("--data_dir=nowhere",), "--data_dir must be an existing folder, found 'nowhere'"),
        (("--data_dir=.",), "--state_dir must be the folder of a store that has joined"),
        (("jion", "TOKEN"), "store takes join, request, install, model, audit"),
        (("policy", "show"), "store policy must be followed by check or explain, found 'show'"),
        (("policy", "check"), "--work must be the run that is to be checked, found None"),
        (("policy", "explain", "--policy=nowhere"), "--policy must be a file that can be read"),
        (("join",), "the command is `store join TOKEN`, found 'nothing' behind it"),
        (("join", "a", "b"), "the command is `store join TOKEN`, found 'a b' behind it"),
        (("join", "token"), "TOKEN must be the whole word that `fleet invite` printed"),
        (("join", "token", "--data_dir=nowhere"), "--data_dir must be an existing folder"),
        (("install", "nowhere"), "FILE must be what `fleet approve` wrote"),
        (("model", "roll"), "store model must be followed by rollback, found 'roll'"),
        (("model", "rollback"), "store/model must hold an earlier model to roll back to"),
    ],
)
def test_a_mistake_is_one_sentence(parse, arguments, sentence):
    rest = parse(*arguments)
    with pytest.raises(ConfigurationError) as error:
        store.main(rest)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_store_joins_by_files(parse, tmp_path, capsys):
    fleet = Fleet(tmp_path / "hq")
    assert store.main(parse("request", "店 七", "request", "--state_dir=state")) == 0
    assert "for `fleet approve`; its key is " in capsys.readouterr().out
    answer = fleet.approve(tmp_path / "request")
    wrong = parse("install", str(answer), "--state_dir=state", "--chain_fingerprint=" + "0" * 64)
    assert store.main(wrong) == 1
    assert "ask who sent it" in capsys.readouterr().err
    address = "--server_address=hq.example.com:443"
    assert store.main(parse("install", str(answer), "--state_dir=state", address)) == 0
    assert capsys.readouterr().out.startswith("店 七 has joined; its certificate is good until 20")
    identity = StoreIdentity.load("state")
    assert (identity.name, identity.server_address) == ("店 七", "hq.example.com:443")


def test_neither_the_command_nor_its_daemon_needs_tensorflow():
    script = (
        "import sys, tff_retail.store, tff_retail.program.store_daemon;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'tensorflow', 'tensorflow_federated', 'keras', 'jax', 'numpy'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(_CLONE)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
