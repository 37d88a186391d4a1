"""Whether a store can work: identity, headquarters, photographs, policy, audit log, sandbox."""

import datetime
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping

from cryptography import x509

from datasets.private_files import FileLock
from tff_retail.config import ConfigurationError, StoreConfig
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.release_policy import SANDBOX_REQUIRED, ReleasePolicy
from tff_retail.privacy.release_policy_file import read_release_policy
from tff_retail.program.audit_report import AuditReport, audit_folder
from tff_retail.program.certificate_diagnosis import diagnose_certificate
from tff_retail.program.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from tff_retail.program.photograph_diagnosis import diagnose_photographs
from tff_retail.program.sandbox_probe import probe_sandbox
from tff_retail.transport.enrolment_client import EnrolmentClient
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.fleet_folder import utc_now
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.store_identity import StoreIdentity
from tff_retail.transport.tls_diagnosis import connection_flaw

# The daemon renews 30 days before the end; with so little left it has not managed to.
_RENEWAL_WORRY = datetime.timedelta(days=21)
# For each step of a connection: a doctor is waited for.
_TIMEOUT_S = 5.0
_JOIN = "ask headquarters for a token, and run `store join TOKEN`"
_NAMED = 3


def diagnose_store(
    config: StoreConfig,
    *,
    environment: Mapping[str, str] = os.environ,
    now: Callable[[], datetime.datetime] = utc_now,
    timeout_s: float = _TIMEOUT_S,
) -> list[Diagnosis]:
    """Looks at a store; changes nothing, and may be run beside its daemon.

    Args:
      config: of the store, as its daemon has it.
      environment: whose proxy leads to headquarters.
      now: gives the time, aware.
      timeout_s: for each step of a connection.
    """
    state = pathlib.Path(config.state_dir).expanduser()
    try:
        identity = StoreIdentity.load(state)
    except ConfigurationError as error:
        return [
            Diagnosis("identity", PROBLEM, str(error), _JOIN),
            *_own(config, state, None, now),
        ]
    return [
        Diagnosis("identity", OK, f"{identity.name}, of the chain {identity.chain_id[:16]}…"),
        _certificate(identity, now()),
        *_headquarters(config, identity, environment, timeout_s),
        *_own(config, state, identity, now),
    ]


def _own(
    config: StoreConfig,
    state: pathlib.Path,
    identity: StoreIdentity | None,
    now: Callable[[], datetime.datetime],
) -> Iterable[Diagnosis]:
    """What the store has to itself."""
    policy = _policy(config.policy)
    return [
        *diagnose_photographs(config.data_dir, state, identity, now()),
        policy,
        *([_audit(state)] if identity else []),
        _sandbox(config.policy if policy.state == OK else None),
        _keys(state),
        _leftovers(state),
    ]


def _certificate(identity: StoreIdentity, now: datetime.datetime) -> Diagnosis:
    pem = (identity.folder / "store.crt").read_bytes()
    root = x509.load_pem_x509_certificate((identity.folder / "chain.crt").read_bytes())
    return diagnose_certificate(
        "certificate",
        x509.load_pem_x509_certificates(pem),
        root=root,
        now=now,
        margin=_RENEWAL_WORRY,
        remedy="see that the daemon runs and `serve-enrolment` can be reached, or join again",
    )


def _headquarters(
    config: StoreConfig, identity: StoreIdentity, environment: Mapping[str, str], timeout_s: float
) -> Iterable[Diagnosis]:
    address = config.server_address or identity.server_address
    try:
        proxies = ProxySettings.from_environment(environment)
    except ConfigurationError as error:
        yield Diagnosis("headquarters", PROBLEM, str(error), "correct HTTPS_PROXY")
        return
    way = (
        f" by the proxy that HTTPS_PROXY names for {address}" if proxies.proxy_for(address) else ""
    )
    flaw = connection_flaw(address, identity.client_tls(), proxies, timeout_s=timeout_s)
    if flaw is None:
        found = f"{address} answers{way}, and both certificates are good; whether this store was "
        found += "revoked since, its daemon is told when it connects"
        yield Diagnosis("headquarters", OK, found)
    else:
        sentence, _, remedy = flaw.rpartition("; ")
        remedy = f"{remedy}; where no run is on, nothing listens there, and that is right"
        yield Diagnosis("headquarters", WARNING, sentence or flaw, remedy)
    client = EnrolmentClient(identity.enrolment_address, proxies, timeout_s)
    yield _clock(client, identity)


