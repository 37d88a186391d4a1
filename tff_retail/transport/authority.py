"""The chain's own certificate authority: root, intermediate, and what they sign (RFC 5280).

The root signs the intermediate and may then go offline; the intermediate signs headquarters' and
stores' certificates. A store's certificate is good for opening connections only, headquarters' for
accepting them only: no store can pose as headquarters.
"""

import dataclasses
import datetime
import ipaddress
import re
import secrets
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tff_retail.config import require
from tff_retail.transport.peer_certificate import store_uri

_ROOT_LIFE = datetime.timedelta(days=20 * 365)
_INTERMEDIATE_LIFE = datetime.timedelta(days=5 * 365)
_SERVER_LIFE = datetime.timedelta(days=365)
# As Let's Encrypt: short enough that a stolen key ends by itself, long enough for a holiday.
STORE_LIFE = datetime.timedelta(days=90)
# A store's clock may be a little behind headquarters'.
_CLOCK_SLACK = datetime.timedelta(minutes=10)
# X.509's bound on a common name, and `cryptography` counts bytes.
_MAX_COMMON_NAME_BYTES = 64
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate that may sign others, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)

    @classmethod
    def make_root(cls, key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> "Authority":
        """A new chain's root, which signs itself."""
        # Two chains' roots must differ by name: libraries look issuers up by it.
        name = _name(f"tff_retail root {secrets.token_hex(8)}")
        unsigned = _unsigned(name, name, key.public_key(), now, now + _ROOT_LIFE)
        unsigned = _as_authority(unsigned, key.public_key(), path_length=1)
        return cls(unsigned.sign(key, hashes.SHA256()), key)

    def issue_intermediate(
        self, key: ec.EllipticCurvePublicKey, now: datetime.datetime
    ) -> x509.Certificate:
        """The certificate of an authority below this one, which can sign no further authority."""
        unsigned = self._unsigned("tff_retail intermediate", key, now, _INTERMEDIATE_LIFE)
        return _as_authority(unsigned, key, path_length=0).sign(self.key, hashes.SHA256())

    def issue_server(
        self, key: ec.EllipticCurvePublicKey, hosts: Sequence[str], now: datetime.datetime
    ) -> x509.Certificate:
        """Headquarters' certificate for the names and addresses that stores dial.

        Raises:
          ConfigurationError: a host is no host name and no address.
        """
        unsigned = self._unsigned("tff_retail headquarters", key, now, _SERVER_LIFE)
        names = [_host_name(host) for host in hosts]
        return self._issue(unsigned, names, ExtendedKeyUsageOID.SERVER_AUTH)

    def issue_store(
        self,
        key: ec.EllipticCurvePublicKey,
        name: str,
        now: datetime.datetime,
        life: datetime.timedelta = STORE_LIFE,
    ) -> x509.Certificate:
        """A store's certificate; its URI has `name` in full, the common name what fits."""
        unsigned = self._unsigned(_shortened(name), key, now, life)
        return self._issue(unsigned, [store_uri(name)], ExtendedKeyUsageOID.CLIENT_AUTH)

    def _unsigned(
        self,
        common_name: str,
        key: ec.EllipticCurvePublicKey,
        now: datetime.datetime,
        life: datetime.timedelta,
    ) -> x509.CertificateBuilder:
        issuer = self.certificate
        # What outlives its issuer would fail one day, and nobody would know why.
        end = min(now + life, issuer.not_valid_after_utc)
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return _unsigned(_name(common_name), issuer.subject, key, now, end).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
        )

    def _issue(
        self,
        unsigned: x509.CertificateBuilder,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        return (
            unsigned.add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .sign(self.key, hashes.SHA256())
        )


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    """The certificates one after the other, the leaf first."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def _unsigned(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _CLOCK_SLACK)
        .not_valid_after(end)
    )


def _as_authority(
    unsigned: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, *, path_length: int
) -> x509.CertificateBuilder:
    return (
        unsigned.add_extension(x509.BasicConstraints(True, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _shortened(name: str) -> str:
    return name.encode()[:_MAX_COMMON_NAME_BYTES].decode(errors="ignore")


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        # Names of other scripts travel in ASCII (IDNA).
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    is_valid = bool(_HOST.fullmatch(name)) and len(name) <= 253
    require(is_valid, "hosts", "names or addresses without port, as stores dial them", host)
    return x509.DNSName(name)
