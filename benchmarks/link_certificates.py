"""Certificates of headquarters and of stores, for benchmarks of the link."""

import datetime
import pathlib

from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.private_key import key_pem, make_certificate_key
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
    root, key = Authority.make_root(make_certificate_key(), now), make_certificate_key()
    intermediate = Authority(root.issue_intermediate(key.public_key(), now), key)
    root_pem = certificate_pem(root.certificate)
    for number in range(num_stores):
        key = make_certificate_key()
        certificate = intermediate.issue_store(key.public_key(), f"store-{number}", now)
        chain = certificate_pem(certificate, intermediate.certificate)
        (folder / str(number)).mkdir(parents=True)
        for name, content in {"key": key_pem(key), "chain": chain, "root": root_pem}.items():
            (folder / str(number) / name).write_bytes(content)
    key = make_certificate_key()
    certificate = intermediate.issue_server(key.public_key(), ["localhost"], now)
    return ServerTls(key_pem(key), certificate_pem(certificate, intermediate.certificate), root_pem)
