"""A store's daemon: works for headquarters on photographs that never leave this machine.

    python -m tff_retail.store join TOKEN      once, with the token that headquarters gave
    python -m tff_retail.store --flagfile=configs/store.flags --data_dir=photographs

In place of a token, by files: `store request NAME FILE` makes a key and a request, headquarters
answers it (`fleet approve`), and `store install FILE` takes the answer. `store model rollback` puts
the model into use again that was delivered before the present one.

`store policy explain` says in sentences what this store lets out, and `store policy check
--work=RUN` what it would refuse of a run and why; both take --policy=FILE, by default the default
policy. `store audit` shows what has left this store, and `store audit --verify` whether that
record is as it was written.

The daemon dials out, over one connection; it comes back by itself when that is lost, and stops
within seconds of SIGTERM. The photographs lie in <data_dir>/<label>/*.jpg, or as
<data_dir>/manifest.csv says. Exit code 0: stopped; 1: headquarters refused, or the audit log does
not hold; 2: the command is wrong.
"""

import dataclasses
import datetime
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from tff_retail.command_line import FLAGS, run_main
from tff_retail.config import DEVICES, ConfigurationError, StoreConfig, existing_folder, require
from tff_retail.transport.enrolment_refused import EnrolmentRefused


def define_flags() -> None:
    """The flags of this command."""
    default = StoreConfig(data_dir="")
    flags.DEFINE_string("data_dir", None, "this store's photographs: <data_dir>/<label>/*.jpg")
    flags.DEFINE_string(
        "state_dir", default.state_dir, "private folder of identity, results and models"
    )
    flags.DEFINE_string(
        "server_address", None, "headquarters, HOST:PORT; by default the one that was joined"
    )
    flags.DEFINE_string("cache_dir", None, "decoded photographs; by default inside --state_dir")
    flags.DEFINE_enum(
        "device", default.device, list(DEVICES), "auto takes a GPU where there is one"
    )
    flags.DEFINE_integer(
        "threads", default.threads, "of the executor; another number gives other bits"
    )
    flags.DEFINE_integer(
        "nice", default.nice, "how readily other programs of this machine go first, 0 to 19"
    )
    flags.DEFINE_integer(
        "max_steps_per_round", None, "steps of training in a round at most; by default no bound"
    )
    flags.DEFINE_float(
        "max_seconds_per_round",
        None,
        "of training in a round at most, to the end of a step; what was done by then counts",
    )
    flags.DEFINE_string(
        "batch_size",
        None,
        "examples in a step of training at most, or auto for as many as fit this machine's memory, "
        "measured once a model; less gives other bits, and the default is the run's",
    )
    flags.DEFINE_string(
        "policy", None, "file of what this store lets out; configs/policy.toml is the default"
    )
    flags.DEFINE_string(
        "work",
        None,
        "for `policy check`: a run directory, a --state_dir or a serialised computation",
    )
    flags.DEFINE_string(
        "listen_address", None, "where TFF clients may connect, HOST:PORT; by default nowhere"
    )
    flags.DEFINE_string(
        "listen_tls", None, "folder with server.key, server.crt and clients.crt for TFF clients"
    )
    flags.DEFINE_string(
        "enrolment_address", None, "where `join` joins, HOST:PORT; by default as the token says"
    )
    flags.DEFINE_string(
        "chain_fingerprint", None, "that `install` insists on; by default it takes any chain"
    )
    flags.DEFINE_boolean("verify", False, "audit: whether the log is as it was written")
    flags.DEFINE_string("since", None, "audit: entries from this day or time (UTC) on")
    flags.DEFINE_string(
        "heads", None, "audit: what `fleet heads NAME` printed; by default what the store kept"
    )
    flags.DEFINE_boolean("json", False, "audit: print JSON in place of a table")


