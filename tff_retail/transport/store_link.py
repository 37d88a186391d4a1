"""One connected store, as headquarters uses it."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from tff_retail.transport.awaited_answer import AwaitedAnswer
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import CallFailed, LinkLost, PeerFault
from tff_retail.transport.link_frames import Buffer, Frame, Kind, LinkState
from tff_retail.transport.link_hello import Hello, highest_shared_version, no_shared_version
from tff_retail.transport.link_protocol import LinkEvent, ResultAnnounced
from tff_retail.transport.link_pump import LinkPump
from tff_retail.transport.link_surroundings import LinkSurroundings
from tff_retail.transport.manifest_exchange import ManifestExchange
from tff_retail.transport.peer_certificate import PeerCertificate

# gRPC status code, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_RESOURCE_EXHAUSTED = 8


class StoreLink:
    """A store that is connected; every method is called on the server's event loop.

    Attributes:
      name: of the store, from its certificate.
      certificate: that it showed.
      hello: what it said of itself.
      connected_at: seconds since the epoch.
      left_because: why it is gone; '' while it is connected.
    """

    def __init__(
        self,
        certificate: PeerCertificate,
        surroundings: LinkSurroundings,
        *,
        read: Callable[[], Awaitable[bytes | bytearray | None]],
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self.name = certificate.name
        self.certificate = certificate
        self.hello = Hello(software="", tensorflow="", python="", versions=())
        self.connected_at = time.time()
        self.left_because = ""
        self._surroundings = surroundings
        self._has_joined = False
        self._answers: dict[int, AwaitedAnswer] = {}
        self._protocol = HeadquartersProtocol(
            surroundings.limits, surroundings.memory, surroundings.part_bytes
        )
        self._manifest = ManifestExchange(
            self._protocol, lambda sentence: surroundings.on_standing(self, sentence)
        )
        self._pump = LinkPump(
            self._protocol,
            read=read,
            write=write,
            take=self._take,
            farewell_s=surroundings.limits.farewell_s,
        )
        self._takes: Mapping[Kind, Callable[[Frame], None]] = {
            Kind.HELLO: self._take_hello,
            Kind.WANT: self._manifest.take_want,
            Kind.READY: self._manifest.take_ready,
            Kind.DECLINED: self._manifest.take_declined,
            Kind.RESULT: self._take_result,
            Kind.FAILED: self._take_failed,
            Kind.REPORT: lambda frame: surroundings.on_report(self, dict(frame.header)),
            Kind.HEAD: lambda frame: surroundings.on_head(self, dict(frame.header)),
            Kind.GOODBYE: self._take_goodbye,
        }

    @property
    def manifest(self) -> str:
        """Digest of the manifest under which the store is ready to work; '' while it is not."""
        return "" if self.left_because else self._manifest.agreed

    @property
    def examples(self) -> Mapping[str, int]:
        """How many examples it has by split, as far as it tells."""
        return self._manifest.examples

    @contextlib.asynccontextmanager
    async def call(self, method: str, body: Sequence[Buffer]) -> AsyncIterator[memoryview]:
        """Calls a method of the store: `async with link.call("Compute", [request]) as answer`.

        Leaving the block, or cancelling it, gives the answer's memory back and the call up: what of
        the answer is needed afterwards must be copied.

        Args:
          method: of `ExecutorGroup`, or whatever the store's handler knows.
          body: of the request; sent part by part without being copied as a whole.

        Raises:
          CallFailed: the store answered with a failure.
          LinkLost: the link ended, or the store is not welcome any more.
        """
        self._require_welcome()
        if not self._protocol.has_room_for_a_call:
            most = self._surroundings.limits.max_calls
            raise CallFailed(_RESOURCE_EXHAUSTED, f"{most} calls to {self.name} have no answer yet")
        answer = AwaitedAnswer()
        number = self._protocol.open(Kind.CALL, {"method": method}, body)
        self._answers[number] = answer
        self._pump.wake()
        try:
            yield await answer.future
        finally:
            del self._answers[number]
            self._give_up(number, answer)

    async def send_manifest(self, signed: bytes, contents: Mapping[str, Buffer]) -> None:
        """Sends a manifest, and what the store lacks of it; returns when the store is ready.

        Args:
          signed: as `sign_manifest` gave it; the store knows it by its SHA-256.
          contents: by digest.

        Raises:
          StoreRefused: the store will not work under it.
          LinkLost: the link ended, or a newer manifest took this one's place.
        """
        self._require_welcome()
        answer = self._manifest.offer(signed, contents)
        self._pump.wake()
        await answer

    async def acknowledge(self, run: str, round_num: int) -> None:
        """Tells the store that a round is durable: what it kept up to it may go.

        Raises:
          LinkLost: the link ended.
        """
        self._tell(Frame(Kind.ACKNOWLEDGE, {"run": run, "round": round_num}))

    async def countersign(self, signed: CountersignedHead) -> None:
        """Gives a store headquarters' signature under the head that it told.

        Raises:
          LinkLost: the link ended.
        """
        self._tell(Frame(Kind.COUNTERSIGNED, signed.to_header()))

    async def offer_model(
        self, name: str, *, digest: str, signature: str, body: Sequence[Buffer]
    ) -> None:
        """Sends a finished model; returns when its last part is on its way.

        Args:
          name: of the model.
          digest: SHA-256 of the body, in hexadecimal.
          signature: in Base64.
          body: the model's file.

        Raises:
          LinkLost: the link ended.
        """
        self._require_welcome()
        sent = AwaitedAnswer()
        header = {"name": name, "digest": digest, "signature": signature}
        number = self._protocol.open(Kind.MODEL, header, body, lambda: sent.give(memoryview(b"")))
        self._answers[number] = sent
        self._pump.wake()
        try:
            await sent.future
        finally:
            del self._answers[number]

    def close(self, reason: str) -> None:
        """Says goodbye, which overtakes whatever waits, and ends the link."""
        if self._protocol.state is not LinkState.CLOSED:
            self._protocol.send(Frame(Kind.GOODBYE, {"reason": reason}))
        self._leave(reason)

    async def attend(self) -> None:
        """Runs the link; for the server, which gave it its stream."""
        loop = asyncio.get_running_loop()
        late = loop.call_later(self._surroundings.limits.hello_s, self._end_without_hello)
        reason = "the connection was lost"
        try:
            await self._pump.run()
        except PeerFault as fault:
            reason = f"it broke a rule of the link: {fault}"
        finally:
            late.cancel()
            self._leave(reason)

    def _tell(self, frame: Frame) -> None:
        self._require_welcome()
        self._protocol.send(frame)
        self._pump.wake()

    def recheck(self) -> None:
        """Ends the link if the store is not welcome any more."""
        refusal = None if self.left_because else self._surroundings.is_welcome(self.certificate)
        if refusal is not None:
            self._refuse("certificate", refusal)

    def _require_welcome(self) -> None:
        """Asked before each call, so that a revoked store gets nothing more."""
        self.recheck()
        if self.left_because:
            raise LinkLost(f"{self.name} is not connected any more: {self.left_because}")

    def _refuse(self, code: str, sentence: str) -> None:
        if self._protocol.state is not LinkState.CLOSED:  # else last words are on their way
            self._protocol.send(Frame(Kind.REFUSED, {"code": code, "sentence": sentence[:500]}))
        if not self._has_joined and not self.left_because:
            self._surroundings.on_refused(self, sentence)
        self._leave(f"it was refused: {sentence}")

    def _leave(self, reason: str) -> None:
        """Ends whatever waits for the store; the first reason counts."""
        self._pump.wake()
        if self.left_because:
            return
        self.left_because = reason
        lost = LinkLost(f"{self.name} is not connected any more: {reason}")
        for answer in self._answers.values():
            answer.fail(lost)
        self._manifest.end(lost)
        if self._has_joined:
            self._surroundings.on_left(self, reason)

    def _give_up(self, number: int, answer: AwaitedAnswer) -> None:
        future = answer.future
        if future.done() and not future.cancelled() and future.exception() is None:
            self._surroundings.memory.give_back(future.result())
        if answer.reservation is not None:
            answer.reservation.release()
        try:
            self._protocol.cancel(number)
        except PeerFault as fault:
            self.close(str(fault))
        self._pump.wake()

    def _end_without_hello(self) -> None:
        if self._protocol.state is LinkState.OPENING:
            limit_s = self._surroundings.limits.hello_s
            self._refuse("hello", f"A store must say hello within {limit_s:g} s")

    async def _take(self, event: LinkEvent) -> None:
        if isinstance(event, ResultAnnounced):
            self._admit(event)
        else:
            self._takes[event.kind](event)

    def _admit(self, event: ResultAnnounced) -> None:
        """The result comes when there is room for it."""
        answer = self._answers.get(event.number)
        if answer is not None:
            answer.reservation = self._surroundings.budget.ask(
                event.size, lambda: self._proceed(event.number)
            )

    def _proceed(self, number: int) -> None:
        try:
            self._protocol.proceed(number)
        except PeerFault as fault:
            self.close(str(fault))
        self._pump.wake()

    def _take_hello(self, frame: Frame) -> None:
        self.hello = Hello.from_header(dict(frame.header))
        ours, theirs = self._surroundings.versions, self.hello.versions
        version = highest_shared_version(ours, theirs)
        if version is None:
            self._refuse("version", no_shared_version(ours, theirs))
            return
        refusal = self._surroundings.is_welcome(self.certificate)
        if refusal is not None:
            self._refuse("certificate", refusal)
            return
        welcome = {
            "version": version,
            "session": secrets.token_hex(8),
            "run": self._surroundings.run,
        }
        self._protocol.send(Frame(Kind.WELCOME, welcome))
        self._has_joined = True
        self._surroundings.on_joined(self)

    def _take_result(self, frame: Frame) -> None:
        answer = self._answers.get(frame.header["number"])
        if answer is not None:
            answer.give(frame.view)

    def _take_failed(self, frame: Frame) -> None:
        answer = self._answers.get(frame.header["number"])
        if answer is not None:
            answer.fail(CallFailed(frame.header["code"], frame.header["reason"]))

    def _take_goodbye(self, frame: Frame) -> None:
        self._leave(f"it said goodbye: {frame.header['reason']}")
