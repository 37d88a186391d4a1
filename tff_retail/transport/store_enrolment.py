"""How a store gets its certificate: with a token, or by files; and how it keeps one.

The store makes its own key, which never leaves its machine; what travels is a request for a
certificate and the certificate.
"""

import datetime
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from tff_retail.config import ConfigurationError, require, require_address
from tff_retail.transport.certificate_request import (
    make_certificate_request,
    public_key_fingerprint,
)
from tff_retail.transport.certified_key import CertifiedKey
from tff_retail.transport.enrolment_client import EnrolmentClient
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.fleet_folder import utc_now
from tff_retail.transport.issued_identity import MAX_IDENTITY_BYTES, IssuedIdentity
from tff_retail.transport.join_token import JoinToken
from tff_retail.transport.json_file import read_json_file, write_json_file
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.store_identity import StoreIdentity, identity_folder
from tff_retail.transport.store_name import checked_store_name
from tff_retail.transport.tls import trusting_context

# A certificate is renewed when a third of its life is left: a month of ninety days, so that a
# headquarters that is down for weeks costs no store its place.
_RENEWAL_SHARE = 1 / 3


def join_fleet(
    token: str,
    *,
    state_dir: str | pathlib.Path,
    server_address: str = "",
    enrolment_address: str = "",
) -> StoreIdentity:
    """Joins with a token from `fleet invite`; takes the network twice.

    Args:
      token: the word that headquarters gave.
      state_dir: the store's own folder.
      server_address: host:port to dial for work; by default what headquarters says.
      enrolment_address: host:port to join at; by default what the token says.

    Raises:
      ConfigurationError: the token or an address is none, or `state_dir` is another store's.
      EnrolmentRefused: headquarters said no, or is not the one of the token.
      OSError: `state_dir` can't be written.
    """
    parsed = JoinToken.decode(token)
    if server_address:
        require_address("server_address", server_address)
    folder = _folder_for(parsed.name, state_dir)
    client = EnrolmentClient(enrolment_address or parsed.address)
    root = client.trusted_root(parsed.fingerprint)
    key = CertifiedKey(folder, "store").make_next_key()
    request = make_certificate_request(key, parsed.name)
    answer = client.ask(
        {
            "kind": "join",
            "id": parsed.identifier.hex(),
            "secret": parsed.secret.hex(),
            "request": request.decode(),
        },
        trusting_context(root),
    )
    issued = _issued(answer, parsed.fingerprint.hex(), parsed.name)
    # Renewals go where joining went: that way is known to be open.
    addresses = {"server_address": server_address, "enrolment_address": client.address}
    return _enter(state_dir, issued, addresses)


def write_request(name: str, *, state_dir: str | pathlib.Path, path: str | pathlib.Path) -> str:
    """Writes a request for `fleet approve`.

    Args:
      name: that the store is to have.
      state_dir: the store's own folder.
      path: of the file to write.

    Returns:
      The fingerprint of the store's key, for headquarters to compare.

    Raises:
      ConfigurationError: no store can have that name, or `state_dir` is another store's.
      OSError: a file can't be written.
    """
    try:
        name = checked_store_name(name)
    except ValueError as error:
        raise ConfigurationError(f"--name: {error}; choose another") from error
    key = CertifiedKey(_folder_for(name, state_dir), "store").make_next_key()
    write_private_file(pathlib.Path(path).expanduser(), make_certificate_request(key, name))
    return public_key_fingerprint(key.public_key())


def install_certificate(
    path: str | pathlib.Path,
    *,
    state_dir: str | pathlib.Path,
    chain_fingerprint: str = "",
    server_address: str = "",
) -> StoreIdentity:
    """Installs what `fleet approve` wrote.

    Args:
      path: of that file.
      state_dir: of the store that made the request.
      chain_fingerprint: that the operator was told; '' trusts the file as it came.
      server_address: host:port to dial for work; by default what headquarters says.

    Raises:
      ConfigurationError: the file is none, or for another request.
      EnrolmentRefused: it is of another chain.
      OSError: `state_dir` can't be written.
    """
    if server_address:
        require_address("server_address", server_address)
    try:
        with pathlib.Path(path).expanduser().open("rb") as file:
            content = file.read(MAX_IDENTITY_BYTES)
        values = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"FILE must be what `fleet approve` wrote, found {str(path)!r} ({error}); ask for it "
            "again"
        ) from error
    issued = _issued(values, chain_fingerprint.replace(":", "").strip().lower())
    _folder_for(issued.name, state_dir)
    return _enter(state_dir, issued, {"server_address": server_address})


