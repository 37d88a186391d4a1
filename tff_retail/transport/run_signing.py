"""`fleet sign RUN`: whoever approves a run signs its manifest, with a key the run does not have."""

import datetime
import pathlib

from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.config import ConfigurationError
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.private_key import read_private_key
from tff_retail.transport.signed_manifest import sign_manifest

# How long an approval holds where nobody says otherwise. One length for all who sign runs: a store
# takes no manifest of a run that ends before one it has seen.
DEFAULT_LIFE = datetime.timedelta(days=90)


def read_manifest_key(
    path: pathlib.Path, pass_phrase: bytes | None = None
) -> ed25519.Ed25519PrivateKey:
    """The key that signs manifests.

    Raises:
      ConfigurationError: there is none, it is of another kind, or the pass phrase does not open it.
    """
    key = read_private_key(path, pass_phrase)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigurationError(
            f"{path} must be the Ed25519 key that signs manifests, found one of another kind; give "
            "<fleet>/signing/manifest.key"
        )
    return key


def run_name(run_dir: pathlib.Path) -> str:
    """What a run is called in its signed manifest: its folder's name."""
    return run_dir.expanduser().resolve().name


def sign_run(
    run_dir: pathlib.Path,
    *,
    key: ed25519.Ed25519PrivateKey,
    chain_id: str,
    expires: datetime.datetime,
) -> pathlib.Path:
    """Signs `<run>/manifest.json`; the coordinator that waits for it goes on.

    Returns:
      The file written, `<run>/manifest.signed.json`.

    Raises:
      ConfigurationError: the run has no manifest, or one that can't be signed.
    """
    path = run_dir.expanduser() / "manifest.json"
    try:
        signed = sign_manifest(
            path.read_bytes(), key=key, run=run_name(run_dir), chain_id=chain_id, expires=expires
        )
    except OSError as error:
        raise ConfigurationError(
            f"RUN must be a run directory with manifest.json, found {str(run_dir)!r} "
            f"({error.strerror}); start the run first, and give its folder"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{path} can't be signed: {error}") from error
    target = path.with_name("manifest.signed.json")
    write_private_file(target, signed)
    return target
