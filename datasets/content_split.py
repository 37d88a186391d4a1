"""Training or validation, decided by what a photograph is and by nothing else.

A photograph's key is hashed to a number in [0, 1); below `validation_fraction` it validates.
So copies always land on the same side, in every store, and new photographs move no old one.

The one exception keeps a small store useful: where every photograph of a store would
validate, the one with the highest number trains. It goes back as soon as the store gets a
photograph that trains by its own number.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

# Separates this use of SHA-256 from the keys themselves, which are SHA-256 too.
_SALT = b"tff_retail validation split 1\0"


def validation_mask(keys: Sequence[bytes], validation_fraction: float) -> np.ndarray:
    """Which of one store's photographs validate.

    Args:
      keys: digests of the photographs' files; copies may be among them.
      validation_fraction: in [0, 1]; 1 means all of them, without the exception.

    Returns:
      bool [len(keys)].
    """
    positions = np.array([_position(key) for key in keys], dtype=np.float64)
    mask = positions < validation_fraction
    if validation_fraction < 1 and len(keys) and mask.all():
        mask &= positions != positions.max()
    return mask


def _position(key: bytes) -> float:
    digest = hashlib.sha256(_SALT + key).digest()
    # 53 bits: what a float64 in [0, 1) holds exactly.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
