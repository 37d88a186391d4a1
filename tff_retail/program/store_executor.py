"""The executor child of a store: it has TensorFlow and the photographs, and no network of its own.

    python -m tff_retail.program.store_executor DESCRIPTOR SETTINGS

The daemon starts it with one end of a socket pair and speaks the store link's own protocol with it,
in the place of headquarters. It ends when the daemon ends.
"""

import asyncio
import concurrent.futures
import dataclasses
import functools
import json
import os
import pathlib
import platform
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tff_retail.config import ConfigurationError, RuntimeConfig
from tff_retail.config.version import VERSION
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.program.graph_refused import GraphRefused
from tff_retail.program.parent_death import die_with_parent
from tff_retail.program.store_manifest import UnusableManifest, read_store_manifest
from tff_retail.program.store_work import StorePlace, StoreWork, read_content
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.executor_service import ExecutorService
from tff_retail.runtime.kept_results import KeptResults
from tff_retail.runtime.store import WorkRequest, WorkResult
from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings, is_cpu
from tff_retail.runtime.work_desk import WorkDesk
from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.frame_stream import FrameStream
from tff_retail.transport.link_frames import Frame, Kind
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_protocol import LinkEvent
from tff_retail.transport.link_pump import LinkPump
from tff_retail.transport.store_protocol import StoreProtocol

EXIT_USAGE = 2

# Results of some rounds of a model of 100 MB; the last one is what a restart asks for again.
_MAX_KEPT_BYTES = 2 * 2**30
# Longest sentence of a frame.
_MAX_SENTENCE = 500
_INTERNAL = 13  # the gRPC status of a mistake in this program


