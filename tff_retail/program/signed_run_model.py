"""The model of a finished run, packed and signed for stores to install.

`<run>/model.signature.json` says which archive of `<run>/model/` the chain's key has signed. A
coordinator without that key leaves it to whoever approves, and delivers when it is started again.
"""

import dataclasses
import hashlib
import pathlib
import re

from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.config import ConfigurationError
from tff_retail.program.model_archive import pack_model
from tff_retail.transport.json_file import read_json_file, write_json_file
from tff_retail.transport.run_signing import run_name
from tff_retail.transport.signed_model import sign_model

_SIGNATURE = "model.signature.json"
# What the link takes for a name.
_MAX_NAME = 64


@dataclasses.dataclass(frozen=True)
class SignedRunModel:
    """A model as stores get it.

    Attributes:
      name: of the model.
      digest: SHA-256 of `body`, in hex.
      signature: of the chain's key, Base64.
      body: the archive of the model folder.
    """

    name: str
    digest: str
    signature: str
    body: bytes


def sign_run_model(
    run_dir: pathlib.Path, *, key: ed25519.Ed25519PrivateKey, chain_id: str
) -> SignedRunModel:
    """Signs the model of a finished run.

    Args:
      run_dir: of the run.
      key: of the chain that signs manifests.
      chain_id: SHA-256 of the chain's root certificate, in hex.

    Raises:
      ConfigurationError: the run has no model.
    """
    folder = run_dir / "model"
    if not (folder / "model.json").is_file():
        raise ConfigurationError(
            f"RUN must be a run directory with a finished model, found {str(run_dir)!r} without "
            "model/model.json; wait for the run's end"
        )
    body = pack_model(folder)
    name, digest = _model_name(run_dir), hashlib.sha256(body).hexdigest()
    signature = sign_model(digest, name=name, key=key, chain_id=chain_id)
    values = {"name": name, "digest": digest, "signature": signature}
    write_json_file(run_dir / _SIGNATURE, values)
    return SignedRunModel(name, digest, signature, body)


def find_signed_model(run_dir: pathlib.Path) -> SignedRunModel | None:
    """The model of a finished run, if it was signed as it is now.

    Raises:
      ConfigurationError: the file of the signature holds something else.
    """
    try:
        signed = read_json_file(run_dir / _SIGNATURE)
    except FileNotFoundError:
        return None
    body = pack_model(run_dir / "model")
    if signed.get("digest") != hashlib.sha256(body).hexdigest():
        return None
    return SignedRunModel(signed["name"], signed["digest"], signed["signature"], body)


def _model_name(run_dir: pathlib.Path) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", run_name(run_dir)).lstrip("_.-")
    return plain[:_MAX_NAME] or "model"
