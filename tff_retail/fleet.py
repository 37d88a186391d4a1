"""A chain's fleet: who may connect to headquarters, and which runs are approved.

    python -m tff_retail.fleet init --hosts=hq.example.com     makes the folder fleet/
    python -m tff_retail.fleet serve-enrolment                 where stores join and renew
    python -m tff_retail.fleet invite NAME                     prints a token for `store join`
    python -m tff_retail.fleet approve FILE                    answers `store request`, by files
    python -m tff_retail.fleet list                            stores, and until when they may
    python -m tff_retail.fleet status                          who is connected, since when
    python -m tff_retail.fleet heads [NAME]                    audit logs, as countersigned here
    python -m tff_retail.fleet revoke NAME                     from the next call on
    python -m tff_retail.fleet rotate [NAME ...]               headquarters' certificate, or stores'
    python -m tff_retail.fleet sign RUN                        approves a run, then its model

docs/fleet.md says who holds which key.
"""

import datetime
import json
import pathlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from absl import flags

from tff_retail.command_line import FLAGS, run_main
from tff_retail.config import ConfigurationError, require, require_address
from tff_retail.program import fleet_heads, fleet_table
from tff_retail.program.signed_run_model import sign_run_model
from tff_retail.transport import authority_files, store_admittance
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.enrolment_listener import EnrolmentListener
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.fleet_making import NewFleet, make_fleet
from tff_retail.transport.pass_phrase import new_pass_phrase, present_pass_phrase
from tff_retail.transport.private_key import is_encrypted
from tff_retail.transport.request_approval import approve_request
from tff_retail.transport.run_signing import DEFAULT_LIFE, read_manifest_key, sign_run


def define_flags() -> None:
    """The flags of this command."""
    flags.DEFINE_string("dir", "fleet", "the fleet's folder")
    flags.DEFINE_list("hosts", None, "init: names and addresses that stores dial headquarters by")
    flags.DEFINE_string(
        "server_address", None, "init: host:port of the coordinator; by default the first host:8443"
    )
    flags.DEFINE_string(
        "enrolment_address", None, "init: host:port to join at; by default the first host:8444"
    )
    flags.DEFINE_boolean(
        "pass_phrase", False, "init: put the keys of authorities and manifests under a pass phrase"
    )
    flags.DEFINE_float("valid_hours", 72.0, "invite: hours until the token ends")
    flags.DEFINE_boolean("wait", False, "invite: serve enrolment here until the store has joined")
    flags.DEFINE_string(
        "listen_address",
        None,
        "serve-enrolment, invite --wait: where to listen; by default all interfaces, at the port "
        "that `init` was given",
    )
    flags.DEFINE_string("fingerprint", None, "approve: that `store request` printed, to compare")
    flags.DEFINE_string("output", None, "approve: file to write; by default FILE.approved")
    flags.DEFINE_string("reason", "", "revoke: a word for the record")
    flags.DEFINE_boolean("authority", False, "rotate: a new intermediate authority too")
    flags.DEFINE_string("root_dir", None, "rotate --authority: folder with the root's key")
    flags.DEFINE_float("valid_days", DEFAULT_LIFE.days, "sign: days until the approval ends")
    flags.DEFINE_string(
        "manifest_key", None, "sign: the key; by default <dir>/signing/manifest.key"
    )
    flags.DEFINE_boolean("json", False, "list, status, heads: print JSON in place of a table")


def main(arguments: list[str]) -> int:
    """Runs one command."""
    name, *rest = arguments or [""]
    if name not in _COMMANDS:
        raise ConfigurationError(
            f"the command must be one of {', '.join(_COMMANDS)}, found {name!r}; see --help"
        )
    least, most, command = _COMMANDS[name]
    if not least <= len(rest) <= most:
        raise ConfigurationError(
            f"`fleet {name}` takes {_ARGUMENTS[least, most]} beside its flags, found {len(rest)}; "
            "see --help"
        )
    try:
        command(rest)
    except OSError as error:
        raise ConfigurationError(
            f"--dir must be a folder that can be read and written, found {FLAGS.dir!r} ({error})"
        ) from error
    return 0


def _init(arguments: Sequence[str]) -> None:
    hosts = FLAGS.hosts or []
    require(bool(hosts), "hosts", "what stores dial headquarters by", hosts, "give one or more")
    first = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0]
    new = NewFleet(
        hosts=hosts,
        server_address=FLAGS.server_address or f"{first}:8443",
        enrolment_address=FLAGS.enrolment_address or f"{first}:8444",
        pass_phrase=new_pass_phrase() if FLAGS.pass_phrase else None,
    )
    fleet = make_fleet(pathlib.Path(FLAGS.dir).expanduser(), new)
    print(f"made {FLAGS.dir}; the chain's fingerprint is {fleet.chain_id}")
    print(f"move {FLAGS.dir}/root to a safe that is offline, and {FLAGS.dir}/signing to whoever")
    print("approves runs; the coordinator needs neither")


def _serve_enrolment(arguments: Sequence[str]) -> None:
    _serve(_fleet(), threading.Event(), lambda line: print(line, flush=True))


def _invite(arguments: Sequence[str]) -> None:
    fleet, (name,) = _fleet(), arguments
    require(0 < FLAGS.valid_hours <= 24 * 365, "valid_hours", "in (0, 8760]", FLAGS.valid_hours)
    life = datetime.timedelta(hours=FLAGS.valid_hours)
    token = store_admittance.invite_store(fleet, name, life)
    # Alone on standard output, so that a script can take it.
    print(token.encode(), flush=True)
    _tell(f"good once, for {FLAGS.valid_hours:g} hours; at the store: store join TOKEN")
    if FLAGS.wait:
        has_joined = threading.Event()

        def on_event(line: str) -> None:
            _tell(line)
            if fleet.stores.is_active(token.name):
                has_joined.set()

        _serve(fleet, has_joined, on_event)


