"""The approval of a run over real stores: its manifest, signed by the key of the chain.

The coordinator need not hold that key: it waits while `python -m tff_retail.fleet sign RUN` makes
`<run>/manifest.signed.json`, which whoever approves of the run calls.
"""

import pathlib
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tff_retail.config import ConfigurationError, FleetConfig
from tff_retail.program.run_directory import RunDirectory
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.pass_phrase import present_pass_phrase
from tff_retail.transport.private_key import is_encrypted
from tff_retail.transport.run_signing import (
    DEFAULT_LIFE,
    read_manifest_key,
    run_name,
    sign_run,
)
from tff_retail.transport.signed_manifest import ManifestRefused, verify_manifest

_LOOK_EVERY_S = 0.5


class NotApproved(Exception):
    """Nobody has signed the manifest in time; the message says how to."""


def approve_run(
    directory: RunDirectory,
    folder: FleetFolder,
    *,
    key: ed25519.Ed25519PrivateKey | None,
    wait_s: float,
    say: Callable[[str], None],
) -> bytes:
    """The signed manifest of a run, waited for where it is not there.

    Args:
      directory: of the run, with its `manifest.json`.
      folder: of the fleet.
      key: signs at once; None to wait for `fleet sign`.
      wait_s: after so many seconds it is given up.
      say: told what is waited for.

    Raises:
      NotApproved: it was not signed in time.
      ConfigurationError: the manifest can't be signed.
    """
    signed = _signed(directory, folder)
    if signed is None and key is not None:
        expires = folder.clock() + DEFAULT_LIFE
        sign_run(directory.path, key=key, chain_id=folder.chain_id, expires=expires)
        signed = _signed(directory, folder)
    command = f"python -m tff_retail.fleet sign {directory.path} --dir={folder.path}"
    if signed is None:
        say(f"waiting up to {wait_s:.0f} s for this run to be approved: {command}")
    deadline = time.monotonic() + wait_s
    while signed is None:
        if time.monotonic() > deadline:
            raise NotApproved(
                f"{directory.path / 'manifest.json'} must be signed before stores work by it, "
                f"found no valid signature after {wait_s:.0f} s; run `{command}` and start again"
            )
        time.sleep(_LOOK_EVERY_S)
        signed = _signed(directory, folder)
    return signed


def manifest_key(config: FleetConfig) -> ed25519.Ed25519PrivateKey | None:
    """The key of a run that signs its own manifest and model; None where others sign.

    Raises:
      ConfigurationError: there is no such key, or its pass phrase is missing.
    """
    if config.manifest_key is None:
        return None
    path = pathlib.Path(config.manifest_key).expanduser()
    pass_phrase = present_pass_phrase(str(path)) if is_encrypted(path) else None
    return read_manifest_key(path, pass_phrase)


def _signed(directory: RunDirectory, folder: FleetFolder) -> bytes | None:
    """What `manifest.signed.json` holds, if it is the signature of this run's manifest as it is."""
    path = directory.path / "manifest.signed.json"
    try:
        signed = path.read_bytes()
        found = verify_manifest(
            signed,
            public_key=_public_key(folder),
            chain_id=folder.chain_id,
            now=folder.clock(),
            run=run_name(directory.path),
        )
    except (FileNotFoundError, ManifestRefused):
        return None
    return signed if found.manifest == directory.read_json("manifest.json") else None


def _public_key(folder: FleetFolder) -> ed25519.Ed25519PublicKey:
    key = load_pem_public_key(folder.manifest_key_pem)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        where = pathlib.Path("headquarters") / "manifest.pub"
        raise ConfigurationError(
            f"{folder.path / where} must be an Ed25519 key, found another; restore it"
        )
    return key
