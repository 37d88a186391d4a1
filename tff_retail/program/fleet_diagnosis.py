"""Whether headquarters can meet its stores: folder, keys, authorities, stores, runs, ports."""

import datetime
import pathlib
import socket
from collections.abc import Callable, Iterator

from cryptography import x509

from datasets.labels import LABEL_FILE, read_label_file
from datasets.private_files import FileLock
from tff_retail.config import ConfigurationError, require_address
from tff_retail.program.certificate_diagnosis import diagnose_certificate
from tff_retail.program.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from tff_retail.program.fleet_table import fleet_list, fleet_status
from tff_retail.program.process_mark import ENDED, RUNNING, process_state
from tff_retail.transport.admission import read_revoked
from tff_retail.transport.fleet_folder import FleetFolder, utc_now

# `serve-enrolment` renews 30 days before the end.
_SERVER_MARGIN = datetime.timedelta(days=21)
# An authority that ends takes all certificates under it along; they live for 90 days.
_AUTHORITY_MARGIN = datetime.timedelta(days=180)
_STORE_MARGIN = datetime.timedelta(days=14)
_CONNECT_S = 2.0
_NAMED = 3
# Whose names, and that they may lie elsewhere.
_OFFLINE = {
    "root/root.key": "move fleet/root to a safe that is offline",
    "signing/manifest.key": "move fleet/signing to whoever approves runs",
}


def diagnose_fleet(
    path: str,
    run: str | None = None,
    *,
    clock: Callable[[], datetime.datetime] = utc_now,
) -> list[Diagnosis]:
    """Looks at headquarters' folder of a fleet; changes nothing.

    Args:
      path: of the folder.
      run: directory of a run to look at too, if any.
      clock: gives the time, aware.
    """
    runs = [_run(pathlib.Path(run))] if run else []
    try:
        fleet = FleetFolder(path, clock=clock)
    except ConfigurationError as error:
        return [Diagnosis("fleet", PROBLEM, str(error), "fleet init, or restore a backup"), *runs]
    return [
        Diagnosis("fleet", OK, f"the chain {fleet.chain_id[:16]}…, dialled as {fleet.hosts[0]}"),
        *_certificates(fleet),
        *_keys(fleet),
        *_stores(fleet),
        _labels(fleet),
        _coordinator(fleet),
        *(_port(name, address) for name, address in _addresses(fleet)),
        *runs,
    ]


def _certificates(fleet: FleetFolder) -> Iterator[Diagnosis]:
    root, now = fleet.root_certificate, fleet.clock()
    for subject, name, margin, remedy in (
        ("certificate", "headquarters/server.crt", _SERVER_MARGIN, "fleet rotate"),
        ("authority", "authority/intermediate.crt", _AUTHORITY_MARGIN, _NEW_AUTHORITY),
        ("root", "headquarters/clients.crt", 2 * _AUTHORITY_MARGIN, "a new fleet: all join again"),
    ):
        try:
            chain = x509.load_pem_x509_certificates((fleet.path / name).read_bytes())
        except (OSError, ValueError):
            found = f"{fleet.path / name} can't be read as a certificate"
            yield Diagnosis(subject, PROBLEM, found, "restore it from a backup")
            continue
        yield diagnose_certificate(subject, chain, root=root, now=now, margin=margin, remedy=remedy)


_NEW_AUTHORITY = "fleet rotate --authority --root_dir=SAFE, then restart serve-enrolment"


def _keys(fleet: FleetFolder) -> Iterator[Diagnosis]:
    keys = sorted(fleet.path.rglob("*.key*"))
    open_ = [path for path in (fleet.path, *keys) if path.stat().st_mode & 0o077]
    if open_:
        found = f"{', '.join(map(str, open_[:_NAMED]))}: other users of this machine may read it"
        yield Diagnosis("private files", PROBLEM, found, f"chmod -R go= {str(fleet.path)!r}")
    else:
        yield Diagnosis("private files", OK, f"{len(keys)} keys are for this user alone")
    for name, remedy in _OFFLINE.items():
        if (fleet.path / name).exists():
            found = f"{name} lies on this machine, which stores can reach"
            yield Diagnosis("keys apart", WARNING, found, remedy)


