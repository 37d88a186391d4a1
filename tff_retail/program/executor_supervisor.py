"""Keeps a store's executor child running, and speaks with it as headquarters does with a store."""

import asyncio
import contextlib
import dataclasses
import datetime
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.program.executor_process import relay_lines, start_executor
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.frame_stream import FrameStream
from tff_retail.transport.link_faults import CallFailed, LinkLost
from tff_retail.transport.link_frames import VERSIONS, Buffer
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_surroundings import LinkSurroundings
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.receiving_budget import ReceivingBudget
from tff_retail.transport.reconnect_delays import ReconnectDelays
from tff_retail.transport.store_link import StoreLink

_MODULE = "tff_retail.program.executor_child"
_EXIT_USAGE = 2
# gRPC status code, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_UNAVAILABLE = 14
# A child that does not leave by itself when its socket is closed is ended.
_FAREWELL_S = 2.0
# What a signal says of TensorFlow's own code, which a graph can crash.
_MEANINGS: Mapping[int, str] = {
    signal.SIGSEGV: ", TensorFlow crashed: it reached for memory that it does not have",
    signal.SIGBUS: ", TensorFlow crashed: memory or a file behind it was gone",
    signal.SIGABRT: ", TensorFlow gave up: a check of its own failed",
    signal.SIGILL: ", TensorFlow crashed: this CPU lacks an instruction",
    signal.SIGFPE: ", TensorFlow crashed: it divided by zero",
    signal.SIGSYS: ", the kernel ended it for a system call of another architecture",
    signal.SIGKILL: ", killed: mostly for want of memory",
}
# TensorFlow is imported in 3 to 10 s; a machine that swaps takes longer.
_START_S = 300.0


class ExecutorSupervisor:
    """The child: started, and started again where it ends, after a pause that grows.

    Args:
      settings: of the child.
      on_up: called each time it is there anew, before any call.
      on_down: called each time it has ended by itself, before any call fails of it.
      on_report: told what it says of its work.
      say: told where it ended.
      delays: before it is started again.
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[], None],
        on_report: Callable[[Mapping[str, Any]], None],
        say: Callable[[str], None],
        delays: ReconnectDelays | None = None,
    ) -> None:
        self._settings = settings
        self._on_up, self._on_down = on_up, on_down
        self._on_report, self._say = on_report, say
        self._delays = delays or ReconnectDelays()
        self._link: StoreLink | None = None
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def tensorflow(self) -> str:
        """The version that the child has; '' while there is none."""
        return self._link.hello.tensorflow if self._link is not None else ""

    async def run(self) -> None:
        """Keeps the child running until `stop`.

        Raises:
          ConfigurationError: it can't run with these settings; it has said why.
        """
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began_s = loop.time()
            code, is_ours = await self._run_once()
            was_killed = code == -signal.SIGKILL and not is_ours  # so does a kernel out of memory
            self._settings = dataclasses.replace(
                self._settings, was_killed=was_killed, is_first=False
            )
            if self._stopping.is_set():
                return
            if code == _EXIT_USAGE:
                raise ConfigurationError("the executor can't run with these settings; see above")
            delay_s = self._delays.next_s(loop.time() - began_s)
            self._say(
                f"the executor ended ({_ending(code)}); it is started again in {delay_s:.0f} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    def stop(self) -> None:
        """Ends the child, whatever it is doing; `run` returns when it is gone."""
        self._stopping.set()
        if self._link is not None:
            self._link.close("The store stops")

    async def load(self, manifest: bytes) -> Mapping[str, int]:
        """Has the child work by a manifest; its examples by split.

        Raises:
          StoreRefused: it can't.
          LinkLost: it ended meanwhile, or is not there.
        """
        link = self._link
        if link is None:
            raise LinkLost("The executor is not running")
        await link.send_manifest(manifest, {})
        return link.examples

    @contextlib.asynccontextmanager
    async def call(self, method: str, body: Sequence[Buffer]) -> AsyncIterator[memoryview]:
        """Has the child answer a call; leaving the block early gives the call up.

        Raises:
          CallFailed: it failed, ended meanwhile, or is not there.
        """
        if self._link is None:
            raise CallFailed(_UNAVAILABLE, "executor_down: the store's executor is starting")
        try:
            async with self._link.call(method, body) as answer:
                yield answer
        except LinkLost as lost:
            raise CallFailed(_UNAVAILABLE, "executor_down: the store's executor ended") from lost

    async def acknowledge(self, run: str, round_num: int) -> None:
        """Lets the child drop results up to a round."""
        if self._link is not None:
            with contextlib.suppress(LinkLost):
                await self._link.acknowledge(run, round_num)

    async def _run_once(self) -> tuple[int, bool]:
        """Runs a child to its end; its exit code, and whether it was ended from here."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await start_executor(self._settings, theirs.fileno(), module=_MODULE)
        relaying = asyncio.create_task(relay_lines(process, self._say))
        stream = FrameStream(ours)
        link = StoreLink(
            _certificate(self._settings.store),
            self._surroundings(),
            read=stream.read,
            write=stream.write,
        )
        stopping = asyncio.create_task(self._stop_early(link))
        try:
            with contextlib.suppress(ConnectionError):
                await link.attend()
        finally:
            stopping.cancel()
            was_up, self._link = self._link is not None, None
            if was_up and not self._stopping.is_set():
                self._on_down()
            stream.close()
            is_ours = await _end(process)
            # What it said last comes before what is said of its end.
            await asyncio.wait([relaying], timeout=_FAREWELL_S)
            relaying.cancel()
        return process.returncode or 0, is_ours

    async def _stop_early(self, link: StoreLink) -> None:
        """Ends a child that has not said hello yet when the store stops."""
        await self._stopping.wait()
        link.close("The store stops")

    def _surroundings(self) -> LinkSurroundings:
        limits = LinkLimits(hello_s=_START_S)
        return LinkSurroundings(
            run="",
            versions=VERSIONS,
            limits=limits,
            budget=ReceivingBudget(limits.max_receiving_bytes),
            memory=BodyMemory(limits.max_spare_bytes),
            is_welcome=lambda certificate: None,
            on_joined=self._joined,
            on_left=lambda link, reason: None,
            on_report=lambda link, header: self._on_report(header),
        )

    def _joined(self, link: StoreLink) -> None:
        self._link = link
        task = asyncio.ensure_future(self._on_up())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _certificate(name: str) -> PeerCertificate:
    """The child's: a process that this one started needs none, but the link's code names it."""
    ever = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return PeerCertificate(name, "", ever, ever, "")


async def _end(process: asyncio.subprocess.Process) -> bool:
    """Waits for a child that is to leave; whether it had to be made to."""
    try:
        await asyncio.wait_for(process.wait(), _FAREWELL_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return True
    return False


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {-code}{_MEANINGS.get(-code, '')}"
