"""Headquarters' own test set in a run over real stores, whose photographs it never sees."""

import contextlib
import dataclasses
from collections.abc import Iterator

from datasets.store_photographs import StorePhotographs
from tff_retail.program.engine import Headquarters
from tff_retail.program.recogniser import Recogniser
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.store import Store


@dataclasses.dataclass(frozen=True)
class OwnTestSet:
    """What evaluates a model at headquarters.

    Attributes:
      store: headquarters' photographs, as a store of this process.
      round: of evaluation with that store.
    """

    store: Store
    round: FederatedRound

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls, photographs: StorePhotographs, recogniser: Recogniser, here: Headquarters
    ) -> Iterator["OwnTestSet"]:
        """Evaluates in this process meanwhile, with the graph that the stores have, too."""
        engine = here.engine(recogniser, [photographs], None, say=lambda text: None)
        evaluation = FederatedRound(recogniser.forms["evaluate"], engine.collector("evaluate"))
        try:
            yield cls(engine.store(photographs), evaluation)
        finally:
            engine.close()
