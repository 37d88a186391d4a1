"""A store's daemon: the link, keys and signatures, and an executor child that does the work.

It imports no TensorFlow, so that it lives where a graph crashes it. What it promises:

* it comes back by itself whatever goes wrong but its disk: the link, the child, headquarters;
* it stops within seconds of SIGTERM, in mid-work too, and leaves no process behind;
* one daemon at a time uses a state directory.
"""

import asyncio
import concurrent.futures
import contextlib
import datetime
import functools
import importlib.metadata
import os
import pathlib
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from datasets.private_files import FileLock, make_private_folder
from tff_retail.config import ConfigurationError, StoreConfig, existing_folder
from tff_retail.config.store_config import AUTO_BATCH_SIZE
from tff_retail.config.version import VERSION
from tff_retail.privacy.release_ledger import ReleaseLedger
from tff_retail.privacy.release_policy import SANDBOX_REQUIRED, ReleasePolicy
from tff_retail.privacy.release_policy_file import read_release_policy
from tff_retail.program.content_folder import ContentFolder
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.program.executor_supervisor import ExecutorSupervisor
from tff_retail.program.installed_models import InstalledModels
from tff_retail.program.record_opening import open_store_record
from tff_retail.program.release_gate import ReleaseGate
from tff_retail.program.store_agent import StoreAgent
from tff_retail.runtime.executor_grpc_service import ExecutorGrpcService
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.fleet_folder import utc_now
from tff_retail.transport.link_client import LinkClient
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.store_enrolment import renew_if_due
from tff_retail.transport.store_identity import StoreIdentity
from tff_retail.transport.tls import ServerTls

T = TypeVar("T")

# Renewal has weeks; an hour is when `fleet rotate` shows.
_RENEWAL_CHECK_S = 3600.0
# The listener for renewals need not run all the time; with so little left it has to.
_RENEWAL_WORRY = datetime.timedelta(days=21)
# Goodbyes take two seconds at most, and the child is killed after two more.
_STOPPING_S = 8.0


class StoreDaemon:
    """One store at work.

    Args:
      config: of the store.
      say: told one line at a time what happens.

    Raises:
      ConfigurationError: a folder is missing or in use, the store has not joined, or its policy
        can't be read.
    """

    def __init__(self, config: StoreConfig, *, say: Callable[[str], None]) -> None:
        existing_folder("data_dir", config.data_dir)
        state = pathlib.Path(config.state_dir).expanduser()
        self._config, self._state, self._say = config, state, say
        identity = StoreIdentity.load(state)
        self._ends_at = identity.expires_at
        policy = ReleasePolicy() if config.policy is None else read_release_policy(config.policy)
        self._record = open_store_record(
            state,
            identity,
            server_address=config.server_address or identity.server_address,
            policy=config.policy,
            say=say,
        )
        self._agent = StoreAgent(
            identity,
            ContentFolder(state / "work"),
            installed_models(state),
            _gate(policy, state, say),
            record=self._record,
            kept_manifest=state / "manifest.signed",
            say=say,
        )
        self._agent.take_kept_manifest()
        self._executor = ExecutorSupervisor(
            _settings(config, state, identity.name, policy),
            on_up=self._agent.on_up,
            on_down=self._agent.on_down,
            on_report=self._agent.on_report,
            say=say,
        )
        self._agent.employ(self._executor)
        self._client = LinkClient(
            config.server_address or identity.server_address,
            identity.client_tls(),
            _hello(),
            self._agent,
        )
        self._service: ExecutorGrpcService | None = None
        if config.listen_address is not None:
            self._service = ExecutorGrpcService(
                config.listen_address, _listen_tls(config), self._agent.answer
            )

    async def run(self) -> None:
        """Works until `stop`.

        Raises:
          ConfigurationError: the executor can't run with these settings, or an address is taken.
        """
        if bounds := _bounds(self._config):
            self._say(
                f"a round trains {bounds}: what was done counts, and results are a simulation's "
                "to tolerance, not bit for bit"
            )
        if self._service is not None:
            port = await self._service.start()
            self._say(f"TFF clients may connect at port {port}")
        parts = [self._executor.run(), self._client.run(), self._renew()]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.stop("The store stops")
            await self._end(tasks)

    def stop(self, reason: str) -> None:
        """Lets `run` return soon; may be called twice."""
        self._client.stop(reason)
        self._executor.stop()

    async def _end(self, tasks: "list[asyncio.Task[None]]") -> None:
        *working, renewing = tasks
        renewing.cancel()
        if self._service is not None:
            await self._service.stop()
        _, late = await asyncio.wait(working, timeout=_STOPPING_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):  # a disk may hang
            await asyncio.wait_for(self._record.close(), _STOPPING_S)

    async def _renew(self) -> None:
        """Gets a new certificate before the present one ends; the next connection shows it."""
        while True:
            try:
                renewed = await _on_thread(functools.partial(renew_if_due, self._state))
                if renewed is not None:
                    self._client.tls, self._ends_at = renewed.client_tls(), renewed.expires_at
                    self._say(f"renewed the certificate, good until {renewed.expires_at:%Y-%m-%d}")
            except (EnrolmentRefused, ConfigurationError, OSError) as error:
                has_ended = isinstance(error, EnrolmentRefused) and error.code == "expired"
                if has_ended:
                    self._say(str(error))
                elif self._ends_at - utc_now() < _RENEWAL_WORRY:  # before, another hour will do
                    self._say(f"the certificate could not be renewed: {error}")
            await asyncio.sleep(_RENEWAL_CHECK_S)


