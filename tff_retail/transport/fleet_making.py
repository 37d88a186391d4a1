"""A new fleet: its authorities, headquarters' certificate, the key of manifests."""

import dataclasses
import datetime
import os
import pathlib
import shutil
import tempfile
from collections.abc import Sequence

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.config import ConfigurationError
from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.certified_key import CertifiedKey
from tff_retail.transport.fleet_folder import FleetFolder, utc_now
from tff_retail.transport.json_file import write_json_file
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.private_key import write_private_key

_FORMAT = 1
_FOLDERS = ("root", "authority", "headquarters", "signing", "invitations", "stores")


@dataclasses.dataclass(frozen=True)
class NewFleet:
    """What a fleet is made of.

    Attributes:
      hosts: names and addresses that stores dial headquarters by.
      server_address: host:port of the coordinator.
      enrolment_address: host:port where stores join.
      pass_phrase: that the keys of authorities and of manifests are put under, if any.
    """

    hosts: Sequence[str]
    server_address: str
    enrolment_address: str
    pass_phrase: bytes | None = dataclasses.field(default=None, repr=False)


def make_fleet(
    path: pathlib.Path, new: NewFleet, now: datetime.datetime | None = None
) -> FleetFolder:
    """Makes the folder, all of it or nothing.

    Raises:
      ConfigurationError: it exists, or a host is none.
      OSError: it can't be written.
    """
    if path.exists() and any(path.iterdir()):
        raise ConfigurationError(
            f"--dir must be a new folder, found {str(path)!r} with files in it; choose another, so "
            "that no key is lost"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkdtemp's folders are for their owner alone, and so is what is made in them.
    unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _fill(unfinished, new, now or utc_now())
        os.replace(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return FleetFolder(path)


def _fill(folder: pathlib.Path, new: NewFleet, now: datetime.datetime) -> None:
    for name in _FOLDERS:
        (folder / name).mkdir(mode=0o700)
    root = _make_authorities(folder, new, now)
    write_private_file(folder / "headquarters" / "clients.crt", certificate_pem(root.certificate))
    _make_manifest_key(folder, new.pass_phrase)
    write_json_file(folder / "revoked.json", {"certificates": {}})
    write_json_file(
        folder / "fleet.json",
        {
            "format": _FORMAT,
            "hosts": list(new.hosts),
            "server_address": new.server_address,
            "enrolment_address": new.enrolment_address,
        },
    )


def _make_authorities(folder: pathlib.Path, new: NewFleet, now: datetime.datetime) -> Authority:
    root_files = CertifiedKey(folder / "root", "root", new.pass_phrase)
    root = Authority.make_root(root_files.make_next_key(), now)
    root_files.install(certificate_pem(root.certificate))

    files = CertifiedKey(folder / "authority", "intermediate", new.pass_phrase)
    key = files.make_next_key()
    intermediate = Authority(root.issue_intermediate(key.public_key(), now), key)
    files.install(certificate_pem(intermediate.certificate))

    # Not under the pass phrase: the coordinator starts by itself after a power cut.
    server_files = CertifiedKey(folder / "headquarters", "server")
    server_key = server_files.make_next_key().public_key()
    server = intermediate.issue_server(server_key, new.hosts, now)
    server_files.install(certificate_pem(server, intermediate.certificate))
    return root


def _make_manifest_key(folder: pathlib.Path, pass_phrase: bytes | None) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    write_private_key(folder / "signing" / "manifest.key", key, pass_phrase)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for place in ("signing", "headquarters"):
        write_private_file(folder / place / "manifest.pub", public)