class StoreExecutor:
    """Answers the daemon.

    Args:
      settings: of the store.
      devices: as `apply_tensorflow_settings` gives them.
      stream: to the daemon.
    """

    def __init__(self, settings: ExecutorSettings, devices: list[str], stream: FrameStream) -> None:
        self.name = settings.store
        self._content = read_content(pathlib.Path(settings.work_dir))
        self._place = StorePlace(
            name=settings.store,
            data_dir=settings.data_dir,
            cache_dir=settings.cache_dir,
            device=devices[0],
            has_own_core=is_cpu(devices) and settings.threads == 1,
            max_steps=settings.max_steps,
            max_seconds=settings.max_seconds,
            batch_size=settings.batch_size,
            measured_dir=settings.measured_dir,
            was_killed=settings.was_killed,
            graph_bounds=settings.graph_bounds,
        )
        self._work: StoreWork | None = None
        results = pathlib.Path(settings.results_dir)
        self._kept = KeptResults(results, max_bytes=_MAX_KEPT_BYTES, say=_say)
        desk = WorkDesk(
            self,
            self._kept,
            stop_work=self._stop_work,
            on_begun=lambda request: self._tell("working", request.role, request, {}),
            on_done=self._tell_done,
            on_failed=self._tell_failed,
        )
        self._service = ExecutorService(desk)
        limits = LinkLimits()
        # A call that waits for its turn keeps a thread.
        self._threads = concurrent.futures.ThreadPoolExecutor(limits.max_calls)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loading = asyncio.Lock()  # one manifest after the other
        self._memory = BodyMemory(limits.max_spare_bytes)
        self._protocol = StoreProtocol(limits, self._memory)
        self._pump = LinkPump(
            self._protocol,
            read=stream.read,
            write=stream.write,
            take=self._take,
            farewell_s=limits.farewell_s,
        )

    async def attend(self) -> None:
        """Works until the daemon has gone."""
        hello = Hello(
            software=f"tff_retail {VERSION}",
            tensorflow=tf.__version__,
            python=platform.python_version(),
        )
        self._send(hello.to_frame())
        await self._pump.run()

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`; by the manifest that was taken last."""
        if self._work is None:
            raise CannotWork("no_manifest", "no manifest has been taken")
        return self._work.run(request)

    async def _take(self, event: LinkEvent) -> None:
        assert isinstance(event, Frame)  # results begin at the other end alone
        if event.kind is Kind.CALL:
            self._start(self._answer(event))
        elif event.kind is Kind.MANIFEST:
            self._start(self._take_manifest(event))
        elif event.kind is Kind.CANCEL:
            self._loop.run_in_executor(self._threads, self._service.cancel, event.header["number"])
        elif event.kind is Kind.ACKNOWLEDGE:
            self._kept.acknowledge(event.header["run"], event.header["round"])

    async def _answer(self, call: Frame) -> None:
        number, method, body = call.header["number"], call.header["method"], call.view
        handle = functools.partial(self._service.handle, method, body, caller=number)
        try:
            message = await self._loop.run_in_executor(self._threads, handle)
        except ExecutorError as error:
            self._protocol.fail(number, error.code, _sentence(str(error)))
        except Exception:  # a mistake here must not end the child, nor tell what it read
            traceback.print_exc()
            self._protocol.fail(number, _INTERNAL, "unexpected_error: see the store's log")
        else:
            self._protocol.answer(number, message)
        self._memory.give_back(body)  # unless arrays were made of it
        self._pump.wake()

    async def _take_manifest(self, manifest: Frame) -> None:
        digest = manifest.header["digest"]
        load = functools.partial(self._load, bytes(manifest.view))
        try:
            async with self._loading:
                work = await self._loop.run_in_executor(self._threads, load)
        except GraphRefused as refusal:
            for line in refusal.lines:
                _say(f"refused a graph: {line}")
            self._decline(digest, refusal.rule, str(refusal))
        except UnusableManifest as error:
            self._decline(digest, "manifest", str(error))
        except ConfigurationError as error:
            _say(str(error))
            self._decline(digest, "photographs", "the store's photographs can't be read")
        except OSError as error:
            _say(str(error))
            self._decline(digest, "contents", "the manifest's contents can't be read")
        except Exception:  # a mistake here must not leave headquarters without an answer
            traceback.print_exc()
            self._decline(digest, "unexpected_error", "see the store's log")
        else:
            self._send(Frame(Kind.READY, {"manifest": digest, "examples": work.counts()}))

    def _load(self, manifest: bytes) -> StoreWork:
        self._service.approve([])
        if self._work is not None:
            self._work.close()
            self._work = None
        values = read_store_manifest(json.loads(manifest))
        self._work = work = StoreWork(values, self._place, self._content, say=_say)
        self._place = dataclasses.replace(self._place, was_killed=False)  # that is dealt with
        self._service.approve(work.approved)
        return work

    def _stop_work(self) -> None:
        if self._work is not None:
            self._work.stop()

    def _tell_done(self, request: WorkRequest, result: WorkResult) -> None:
        self._tell("worked", request.role, request, {"seconds": result.seconds})

    def _tell_failed(self, request: WorkRequest, error: ExecutorError, sentence: str) -> None:
        _say(f"round {request.round_num}: {request.role} came to nothing: {sentence}")
        self._tell("failed", error.rule, request, {})

    def _tell(
        self, state: str, code: str, request: WorkRequest, values: Mapping[str, float]
    ) -> None:
        examples = self._work.counts() if self._work is not None else {}
        header: dict[str, Any] = {
            "state": state,
            "code": code,
            "values": {"round": request.round_num, **values, **examples},
        }
        self._loop.call_soon_threadsafe(self._send, Frame(Kind.REPORT, header))

    def _decline(self, digest: str, code: str, sentence: str) -> None:
        header = {"manifest": digest, "code": code, "sentence": _sentence(sentence)}
        self._send(Frame(Kind.DECLINED, header))

    def _send(self, frame: Frame) -> None:
        self._protocol.send(frame)
        self._pump.wake()

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _sentence(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:_MAX_SENTENCE]


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


async def _attend(settings: ExecutorSettings, devices: list[str], descriptor: int) -> None:
    stream = FrameStream(socket.socket(fileno=descriptor))
    await StoreExecutor(settings, devices, stream).attend()


def main(arguments: list[str], *, leave: Callable[[int], None] = os._exit) -> None:
    """Runs the child; nothing that is still at work is waited for at its end."""
    settings = ExecutorSettings.from_json(arguments[1])
    die_with_parent(settings.parent)
    for signum in (signal.SIGINT, signal.SIGTERM):  # the daemon decides, and is told the same
        signal.signal(signum, signal.SIG_IGN)
    os.nice(settings.nice)
    tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    runtime = RuntimeConfig(device=settings.device, intra_op_threads=settings.threads)
    try:
        devices = apply_tensorflow_settings(runtime, seed=0)
    except ConfigurationError as error:
        _say(f"error: {error}")
        leave(EXIT_USAGE)
    try:
        asyncio.run(_attend(settings, devices, int(arguments[0])))
    except BaseException:  # whatever it is, threads that are still at work must not hold it up
        traceback.print_exc()
        leave(1)
    leave(0)


if __name__ == "__main__":
    main(sys.argv[1:])
