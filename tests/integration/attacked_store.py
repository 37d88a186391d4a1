"""A real store, and an attacker who is its headquarters: what attack tests are made of.

    with attacked_store(tmp_path) as attack:           # or the module's fixture `attack`
        attack.agree(attack.manifest(train=tiny_work(honest_update)))
        found = attack.ask(tiny_work(honest_update), [np.zeros(4, np.float32)])
        with pytest.raises(CallFailed) as failure:
            caller = attack.caller()
            caller.compute(caller.data("store://train"))
        assert failure.value.code == PERMISSION_DENIED and "rule" in failure.value.reason

The store is `python -m tff_retail.store` with its executor child, on 24 photographs of 32 pixels in
a folder of its own (13 to train on, 11 to validate with). The attacker holds headquarters'
certificate and, in `attack.fleet`, the key that signs manifests. It can

* sign anything: `attack.sign(manifest, key=…, run=…, chain_id=…, days=…)`; `attack.offer(signed,
  contents)` sends any bytes as a manifest, and raises `StoreRefused`;
* have any small graph for `work`: `tiny_work(function)`, in a tenth of a second, of a function of
  the data set and one float32 [4]; `attack.manifest(train=…, evaluate=…)` names such graphs;
* make the executor's calls: `attack.call(method, body)` with any bytes, `attack.caller()` with
  messages (`tests/runtime/executor_requests.Caller`), both raise `CallFailed`;
* write any bytes into the link: `attack.write(message)`; `encode_frame` makes well-formed ones;
* read whatever the store has emitted: `attack.messages()` as they came, `attack.frames()` decoded
  and unpacked, `attack.reports` and `attack.standings`;
* look into the store afterwards: `attack.log()`, `attack.state_dir`, `attack.data_dir`,
  `attack.daemon.child()`.

A store that drops its link dials again at once: `attack.reconnected()` waits for it.
"""

import asyncio
import contextlib
import datetime
import hashlib
import json
import pathlib
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import executor_pb2

from tests.integration.store_daemons import (
    LABELS,
    RUN,
    TIMEOUT_S,
    Fleet,
    make_photographs,
    running_daemon,
)
from tests.runtime.executor_requests import Caller
from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig
from tff_retail.program.head_keeper import HeadKeeper
from tff_retail.program.recogniser import make_pipelines
from tff_retail.runtime.data_uri import DataName
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.result_leaves import result_leaves
from tff_retail.runtime.round_form import compile_part
from tff_retail.runtime.value_tree import Struct
from tff_retail.transport.link_frames import Buffer, Frame, Kind, decode_frame
from tff_retail.transport.link_server import LinkServer
from tff_retail.transport.packed_part import unpack_part
from tff_retail.transport.run_signing import read_manifest_key
from tff_retail.transport.signed_manifest import sign_manifest

PERMISSION_DENIED = 7
IMAGE_SIZE = 32
# The broadcast of a tiny work.
WEIGHTS = np.zeros(4, np.float32)


def honest_update(data: tf.data.Dataset, weights: tf.Tensor) -> Any:
    """`<<update=float32[4], num_examples=int64>>`: the weights and how many photographs there are.

    The update is the weights plus that number, so that it depends on data as an honest one does.
    """
    count = data.reduce(np.int64(0), lambda n, batch: n + tf.size(batch[1], tf.int64))
    return ({"update": weights + tf.cast(count, tf.float32), "num_examples": count},)


def tiny_work(function: Callable[..., Any], broadcast: Any = (np.float32, [4])) -> GraphPart:
    """A `work` graph of a function of (data set of batches, broadcast).

    Batches are `(OrderedDict(image=uint8 [n, 32, 32, 3]), int32 [n])`, as those of a real run.

    Args:
      function: traced by TensorFlow; its result is a struct of tensors.
      broadcast: TFF type of what is sent each round.
    """
    pipelines = make_pipelines(_config(), (IMAGE_SIZE, IMAGE_SIZE, 3))
    data = tff.SequenceType(tff.types.tensorflow_to_type(pipelines["train"].element_spec()))
    return compile_part(tff.tensorflow.computation(function, [data, tff.to_type(broadcast)]))


