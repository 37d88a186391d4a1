"""Certificates of headquarters and of stores, for benchmarks of the link."""

import datetime
import pathlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.tls import ServerTls


def write_link_certificates(folder: pathlib.Path, num_stores: int) -> ServerTls:
    """Makes an authority and what it issues.

    Args:
      folder: gets a folder for each store, `0`, `1`, … with `key`, `chain` and `root`; they are
        named `store-0`, `store-1`, ….
      num_stores: so many.

    Returns:
      Headquarters' side, for `localhost`.
    """
    now = datetime.datetime.now(datetime.UTC)
    root, key = Authority.make_root(_key(), now), _key()
    intermediate = Authority(root.issue_intermediate(key.public_key(), now), key)
    root_pem = certificate_pem(root.certificate)
    for number in range(num_stores):
        key = _key()
        certificate = intermediate.issue_store(key.public_key(), f"store-{number}", now)
        chain = certificate_pem(certificate, intermediate.certificate)
        (folder / str(number)).mkdir(parents=True)
        for name, content in {"key": _pem(key), "chain": chain, "root": root_pem}.items():
            (folder / str(number) / name).write_bytes(content)
    key = _key()
    certificate = intermediate.issue_server(key.public_key(), ["localhost"], now)
    return ServerTls(_pem(key), certificate_pem(certificate, intermediate.certificate), root_pem)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
