"""`fleet approve FILE`: a certificate for a request that came by hand."""

import dataclasses
import json
import pathlib

from tff_retail.config import ConfigurationError, require
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.certificate_request import (
    MAX_REQUEST_BYTES,
    public_key_fingerprint,
    read_certificate_request,
)
from tff_retail.transport.private_file import write_private_file


@dataclasses.dataclass(frozen=True)
class Approved:
    """What was approved.

    Attributes:
      name: of the store.
      fingerprint: SHA-256 of its public key, in hexadecimal, as `store request` printed it.
    """

    name: str
    fingerprint: str


def approve_request(
    office: CertificateOffice, path: str, output: str, *, expected: str = ""
) -> Approved:
    """Issues the certificate and writes the file for `store install`; nothing in it is secret.

    Args:
      office: that issues.
      path: of the request.
      output: of the file to write.
      expected: the key's fingerprint as the store's operator read it out; '' compares nothing.

    Raises:
      ConfigurationError: the file is no request, or its key is another.
      EnrolmentRefused: the store has a certificate already.
      OSError: the file can't be written; the store must be revoked and approved again.
    """
    request, fingerprint = _read(path)
    if expected:
        wanted = expected.replace(":", "").strip().lower()
        require(fingerprint == wanted, "fingerprint", f"{fingerprint}, the file's", expected)
    target = pathlib.Path(output).expanduser()
    if not target.parent.is_dir():
        raise ConfigurationError(f"--output must be in a folder that exists, found {output!r}")
    identity = office.approve(request)
    write_private_file(target, json.dumps(identity.to_json(), indent=1).encode() + b"\n")
    return Approved(identity.name, fingerprint)


def _read(path: str) -> tuple[bytes, str]:
    try:
        with pathlib.Path(path).expanduser().open("rb") as file:
            request = file.read(MAX_REQUEST_BYTES + 1)
        key, _ = read_certificate_request(request)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"FILE must be what `store request` wrote, found {path!r} ({error}); ask for it again"
        ) from error
    return request, public_key_fingerprint(key)
