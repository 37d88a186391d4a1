"""What a store's daemon tells its executor child at its start."""

import dataclasses
import json

from tff_retail.privacy.graph_bounds import GraphBounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutorSettings:
    """A store's own settings, as far as its executor needs them.

    Attributes:
      store: its name.
      data_dir: folder of its photographs.
      cache_dir: of decoded ones; None for inside `data_dir`.
      work_dir: contents of manifests, each in a file named by its digest.
      results_dir: results that were given, until they are acknowledged.
      device: `auto`, `cpu` or `gpu`.
      threads: that an operation, and operations side by side, may take.
      nice: added to the child's nice value.
      max_steps: of training in one round; None for no bound.
      max_seconds: likewise.
      batch_size: of training at most; `auto` for what the machine takes, None for the run's.
      measured_dir: keeps what was found out about this machine.
      scratch_dir: for what libraries write to a home and to /tmp.
      keys_dir: of the store's identity, which the child has no business with.
      parent: process that the child ends with.
      was_killed: whether the child before this one was killed.
      is_first: whether there was no child before this one.
      needs_sandbox: whether it must not start where the kernel can't confine it.
      graph_bounds: on the graphs that it loads and runs.
    """

    store: str
    data_dir: str
    cache_dir: str | None
    work_dir: str
    results_dir: str
    device: str
    threads: int
    nice: int
    max_steps: int | None
    max_seconds: float | None
    batch_size: int | str | None
    measured_dir: str
    scratch_dir: str
    keys_dir: str
    parent: int
    was_killed: bool = False
    is_first: bool = True
    needs_sandbox: bool = False
    graph_bounds: GraphBounds = GraphBounds()

    @property
    def writable_dirs(self) -> tuple[str, ...]:
        """Folders that the executor may write."""
        cache = () if self.cache_dir is None else (self.cache_dir,)
        return (*cache, self.results_dir, self.measured_dir, self.scratch_dir)

    def to_json(self) -> str:
        """For the child's command line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ExecutorSettings":
        """What `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "graph_bounds": GraphBounds(**values["graph_bounds"])})
