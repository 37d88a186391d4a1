"""What a store makes of what headquarters sends: the daemon's part, without TensorFlow."""

import asyncio
import contextlib
import datetime
import json
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tff_retail.privacy.example_counts import COUNTED_RULES
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.released_result import ReleasedResult
from tff_retail.privacy.rule_meaning import known_rule
from tff_retail.program.content_folder import ContentFolder
from tff_retail.program.executor_supervisor import ExecutorSupervisor
from tff_retail.program.installed_models import InstalledModels
from tff_retail.program.model_intake import ModelIntake
from tff_retail.program.release_gate import ReleaseGate
from tff_retail.program.store_agreement import StoreAgreement
from tff_retail.program.store_record import HEADQUARTERS, StoreRecord
from tff_retail.program.trust import Trust
from tff_retail.program.work_line import work_line
from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_faults import CallFailed, LinkLost, StoreRefused
from tff_retail.transport.link_frames import Buffer
from tff_retail.transport.private_file import write_private_file

_SPLITS = ("train", "validation")
# Headquarters asks again in the next round; counting reads a folder and ends what is at work.
_COUNT_AGAIN_S = 60.0


class StoreAgent:
    """A `LinkHandler`: checks what is signed, keeps contents, and has the executor do the rest.

    Args:
      trust: whose signatures count.
      contents: of manifests.
      models: that were delivered.
      gate: the store's release policy at work.
      record: of what leaves, before it does, and of whatever else concerns the store's owner.
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
        gate: ReleaseGate,
        *,
        record: StoreRecord,
        kept_manifest: pathlib.Path,
        say: Callable[[str], None],
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        grace_s: float = 1.0,
    ) -> None:
        self._trust, self._contents = trust, contents
        self._models = ModelIntake(trust, models, record=record, say=say)
        self._gate, self._record = gate, record
        self._kept_manifest = kept_manifest
        self._say, self._now, self._grace_s = say, now, grace_s
        self._executor: ExecutorSupervisor | None = None
        self._link: HeadquartersLink | None = None
        self._run = ""
        self._agreement: StoreAgreement | None = None
        # What the executor works by. A newer one may have been agreed to, and not been loaded yet.
        self._in_force: StoreAgreement | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._last_reason = ""
        self._next_count_s = -math.inf

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
        except (OSError, Refused) as error:
            self._say(f"the manifest of before is of no use any more: {error}")
            return
        if not self._contents.missing(agreement.contents):
            self._agreement = agreement  # loaded when the executor is there

    async def on_up(self) -> None:
        """The executor is there anew: it is told the manifest again."""
        self._gate.begin()
        self._in_force = None
        agreement = self._agreement
        if agreement is not None:
            agreement.examples = None
            if not self._contents.missing(agreement.contents):  # else when the last one has come
                await self._load(agreement)

    def on_down(self) -> None:
        """The executor has ended: until it is there anew, the store can't work."""
        agreement, self._in_force = self._agreement, None
        if agreement is None or agreement.examples is None:
            return  # headquarters does not count on it
        agreement.examples = None
        with contextlib.suppress(LinkLost):
            if self._link is not None:
                self._link.decline(agreement.signed.digest, "executor_down", "executor_down")

    def on_report(self, header: Mapping[str, Any]) -> None:
        """The executor did a piece of work, or failed at it."""
        values = dict(header["values"])
        if line := work_line(header["state"], header["code"], values):
            self._say(line)
        agreement = self._agreement
        examples = {name: int(values[name]) for name in _SPLITS if name in values}
        self._gate.note_examples(values)
        is_expected = self._gate.expects(values)
        shared = self._gate.shared_report(header["state"], header["code"], values)
        with contextlib.suppress(LinkLost):
            if self._link is None or not is_expected:
                return
            if shared is not None:
                state, code, shown = shared
                self._link.report(state, code=code, values=shown)
                self._record.reported(state, code, shown)
            if agreement is None or agreement.examples is None or not examples:
                return
            if agreement.examples != examples:
                agreement.examples = examples
                self._ready(self._link, agreement.signed.digest, examples)

    async def joined(self, link: HeadquartersLink, run: str) -> None:
        """See `LinkHandler`."""
        self._link, self._run, self._last_reason = link, run, ""
        self._record.connected(run)
        self._say(f"connected to headquarters, {f'run {run}' if run else 'no run yet'}")

    async def take_manifest(self, link: HeadquartersLink, digest: str, signed: memoryview) -> None:
        """See `LinkHandler`."""
        try:
            agreement = self._check(bytes(signed), self._run)
        except Refused as refusal:
            self._decline(digest, refusal.rule, refusal.sentence)
            return
        present = self._agreement
        if present is not None and present.signed.manifest == agreement.signed.manifest:
            # Signed anew, or headquarters is back: work goes on.
            is_anew = present.signed_bytes != agreement.signed_bytes
            present.signed_bytes, present.signed = agreement.signed_bytes, agreement.signed
            if present.examples is not None:
                if is_anew:
                    self._keep(present)  # the one that was kept is a replay from now on
                    self._record.manifest_taken(present.signed, present.manifest)
                self._ready(link, digest, present.examples)
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

    async def answer(self, method: str, body: Buffer, who: str = HEADQUARTERS) -> Sequence[Buffer]:
        """Has the executor answer a call, as far as the store's policy goes.

        Raises:
          CallFailed: it failed.
        """
        assert self._executor is not None
        in_force, body = self._in_force, memoryview(body)
        try:
            return await self._gate.answer(
                method,
                body,
                self._executor.call,
                expires=None if in_force is None else in_force.signed.expires,
                released=lambda result: self._released(who, in_force, result),
            )
        except CallFailed as failure:
            self._record.call_failed(who, method, failure)
            self._count_anew(failure.reason)
            raise

    def _count_anew(self, rule: str) -> None:
        """Photographs may have come since the executor counted them: it does as it loads."""
        agreement, now_s = self._agreement, asyncio.get_running_loop().time()
        if rule not in COUNTED_RULES or agreement is None or agreement.examples is None:
            return
        if now_s >= self._next_count_s:
            self._next_count_s = now_s + _COUNT_AGAIN_S
            self._start(self._load(agreement))

    async def take_acknowledgement(self, run: str, round_num: int) -> None:
        """See `LinkHandler`."""
        assert self._executor is not None
        await self._executor.acknowledge(run, round_num)
        if self._link is not None:
            self._start(self._record.heads.tell(self._link))

    async def take_countersigned(self, header: Mapping[str, Any]) -> None:
        """See `LinkHandler`."""
        self._start(self._record.heads.take(header))

    async def take_model(self, name: str, digest: str, signature: str, body: memoryview) -> None:
        """See `LinkHandler`."""
        self._models.take(name, digest, signature, body)

    def left(self, reason: str, delay_s: float) -> None:
        """See `LinkHandler`."""
        self._link = None
        if reason != self._last_reason:  # a night without headquarters is one line
            self._say(f"not connected: {reason}; trying again")
        self._last_reason = reason

    def _check(self, signed: bytes, run: str) -> StoreAgreement:
        return StoreAgreement.check(
            signed, run=run, trust=self._trust, gate=self._gate, now=self._now()
        )

    async def _load(self, agreement: StoreAgreement) -> None:
        """Has the executor work by a manifest whose contents are all here, and says how it went."""
        assert self._executor is not None
        manifest = json.dumps(agreement.signed.manifest).encode()
        agreement.is_loading = True
        try:
            self._in_force = None
            self._gate.admit_works(agreement.manifest, self._contents.read)
            found = await self._executor.load(manifest)
        except Refused as refusal:
            self._decline(agreement.signed.digest, refusal.rule, refusal.sentence)
            return
        except OSError as error:
            self._decline(agreement.signed.digest, "contents", str(error))
            return
        except StoreRefused as refusal:
            self._decline(agreement.signed.digest, known_rule(refusal.code), refusal.sentence)
            return
        except LinkLost:
            return  # told again when the executor is there anew
        finally:
            agreement.is_loading = False
        self._gate.note_examples(found)
        agreement.examples = {name: found[name] for name in _SPLITS if name in found}
        # On record even where a newer one was agreed to meanwhile: it is what results are made by.
        self._in_force = agreement
        self._record.manifest_taken(agreement.signed, agreement.manifest)
        if agreement is self._agreement:
            self._contents.keep_only(agreement.contents)
            self._keep(agreement)
            self._say(f"ready for the run {agreement.signed.run}")
            with contextlib.suppress(LinkLost):
                if self._link is not None:
                    self._ready(self._link, agreement.signed.digest, agreement.examples)

    def _keep(self, agreement: StoreAgreement) -> None:
        try:
            write_private_file(self._kept_manifest, agreement.signed_bytes)
        except OSError as error:
            self._say(f"the manifest could not be kept for a restart: {error}")

    def _ready(self, link: HeadquartersLink, digest: str, examples: Mapping[str, int]) -> None:
        shared = self._gate.shared_examples(examples)
        link.ready(digest, shared)
        self._record.was_ready(digest, shared)

    async def _released(
        self, who: str, agreement: StoreAgreement | None, result: ReleasedResult
    ) -> None:
        if agreement is None or agreement is not self._in_force:
            raise Refused("no_manifest", "the manifest of the call is not in force any more")
        await self._record.released(who, result, agreement.signed, agreement.manifest)

    def _decline(self, digest: str, rule: str, sentence: str) -> None:
        """Headquarters is told the rule's name, the owner what is behind it."""
        self._say(f"declined a manifest: {rule}: {sentence}")
        self._record.manifest_declined(digest, rule)
        with contextlib.suppress(LinkLost):
            if self._link is not None:
                self._link.decline(digest, rule, rule)

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, CallFailed):
                self._say(f"an unexpected {type(error).__name__}: {error}")
