"""Cuts a cohort into blocks that are whole subtrees of the merge tree, to be folded elsewhere.

A block's sum is then the same bit for bit wherever it is made (`merge_tree`). The first blocks
are large, so that few sums travel; the last ones are single stores, so that all workers end at
about the same time (guided self-scheduling, Polychronopoulos & Kuck 1987).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Block:
    """Neighbouring positions of a cohort.

    Attributes:
      start: its first position, a multiple of 2^level.
      num_positions: at most 2^level, fewer where the cohort ends before.
      level: of the subtree's root above the leaves.
    """

    start: int
    num_positions: int
    level: int

    @property
    def positions(self) -> range:
        """The positions in the cohort."""
        return range(self.start, self.start + self.num_positions)


def cut_cohort(num_positions: int, num_workers: int) -> list[Block]:
    """The blocks of a cohort, in order, for workers that take the next one when they are idle."""
    blocks = []
    start = 0
    while start < num_positions:
        left = num_positions - start
        share = max(left // num_workers, 1)
        level = share.bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)  # a subtree begins here
        blocks.append(Block(start, min(1 << level, left), level))
        start += blocks[-1].num_positions
    return blocks
