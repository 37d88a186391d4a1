"""A run's metrics on disk: metrics.csv, stores.csv and TensorBoard's event files.

They are written by TFF's own release managers (`tff.program.CSVFileReleaseManager`,
`tff.program.TensorBoardReleaseManager`). A round's metrics are released before its state is
saved; a run killed in between tells that round again, so whatever lies beyond the last saved
round is dropped when a run goes on, and each round is there once.
"""

import asyncio
import collections
import concurrent.futures
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow_federated as tff

from tff_retail.program.event_files import cut_events
from tff_retail.program.store_table import StoreTable, cut_rows


class MetricFiles:
    """The metric files of one run directory; a context manager.

    After `release` returns, a `kill -9` loses nothing of that round.
    """

    def __init__(self, output_dir: pathlib.Path, *, next_round: int = 1) -> None:
        """Opens the files of `output_dir`, or begins them.

        TensorFlow is used eagerly from here on: threads must be set before.

        Args:
          output_dir: the run directory, which exists.
          next_round: the round that will be released first; what the files hold of it and of
            later ones is dropped.
        """
        _remove_unfinished(output_dir)
        cut_rows(output_dir / "metrics.csv", next_round)
        cut_events(output_dir / "tensorboard", next_round)
        self._next_round = next_round
        self._stores = StoreTable(output_dir / "stores.csv", next_round=next_round)
        self._managers = (
            _AppendingCSVFileReleaseManager(str(output_dir / "metrics.csv"), key_fieldname="round"),
            _FlushingTensorBoardReleaseManager(str(output_dir / "tensorboard")),
        )
        # A loop of our own on a thread of our own: in a notebook this one has a loop running.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "metric_files")
        self._runner = asyncio.Runner()

    def release(
        self,
        round_num: int,
        metrics: Mapping[str, float],
        stores: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Writes one round.

        Args:
          round_num: the round, above those released before.
          metrics: numbers by name, such as `train/loss`; names may differ between rounds.
          stores: what each store told of itself, by name of the store.

        Raises:
          ValueError: the round was released before.
        """
        if round_num < self._next_round:
            raise ValueError(f"round {round_num} was released before; next is {self._next_round}")
        self._next_round = round_num + 1
        self._thread.submit(self._release, round_num, metrics).result()
        self._stores.append(round_num, stores or {})

    def close(self) -> None:
        """Ends the thread; the files are complete without it."""
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def __enter__(self) -> "MetricFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _release(self, round_num: int, metrics: Mapping[str, float]) -> None:
        value = collections.OrderedDict(metrics)
        for manager in self._managers:
            self._runner.run(manager.release(value, round_num))


class _AppendingCSVFileReleaseManager(tff.program.CSVFileReleaseManager):
    """Adds a line a round; TFF's own writes the whole file anew, 40 ms after 1,000 rounds."""

    async def _remove_values_greater_than_key(self, key: int) -> None:
        """Nothing to remove: what went beyond was cut when the file was opened."""


class _FlushingTensorBoardReleaseManager(tff.program.TensorBoardReleaseManager):
    """Hands each round to the operating system; TFF's own keeps events back for two minutes."""

    async def release(self, value: Any, key: int) -> None:
        await super().release(value, key)
        self._summary_writer.flush()


def _remove_unfinished(output_dir: pathlib.Path) -> None:
    """Removes the temporary files (`metrics.csv_temp1234`) that killed processes left."""
    for path in output_dir.glob("metrics.csv_temp*"):
        path.unlink()