def _stores(fleet: FleetFolder) -> Iterator[Diagnosis]:
    try:
        stores, now = fleet_list(fleet), fleet.clock()
        num_revoked = len(read_revoked(fleet.path / "revoked.json"))
    except (ConfigurationError, OSError) as error:
        yield Diagnosis("stores", PROBLEM, str(error), "restore it: nobody is let in without it")
        return
    counts = {s: sum(each["state"].startswith(s) for each in stores) for s in _STATES}
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    found = f"{told or 'none has been invited'}; {num_revoked} certificates are revoked"
    ending = [
        each["name"]
        for each in stores
        if each["state"] == "active"
        and datetime.datetime.fromisoformat(each["until"]) - now < _STORE_MARGIN
    ]
    late = [each["name"] for each in stores if each["state"] == "expired"] + ending
    if not late:
        yield Diagnosis("stores", OK, found)
        return
    named = ", ".join(late[:_NAMED]) + (", …" if len(late) > _NAMED else "")
    found += f". Ended, or soon to end: {named}"
    remedy = "they renew where their daemon runs and `serve-enrolment` does; else fleet invite NAME"
    yield Diagnosis("stores", WARNING, found, remedy)


_STATES = ("active", "renewal wanted", "invited", "expired", "revoked")


def _labels(fleet: FleetFolder) -> Diagnosis:
    path = fleet.path / LABEL_FILE
    try:
        labels = read_label_file(path)
    except ConfigurationError as error:
        return Diagnosis("labels", PROBLEM, str(error), "write it anew, one label a line")
    if labels is None:
        remedy = "write the products there, one a line, or give train --labels_file"
        return Diagnosis("labels", WARNING, f"no {path}", remedy)
    return Diagnosis("labels", OK, f"{len(labels)} in {path}")


def _coordinator(fleet: FleetFolder) -> Diagnosis:
    try:
        status = fleet_status(fleet)
    except ConfigurationError as error:
        return Diagnosis("coordinator", WARNING, str(error), "it is written anew by the next run")
    if status is None:
        return Diagnosis("coordinator", OK, "none has run yet")
    run, state = status.get("run") or "-", status.get("state")
    found = {RUNNING: "is at work", ENDED: "is not there any more"}.get(
        process_state(status.get("process")), "may be at work on another machine"
    )
    told = f"of the run {run}, last seen {state}, {found}"
    if process_state(status.get("process")) == ENDED and state not in ("finished", "stopped"):
        remedy = "it was killed: the same training command goes on after the last finished round"
        return Diagnosis("coordinator", WARNING, told, remedy)
    return Diagnosis("coordinator", OK, told)


def _addresses(fleet: FleetFolder) -> Iterator[tuple[str, str]]:
    yield "work", fleet.server_address
    yield "joining", fleet.enrolment_address


def _port(name: str, address: str) -> Diagnosis:
    """Whether anything listens here at the port that stores dial."""
    subject = f"port for {name}"
    _, port = require_address("address", address)
    try:
        with socket.create_connection(("localhost", port), _CONNECT_S):
            return Diagnosis(subject, OK, f"something listens at {port}; stores dial {address}")
    except OSError:
        what = "train --stores=remote" if name == "work" else "fleet serve-enrolment"
        found = f"nothing listens at {port} of this machine"
        if name == "work":
            return Diagnosis(subject, OK, f"{found}: no run is on, or it is on another one")
        return Diagnosis(subject, WARNING, found, f"{what}, where stores are to join or renew")


def _run(path: pathlib.Path) -> Diagnosis:
    if not (path / "configuration.json").exists():
        return Diagnosis("run", PROBLEM, f"{path} is no directory of a run", "check the path")
    if (path / "summary.json").exists():
        return Diagnosis("run", OK, f"{path} is finished")
    lock = FileLock(path / "run.lock")
    try:
        is_free = lock.take(wait=False)
    finally:
        lock.release()
    if is_free:
        remedy = "the same training command goes on after the last finished round"
        return Diagnosis("run", WARNING, f"{path} is not finished, and nobody is at it", remedy)
    return Diagnosis("run", OK, f"{path} is being worked on")
