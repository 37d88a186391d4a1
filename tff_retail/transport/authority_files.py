"""Where a fleet's authorities lie, and their renewal."""

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tff_retail.config import ConfigurationError
from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.certified_key import CertifiedKey
from tff_retail.transport.fleet_folder import FleetFolder

# Headquarters' certificate is renewed so long before its end.
_SERVER_MARGIN = datetime.timedelta(days=30)


def read_intermediate(fleet: FleetFolder, pass_phrase: bytes | None = None) -> Authority:
    """The authority that signs stores' and headquarters' certificates.

    Raises:
      ConfigurationError: its key is missing, or the pass phrase does not open it.
    """
    return read_authority(fleet.path / "authority", "intermediate", pass_phrase)


def read_authority(folder: pathlib.Path, stem: str, pass_phrase: bytes | None = None) -> Authority:
    """The authority of `<folder>/<stem>.key` and `.crt`.

    Raises:
      ConfigurationError: its key is missing, or the pass phrase does not open it.
    """
    key_pem, chain = CertifiedKey(folder, stem, pass_phrase).load()
    key = serialization.load_pem_private_key(key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(x509.load_pem_x509_certificate(chain), key)


def renew_intermediate(
    fleet: FleetFolder, root_folder: pathlib.Path, pass_phrase: bytes | None = None
) -> Authority:
    """A new intermediate authority; what the former one signed still holds.

    Args:
      fleet: whose.
      root_folder: that has root.key and root.crt.
      pass_phrase: of both authorities' keys, if they have one.

    Raises:
      ConfigurationError: the root's key is missing, or is of another chain.
    """
    root = read_authority(root_folder, "root", pass_phrase)
    if root.certificate != fleet.root_certificate:
        raise ConfigurationError(
            f"--root_dir must have the root of this fleet, found another chain's in {root_folder}; "
            "give the folder that `fleet init` made"
        )
    files = CertifiedKey(fleet.path / "authority", "intermediate", pass_phrase)
    with fleet.changing():
        key = files.make_next_key().public_key()
        files.install(certificate_pem(root.issue_intermediate(key, fleet.clock())))
    return read_intermediate(fleet, pass_phrase)


def renew_headquarters(fleet: FleetFolder, authority: Authority) -> datetime.datetime:
    """A new key and certificate for headquarters, shown to all connections from now on.

    Returns:
      The end of the new certificate.

    Raises:
      OSError: they can't be written.
    """
    files = CertifiedKey(fleet.path / "headquarters", "server")
    with fleet.changing():
        key = files.make_next_key().public_key()
        certificate = authority.issue_server(key, fleet.hosts, fleet.clock())
        files.install(certificate_pem(certificate, authority.certificate))
    return certificate.not_valid_after_utc


def is_headquarters_due(fleet: FleetFolder) -> bool:
    """Whether headquarters' certificate ends soon."""
    return fleet.server_certificate_end() - fleet.clock() < _SERVER_MARGIN
