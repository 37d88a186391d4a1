"""A store whose work is done by an actor of a Ray cluster."""

import dataclasses

from tff_retail.runtime.ray_workers import Call, RayWorkers
from tff_retail.runtime.store import WorkRequest, WorkResult


@dataclasses.dataclass(frozen=True, eq=False)
class RayStore:
    """A `Store` that asks an actor.

    Attributes:
      name: the store's name.
      number: what the actors know it by.
      workers: whose actors have `work(role, number, round_num, seed, broadcast)`.
    """

    name: str
    number: int
    workers: RayWorkers

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`; threads that call it are served one after the other.

        Raises:
          WorkersLost: the cluster lost the worker again and again.
        """
        arguments = (request.role, self.number, request.round_num, request.seed)
        call = Call("work", (*arguments, list(request.broadcast)), f"store {self.name}")
        results: list[WorkResult] = []
        self.workers.run([call], lambda _, result: results.append(result))
        return results[0]
