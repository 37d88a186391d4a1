"""Whose signatures a store goes by."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ed25519


class Trust(Protocol):
    """What a store has kept of its chain since it joined, such as a `StoreIdentity`."""

    @property
    def manifest_key(self) -> ed25519.Ed25519PublicKey:
        """The chain's key."""
        ...

    @property
    def chain_id(self) -> str:
        """SHA-256 of the chain's root certificate, in hexadecimal."""
        ...