def main(arguments: list[str]) -> int:
    """Runs the daemon, or the command that is named. Returns the exit code."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command not in _COMMANDS:
        known = ", ".join(name for name in _COMMANDS if name)
        raise ConfigurationError(f"store takes {known} or flags, found {command!r}; see --help")
    try:
        return _COMMANDS[command](rest) or 0
    except EnrolmentRefused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 1


def store_config_from_flags() -> StoreConfig:
    """The `StoreConfig` that the flags say.

    Raises:
      ConfigurationError: a flag breaks its rule.
    """
    require(
        bool(FLAGS.data_dir), "data_dir", "the folder of this store's photographs", FLAGS.data_dir
    )
    values: dict[str, Any] = {
        field.name: FLAGS[field.name].value for field in dataclasses.fields(StoreConfig)
    }
    if (size := values["batch_size"]) is not None and size.isdecimal():
        values["batch_size"] = int(size)
    return StoreConfig(**values)


def _run(arguments: Sequence[str]) -> None:
    from tff_retail.program.store_daemon import run_daemon

    run_daemon(store_config_from_flags(), say=_say)


def _join(arguments: Sequence[str]) -> None:
    from tff_retail.transport.store_enrolment import join_fleet

    (token,) = _exactly(arguments, "join TOKEN")
    if FLAGS.data_dir:
        existing_folder("data_dir", FLAGS.data_dir)  # a mistake in the path shows at once
    identity = join_fleet(
        token,
        state_dir=FLAGS.state_dir,
        server_address=FLAGS.server_address or "",
        enrolment_address=FLAGS.enrolment_address or "",
    )
    _say(
        f"{identity.name} has joined: its certificate is good until {identity.expires_at:%Y-%m-%d},"
        " and renewed by the daemon"
    )


def _request(arguments: Sequence[str]) -> None:
    from tff_retail.transport.store_enrolment import write_request

    name, path = _exactly(arguments, "request NAME FILE")
    fingerprint = write_request(name, state_dir=FLAGS.state_dir, path=path)
    _say(f"send {path} to headquarters, for `fleet approve`; its key is {fingerprint}")


def _install(arguments: Sequence[str]) -> None:
    from tff_retail.transport.store_enrolment import install_certificate

    (path,) = _exactly(arguments, "install FILE")
    identity = install_certificate(
        path,
        state_dir=FLAGS.state_dir,
        chain_fingerprint=FLAGS.chain_fingerprint or "",
        server_address=FLAGS.server_address or "",
    )
    _say(
        f"{identity.name} has joined; its certificate is good until {identity.expires_at:%Y-%m-%d}"
    )


def _model(arguments: Sequence[str]) -> None:
    from tff_retail.program.store_daemon import installed_models

    (action,) = _exactly(arguments, "model rollback")
    if action != "rollback":
        raise ConfigurationError(f"store model must be followed by rollback, found {action!r}")
    digest = installed_models(pathlib.Path(FLAGS.state_dir).expanduser()).roll_back()
    _say(f"the model {digest[:16]} is in use again")


def _policy(arguments: Sequence[str]) -> int:
    """1 where the policy would refuse something."""
    from tff_retail.privacy.policy_explanation import explain_policy
    from tff_retail.privacy.release_policy import ReleasePolicy
    from tff_retail.privacy.release_policy_file import read_release_policy

    (action,) = _exactly(arguments, "policy check|explain")
    policy = read_release_policy(FLAGS.policy) if FLAGS.policy else ReleasePolicy()
    if action == "explain":
        for sentence in explain_policy(policy):
            _say(sentence)
        return 0
    if action != "check":
        raise ConfigurationError(
            f"store policy must be followed by check or explain, found {action!r}"
        )
    require(bool(FLAGS.work), "work", "the run that is to be checked", FLAGS.work)
    from tff_retail.program.policy_check import check_policy  # imports TensorFlow

    refused = check_policy(policy, FLAGS.work)
    for line in refused:
        _say(line)
    if not refused:
        _say("the policy refuses nothing of it")
    return 1 if refused else 0


def _audit(arguments: Sequence[str]) -> int:
    """1 where the log does not hold."""
    from tff_retail.program.audit_report import AuditReport

    _exactly(arguments, "audit")
    heads = pathlib.Path(FLAGS.heads).expanduser() if FLAGS.heads else None
    report = AuditReport(pathlib.Path(FLAGS.state_dir).expanduser(), heads)
    if FLAGS.verify:
        verdict = report.verdict()
        _say(report.verdict_text(verdict))
        return 1 if verdict.problems else 0
    since = None if FLAGS.since is None else _time(FLAGS.since)
    if FLAGS.json:
        for line in report.json_lines(since):
            _say(line)
    else:
        _say(report.table(since))
    return 0


def _time(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"--since must be a day such as 2026-11-21, or a time, found {text!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


_COMMANDS: Mapping[str, Callable[[Sequence[str]], int | None]] = {
    "": _run,
    "join": _join,
    "request": _request,
    "install": _install,
    "model": _model,
    "audit": _audit,
    "policy": _policy,
}


def _exactly(arguments: Sequence[str], usage: str) -> Sequence[str]:
    expected = usage.split()[1:]
    if len(arguments) != len(expected):
        found = " ".join(arguments) or "nothing"
        raise ConfigurationError(f"the command is `store {usage}`, found {found!r} behind it")
    return arguments


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    define_flags()
    run_main(main)
