"""Headquarters among its real stores: the server, who is there, and what each must be sent.

A store that connects gets the manifest and what it lacks of it, hears which round is durable, is
offered the newest model, and takes part once it is ready. All of that happens on the server's loop.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from tff_retail.config import ConfigurationError, FleetConfig
from tff_retail.privacy.rule_meaning import rule_meaning
from tff_retail.program.fleet_status import FleetStatus
from tff_retail.program.head_keeper import HeadKeeper
from tff_retail.program.signed_run_model import SignedRunModel
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.link_faults import LinkLost, StoreRefused
from tff_retail.transport.link_server import LinkServer
from tff_retail.transport.store_link import StoreLink
from tff_retail.transport.store_records import ACTIVE

T = TypeVar("T")

# What a store refuses for it may mend: a folder that was not mounted, a clock, an update.
_OFFER_AGAIN_S = 60.0


class RemoteFleet:
    """The stores of a fleet and a run that they may work for; a context manager.

    Args:
      folder: of the fleet.
      config: where to listen.
      run: the run's name in its signed manifest.
      kept_as: the name by which stores keep results until they are acknowledged.
      say: told what concerns the operator.
    """

    def __init__(
        self,
        folder: FleetFolder,
        config: FleetConfig,
        *,
        run: str,
        kept_as: str,
        say: Callable[[str], None],
    ) -> None:
        self.connected = ConnectedStores()
        self.status = FleetStatus(folder.status_path, run=run, address=config.listen_address)
        self.say = say
        self._folder, self._kept_as = folder, kept_as
        self._work: tuple[bytes, Mapping[str, bytes]] | None = None
        self._durable_round = 0
        self._model: SignedRunModel | None = None
        self._has_model: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._delivery = threading.Condition()
        self._links: set[StoreLink] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._heads = HeadKeeper(folder, say)
        self._server = LinkServer(
            config.listen_address,
            folder.server_tls(),
            is_welcome=folder.is_welcome,
            on_joined=self._joined,
            on_left=self._left,
            on_report=lambda link, report: self.status.reported(link.name, report),
            on_standing=self._note_standing,
            on_refused=self._refused,
            on_head=lambda link, head: self._start(self._heads.take(link, head)),
            run=run,
        )
        self.address = ""

    def start(self) -> None:
        """Listens for stores; sets `address`.

        Raises:
          ConfigurationError: the address can't be listened on.
        """
        self.address = self._server.start()
        self.status.run_state("waiting", address=self.address)
        self.submit(self._keep_status())

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Runs a coroutine on the server's loop."""
        return self._server.submit(coroutine)

    def give_work(self, signed: bytes, contents: Mapping[str, bytes]) -> None:
        """Sends a signed manifest to the stores that are there and to those that come.

        Args:
          signed: as `sign_manifest` gave it.
          contents: what stores may lack of it, by digest.
        """
        self._on_loop(self._give_work, signed, contents)

    def acknowledge(self, round_num: int) -> None:
        """Tells all stores that a round is durable."""
        self._on_loop(self._acknowledge, round_num)

    def offer_model(self, model: SignedRunModel) -> None:
        """Sends a finished model to the stores that are there and to those that come."""
        self._on_loop(self._offer_model, model)

    def wait_for_delivery(self, names: Iterable[str], *, within_s: float) -> set[str]:
        """Waits until the model was sent to all these stores, or for some time.

        Returns:
          The names of all stores that it was sent to.
        """
        wanted = set(names)
        with self._delivery:
            self._delivery.wait_for(lambda: wanted <= self._has_model, within_s)
            return set(self._has_model)

    def names(self) -> list[str]:
        """All stores that have joined the fleet and were not revoked."""
        return [record.name for record in self._folder.stores.all() if record.state == ACTIVE]

    def is_member(self, name: str) -> bool:
        """Whether a store of that name may connect; it may where its record can't be read now."""
        try:
            return self._folder.stores.is_active(name)
        except (ConfigurationError, OSError):
            return True

    def why_missing(self) -> str:
        """What is known of the stores of the fleet that are not there."""
        there = set(self.connected.names())
        return self.status.why_missing(name for name in self.names() if name not in there)

    async def revive(self, link: StoreLink) -> None:
        """Has a store whose executor was started anew take the manifest again; on the loop.

        Raises:
          LinkLost: the store has gone too.
        """
        self.connected.remove(link)
        await self._instruct(link)

    def close(self) -> None:
        """Says goodbye to all stores; again does nothing."""
        self._server.close()
        self.status.write()

    def __enter__(self) -> "RemoteFleet":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _keep_status(self) -> None:
        self._start(self.status.keep_written())

    def _on_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        async def run() -> None:
            function(*arguments)

        self.submit(run()).result()

    def _give_work(self, signed: bytes, contents: Mapping[str, bytes]) -> None:
        self._work = signed, contents
        for link in self._links:
            self._start(self._instruct(link))

    def _acknowledge(self, round_num: int) -> None:
        self._durable_round = round_num
        for link in self._links:
            self._start(self._tell_durable(link))

    def _offer_model(self, model: SignedRunModel) -> None:
        self._model = model
        for link in self._links:
            self._start(self._send_model(link))

    def _joined(self, link: StoreLink) -> None:
        self._links.add(link)
        self._refusals.pop(link.name, None)
        self.status.joined(link)
        self._start(self._instruct(link))

    def _left(self, link: StoreLink, reason: str) -> None:
        self._links.discard(link)
        self.connected.remove(link)
        if not any(other.name == link.name for other in self._links):
            self.status.left(link.name, reason)

    def _refused(self, link: StoreLink, sentence: str) -> None:
        """Tells the operator too, once: the store dials again and again."""
        if not any(other.name == link.name for other in self._links):
            self.status.left(link.name, f"refused: {sentence}")
        if self._refusals.get(link.name) != sentence:
            self._refusals[link.name] = sentence
            self.say(f"{link.name} was refused: {sentence}")

    def _note_standing(self, link: StoreLink, sentence: str) -> None:
        """A store that was ready is not for now, as it says; or is again, where it says nothing."""
        if sentence := rule_meaning(sentence):
            self.status.withdrew(link.name, sentence)
            self.say(f"{link.name} can't take part for now: {sentence}")
        else:
            self.status.ready(link)
            self.say(f"{link.name} can take part again")
        self.connected.look_again()

    async def _instruct(self, link: StoreLink) -> None:
        """What a store needs before it takes part."""
        await self._tell_durable(link)
        if self._work is not None:
            await self._agree(link, *self._work)
            self.status.ready(link)
            self.connected.add(link)
        await self._send_model(link)

    async def _agree(self, link: StoreLink, signed: bytes, contents: Mapping[str, bytes]) -> None:
        """Returns once a store works by the manifest, be it at the tenth time of asking."""
        said = ""
        while True:
            try:
                await link.send_manifest(signed, contents)
                return
            except StoreRefused as refusal:
                sentence = rule_meaning(refusal.sentence)
                self.status.failed(link.name, sentence, refusal.code)
                if sentence != said:
                    said = sentence
                    self.say(f"{link.name} can't take part: {said}")
            await asyncio.sleep(_OFFER_AGAIN_S)

    async def _tell_durable(self, link: StoreLink) -> None:
        if self._durable_round:
            await link.acknowledge(self._kept_as, self._durable_round)

    async def _send_model(self, link: StoreLink) -> None:
        model = self._model
        if model is not None:
            await link.offer_model(
                model.name, digest=model.digest, signature=model.signature, body=[model.body]
            )
            with self._delivery:
                self._has_model.add(link.name)
                self._delivery.notify_all()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            with contextlib.suppress(LinkLost):  # told by `on_left`
                await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
