"""A fleet in a notebook: TFF's own `process.next(state, stores)` over real stores.

    fleet = connect_fleet({"train": process}, config, labels)
    state = process.initialize()
    result = process.next(state, fleet.stores())

What runs at a store must be approved by the chain's key, so whoever does this holds it
(`config.fleet.manifest_key`). `docs/architecture.md` says what a process must be like.
"""

import dataclasses
import datetime
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_federated as tff

from tff_retail.config import ConfigurationError, RunConfig
from tff_retail.program.manifest import make_manifest, manifest_contents
from tff_retail.program.recogniser import Recogniser, make_pipelines, photograph_pipeline
from tff_retail.program.remote_fleet import RemoteFleet
from tff_retail.program.run_approval import manifest_key
from tff_retail.program.store_work import SPLITS
from tff_retail.runtime.context import compile_next, install_context
from tff_retail.runtime.remote_collector import RemoteCollector
from tff_retail.runtime.remote_question import Questions
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.store import QuorumMissed
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.signed_manifest import sign_manifest

# A notebook is open for days, and what it approved should not outlive it by much.
_LIFE = datetime.timedelta(days=7)


@dataclasses.dataclass(frozen=True)
class ConnectedFleet:
    """Real stores that work for this process; a context manager.

    Attributes:
      address: where headquarters listens.
    """

    address: str
    _fleet: RemoteFleet
    _known: dict[str, RemoteStore]
    _questions: Mapping[str, Questions]
    _collectors: Mapping[str, RemoteCollector]
    _rejoin_wait_s: float

    def stores(self) -> list[RemoteStore]:
        """The stores that are there now, by name: what `process.next` takes."""
        return [self._store(name) for name in self._fleet.connected.names()]

    def wait_for_stores(self, number: int, *, within_s: float) -> Sequence[RemoteStore]:
        """The stores, as soon as there are enough.

        Raises:
          QuorumMissed: there are not, after `within_s` seconds.
        """
        if not self._fleet.connected.wait(lambda names: len(names) >= number, within_s=within_s):
            raise QuorumMissed(
                f"{number} stores must be there, found {len(self.stores())} after "
                f"{within_s:.0f} s; missing: {self._fleet.why_missing()}"
            )
        return self.stores()

    def close(self) -> None:
        """Says goodbye to the stores."""
        self._fleet.close()
        for collector in self._collectors.values():
            collector.close()

    def __enter__(self) -> "ConnectedFleet":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _store(self, name: str) -> RemoteStore:
        if name not in self._known:
            self._known[name] = RemoteStore(
                name,
                self._fleet.connected,
                self._questions,
                submit=self._fleet.submit,
                rejoin_wait_s=self._rejoin_wait_s,
                is_member=self._fleet.is_member,
                revive=self._fleet.revive,
            )
        return self._known[name]


def connect_fleet(
    processes: Mapping[str, Any],
    config: RunConfig,
    labels: Sequence[str],
    *,
    name: str = "notebook",
) -> ConnectedFleet:
    """Listens for stores, approves the processes and makes TFF's calls of them go to the stores.

    Args:
      processes: by role: `train`, and `evaluate` where stores shall evaluate too. Each has a `next`
        of the form (<S@SERVER, {D}@CLIENTS> -> <S@SERVER, M@SERVER>), where D is what
        `make_pipelines(config, …)[role].element_spec()` says.
      config: with `stores="remote"`; how stores prepare their photographs, and `config.fleet`.
      labels: of the chain.
      name: of the run.

    Raises:
      ConfigurationError: the fleet folder or the key is not what it must be.
      TypeError: a process has no round form.
    """
    folder = FleetFolder(config.fleet.fleet_dir)
    key = manifest_key(config.fleet)
    if key is None:
        raise ConfigurationError(
            "--manifest_key must be the key that signs manifests, found none; a notebook approves "
            "what it runs"
        )
    recogniser = _recogniser(processes, config, labels)
    signed = sign_manifest(
        json.dumps(make_manifest(recogniser), ensure_ascii=False).encode(),
        key=key,
        run=name,
        chain_id=folder.chain_id,
        expires=folder.clock() + _LIFE,
    )
    kept_as = f"{name}-{secrets.token_hex(8)}"
    fleet = RemoteFleet(folder, config.fleet, run=name, kept_as=kept_as, say=print)
    collectors = {
        form["work"].digest: RemoteCollector(
            form,
            submit=fleet.submit,
            deadline_s=config.fleet.round_deadline_s,
            needs_finite=role == "train",
        )
        for role, form in recogniser.forms.items()
    }
    install_context(
        roles={form["work"].digest: role for role, form in recogniser.forms.items()},
        seed=config.schedule.seed,
        make_collector=lambda form: _collector(collectors, form),
        min_results=config.schedule.min_stores,
    )
    fleet.start()
    fleet.give_work(signed, manifest_contents(recogniser))
    questions = {
        role: Questions(form["work"], split=SPLITS[role], run=kept_as)
        for role, form in recogniser.forms.items()
    }
    return ConnectedFleet(
        fleet.address, fleet, {}, questions, collectors, config.fleet.rejoin_wait_s
    )


def _recogniser(
    processes: Mapping[str, Any], config: RunConfig, labels: Sequence[str]
) -> Recogniser:
    if unknown := sorted(set(processes) - set(SPLITS)):
        raise TypeError(f"A role must be one of {', '.join(SPLITS)}, found {unknown[0]!r}.")
    forms = {role: compile_next(_next(process)) for role, process in processes.items()}
    pipelines = make_pipelines(config, photograph_pipeline(config.model).shape)
    return Recogniser(config, tuple(labels), forms, pipelines, backbone=None)


def _next(process: Any) -> tff.framework.ConcreteComputation:
    computation = process.next
    if not isinstance(computation, tff.framework.ConcreteComputation):
        raise TypeError(f"A process must have a `next` of TFF, found {type(computation)}.")
    return computation


def _collector(collectors: Mapping[str, RemoteCollector], form: RoundForm) -> RemoteCollector:
    found = collectors.get(form["work"].digest)
    if found is None:
        raise TypeError("A round over real stores must be of a process that was connected.")
    return found
