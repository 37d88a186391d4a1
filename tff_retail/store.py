"""A store's daemon: works for headquarters on photographs that never leave this machine.

    python -m tff_retail.store join TOKEN      once, with the token that headquarters gave
    python -m tff_retail.store --flagfile=configs/store.flags --data_dir=photographs

In place of a token, by files: `store request NAME FILE` makes a key and a request, headquarters
answers it (`fleet approve`), and `store install FILE` takes the answer. `store model rollback` puts
the model into use again that was delivered before the present one.

The daemon dials out, over one connection; it comes back by itself when that is lost, and stops
within seconds of SIGTERM. The photographs lie in <data_dir>/<label>/*.jpg, or as
<data_dir>/manifest.csv says. Exit code 0: stopped; 1: headquarters refused; 2: the command is
wrong.
"""

import dataclasses
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


def main(arguments: list[str]) -> int:
    """Runs the daemon, or the command that is named. Returns the exit code."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command not in _COMMANDS:
        known = ", ".join(name for name in _COMMANDS if name)
        raise ConfigurationError(f"store takes {known} or flags, found {command!r}; see --help")
    try:
        _COMMANDS[command](rest)
    except EnrolmentRefused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 1
    return 0


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


_COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "": _run,
    "join": _join,
    "request": _request,
    "install": _install,
    "model": _model,
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
