"""The pictures of a round's cohort as one heap, for contenders that know no stores."""

import pathlib

import numpy as np

from benchmarks.workloads import Workload, cohort


class PooledExamples:
    """The pictures of a workload, round by round."""

    def __init__(self, workload: Workload, path: str | pathlib.Path) -> None:
        """Reads what `write_examples` wrote into memory."""
        self._workload = workload
        with np.load(path) as arrays:
            self._images, self._labels = arrays["images"], arrays["labels"]

    def batches(self, round_num: int) -> tuple[np.ndarray, np.ndarray]:
        """The round's pictures in batches.

        Returns:
          `images` uint8 [steps, batch, size, size, 3] and `labels` int32 [steps, batch]; copies
          where the cohort is a part of the stores.
        """
        images, labels = self._images, self._labels
        if self._workload.cohort_size < self._workload.num_stores:
            chosen = cohort(self._workload, round_num)
            images, labels = images[chosen], labels[chosen]
        steps = (-1, self._workload.batch_size)
        return images.reshape(*steps, *images.shape[2:]), labels.reshape(steps)

    def __call__(self, round_num: int) -> tuple[np.ndarray, np.ndarray]:
        """`images` uint8 [examples_per_round, size, size, 3] and `labels` int32."""
        images, labels = self.batches(round_num)
        return images.reshape(-1, *images.shape[2:]), labels.reshape(-1)
