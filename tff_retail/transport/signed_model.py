"""Models that a store can trust: signed by the chain's key (Ed25519), for one chain."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

# A signature for this purpose must be good for no other.
_CONTEXT = b"tff_retail signed model 1\n"


class ModelRefused(Exception):
    """A store will not install a model; the message is one sentence."""


def sign_model(digest: str, *, name: str, key: ed25519.Ed25519PrivateKey, chain_id: str) -> str:
    """The signature of a model, in Base64.

    Args:
      digest: SHA-256 of the model's archive, in hexadecimal.
      name: that it is offered under.
      key: of the chain that signs manifests.
      chain_id: SHA-256 of the chain's root certificate, in hexadecimal.
    """
    return base64.b64encode(key.sign(_signed_bytes(digest, name, chain_id))).decode()


def verify_model(
    digest: str,
    signature: str,
    *,
    name: str,
    public_key: ed25519.Ed25519PublicKey,
    chain_id: str,
) -> None:
    """Checks a model's signature.

    Raises:
      ModelRefused: it is not by the chain's key, or for another model, name or chain.
    """
    try:
        public_key.verify(
            base64.b64decode(signature, validate=True), _signed_bytes(digest, name, chain_id)
        )
    except (InvalidSignature, binascii.Error, ValueError):
        raise ModelRefused(
            f"the model {name!r} is not signed by the key of this store's chain"
        ) from None


def _signed_bytes(digest: str, name: str, chain_id: str) -> bytes:
    """Each field after its length, so that no byte can move from one to the next."""
    fields = [field.encode() for field in (chain_id, name, digest)]
    return _CONTEXT + b"".join(len(field).to_bytes(8, "big") + field for field in fields)