def _on_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Does what may hang for half a minute; the process does not wait for it at its end."""
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="renewal", daemon=True).start()
    return asyncio.wrap_future(result)


def run_daemon(config: StoreConfig, *, say: Callable[[str], None]) -> None:
    """Runs a store's daemon until SIGTERM or SIGINT.

    Raises:
      ConfigurationError: see `StoreDaemon`.
    """
    with holding_state_dir(config.state_dir):
        # A second signal, while it stops, is no reason to leave a child behind.
        asyncio.run(_run_until_signal(config, say))


@contextlib.contextmanager
def holding_state_dir(state_dir: str) -> Iterator[None]:
    """Keeps other daemons out of a state directory meanwhile.

    Raises:
      ConfigurationError: another one is there, or it can't be written.
    """
    state = pathlib.Path(state_dir).expanduser()
    try:
        make_private_folder(state)
        lock = FileLock(state / "daemon.lock")
    except OSError as error:
        raise ConfigurationError(
            f"--state_dir must be a folder of this user's own, found {state_dir!r} "
            f"({error.strerror}); choose another"
        ) from error
    try:
        if not lock.take(wait=False):
            raise ConfigurationError(
                f"--state_dir must be used by one daemon at a time, found {state_dir!r} in use; "
                "stop the other one first"
            )
        yield
    finally:
        lock.release()


def installed_models(state_dir: pathlib.Path) -> InstalledModels:
    """The models that were delivered to a store."""
    return InstalledModels(state_dir / "model")


async def _run_until_signal(config: StoreConfig, say: Callable[[str], None]) -> None:
    daemon = StoreDaemon(config, say=say)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, functools.partial(daemon.stop, "The store stops"))
    await daemon.run()
    say("stopped")


def _gate(policy: ReleasePolicy, state: pathlib.Path, say: Callable[[str], None]) -> ReleaseGate:
    ledger = ReleaseLedger(state / "released.json", policy, save=write_private_file, now=utc_now)
    return ReleaseGate(policy, ledger, say=say, now=utc_now)


def _settings(
    config: StoreConfig, state: pathlib.Path, name: str, policy: ReleasePolicy
) -> ExecutorSettings:
    return ExecutorSettings(
        store=name,
        data_dir=config.data_dir,
        cache_dir=config.cache_dir or str(state / "cache"),
        work_dir=str(state / "work"),
        results_dir=str(state / "results"),
        device=config.device,
        threads=config.threads,
        nice=config.nice,
        max_steps=config.max_steps_per_round,
        max_seconds=config.max_seconds_per_round,
        batch_size=config.batch_size,
        measured_dir=str(state / "measured"),
        scratch_dir=str(state / "scratch"),
        keys_dir=str(state / "identity"),
        parent=os.getpid(),
        graph_bounds=policy.graphs,
        needs_sandbox=policy.sandbox == SANDBOX_REQUIRED,
    )


def _bounds(config: StoreConfig) -> str:
    """What bounds this store's training, for a sentence; '' where nothing does."""
    steps, seconds, size = (
        config.max_steps_per_round,
        config.max_seconds_per_round,
        config.batch_size,
    )
    bounds = [f"for {steps} steps at most"] if steps is not None else []
    bounds += [f"for {seconds:g} s at most"] if seconds is not None else []
    if size is not None:
        of = "as many as fit its memory" if size == AUTO_BATCH_SIZE else f"{size} at most"
        bounds.append(f"in batches of {of}")
    return ", ".join(bounds)


def _hello() -> Hello:
    return Hello(
        software=f"tff_retail {VERSION}",
        tensorflow=importlib.metadata.version("tensorflow"),
        python=platform.python_version(),
    )


def _listen_tls(config: StoreConfig) -> ServerTls:
    folder = existing_folder("listen_tls", config.listen_tls or "")
    try:
        key, chain, clients = (
            (folder / name).read_bytes() for name in ("server.key", "server.crt", "clients.crt")
        )
    except OSError as error:
        raise ConfigurationError(
            f"--listen_tls must hold server.key, server.crt and clients.crt, found no readable "
            f"{error.filename}"
        ) from error
    return ServerTls(key, chain, clients)