def _clock(client: EnrolmentClient, identity: StoreIdentity) -> Diagnosis:
    """Headquarters tells its time where stores renew their certificates."""
    try:
        client.trusted_root(bytes.fromhex(identity.chain_id))
    except EnrolmentRefused as refusal:
        if refusal.code == "clock":
            return Diagnosis("clock", PROBLEM, str(refusal), "set the clock; install chrony")
        remedy = "nothing to do, unless a certificate ends soon: they are renewed there"
        return Diagnosis("clock", WARNING, f"not compared: {refusal}", remedy)
    found = f"agrees with headquarters'; {client.address} renews certificates"
    return Diagnosis("clock", OK, found)


def _policy(path: str | None) -> Diagnosis:
    if path is None:
        return Diagnosis("policy", OK, "the default one; `store policy explain` says what it is")
    try:
        policy = read_release_policy(path)
    except ConfigurationError as error:
        remedy = "correct the file: the daemon does not start with it, nor without it"
        return Diagnosis("policy", PROBLEM, str(error), remedy)
    found = (
        f"{path}: trust {policy.trust}, reports {policy.reports}, open {policy.hours}; "
        "`store policy explain` says the rest"
    )
    if policy.trust == "allow_list_only":
        remedy = 'for experiments alone: write trust = "signed" where photographs count'
        return Diagnosis("policy", WARNING, found, remedy)
    return Diagnosis("policy", OK, found)


def _audit(state: pathlib.Path) -> Diagnosis:
    if not AuditFiles(audit_folder(state)).paths():
        return Diagnosis("audit log", OK, "none yet; the daemon begins one when it starts")
    try:
        report = AuditReport(state)
    except ConfigurationError as error:
        return Diagnosis("audit log", PROBLEM, str(error), "restore the folder")
    verdict = report.verdict()
    first, *more = report.verdict_text(verdict).splitlines()
    if not verdict.problems:
        return Diagnosis("audit log", OK, " ".join((first, *more)))
    found = " ".join((first, *more[:_NAMED], *(["…"] if len(more) > _NAMED else [])))
    remedy = "find out who changed it: `store audit --verify` names every line; keep a copy"
    return Diagnosis("audit log", PROBLEM, found, remedy)


def _sandbox(path: str | None) -> Diagnosis:
    found = probe_sandbox()
    policy = ReleasePolicy() if path is None else read_release_policy(path)
    if found.state == WARNING and policy.sandbox == SANDBOX_REQUIRED:
        reason = f"{found.found}; the policy requires it, so the daemon does not start"
        return Diagnosis(found.subject, PROBLEM, reason, found.remedy)
    return found


def _keys(state: pathlib.Path) -> Diagnosis:
    """Whether others of this machine can read what is the store's alone."""
    paths = [state / "identity", *sorted((state / "identity").glob("*.key*"))]
    open_ = [path for path in paths if path.exists() and path.stat().st_mode & 0o077]
    if open_:
        found = f"{', '.join(map(str, open_[:_NAMED]))}: other users of this machine may read it"
        return Diagnosis("private files", PROBLEM, found, f"chmod -R go= {str(state)!r}")
    if os.geteuid() == 0:
        remedy = "run the daemon as a user of its own; deployment/systemd has a unit"
        return Diagnosis("private files", WARNING, "for root, who this is, alone", remedy)
    return Diagnosis("private files", OK, f"{state} is for this user alone")


def _leftovers(state: pathlib.Path) -> Diagnosis:
    if not state.is_dir():
        return Diagnosis("leftovers", OK, f"none: {state} is not there")
    found = [path for mark in (".*.tmp", "*.tmp-*") for path in state.rglob(mark)]
    if _is_locked(state / "daemon.lock"):
        return Diagnosis("leftovers", OK, "a daemon is at work on this state directory")
    if found:
        size = sum(path.lstat().st_size for path in found) >> 20
        reason = f"{len(found)} files of writers that were killed, {size} MiB, as {str(found[0])!r}"
        return Diagnosis("leftovers", WARNING, reason, "remove them while the daemon is stopped")
    return Diagnosis("leftovers", OK, "none; no daemon is at work on this state directory")


def _is_locked(path: pathlib.Path) -> bool:
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.take(wait=False)
    finally:
        lock.release()