def renew_certificate(identity: StoreIdentity) -> StoreIdentity:
    """A new key and certificate, asked for with the present one; the present one holds for a week.

    Raises:
      EnrolmentRefused: headquarters said no, or can't be reached.
      OSError: they can't be written.
    """
    files = CertifiedKey(identity.folder, "store")
    request = make_certificate_request(files.make_next_key(), identity.name)
    client = EnrolmentClient(identity.enrolment_address)
    answer = client.ask(
        {"kind": "renew", "request": request.decode()}, identity.client_tls().ssl_context()
    )
    # Whom the store trusts does not change by renewal: only the certificate is taken.
    files.install(_issued(answer, identity.chain_id, identity.name).chain.encode())
    return StoreIdentity.load(identity.folder.parent)


def renew_if_due(
    state_dir: str | pathlib.Path, *, clock: Callable[[], datetime.datetime] = utc_now
) -> StoreIdentity | None:
    """Renews when two thirds of the certificate's life are over, or `fleet rotate` wants it.

    For a daemon to call once an hour, on a thread of its own.

    Returns:
      The new identity; None where the present one stays.

    Raises:
      EnrolmentRefused: headquarters said no, or can't be reached; worth a try in the next hour.
      ConfigurationError: the store has not joined.
      OSError: they can't be written.
    """
    identity = StoreIdentity.load(state_dir)
    certificate, now = identity.certificate, clock()
    life = certificate.not_after - certificate.not_before
    if now > certificate.not_after:
        raise EnrolmentRefused(
            "expired",
            f"the certificate of {identity.name} ended at {certificate.not_after:%Y-%m-%d %H:%M} "
            f"UTC, and this machine's clock says {now:%Y-%m-%d %H:%M}; if that is wrong, set the "
            "clock, or else ask headquarters for a new token and join again",
        )
    if certificate.not_after - now < life * _RENEWAL_SHARE or _is_wanted(identity):
        return renew_certificate(identity)
    return None


def _is_wanted(identity: StoreIdentity) -> bool:
    client = EnrolmentClient(identity.enrolment_address)
    context = identity.client_tls().ssl_context()
    return client.ask({"kind": "is_renewal_wanted"}, context).get("is_renewal_wanted") is True


def _folder_for(name: str, state_dir: str | pathlib.Path) -> pathlib.Path:
    """The identity's folder, made if missing; a store may join again under its own name.

    Two stores on one machine that forgot --state_dir must not take each other's place.
    """
    folder = identity_folder(state_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        present = read_json_file(folder / "settings.json").get("name")
    except FileNotFoundError:
        present = name
    require(
        present == name,
        "state_dir",
        f"a folder of {name} alone",
        str(state_dir),
        f"which is {present}'s; give another folder, or move {folder} away",
    )
    return folder


def _issued(values: Any, chain_id: str, name: str = "") -> IssuedIdentity:
    try:
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        issued = IssuedIdentity.from_json(values)
    except ValueError as error:
        raise EnrolmentRefused(
            "bad_answer", f"what headquarters issued is not good: {error}"
        ) from error
    if chain_id and issued.chain_id != chain_id:
        raise EnrolmentRefused(
            "other_authority",
            f"the certificate is of the chain {issued.chain_id}, not {chain_id}; ask who sent it",
        )
    if name and issued.name != name:
        raise EnrolmentRefused(
            "other_name", f"the certificate is for {issued.name}, not for {name}"
        )
    return issued


def _enter(
    state_dir: str | pathlib.Path, issued: IssuedIdentity, addresses: Mapping[str, str]
) -> StoreIdentity:
    """Keeps what was issued; `addresses` that the operator gave win over headquarters'."""
    folder = identity_folder(state_dir)
    files = CertifiedKey(folder, "store")
    chain = issued.chain.encode()
    files.require_waiting(chain)
    write_private_file(folder / "chain.crt", issued.root.encode())
    settings = {
        "name": issued.name,
        "server_address": addresses.get("server_address") or issued.server_address,
        "enrolment_address": addresses.get("enrolment_address") or issued.enrolment_address,
        "chain": issued.chain_id,
        "manifest_key": issued.manifest_key,
    }
    write_json_file(folder / "settings.json", settings)
    # Last, so that a kill leaves the request waiting, and the same command can be given again.
    files.install(chain)
    return StoreIdentity.load(state_dir)