def _approve(arguments: Sequence[str]) -> None:
    fleet, (path,) = _fleet(), arguments
    office = CertificateOffice(fleet, _authority(fleet))
    output = FLAGS.output or f"{path}.approved"
    approved = approve_request(office, path, output, expected=FLAGS.fingerprint or "")
    print(f"approved {approved.name}, whose key has the fingerprint {approved.fingerprint}")
    print(f"at the store: store install {output} --chain_fingerprint={fleet.chain_id}")


def _list(arguments: Sequence[str]) -> None:
    fleet = _fleet()
    if FLAGS.json:
        print(json.dumps(fleet_table.fleet_list(fleet), indent=1, ensure_ascii=False))
    else:
        print(fleet_table.fleet_list_text(fleet))


def _status(arguments: Sequence[str]) -> None:
    fleet = _fleet()
    if FLAGS.json:
        print(json.dumps(fleet_table.fleet_status(fleet), indent=1, ensure_ascii=False))
    else:
        print(fleet_table.fleet_status_text(fleet))


def _heads(arguments: Sequence[str]) -> None:
    fleet = _fleet()
    if arguments:
        print(fleet_heads.fleet_heads_of(fleet, arguments[0]))
    elif FLAGS.json:
        print(json.dumps(fleet_heads.fleet_heads(fleet), indent=1, ensure_ascii=False))
    else:
        print(fleet_heads.fleet_heads_text(fleet))


def _revoke(arguments: Sequence[str]) -> None:
    (name,) = arguments
    ended = store_admittance.revoke_store(_fleet(), name, FLAGS.reason)
    certificates = "1 certificate" if ended == 1 else f"{ended} certificates"
    print(f"{name} may not connect any more; {certificates} ended, within seconds")


def _rotate(arguments: Sequence[str]) -> None:
    fleet = _fleet()
    for name in arguments:
        store_admittance.want_renewal(fleet, name)
        print(f"{name} will renew its certificate within the hour")
    if arguments and not FLAGS.authority:
        return
    authority = _renewed_authority(fleet) if FLAGS.authority else _authority(fleet)
    end = authority_files.renew_headquarters(fleet, authority)
    print(f"headquarters shows a new certificate from the next connection on, until {end:%Y-%m-%d}")


def _sign(arguments: Sequence[str]) -> None:
    fleet, (run,) = _fleet(), arguments
    require(0 < FLAGS.valid_days <= 3650, "valid_days", "in (0, 3650]", FLAGS.valid_days)
    path = pathlib.Path(FLAGS.manifest_key or fleet.path / "signing" / "manifest.key").expanduser()
    expires = fleet.clock() + datetime.timedelta(days=FLAGS.valid_days)
    key = read_manifest_key(path, _pass_phrase(path))
    signed = sign_run(pathlib.Path(run), key=key, chain_id=fleet.chain_id, expires=expires)
    print(f"signed {signed}, until {expires:%Y-%m-%d %H:%M} UTC")
    if (pathlib.Path(run) / "summary.json").is_file():
        model = sign_run_model(pathlib.Path(run), key=key, chain_id=fleet.chain_id)
        print(f"signed its model {model.name}; the training command, given again, delivers it")


_COMMANDS: Mapping[str, tuple[int, int, Callable[[Sequence[str]], None]]] = {
    "init": (0, 0, _init),
    "serve-enrolment": (0, 0, _serve_enrolment),
    "invite": (1, 1, _invite),
    "approve": (1, 1, _approve),
    "list": (0, 0, _list),
    "status": (0, 0, _status),
    "heads": (0, 1, _heads),
    "revoke": (1, 1, _revoke),
    "rotate": (0, sys.maxsize, _rotate),
    "sign": (1, 1, _sign),
}


_ARGUMENTS = {
    (0, 0): "nothing",
    (0, 1): "one name at most",
    (1, 1): "one name or file",
    (0, sys.maxsize): "names",
}


def _fleet() -> FleetFolder:
    return FleetFolder(FLAGS.dir)


def _authority(fleet: FleetFolder) -> authority_files.Authority:
    key = fleet.path / "authority" / "intermediate.key"
    return authority_files.read_intermediate(fleet, _pass_phrase(key))


def _renewed_authority(fleet: FleetFolder) -> authority_files.Authority:
    folder = pathlib.Path(FLAGS.root_dir or fleet.path / "root").expanduser()
    return authority_files.renew_intermediate(fleet, folder, _pass_phrase(folder / "root.key"))


def _pass_phrase(key: pathlib.Path) -> bytes | None:
    return present_pass_phrase(str(key)) if is_encrypted(key) else None


def _serve(fleet: FleetFolder, until: threading.Event, on_event: Callable[[str], None]) -> None:
    """Serves enrolment until the event, or a signal: this is how a service is stopped."""
    port = require_address("enrolment_address", fleet.enrolment_address)[1]
    office = CertificateOffice(fleet, _authority(fleet))
    address = FLAGS.listen_address or f"0.0.0.0:{port}"
    listener = EnrolmentListener(address, office, on_event=on_event)
    _tell(f"stores join and renew at {listener.start()}")
    try:
        until.wait()
    except KeyboardInterrupt:
        _tell("stopped")
    finally:
        listener.close()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    define_flags()
    run_main(main)