class AttackedStore:
    """The daemon of a store and the attacker at the other end of its link.

    Attributes:
      fleet: folder and keys of the chain.
      data_dir: the store's photographs.
      state_dir: the store's own folder.
      daemon: the store.
      link: to the store; a new one after `reconnected`.
      reports, standings: what the store has said of itself.
      countersigned: entries of its audit log up to which headquarters signed it.
      said: what headquarters' operator is told of that.
    """

    def __init__(self, folder: pathlib.Path, fleet: Fleet | None = None) -> None:
        self.fleet = fleet or Fleet(folder)
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.standings: queue.Queue[str] = queue.Queue()
        self._joined: queue.Queue[Any] = queue.Queue()
        self._server = _RecordingServer(
            "localhost:0",
            self.fleet.folder.server_tls(),
            is_welcome=self.fleet.folder.is_welcome,
            on_joined=self._joined.put,
            on_left=lambda link, reason: None,
            on_report=lambda link, report: self.reports.put(dict(report)),
            on_standing=lambda link, sentence: self.standings.put(sentence),
            on_head=self._take_head,
            run=RUN,
        )
        self.said: list[str] = []
        self._keeper = HeadKeeper(self.fleet.folder, self.said.append)
        self.countersigned: queue.Queue[int] = queue.Queue()
        self.address = self._server.start()
        self.link: Any = None
        self.daemon: Any = None
        self.data_dir = self.state_dir = folder

    def reconnected(self) -> None:
        """Waits until the store has joined anew."""
        try:
            self.link = self._joined.get(timeout=TIMEOUT_S)
        except queue.Empty:
            raise TimeoutError(f"the store does not connect: {self.log()}") from None

    def manifest(
        self, *, train: GraphPart, evaluate: GraphPart | None = None, **changes: Any
    ) -> dict[str, Any]:
        """A manifest of small graphs; `changes` are of the role `train`."""
        parts = {"train": train, **({} if evaluate is None else {"evaluate": evaluate})}
        settings = {"batch_size": 8, "epochs": 1, "augmentation": "none"}
        roles: dict[str, Any] = {
            role: {
                "graphs": {"work": part.digest},
                **settings,
                "gives": [leaf.path for leaf in part.result],
            }
            for role, part in parts.items()
        }
        roles["train"].update(changes)
        return {
            "format": 1,
            "labels": list(LABELS),
            "image_size": IMAGE_SIZE,
            "validation_fraction": 0.4,
            "roles": roles,
            "contents": sorted(part.digest for part in parts.values()),
        }

    def sign(
        self,
        manifest: Mapping[str, Any],
        *,
        key: Any = None,
        run: str = RUN,
        chain_id: str | None = None,
        days: float = 1,
    ) -> bytes:
        """A manifest as the chain's key signs it, or another key, for whatever run and chain."""
        return sign_manifest(
            json.dumps(manifest).encode(),
            key=key or read_manifest_key(self.fleet.folder.path / "signing" / "manifest.key"),
            run=run,
            chain_id=chain_id or self.fleet.folder.chain_id,
            expires=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days),
        )

    def offer(self, signed: bytes, parts: Sequence[GraphPart | bytes] = ()) -> None:
        """Sends any bytes as a manifest; returns when the store is ready to work by them.

        Args:
          signed: what `sign` gave, or anything.
          parts: graphs or other contents that the store may ask for.

        Raises:
          StoreRefused: it is not, and why.
        """
        contents = [part if isinstance(part, bytes) else part.computation for part in parts]
        by_digest = {hashlib.sha256(content).hexdigest(): content for content in contents}
        self.do(self.link.send_manifest(signed, by_digest))

    def agree(self, *, train: GraphPart, evaluate: GraphPart | None = None, **changes: Any) -> None:
        """Has the store take a well-signed manifest of small graphs.

        Raises:
          StoreRefused: it does not.
        """
        manifest = self.manifest(train=train, evaluate=evaluate, **changes)
        self.offer(self.sign(manifest), [train, *([] if evaluate is None else [evaluate])])

    def call(self, method: str, body: bytes | Sequence[Buffer]) -> bytes:
        """The answer of one executor call.

        Raises:
          CallFailed: with the status and the reason that the store gave.
          LinkLost: the store ended the link.
        """

        async def ask() -> bytes:
            pieces = [body] if isinstance(body, bytes) else list(body)
            async with self.link.call(method, pieces) as answer:
                return bytes(answer)

        return self.do(ask())

    def caller(self) -> Caller:
        """An executor of the store, with TFF's messages."""
        return Caller(_CallsByLink(self))  # type: ignore[arg-type]

    def compute(
        self,
        part: GraphPart,
        broadcast: Sequence[np.ndarray] = (WEIGHTS,),
        *,
        split: str = "train",
        run: str = RUN,
        round_num: int = 1,
        seed: int = 7,
    ) -> bytes:
        """The serialised `ComputeResponse` of an approved work, asked as a coordinator asks.

        Raises:
          CallFailed: the store refuses.
        """
        caller = self.caller()
        data = caller.data(DataName(split, run, round_num, seed).uri())
        leaves = [np.asarray(array) for array in broadcast]
        sent = leaves[0] if len(leaves) == 1 else Struct(tuple(("", leaf) for leaf in leaves))
        argument = caller.struct(data, caller.tree(sent))
        call = caller.invoke(caller.work(part.computation), argument)
        request = executor_pb2.ComputeRequest(executor=caller.executor, value_ref=call)
        return self.call("Compute", request.SerializeToString())

    def ask(self, part: GraphPart, *arguments: Any, **named: Any) -> list[np.ndarray]:
        """Like `compute`, read: the leaves of the result in order."""
        answer = self.compute(part, *arguments, **named)
        return [leaf.copy() for leaf in result_leaves(answer, part.result)]

    def write(self, message: bytes) -> None:
        """Writes a message into the link past all rules; `encode_frame` makes one by the rules."""
        self.do(self._server.contexts[-1].write(message))

    def messages(self) -> list[bytes]:
        """All that the store has emitted, connection after connection, as it left TLS."""
        return list(self._server.emitted)

    def frames(self) -> list[Frame]:
        """The same, decoded; packed parts are unpacked."""
        decoded = map(decode_frame, self.messages())
        return [unpack_part(each) if each.kind is Kind.PACKED else each for each in decoded]

    def do(self, coroutine: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """The result of a coroutine on the server's loop."""
        return self._server.submit(coroutine).result(timeout_s)

    def log(self) -> str:
        """What the store has told its owner."""
        return self.daemon.said()

    def _take_head(self, link: Any, header: Mapping[str, Any]) -> None:
        async def take() -> None:
            await self._keeper.take(link, header)
            self.countersigned.put(header["sequence"])

        self._taking = asyncio.ensure_future(take())

    def close(self) -> None:
        """Ends headquarters."""
        self._server.close()


@contextlib.contextmanager
def attacked_store(
    folder: pathlib.Path,
    *flags: str,
    policy: str | None = None,
    data_dir: pathlib.Path | None = None,
    fleet: Fleet | None = None,
    name: str = "north",
) -> Iterator[AttackedStore]:
    """A store that has joined and is connected to the attacker; both end with the block.

    Args:
      folder: for all that is on disk.
      *flags: of the store's command, more than the necessary ones.
      policy: text of the store's policy file; None for the store's default.
      data_dir: photographs, `<data_dir>/<label>/*`; None for 24 that are made.
      fleet: of an earlier store, whose chain this one joins too.
      name: of the store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    attack = AttackedStore(folder, fleet)
    attack.state_dir = attack.fleet.enrol(name)
    attack.data_dir = data_dir or make_photographs(folder / "photographs" / name)
    if policy is not None:
        path = folder / "policy.toml"
        path.write_text(policy, encoding="utf-8")
        flags = (*flags, f"--policy={path}")
    try:
        with running_daemon(
            attack.state_dir, attack.data_dir, attack.address, *flags
        ) as attack.daemon:
            attack.reconnected()
            yield attack
    finally:
        attack.close()


class _CallsByLink:
    """What `Caller` takes for an executor's service."""

    def __init__(self, attack: AttackedStore) -> None:
        self._attack = attack

    def handle(self, method: str, request: bytes, *, caller: object) -> list[bytes]:
        del caller  # the store knows one end of the link
        return [self._attack.call(method, request)]


class _RecordingServer(LinkServer):
    """Keeps what stores emit, and the streams that they emitted it to."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.emitted: list[bytes] = []
        self.contexts: list[Any] = []

    async def _attend(self, requests: object, context: Any) -> None:
        self.contexts.append(context)
        await super()._attend(requests, _RecordedContext(context, self.emitted))


class _RecordedContext:
    """A gRPC context whose messages are kept."""

    def __init__(self, context: Any, emitted: list[bytes]) -> None:
        self._context, self._emitted = context, emitted

    async def read(self) -> Any:
        message = await self._context.read()
        if isinstance(message, bytes):
            self._emitted.append(message)
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def _config() -> RunConfig:
    return RunConfig(
        data=DataConfig(stores="remote"),
        model=ModelConfig(image_size=IMAGE_SIZE),
        learning=LearningConfig(batch_size=8, augmentation="none"),
    )
