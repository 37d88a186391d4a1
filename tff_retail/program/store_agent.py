"""What a store makes of what headquarters sends: the daemon's part, without TensorFlow."""

import asyncio
import contextlib
import dataclasses
import datetime
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tff_retail.program.content_folder import ContentFolder
from tff_retail.program.executor_supervisor import ExecutorSupervisor
from tff_retail.program.installed_models import InstalledModels
from tff_retail.program.model_archive import MalformedArchive
from tff_retail.program.store_manifest import UnusableManifest, read_store_manifest
from tff_retail.program.trust import Trust
from tff_retail.program.work_line import work_line
from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_faults import CallFailed, LinkLost, StoreRefused
from tff_retail.transport.link_frames import Buffer
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.signed_manifest import (
    ManifestRefused,
    SignedManifest,
    verify_manifest,
)
from tff_retail.transport.signed_model import ModelRefused, verify_model

# gRPC status code, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_PERMISSION_DENIED = 7
_SPLITS = ("train", "validation")


@dataclasses.dataclass
class _Agreement:
    """The manifest that the store works by, or is about to."""

    bytes: bytes
    signed: SignedManifest
    contents: tuple[str, ...]
    examples: Mapping[str, int] | None = None
    is_loading: bool = False


class StoreAgent:
    """A `LinkHandler`: checks what is signed, keeps contents, and has the executor do the rest.

    Args:
      trust: whose signatures count.
      contents: of manifests.
      models: that were delivered.
      kept_manifest: file of the manifest that the store worked by last.
      say: told one line about each round, and whatever goes wrong.
      now: the time, aware.
      grace_s: until it is known whether a call was given up, or the link was lost with it.
    """

    def __init__(
        self,
        trust: Trust,
        contents: ContentFolder,
        models: InstalledModels,
        *,
        kept_manifest: pathlib.Path,
        say: Callable[[str], None],
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        grace_s: float = 1.0,
    ) -> None:
        self._trust, self._contents, self._models = trust, contents, models
        self._kept_manifest = kept_manifest
        self._say, self._now, self._grace_s = say, now, grace_s
        self._executor: ExecutorSupervisor | None = None
        self._link: HeadquartersLink | None = None
        self._run = ""
        self._agreement: _Agreement | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._last_reason = ""

    def employ(self, executor: ExecutorSupervisor) -> None:
        """Sets the executor, whose `on_up`, `on_down` and `on_report` are this object's."""
        self._executor = executor

    def take_kept_manifest(self) -> None:
        """Goes back to the manifest of before a restart, where it is still good.

        TFF clients are served by it before headquarters is there, if it ever is.
        """
        try:
            agreement = self._check(self._kept_manifest.read_bytes(), "")
        except FileNotFoundError:
            return
        except (OSError, ManifestRefused, UnusableManifest) as error:
            self._say(f"the manifest of before is of no use any more: {error}")
            return
        if not self._contents.missing(agreement.contents):
            self._agreement = agreement  # loaded when the executor is there

    async def on_up(self) -> None:
        """The executor is there anew: it is told the manifest again."""
        agreement = self._agreement
        if agreement is not None:
            agreement.examples = None
            if not self._contents.missing(agreement.contents):  # else when the last one has come
                await self._load(agreement)

    def on_down(self) -> None:
        """The executor has ended: until it is there anew, the store can't work."""
        agreement = self._agreement
        if agreement is None or agreement.examples is None:
            return  # headquarters does not count on it
        agreement.examples = None
        with contextlib.suppress(LinkLost):
            if self._link is not None:
                sentence = "its executor has ended, and is started again"
                self._link.decline(agreement.signed.digest, "executor_down", sentence)

    def on_report(self, header: Mapping[str, Any]) -> None:
        """The executor did a piece of work, or failed at it."""
        values = dict(header["values"])
        if line := work_line(header["state"], header["code"], values):
            self._say(line)
        agreement = self._agreement
        examples = {name: int(values[name]) for name in _SPLITS if name in values}
        with contextlib.suppress(LinkLost):
            if self._link is None:
                return
            self._link.report(header["state"], code=header["code"], values=values)
            if agreement is None or agreement.examples is None or not examples:
                return
            if agreement.examples != examples:
                agreement.examples = examples
                self._link.ready(agreement.signed.digest, examples)

    async def joined(self, link: HeadquartersLink, run: str) -> None:
        """See `LinkHandler`."""
        self._link, self._run, self._last_reason = link, run, ""
        self._say(f"connected to headquarters, {f'run {run}' if run else 'no run yet'}")

    async def take_manifest(self, link: HeadquartersLink, digest: str, signed: memoryview) -> None:
        """See `LinkHandler`."""
        try:
            agreement = self._check(bytes(signed), self._run)
        except ManifestRefused as refusal:
            self._decline(digest, refusal.code, refusal.sentence)
            return
        except UnusableManifest as error:
            self._decline(digest, "manifest", str(error))
            return
        present = self._agreement
        if present is not None and present.signed.manifest == agreement.signed.manifest:
            # Signed anew, or headquarters is back: work goes on.
            present.bytes, present.signed = agreement.bytes, agreement.signed
            if present.examples is not None:
                link.ready(digest, present.examples)
            if present.examples is not None or present.is_loading:
                return
            agreement = present
        self._agreement = agreement
        if missing := self._contents.missing(agreement.contents):
            link.want(digest, missing)
        else:
            self._start(self._load(agreement))

    async def take_content(self, link: HeadquartersLink, digest: str, body: memoryview) -> None:
        """See `LinkHandler`."""
        agreement = self._agreement
        if agreement is None or digest not in agreement.contents:
            return  # of a manifest that was replaced meanwhile
        try:
            self._contents.put(digest, body)
        except (ValueError, OSError) as error:
            self._say(f"a content could not be kept: {error}")
            self._decline(agreement.signed.digest, "contents", "a content could not be kept")
            return
        if not self._contents.missing(agreement.contents):
            self._start(self._load(agreement))

    async def call(self, method: str, body: memoryview) -> Sequence[Buffer]:
        """See `LinkHandler`.

        Work goes on where the link is lost with it: headquarters, back again, finds it done.
        """
        connection = self._link
        answer = asyncio.ensure_future(self.answer(method, body[:]))
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            self._tasks.add(answer)
            answer.add_done_callback(self._forget)
            asyncio.get_running_loop().call_later(
                self._grace_s, lambda: self._link is connection and answer.cancel()
            )
            raise

    async def answer(self, method: str, body: Buffer) -> Sequence[Buffer]:
        """Has the executor answer a call, by a manifest that has not ended.

        Raises:
          CallFailed: it failed.
        """
        if self._agreement is not None and self._now() > self._agreement.signed.expires:
            reason = "manifest_expired: the manifest must be signed anew"
            raise CallFailed(_PERMISSION_DENIED, reason)
        assert self._executor is not None
        async with self._executor.call(method, [body]) as found:
            return [found[:]]  # a view of its own, which outlives the block until it is sent

    async def take_acknowledgement(self, run: str, round_num: int) -> None:
        """See `LinkHandler`."""
        assert self._executor is not None
        await self._executor.acknowledge(run, round_num)

    async def take_model(self, name: str, digest: str, signature: str, body: memoryview) -> None:
        """See `LinkHandler`."""
        trust = self._trust
        try:
            verify_model(
                digest, signature, name=name, public_key=trust.manifest_key, chain_id=trust.chain_id
            )
            if self._models.install(digest, body):
                self._say(f"installed the model {name} ({digest[:16]})")
        except (ModelRefused, MalformedArchive, OSError) as error:
            self._say(f"the model {name} was not installed: {error}")

    def left(self, reason: str, delay_s: float) -> None:
        """See `LinkHandler`."""
        self._link = None
        if reason != self._last_reason:  # a night without headquarters is one line
            self._say(f"not connected: {reason}; trying again")
        self._last_reason = reason

    def _check(self, signed: bytes, run: str) -> _Agreement:
        trust = self._trust
        verified = verify_manifest(
            signed,
            public_key=trust.manifest_key,
            chain_id=trust.chain_id,
            now=self._now(),
            run=run,
        )
        manifest = read_store_manifest(verified.manifest)
        manifest.config()  # its rules
        return _Agreement(signed, verified, manifest.contents)

    async def _load(self, agreement: _Agreement) -> None:
        """Has the executor work by a manifest whose contents are all here, and says how it went."""
        assert self._executor is not None
        manifest = json.dumps(agreement.signed.manifest).encode()
        agreement.is_loading = True
        try:
            agreement.examples = await self._executor.load(manifest)
        except StoreRefused as refusal:
            self._decline(agreement.signed.digest, refusal.code, refusal.sentence)
            return
        except LinkLost:
            return  # told again when the executor is there anew
        finally:
            agreement.is_loading = False
        if agreement is self._agreement:
            self._contents.keep_only(agreement.contents)
            self._keep(agreement)
            self._say(f"ready for the run {agreement.signed.run}")
            with contextlib.suppress(LinkLost):
                if self._link is not None:
                    self._link.ready(agreement.signed.digest, agreement.examples)

    def _keep(self, agreement: _Agreement) -> None:
        try:
            write_private_file(self._kept_manifest, agreement.bytes)
        except OSError as error:
            self._say(f"the manifest could not be kept for a restart: {error}")

    def _decline(self, digest: str, code: str, sentence: str) -> None:
        self._say(f"declined a manifest: {sentence}")
        with contextlib.suppress(LinkLost):
            if self._link is not None:
                self._link.decline(digest, code, sentence)

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, CallFailed):
                self._say(f"an unexpected {type(error).__name__}: {error}")
