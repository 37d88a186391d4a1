"""Who is asked in a round."""

import hashlib

import numpy as np


def draw_cohort(
    num_stores: int, size: int, *, seed: int, round_num: int, attempt: int = 0
) -> list[int]:
    """Positions of the stores asked, in order: a function of the arguments alone.

    Args:
      num_stores: stores to choose from.
      size: how many are asked; at most `num_stores`.
      seed: of the run.
      round_num: from 1.
      attempt: 0, or how often the round was begun before.
    """
    digest = hashlib.sha256(f"cohort/{seed}/{round_num}/{attempt}".encode()).digest()
    generator = np.random.default_rng(np.frombuffer(digest, np.uint32))
    return sorted(generator.choice(num_stores, size=size, replace=False).tolist())
