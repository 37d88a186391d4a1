"""Manifests that a store can trust: signed by the chain's key, for one chain, one run and a time.

A signed manifest is a JSON object: `format`, `chain`, `run`, `expires`, the manifest as text, and
the Ed25519 signature (RFC 8032) over all of them, as `_signed_bytes` puts them. Signed are the
manifest's very bytes, so that nothing hangs on how JSON is written.
"""

import base64
import dataclasses
import datetime
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

_FORMAT = 1
# A signature for this purpose must be good for no other.
_CONTEXT = b"tff_retail signed manifest 1\n"
# Two thousand labels of 200 characters and all digests have less.
MAX_SIGNED_BYTES = 4 * 1024 * 1024
# As in the link's table.
_MAX_RUN = 200
_FIRST_YEAR, _LAST_YEAR = 2000, 9000
# A store's clock may be a little ahead of headquarters'.
_CLOCK_SLACK = datetime.timedelta(minutes=10)


class ManifestRefused(Exception):
    """A store will not work under these bytes.

    Args:
      code: `format`, `signature`, `chain`, `run` or `expired`.
      sentence: for people.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclasses.dataclass(frozen=True)
class SignedManifest:
    """A manifest whose signature was found good.

    Attributes:
      manifest: its JSON values.
      run: name of the run that it is for.
      expires: aware, UTC; past it no round may use it.
      digest: SHA-256 of the signed bytes, in hexadecimal.
    """

    manifest: dict[str, Any]
    run: str
    expires: datetime.datetime
    digest: str


def sign_manifest(
    manifest: bytes,
    *,
    key: ed25519.Ed25519PrivateKey,
    run: str,
    chain_id: str,
    expires: datetime.datetime,
) -> bytes:
    """The signed form of a manifest.

    Args:
      manifest: a JSON object in UTF-8, with at most 4 MiB when signed.
      key: of the chain that signs manifests.
      run: name of the run.
      chain_id: SHA-256 of the chain's root certificate, in hexadecimal.
      expires: aware.

    Raises:
      ValueError: it is no JSON object, or too large.
    """
    _json_object(manifest)
    stated = {
        "format": _FORMAT,
        "chain": chain_id,
        "run": run,
        "expires": expires.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "manifest": manifest.decode("utf-8"),
    }
    signature = base64.b64encode(key.sign(_signed_bytes(stated))).decode()
    signed = json.dumps({**stated, "signature": signature}, ensure_ascii=False).encode()
    if len(signed) > MAX_SIGNED_BYTES:
        raise ValueError(
            f"a signed manifest must have at most {MAX_SIGNED_BYTES} bytes, has {len(signed)}"
        )
    return signed


def verify_manifest(
    signed: bytes,
    *,
    public_key: ed25519.Ed25519PublicKey | None,
    chain_id: str,
    now: datetime.datetime,
    run: str = "",
) -> SignedManifest:
    """The manifest of `signed`.

    Args:
      signed: what `sign_manifest` gave, or anything at all.
      public_key: of the chain, kept since the store joined; None where the store's owner wants
        unsigned ones too.
      chain_id: of the chain that the store is in.
      now: aware.
      run: that headquarters says to be running; '' where it says none.

    Raises:
      ManifestRefused: it is none, was changed, is of another chain or run, or has ended.
    """
    values = _stated(signed)
    try:
        signature = base64.b64decode(values["signature"], validate=True)
        if public_key is not None:
            public_key.verify(signature, _signed_bytes(values))
    except (ValueError, InvalidSignature):
        raise ManifestRefused(
            "signature", "the manifest is not signed by the key of this store's chain"
        ) from None
    if values["chain"] != chain_id:
        raise ManifestRefused("chain", "the manifest was signed for another chain of stores")
    if run and values["run"] != run:
        raise ManifestRefused(
            "run", f"the manifest was signed for the run {values['run']!r}, not for {run!r}"
        )
    expires = _time(values["expires"])
    if now > expires + _CLOCK_SLACK:
        raise ManifestRefused(
            "expired", f"the manifest ended at {expires:%Y-%m-%d %H:%M} UTC; it must be signed anew"
        )
    try:
        manifest = _json_object(values["manifest"].encode())
    except ValueError as error:
        raise ManifestRefused("format", f"the manifest is no JSON object: {error}") from error
    return SignedManifest(manifest, values["run"], expires, hashlib.sha256(signed).hexdigest())


def _stated(signed: bytes) -> dict[str, Any]:
    if len(signed) > MAX_SIGNED_BYTES:
        raise ManifestRefused("format", f"a manifest has at most {MAX_SIGNED_BYTES} bytes")
    try:
        values = _json_object(signed)
    except ValueError as error:
        raise ManifestRefused(
            "format", f"the signed manifest is no JSON object: {error}"
        ) from error
    texts = {"chain", "run", "expires", "manifest", "signature"}
    if set(values) != texts | {"format"} or values["format"] != _FORMAT:
        raise ManifestRefused("format", "the signed manifest is of another format")
    if not all(isinstance(values[name], str) for name in texts):
        raise ManifestRefused("format", "the fields of a signed manifest must be text")
    # It goes into lines that people read.
    if not values["run"].isprintable() or len(values["run"]) > _MAX_RUN:
        raise ManifestRefused("format", "the name of a run must be printable and not too long")
    return values


def _signed_bytes(values: dict[str, Any]) -> bytes:
    """Each field after its length, so that no byte can move from one to the next."""
    fields = [values[name].encode("utf-8", "surrogatepass") for name in _SIGNED_FIELDS]
    return _CONTEXT + b"".join(len(field).to_bytes(8, "big") + field for field in fields)


_SIGNED_FIELDS = ("chain", "run", "expires", "manifest")


def _time(text: str) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ManifestRefused("format", "the end of a manifest must be a time") from None
    if time.tzinfo is None:
        raise ManifestRefused("format", "the end of a manifest must say its time zone")
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:  # beyond, no day can be added to it
        raise ManifestRefused("format", "the end of a manifest must be of this age")
    return time


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(values, dict):
        raise ValueError(f"it is a {type(values).__name__}")
    return values
