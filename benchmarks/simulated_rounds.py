"""Rounds over simulated stores in this process, wired as a run wires them, for timing."""

import pathlib
import time
from collections.abc import Callable, Sequence

from datasets.chain import open_chain
from datasets.store_photographs import StorePhotographs
from tff_retail.config import RunConfig
from tff_retail.program.recogniser import Recogniser, make_recogniser
from tff_retail.program.simulated_chain import SimulatedChain
from tff_retail.runtime.federated_round import FederatedRound, RoundResult
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.simulated_store import SimulatedStore
from tff_retail.runtime.store import WorkRequest
from tff_retail.runtime.tensorflow_settings import parallel_stores_at_end


class SimulatedRounds:
    """Rounds of training of a form, one after the other, over all of its stores.

    Args:
      form: of the role `train`.
      stores: all take part in every round.
      parallel_stores: stores side by side.
    """

    def __init__(
        self, form: RoundForm, stores: Sequence[SimulatedStore], *, parallel_stores: int
    ) -> None:
        self._stores = stores
        collector = PlainCollector(
            form,
            parallel_stores=parallel_stores,
            parallel_at_end=parallel_stores_at_end(parallel_stores, [""]),
        )
        self._round = FederatedRound(form, collector)
        self._round_num = 0
        self.state = self._round.initial_state()

    @property
    def state_paths(self) -> list[str]:
        """The paths of the state's leaves, in order."""
        return self._round.state_paths

    def train_round(self) -> float:
        """Trains a round; how many seconds it took."""
        start = time.perf_counter()
        self._round_num += 1
        request = WorkRequest("train", self._round_num, 0, self._round.broadcast(self.state))
        collection = self._round.collect(self._stores, request)
        result: RoundResult = self._round.update(self.state, collection)
        self.state = result.state
        if collection.num_results < len(self._stores):
            raise RuntimeError(f"stores failed: {collection.outcomes}")
        return time.perf_counter() - start


def open_simulated_chain(
    config: RunConfig, folder: pathlib.Path, say: Callable[[str], None]
) -> tuple[SimulatedChain, tuple[StorePhotographs, ...], Recogniser]:
    """The chain of a configuration, the stores' photographs, and what they train."""
    chain = open_chain(config.data, config.model.image_size)
    recogniser = make_recogniser(config, chain.labels, folder, say=say)
    simulated = SimulatedChain(recogniser, [""], have_own_cores=True)
    return simulated, chain.stores, recogniser
